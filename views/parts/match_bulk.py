"""Several pairs at once: ticked in the queue, shown with their effect, decided together; what waits for the build."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from model import serve
from ops.errors import C360Error
from views import state
from views.parts import money_effect
from views.parts.format import Look
from views.parts.html import Html, chip, h, join, tag
from views.parts.notice import show_error

DECISIONS = ("same", "different", "unsure")
TONES = {"same": "green", "different": "red", "unsure": "amber"}
PENDING = 8


def show(context: state.Context, rows: list[dict[str, Any]], clear: Callable[[], None]) -> None:
    """The ticked pairs: decision, reason, what it would do, and the button that writes it."""
    look = context.look
    pairs = [[one["left"], one["right"]] for row in rows for one in row["pairs"]]
    with st.container(key="cardlet_bulk"):
        title = tag("h2", look.t("trust.bulk", n=look.count(len(pairs))))
        st.html(tag("div", title, class_="phead"))
        decision = st.pills(
            look.t("trust.decision"), DECISIONS, default="same", required=True, key="bulk_decision",
            format_func=lambda name: look.t(f"trust.say_{name}"),
        )  # fmt: skip
        if not decision:
            return
        try:
            answer = serve.preview(context.viewer, context.db, str(decision), pairs)
        except C360Error as error:
            show_error(look, error)
            return
        st.html(money_effect.effect(look, answer))
        reason = st.text_input(look.t("trust.reason"), key="bulk_reason", max_chars=300)
        left, right = st.columns([1, 2])
        said = look.t("trust.decide_n", n=look.count(len(pairs)))
        if left.button(said, type="primary", disabled=bool(answer["problems"])) and write(
            context, pairs, str(decision), reason
        ):
            clear()
            st.query_params.pop("pair", None)
            st.rerun()
        right.button(look.t("bulk.clear"), on_click=clear)


def write(context: state.Context, pairs: list[list[str]], decision: str, reason: str | None) -> bool:
    """Decide, and say so at the next drawing; False with the reason shown when it could not be."""
    look = context.look
    try:
        serve.decide(context.viewer, context.db, pairs, decision, reason or None)
    except C360Error as error:
        show_error(look, error)
        return False
    st.session_state["acted"] = look.t(f"trust.done_{decision}", n=look.count(len(pairs)))
    return True


def waiting(context: state.Context) -> None:
    """Decisions that the served build does not know yet, each with its way back."""
    look = context.look
    found = serve.decisions(context.viewer, context.db, limit=PENDING * 4)["rows"]
    fresh = [row for row in found if not row["is_built"]]
    if not fresh:
        return
    with st.container(key="cardlet_waiting"):
        title = tag("h2", look.t("trust.waiting"))
        st.html(tag("div", title, chip(look.count(len(fresh))), class_="phead", id="p-waiting"))
        for row in fresh[:PENDING]:
            with st.container(horizontal=True, vertical_alignment="center", key=f"waiting_{row['decision_id']}"):
                st.html(_said(look, row))
                if row["is_standing"] and serve.may_decide(context.viewer):
                    st.button(
                        look.t("trust.take_back"), key=f"back_{row['decision_id']}", on_click=_take_back,
                        args=(context, row),
                    )  # fmt: skip


def _take_back(context: state.Context, row: dict[str, Any]) -> None:
    pair = [row["left"]["record_key"], row["right"]["record_key"]]
    write(context, [pair], "unmerge", None)


def _said(look: Look, row: dict[str, Any]) -> Html:
    mark = chip(look.t(f"trust.say_{row['decision']}"), TONES.get(row["decision"], ""))
    names = [h(row[side].get("name") or row[side]["record_key"]) for side in ("left", "right")]
    by = look.dotted(look.who(row["by"]), look.when(row["at"]), h(row["reason"]) if row["reason"] else "")
    return tag("div", mark, " ", join(names, " — "), " ", tag("span", by, class_="second"), class_="decided")
