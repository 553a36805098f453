"""A shadow source beside the live ones: how many records both have, where they differ, and what letting it in does."""

from __future__ import annotations

from typing import Any

import streamlit as st

from model import serve
from ops.errors import C360Error
from views import state
from views.parts import syncing, words
from views.parts.format import Look
from views.parts.html import Column, Html, Row, chip, empty, grids, h, join, panel, table, tag
from views.parts.notice import show_error
from views.parts.panels import rows_panel

LINES = 40


def show(context: state.Context, source: str) -> None:
    """The report of `source` when it is in shadow; nothing for who does not look after sources."""
    look = context.look
    if not serve.may_sync(context.viewer) or source not in serve.shadow_sources(context.viewer, context.db):
        return
    try:
        report = serve.shadow_report(context.viewer, context.db, source)
    except C360Error as error:
        show_error(look, error)
        return
    if not report["rows"]:
        st.html(panel("shadow", _title(look, source), empty(look.t("shadow.nothing"))))
        return
    st.html(entities(look, report))
    st.html(grids([fields(look, report), money(look, report)]))


def _title(look: Look, source: str) -> str:
    return look.t("panel.shadow", source=syncing.name_of(look, source))


def entities(look: Look, report: dict[str, Any]) -> Html:
    """One row per entity: both, only here, only there, and against which source."""
    rows = [
        Row(
            [
                words.entity(look, row["entity"]),
                look.label("source", row["against"]) if row["against"] else look.na(),
                look.count(row["both"]),
                look.count(row["only_here"]),
                look.count(row["only_there"]),
            ]
        )
        for row in report["entities"]
    ]
    columns = [
        Column(look.t("col.entity")), Column(look.t("shadow.against")), Column(look.t("shadow.both"), "num"),
        Column(look.t("shadow.only_here"), "num"), Column(look.t("shadow.only_there"), "num"),
    ]  # fmt: skip
    said = report["customers"]
    told = look.t("shadow.customers", records=look.count(said["records"]), match=look.count(said["match"]),
                  add=look.count(said["add"]), merge=look.count(said["merge"]))  # fmt: skip
    merged = [tag("li", tag("code", one["record"]), " → ", ", ".join(one["customers"])) for one in said["merges"]]
    title = _title(look, report["source"])
    body = join([
        tag("p", told), tag("ul", *merged) if merged else "",
        tag("div", table(title, columns, rows), class_="scroll"),
    ])  # fmt: skip
    return panel("shadow", title, body, badge=chip(look.t("shadow.unseen"), "blue"))


def fields(look: Look, report: dict[str, Any]) -> Html:
    """Fields in which the two do not always agree, the worst first, with an example that opens the record."""
    rows = [
        Row(
            [
                join([words.column(look, row["entity"], one["field"]),
                      tag("span", words.entity(look, row["entity"]), class_="below")]),
                words.entity(look, row["entity"]),
                look.share(one["share"], 0),
                _example(look, one["examples"]),
            ],
            href=_record(report["source"], row["entity"], one["examples"]),
        )
        for row in report["entities"]
        for one in row["fields"]
        if one["share"] is not None and one["share"] < 1
    ]  # fmt: skip
    columns = [
        Column(look.t("col.field")), Column(look.t("col.entity"), phone=False), Column(look.t("shadow.share"), "num"),
        Column(look.t("shadow.example")),
    ]  # fmt: skip
    return rows_panel(look, "shadow_fields", columns, rows[:LINES])


def _example(look: Look, examples: list[dict[str, Any]]) -> Html:
    if not examples:
        return look.na()
    return join([look.text(examples[0]["here"]), " ≠ ", look.text(examples[0]["there"])])


def _record(source: str, entity: str, examples: list[dict[str, Any]]) -> str | None:
    if not examples:
        return None
    return state.here("sources", record=f"{entity}:{source}:{examples[0]['here_id']}")


def money(look: Look, report: dict[str, Any]) -> Html:
    """Months whose sums differ, per entity and currency, newest first."""
    rows = [
        Row(
            [
                h(row["month"] or look.t("shadow.undated")),
                words.entity(look, row["entity"]),
                look.money(row["here_amount"], row["currency"]),
                look.money(row["there_amount"], row["currency"]),
                look.money(row["difference"], row["currency"]),
            ]
        )
        for row in report["money"]
        if row["difference"]
    ]
    columns = [
        Column(look.t("health.month"), "mid"), Column(look.t("col.entity")),
        Column(look.t("shadow.here"), "num", phone=False), Column(look.t("shadow.there"), "num", phone=False),
        Column(look.t("shadow.difference"), "num"),
    ]  # fmt: skip
    return rows_panel(look, "shadow_money", columns, rows[:LINES])
