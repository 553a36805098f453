"""Notices: a customer left or was merged in one system; what the others have to do, until it is done."""

from __future__ import annotations

from typing import Any

import streamlit as st

from model import serve
from ops.errors import C360Error
from views import state
from views.parts import trust_filters, trust_tabs
from views.parts.format import Look
from views.parts.html import Column, Html, Row, chip, empty, h, join, link, panel, table, tag
from views.parts.notice import show_error

STATES = ("open", "done", "not_needed")
TONES = {"open": "amber", "done": "green", "not_needed": ""}
KINDS = ("merged", "deleted", "deactivated", "blocked")
KEPT = ("state", "source", "why")


def show(context: state.Context) -> None:
    """Filters, the list, and the chosen notice with what to say about it."""
    look = context.look
    sources = [row["source"] for row in serve.status(context.viewer, context.db)["sources"]]
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        states = {name: look.t(f"notice.state.{name}") for name in STATES}
        asked = trust_filters.choice(look, "state", states, 140, every=False) or "open"
        source = trust_filters.choice(look, "source", {one: str(look.label("source", one)) for one in sources}, 140)
        kinds = {name: look.t(f"notice.kind.{name}") for name in KINDS}
        kind = trust_filters.choice(look, "why", kinds, 140)
        trust_filters.rest(look, KEPT)
    found = serve.notices(context.viewer, context.db, state=asked, source=source, kind=kind)
    rows = found["rows"]
    known = st.query_params.get("notice")
    chosen = next((row for row in rows if row["notice_key"] == known), rows[0] if rows else None)
    left, right = st.columns([1.35, 1])
    with left:
        st.html(_listing(look, found, asked, chosen))
    if chosen is not None:
        with right, st.container(key="card_detail"):
            _detail(context, chosen)


def _listing(look: Look, found: dict[str, Any], asked: str, chosen: dict[str, Any] | None) -> Html:
    title = look.t("trust.notices")
    counts = look.dotted(*(f"{look.t(f'notice.state.{name}')} {look.count(n)}"
                           for name, n in found["by_state"].items() if name != asked))  # fmt: skip
    if not found["rows"]:
        return panel("notices", title, empty(look.t(f"trust.notices_none_{asked}")), source=counts)
    rows = [
        Row(
            [
                join([h(row["name"]), tag("span", look.text(row["owner"]), class_="second")]),
                join([chip(look.t(f"notice.kind.{row['kind']}")),
                      tag("span", look.label("source", row["event"]["source"]), " ",
                          look.when(row["event"]["happened_at"]), class_="second")]),
                look.dotted(look.label("source", row["record"]["source"]),
                            look.t(f"trust.action_{row['action']}")),
                _told(look, row),
            ],
            href=trust_tabs.kept(notice=row["notice_key"], record=None),
            selected=row is chosen,
        )
        for row in found["rows"]
    ]  # fmt: skip
    columns = [
        Column(look.t("col.customer"), "wide"), Column(look.t("trust.happened"), "mid"),
        Column(look.t("trust.to_do")), Column(look.t("trust.told"), phone=False),
    ]  # fmt: skip
    badge = chip(look.count(found["total"]), TONES[asked])
    body = table(title, columns, rows)
    return tag(
        "div", panel("notices", title, body, badge=badge, source=counts, foot=look.keys("work.keys")),
        class_="worklist",
    )  # fmt: skip


def _told(look: Look, row: dict[str, Any]) -> Html:
    return h(look.t("trust.integration")) if row["told"]["is_integration"] else look.text(row["told"]["name"])


def _detail(context: state.Context, row: dict[str, Any]) -> None:
    look = context.look
    name = link(row["name"], state.href("customer", customer=row["customer_key"]))
    mark = chip(look.t(f"notice.state.{row['state']}"), TONES[row["state"]])
    st.html(tag("div", tag("h2", name), mark, class_="phead"))
    st.html(tag("p", row["what"], class_="what"))
    st.html(_records(look, row))
    if row["state_basis"] and row["state"] != "open":
        said = look.t(f"notice.basis.{row['state_basis']}")
        closed = row["closed"]
        by = [look.who(closed["by"]), look.when(closed["at"]), h(closed["note"] or "")] if closed else []
        st.html(tag("p", look.dotted(h(said), *by), class_="muted"))
    if not serve.may_close(context.viewer, row) or row["state_basis"] in {"followed", "undone"}:
        return
    key = row["notice_key"]
    if row["state"] == "open":
        note = st.text_input(look.t("act.note"), key=f"note_{key}", max_chars=300)
        with st.container(horizontal=True, key="notice_buttons"):
            if st.button(look.t("trust.notice_done"), key="notice_done", type="primary"):
                _close(context, key, "done", note)
            if st.button(look.t("trust.notice_not_needed"), key="notice_not_needed"):
                _close(context, key, "not_needed", note)
    elif st.button(look.t("trust.notice_reopen"), key="notice_reopen"):
        _close(context, key, "open", None)


def _close(context: state.Context, key: str, to: str, note: str | None) -> None:
    try:
        serve.close_notice(context.viewer, context.db, key, to, note or None)
    except C360Error as error:
        show_error(context.look, error)
        return
    st.session_state["acted"] = context.look.t(f"trust.done_notice_{to}")
    st.query_params.pop("notice", None)
    st.rerun()


def _records(look: Look, row: dict[str, Any]) -> Html:
    """The record that changed, and the one of the other system, each a door to its source record."""
    rows = []
    for what in ("event", "record"):
        one = row[what]
        rows.append(
            Row(
                [
                    look.t(f"trust.notice_{what}"),
                    look.label("source", one["source"]),
                    look.text(one["code"] or one["source_id"]),
                    look.text(one["name"]),
                ],
                href=state.here("trust", record=f"customer:{one['source']}:{one['source_id']}"),
                is_record=True,
                door=2,
            )
        )
    columns = [
        Column(tag("span", look.t("trust.which"), class_="sr")), Column(look.t("col.source"), "mid"),
        Column(look.t("col.code")), Column(look.t("trust.name"), phone=False),
    ]  # fmt: skip
    return tag("div", table(look.t("trust.both_records"), columns, rows), class_="scroll items")
