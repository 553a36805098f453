"""Rejected records as a worklist: what is wrong, how many are alike, ignoring them, replaying the source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from model import serve
from ops.errors import C360Error
from views import state
from views.parts import syncing, words
from views.parts.format import Look
from views.parts.html import Column, Html, Row, chip, join, link, tag
from views.parts.notice import show_error
from views.parts.panels import rows_panel


def show(context: state.Context, rejects: list[dict[str, Any]], ignored: list[dict[str, Any]]) -> None:
    """The open rejects, those that were ignored where there are any, and the card of the one `?reject=` names."""
    asked = st.query_params.get("reject")
    chosen = next((row for row in [*rejects, *ignored] if str(row["quarantine_id"]) == asked), None)
    st.html(_listing(context.look, rejects, chosen))
    if ignored:
        st.html(_listing(context.look, ignored, chosen, "ignored"))
    if chosen is not None:
        with st.container(key="card_reject"):
            _detail(context, chosen)


def _listing(look: Look, rejects: list[dict[str, Any]], chosen: dict[str, Any] | None, name: str = "rejects") -> Html:
    rows = [
        Row(
            [
                look.label("source", row.get("source")),
                look.text(row.get("stream")),
                look.text(row.get("record_id")),
                join([field(look, row), tag("span", look.text(row.get("value")), class_="below")]),
                look.text(row.get("value")),
                look.label("reason", row.get("reason")),
            ],
            href=state.here("sources", reject=row["quarantine_id"]),
            selected=row is chosen,
            door=2,
        )
        for row in rejects
    ]
    columns = [
        Column(look.t("col.source"), phone=False),
        Column(look.t("col.stream"), phone=False),
        Column(look.t("col.record")),
        Column(look.t("col.field")),
        Column(look.t("col.value"), phone=False),
        Column(look.t("col.reason")),
    ]
    badge = chip(look.count(len(rows)), "amber" if name == "rejects" else "") if rows else ""
    return rows_panel(look, name, columns, rows, badge=badge)


def field(look: Look, row: dict[str, Any]) -> Html:
    """A field by its word, its technical name on hover; one the schema does not know keeps its name."""
    name = row.get("field")
    if not name:
        return look.na()
    word = words.column(look, str(row.get("entity") or ""), str(name))
    return tag("code", name) if word == name else tag("span", word, title=name)


def _detail(context: state.Context, row: dict[str, Any]) -> None:
    """One reject: where it is, what is wrong, and what can be done."""
    look, viewer, db = context.look, context.viewer, context.db
    closing = link(look.t("src.close"), state.here("sources", reject=None))
    title = join([words.entity(look, str(row["entity"])), " ", look.text(row["record_id"])])
    st.html(
        join(
            [
                tag("div", tag("h2", title), chip(look.label("reason", row["reason"]), "amber"),
                    tag("span", closing, class_="src"), class_="phead"),
                tag("p", field(look, row), ": ", tag("code", look.text(row["value"])), " · ",
                    look.label("source", row["source"]), " ", look.text(row["stream"]), " · ",
                    look.when(row["created_at"])),
                tag("p", look.t("reject.advice"), class_="muted"),
            ]
        )
    )  # fmt: skip
    if not serve.may_sync(viewer):
        return
    number, count = int(row["quarantine_id"]), serve.alike(viewer, db, int(row["quarantine_id"]))
    if row["status"] == "ignored":
        if st.button(look.t("reject.open"), type="primary"):
            _run(look, lambda: serve.set_reject(viewer, db, number, "open"), "reject.opened")
        return
    note = st.text_input(look.t("reject.why"), key=f"reject_note_{number}", max_chars=300)
    with st.container(horizontal=True):
        if st.button(look.t("reject.replay", source=syncing.name_of(look, row["source"])), type="primary"):
            _run(look, lambda: serve.request_replay(viewer, db, row["source"]), "reject.replay_asked")
        if st.button(look.t("reject.ignore")):
            _run(look, lambda: serve.set_reject(viewer, db, number, "ignored", note), "reject.ignored")
        if count > 1 and st.button(look.t("reject.ignore_alike", n=look.count(count))):
            _run(look, lambda: serve.set_reject(viewer, db, number, "ignored", note, all_alike=True), "reject.ignored")


def _run(look: Look, action: Callable[[], object], said: str) -> None:
    try:
        action()
    except C360Error as error:
        show_error(look, error)
        return
    st.query_params.pop("reject", None)
    st.session_state["acted"] = look.t(said)
    st.rerun()
