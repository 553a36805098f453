"""The mapping workbook: take it, bring back an edited or signed one, look at what it changes, apply it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from model import serve
from ops.errors import C360Error
from views import state
from views.parts import source_panel, syncing
from views.parts.format import Look
from views.parts.html import Column, Html, Row, chip, h, join, tag
from views.parts.notice import notice, show_error
from views.parts.panels import rows_panel


def show(context: state.Context) -> None:
    """Who signed which version, and the forms, for those who look after sources."""
    look = context.look
    st.html(signed(look, serve.mapping_signatures(context.viewer, context.db)))
    if not serve.may_sync(context.viewer):
        return
    with st.container(horizontal=True, key="mapping_actions"):
        st.download_button(
            look.t("map.download"),
            lambda: serve.mapping_workbook(context.viewer, context.db),
            file_name="mapping.xlsx",
            key="mapping_download",
        )
        with st.popover(look.t("map.import")):
            _import(context)


def signed(look: Look, states: list[dict[str, Any]]) -> Html:
    """One row per source: the version in use and who signed it, or what was signed before it changed."""
    rows = [
        Row(
            [
                h(syncing.name_of(look, row["source"])),
                tag("code", row["version"]),
                _signatures(look, row),
                chip(look.t("map.signed"), "green") if row["is_signed"] else chip(look.t(_missing(row)), "amber"),
            ]
        )
        for row in states
    ]
    columns = [
        Column(look.t("col.source")), Column(look.t("map.version"), phone=False),
        Column(look.t("map.signatures"), phone=False), Column(look.t("col.result")),
    ]  # fmt: skip
    return rows_panel(look, "mapping", columns, rows)


def _missing(row: dict[str, Any]) -> str:
    return "map.changed_since" if any(not one["holds"] for one in row["signatures"]) else "map.unsigned"


def _signatures(look: Look, row: dict[str, Any]) -> Html:
    said = []
    for one in row["signatures"]:
        words = look.t(f"map.by_{one['side']}", name=one["name"], day=one["signed_on"])
        said.append(tag("span", words, title=one["version"], class_=None if one["holds"] else "muted"))
    return join(said, " · ") if said else look.na()


def _import(context: state.Context) -> None:
    look, viewer, db = context.look, context.viewer, context.db
    given = st.file_uploader(look.t("map.file"), type=["xlsx"], key="mapping_file")
    if given is None:
        return
    workbook = given.getvalue()
    try:
        found = serve.mapping_difference(viewer, db, workbook)
    except C360Error as error:
        show_error(look, error)
        return
    st.html(difference(look, found))
    if found["problems"] or not (found["changes"] or found["signatures"]):
        return
    if st.button(look.t("map.apply"), key="mapping_apply", type="primary"):
        source_panel.run(look, lambda: serve.apply_mapping(viewer, db, workbook), "map.applied")


def difference(look: Look, found: dict[str, Any]) -> Html:
    """What a workbook changes, cell by cell, and what of it cannot be applied."""
    parts: list[Html] = []
    if found["problems"]:
        parts.append(
            notice(look.t("map.problems", n=look.count(len(found["problems"]))), *found["problems"], tone="red")
        )
    if not found["changes"] and not found["problems"]:
        parts.append(notice(look.t("map.same")))
    rows = [
        Row(
            [
                join([h(f"{one['source']} {one['key']}"), tag("span", one["column"], class_="below")]),
                h(one["column"]),
                join([_said(look, one["before"]), " → ", _said(look, one["after"])]),
                tag("code", f"{one['sheet']}!{one['cell']}"),
            ]
        )
        for one in found["changes"]
    ]
    columns = [
        Column(look.t("map.what")), Column(look.t("map.column"), phone=False), Column(look.t("drift.change")),
        Column(look.t("map.cell"), phone=False),
    ]  # fmt: skip
    if rows:
        parts.append(rows_panel(look, "mapping_changes", columns, rows))
    return join(parts)


def _said(look: Look, value: str | None) -> Html:
    """A cell's text; an empty one is a dash."""
    return h(value) if value else look.na()
