"""Letters that demand payment, as a sequence: what was sent, what comes next, and the letter itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from model import serve
from ops.errors import C360Error
from views import state
from views.parts.format import Look, as_date
from views.parts.html import Html, join, tag
from views.parts.notice import show_error

LETTERS = ("reminder", "demand_letter")
LANGUAGES = {"zh": "中文", "en": "English"}
HISTORY = 200


def show(context: state.Context, chosen: dict[str, Any]) -> None:
    """The steps with their last day, then the next letter: looked at as PDF, recorded when it went out."""
    look, key = context.look, chosen["customer_key"]
    sent = _sent(context, key)
    st.html(_steps(context, sent))
    proposed = next((one for one in LETTERS if one not in sent), LETTERS[-1])
    left, right = st.columns(2)
    kind = str(left.selectbox(look.t("paper.letter_kind"), LETTERS, index=LETTERS.index(proposed),
                              key=f"letter_kind_{key}", format_func=lambda one: look.t(f"paper.{one}")))  # fmt: skip
    spoken = language(right, look, f"letter_language_{key}")
    try:
        made = serve.letter(context.viewer, context.db, key, kind, language=spoken)
    except C360Error as error:
        show_error(look, error)
        return
    st.caption(look.t("paper.letter_items", n=look.count(len(made.item_keys))))
    left, right = st.columns(2)
    name = look.t("paper.file", kind=look.t(f"paper.{kind}"), name=chosen["name"],
                  day=context.db.today().isoformat())  # fmt: skip
    left.download_button("PDF", made.content, f"{name}.pdf", "application/pdf", key=f"letter_pdf_{key}",
                         width="stretch")  # fmt: skip
    if right.button(look.t("paper.letter_sent"), key=f"letter_send_{key}", type="primary", width="stretch"):
        done(context, look.t("act.saved", action=look.t(f"paper.{kind}")),
             lambda: serve.record_letter(context.viewer, context.db, made))  # fmt: skip


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


def language(where: Any, look: Look, key: str) -> str:
    """The language of a paper: the screen's own until another is chosen."""
    known = list(LANGUAGES)
    return str(
        where.selectbox(look.t("paper.language"), known, index=known.index(look.language), key=key,
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
