"""Papers of a customer: statement of account and confirmation request with their life, and the letters that demand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from typing import Any

import streamlit as st

from model import serve
from model.serve.letters import FORMATS as MEDIA
from model.serve.letters import Document
from ops.errors import C360Error
from views import state
from views.parts import letters
from views.parts.actions import person
from views.parts.filters import amount
from views.parts.format import Look, as_date
from views.parts.html import Column, Html, Row, chip, join, table, tag
from views.parts.notice import show_error

TONES = {
    "queued": "amber",
    "failed": "red",
    "sent": "amber",
    "confirmed": "green",
    "difference": "red",
    "resolved": "green",
    "cancelled": "",
}
# What may be recorded about a statement in each state.
ANSWERS = {
    "sent": ["confirm", "returned", "cancel"], "difference": ["confirm", "resolve", "cancel"], "failed": ["cancel"],
}  # fmt: skip
FORMATS = {"pdf": "PDF", "xlsx": "Excel"}


def show(context: state.Context, chosen: dict[str, Any]) -> None:
    """The papers, folded: opened when needed, made when asked for."""
    key = f"{chosen['customer_key']}_{chosen['currency']}"
    _paper(context, chosen, "statement", _statement)
    with (opened := st.expander(context.look.t("paper.letter"), key=f"paper_l_{key}", on_change="rerun")):
        if opened.open:
            letters.show(context, chosen)
    _paper(context, chosen, "confirmation", _confirmation)


def _paper(
    context: state.Context, chosen: dict[str, Any], kind: str, draw: Callable[[state.Context, dict[str, Any]], None]
) -> None:
    """A kind of paper with those that are out, the kept file and what came back."""
    look, code = context.look, chosen["currency"]
    listed = serve.statements(context.viewer, context.db, kind=kind, customer_key=chosen["customer_key"])
    listed = [row for row in listed if row["currency"] == code]
    waiting = [row for row in listed if row["state"] in ANSWERS]
    label = look.t(f"paper.{kind}")
    if noted := [row for row in listed if row["state"] in {"queued", *ANSWERS}]:
        label += " · " + look.t(f"paper.state_{noted[0]['state']}")
    key = f"paper_{kind[0]}_{chosen['customer_key']}_{code}"
    with (opened := st.expander(label, key=key, on_change="rerun")):
        if opened.open:
            draw(context, chosen)
            if listed:
                st.html(_listed(look, listed))
                _kept(context, listed[0])
            if kind == "statement" and (by_mail := letters.mailed(context, chosen["customer_key"], [kind], code)):
                st.html(by_mail)
            for row in waiting[:1]:
                _answer(context, row)


def last_month(today: date) -> tuple[date, date]:
    """The month that is over: what a statement usually is about."""
    end = today.replace(day=1) - timedelta(days=1)
    return end.replace(day=1), end


def _statement(context: state.Context, chosen: dict[str, Any]) -> None:
    look, today = context.look, context.db.today()
    first, last = last_month(today)
    key = f"{chosen['customer_key']}_{chosen['currency']}"
    left, middle, right = st.columns(3)
    start = as_date(left.date_input(look.t("paper.from"), value=first, max_value=today, format="YYYY-MM-DD",
                                    key=f"st_from_{key}"))  # fmt: skip
    end = as_date(middle.date_input(look.t("paper.to"), value=last, max_value=today, format="YYYY-MM-DD",
                                    key=f"st_to_{key}"))  # fmt: skip
    spoken = letters.language(right, context, chosen["customer_key"], f"st_language_{key}")
    if start > end:
        st.caption(look.t("paper.bad_period"))
        return

    def made(file: str) -> Document:
        return serve.statement_document(
            context.viewer, context.db, chosen["customer_key"], start, end, file=file, currency=chosen["currency"],
            language=spoken,
        )  # fmt: skip

    def content(file: str) -> bytes:
        return made(file).content

    name = look.t("paper.file", kind=look.t("paper.statement"), name=chosen["name"], day=end.isoformat())
    left, middle, right = st.columns(3)
    for where, (file, label) in zip((left, middle), FORMATS.items(), strict=False):
        where.download_button(label, partial(content, file), f"{name}.{file}", MEDIA[file], width="stretch",
                              key=f"st_{file}_{key}", on_click="ignore")  # fmt: skip
    if right.button(look.t("paper.mail"), key=f"st_mail_{key}", type="primary", width="stretch"):
        st.session_state[letters.MAILING] = f"st_{key}"
    if st.session_state.get(letters.MAILING) == f"st_{key}":
        _mail_statement(context, key, made)
    _by_hand(context, chosen, start, end, spoken)


def _mail_statement(context: state.Context, key: str, made: Callable[[str], Document]) -> None:
    """The mail with the statement as PDF or Excel, confirmed from below what it says."""
    look = context.look
    file = st.segmented_control(look.t("paper.format"), list(FORMATS), default="pdf", required=True,
                                format_func=lambda one: FORMATS[one], key=f"st_format_{key}") or "pdf"  # fmt: skip
    try:
        document = made(file)
    except C360Error as error:
        show_error(look, error)
        return
    facts = document.facts
    shown = "|".join(map(str, (file, document.language, facts["from_on"], facts["to_on"],
                               *(part["closing_amount"] for part in facts["currencies"]))))  # fmt: skip
    letters.mail(context, document, f"st_{key}", shown, serve.mail_statement, "paper.mail_statement_done")


def _by_hand(context: state.Context, chosen: dict[str, Any], start: date, end: date, spoken: str) -> None:
    """A statement that went another way (post, chat) is recorded with whom it went to."""
    look, key = context.look, f"{chosen['customer_key']}_{chosen['currency']}"
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    to = left.text_input(look.t("paper.sent_to"), value=(chosen.get("finance_contact") or {}).get("name") or "",
                         key=f"st_to_whom_{key}", max_chars=100)  # fmt: skip
    if right.button(look.t("paper.send"), key=f"st_send_{key}", width="stretch"):
        letters.done(context, look.t("paper.sent"), lambda: serve.send_statement(
            context.viewer, context.db, chosen["customer_key"], chosen["currency"], start, end, sent_to=to or None,
            language=spoken,
        ))  # fmt: skip


def _confirmation(context: state.Context, chosen: dict[str, Any]) -> None:
    """An auditor's request to confirm the balance of a day; the customer answers to the auditor."""
    look, today = context.look, context.db.today()
    _, last = last_month(today)
    key = f"{chosen['customer_key']}_{chosen['currency']}"
    left, right = st.columns(2)
    day = as_date(left.date_input(look.t("paper.balance_on"), value=last, max_value=today, format="YYYY-MM-DD",
                                  key=f"cf_on_{key}"))  # fmt: skip
    spoken = letters.language(right, context, chosen["customer_key"], f"cf_language_{key}")
    auditor = st.text_input(look.t("paper.auditor"), key=f"cf_auditor_{key}", max_chars=100)
    address = st.text_input(look.t("paper.auditor_address"), key=f"cf_address_{key}", max_chars=200)
    to = st.text_input(look.t("paper.sent_to"), value=(chosen.get("finance_contact") or {}).get("name") or "",
                       key=f"cf_to_whom_{key}", max_chars=100)  # fmt: skip
    if not auditor.strip():
        st.caption(look.t("paper.auditor_needed"))
        return
    asked = {"kind": "confirmation", "language": spoken, "auditor": auditor.strip(), "auditor_address": address.strip()}
    name = look.t("paper.file", kind=look.t("paper.confirmation"), name=chosen["name"], day=day.isoformat())

    def made() -> bytes:
        return serve.statement_document(
            context.viewer, context.db, chosen["customer_key"], day, day, currency=chosen["currency"], **asked
        ).content

    left, right = st.columns(2)
    left.download_button("PDF", made, f"{name}.pdf", "application/pdf", key=f"cf_pdf_{key}", width="stretch")
    if right.button(look.t("paper.send"), key=f"cf_send_{key}", type="primary", width="stretch"):
        letters.done(context, look.t("paper.sent_confirmation"), lambda: serve.send_statement(
            context.viewer, context.db, chosen["customer_key"], chosen["currency"], day, day, sent_to=to or None,
            **asked,
        ))  # fmt: skip


def _listed(look: Look, listed: list[dict[str, Any]]) -> Html:
    rows = [
        Row([
            join([look.day(row["to_on"]), tag("span", row.get("sent_to") or "", class_="second")]),
            look.exact(row["closing_amount"]), state_chip(look, row),
            look.exact(row["difference_amount"]) if row.get("difference_amount") else look.na(),
        ])
        for row in listed[:6]
    ]  # fmt: skip
    columns = [
        Column(look.t("paper.to")), Column(look.t("paper.closing"), "num"), Column(look.t("col.status"), "mid"),
        Column(look.t("paper.difference"), "num"),
    ]  # fmt: skip
    return table(look.t("paper.statement"), columns, rows)


def _kept(context: state.Context, row: dict[str, Any]) -> None:
    """The file of a statement as it was sent, and the sealed copy that came back."""
    look, number = context.look, row["statement_id"]

    def content(is_copy: bool) -> Callable[[], bytes]:
        return lambda: serve.statement_file(context.viewer, context.db, number, copy=is_copy)[1]

    with st.container(horizontal=True, key=f"kept_{number}"):
        for name, is_copy in (("file", False), ("copy_file", True)):
            if row.get(name):
                label = look.t(f"paper.kept_{name}", on=row["to_on"].isoformat())
                st.download_button(
                    label,
                    content(is_copy),
                    str(row[name]).rpartition("/")[2],
                    key=f"{name}_{number}",
                    on_click="ignore",
                )


def state_chip(look: Look, row: dict[str, Any]) -> Html:
    """A statement's state in words, with how long it has been waiting."""
    word = look.t(f"paper.state_{row['state']}")
    if row["state"] == "sent":
        word += " " + look.t("ui.days", n=look.count(row["days"]))
    tone = "red" if row.get("is_late") else TONES.get(row["state"], "")
    return chip(word, tone)


def _answer(context: state.Context, row: dict[str, Any]) -> None:
    look, number = context.look, row["statement_id"]
    offered = ANSWERS[row["state"]]
    action = st.pills(
        look.t("paper.answer", on=row["to_on"].isoformat()), offered, default=offered[0], required=True,
        format_func=lambda one: look.t(f"paper.{one}"), key=f"answer_{number}",
    )  # fmt: skip
    if not action:
        return
    with st.form(f"answer_form_{number}_{action}", border=False):
        given = _given(context, row, str(action))
        note = st.text_input(look.t("act.note"), max_chars=500)
        pressed = st.form_submit_button(look.t("act.save"), type="primary")
    if pressed and given is not None:
        given |= {"note": note} if note else {}
        letters.done(context, look.t("act.saved", action=look.t(f"paper.{action}")),
              lambda: serve.answer_statement(context.viewer, context.db, number, str(action), **given))  # fmt: skip


def _given(context: state.Context, row: dict[str, Any], action: str) -> dict[str, Any] | None:
    look, words = context.look, serve.work_codes(context.viewer, context.db)
    if action in {"cancel", "returned"}:
        return {}
    group = "difference_outcome" if action == "resolve" else "difference_reason"
    labels = {one["code"]: one["label"] for one in words[group]}
    if action == "resolve":
        return {"outcome": st.selectbox(look.t("act.outcome"), list(labels), format_func=lambda one: labels[one])}
    left, right = st.columns(2)
    written = left.text_input(look.t("paper.their_amount"), value=look.amount(row["closing_amount"]))
    on = right.date_input(look.t("paper.confirmed_on"), value=context.db.today(), min_value=row["to_on"],
                          max_value=context.db.today(), format="YYYY-MM-DD")  # fmt: skip
    reason = st.selectbox(look.t("paper.reason"), list(labels), format_func=lambda one: labels[one])
    owner = person(context, look.t("act.dispute_owner"))
    copy = st.file_uploader(look.t("paper.copy"), type=["pdf", "png", "jpg", "jpeg"], max_upload_size=20)
    theirs = row["closing_amount"] if written == look.amount(row["closing_amount"]) else amount(written)
    if theirs is None:
        st.caption(look.t("act.bad_amount", value=written))
        return None
    given: dict[str, Any] = {"amount": theirs, "on": as_date(on)}
    given |= {"reason": reason, "owner": owner} if theirs != row["closing_amount"] else {}
    return given | ({"copy": copy.getvalue(), "copy_name": copy.name} if copy else {})
