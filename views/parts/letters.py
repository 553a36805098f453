"""Letters that demand payment, as a sequence: what was sent, what comes next, and the letter itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from model import serve
from model.serve.letters import Document
from ops.errors import C360Error
from views import state
from views.parts.format import Look, as_date
from views.parts.html import Column, Html, Row, chip, h, join, table, tag
from views.parts.notice import show_error

LETTERS = ("reminder", "demand_letter")
LANGUAGES = {"zh": "中文", "en": "English"}
HISTORY, MAILED = 200, 3
MAILING = "letter_mailing"
MAIL_TONES = {"queued": "amber", "sent": "green", "dead": "red", "dropped": "", "kept": ""}


def show(context: state.Context, chosen: dict[str, Any]) -> None:
    """The steps with their last day, then the next letter: looked at as PDF, mailed, or recorded when it went out."""
    look, key = context.look, chosen["customer_key"]
    sent = _sent(context, key)
    st.html(_steps(context, sent))
    proposed = next((one for one in LETTERS if one not in sent), LETTERS[-1])
    left, right = st.columns(2)
    kind = str(left.selectbox(look.t("paper.letter_kind"), LETTERS, index=LETTERS.index(proposed),
                              key=f"letter_kind_{key}", format_func=lambda one: look.t(f"paper.{one}")))  # fmt: skip
    spoken = language(right, context, key, f"letter_language_{key}")
    try:
        made = serve.letter(context.viewer, context.db, key, kind, language=spoken)
    except C360Error as error:
        show_error(look, error)
        return
    st.caption(look.t("paper.letter_items", n=look.count(len(made.item_keys))))
    left, middle, right = st.columns(3)
    name = look.t("paper.file", kind=look.t(f"paper.{kind}"), name=chosen["name"],
                  day=context.db.today().isoformat())  # fmt: skip
    left.download_button("PDF", made.content, f"{name}.pdf", "application/pdf", key=f"letter_pdf_{key}",
                         width="stretch")  # fmt: skip
    if middle.button(look.t("paper.letter_sent"), key=f"letter_send_{key}", width="stretch"):
        done(context, look.t("act.saved", action=look.t(f"paper.{kind}")),
             lambda: serve.record_letter(context.viewer, context.db, made))  # fmt: skip
    if right.button(look.t("paper.mail"), key=f"letter_mail_{key}", type="primary", width="stretch"):
        st.session_state[MAILING] = key
    if st.session_state.get(MAILING) == key:
        shown = "|".join([made.kind, made.language, *made.item_keys])
        mail(context, made, key, shown, serve.mail_letter, "paper.mail_done")
    if listed := mailed(context, key, LETTERS):
        st.html(listed)


def mail(
    context: state.Context, made: Document, key: str, shown: str, send: Callable[..., dict[str, Any]], said_done: str
) -> None:
    """The mail as it would go: to whom, its text and its file; it goes only from the button below it.

    `shown` tells one letter from another: what was not shown cannot be confirmed. `send`: serve.mail_letter or
    serve.mail_statement. `said_done`: the text once it is in the outbox.
    """
    look = context.look
    try:
        found = send(context.viewer, context.db, made)
        to = found["to"]
        if to is None:
            named = {one["contact_key"]: one for one in found["choices"]}
            contact = st.selectbox(look.t("paper.mail_to"), list(named), key=f"letter_to_{key}",
                                   format_func=lambda one: f"{named[one]['name']} · {named[one]['email']}")  # fmt: skip
            found = send(context.viewer, context.db, made, contact=contact)
            to = found["to"]
    except C360Error as error:
        show_error(look, error)
        return
    st.html(_envelope(look, found))
    with st.container(horizontal=True, key="mail_buttons"):
        said = look.t("paper.mail_confirm" if found["leaves"] else "paper.mail_keep", name=to["name"])
        if st.button(said, key=f"letter_confirm_{to['contact_key']}_{shown}", type="primary"):
            st.session_state.pop(MAILING)
            after = look.t(said_done if found["leaves"] else "paper.mail_kept")
            done(context, after, lambda: send(
                context.viewer, context.db, made, contact=to["contact_key"], confirmed=True))  # fmt: skip
        if st.button(look.t("paper.mail_cancel"), key=f"letter_cancel_{key}"):
            st.session_state.pop(MAILING)
            st.rerun()


def _envelope(look: Look, found: dict[str, Any]) -> Html:
    to, items = found["to"], look.t("work.items_n", n=look.count(len(found["items"])))
    totals = [look.money(amount, currency) for currency, amount in sorted(found["totals"].items())]
    pairs = [
        ("paper.mail_to", join([to["name"], " ", tag("span", to["email"], class_="muted")])),
        ("paper.mail_subject", h(found["subject"])),
        ("paper.mail_text", tag("span", found["text"].strip(), class_="mailed")),
        ("paper.mail_file", look.dotted(h(found["file"]), items, *totals)),
    ]
    listed = tag("dl", *(join([tag("dt", look.t(name)), tag("dd", said)]) for name, said in pairs), class_="pairs")
    note = "" if found["leaves"] else tag("p", look.t("paper.mail_demo"), class_="muted")
    return tag("section", listed, note, class_="envelope", aria_label=look.t("paper.mail"))


def mailed(context: state.Context, key: str, kinds: Sequence[str], currency: str | None = None) -> Html | None:
    """The papers of these kinds (and of this currency) that went by mail or are about to, the newest first."""
    look = context.look
    listed = [
        one for one in serve.mailed_letters(context.viewer, context.db)
        if one["customer_key"] == key and one["kind"] in kinds and (currency is None or currency in one["totals"])
    ]  # fmt: skip
    rows = [
        Row([
            join([look.when(one["ended_at"] or one["confirmed_at"]),
                  tag("span", look.t(f"paper.{one['kind']}"), class_="second")]),
            join([one["person"], tag("span", one["recipient"], class_="second")]),
            chip(look.t(f"paper.mailed_{one['state']}"), MAIL_TONES[one["state"]]),
        ])
        for one in listed[:MAILED]
    ]  # fmt: skip
    columns = [Column(look.t("paper.mailed"), "mid"), Column(look.t("paper.mail_to")), Column(look.t("col.status"))]
    return tag("div", table(look.t("paper.mailed"), columns, rows), class_="scroll items") if rows else None


def _sent(context: state.Context, key: str) -> dict[str, Any]:
    """Stage → the day it was last reached by anything of this customer that is still overdue."""
    found: dict[str, Any] = {}
    for item in serve.work_items(context.viewer, context.db, customer_key=key):
        stage = item.get("stage")
        if stage and (stage["stage"] not in found or as_date(stage["on"]) > found[stage["stage"]]):
            found[stage["stage"]] = as_date(stage["on"])
    for event in serve.work_history(context.viewer, context.db, customer=key, limit=HISTORY):
        if event["action"] == "letter" and event.get("code") and event["code"] not in found:
            found[event["code"]] = as_date(event["at"])
    return found


def _steps(context: state.Context, sent: dict[str, Any]) -> Html:
    """The sequence of collection: each stage with its day, the next one marked."""
    look = context.look
    stages = serve.work_codes(context.viewer, context.db)["stage"]
    reached = max((at for at, one in enumerate(stages) if one["code"] in sent), default=-1)
    drawn = []
    for at, one in enumerate(stages):
        on = sent.get(one["code"])
        said: object = look.month_day(on) if on else look.t("paper.next") if at == reached + 1 else "—"
        current = "step" if at == reached + 1 else None
        label = join([tag("b", one["label"]), tag("span", said)])
        drawn.append(tag("li", label, class_="done" if on else None, aria_current=current))
    return tag("ol", *drawn, class_="steps", aria_label=look.t("paper.sequence"))


def language(where: Any, context: state.Context, customer: str, key: str) -> str:
    """The language of a paper: the contact's until another is chosen."""
    known, look = list(LANGUAGES), context.look
    theirs = serve.contact_language(context.viewer, context.db, customer)
    return str(
        where.selectbox(look.t("paper.language"), known, index=known.index(theirs), key=key,
                        format_func=lambda one: LANGUAGES[one])
    )  # fmt: skip


def done(context: state.Context, said: str, act: Callable[[], Any]) -> None:
    """Do it and say so on the page that follows; an error is said in its place."""
    try:
        act()
    except C360Error as error:
        show_error(context.look, error)
        return
    st.session_state["acted"] = said
    st.rerun()
