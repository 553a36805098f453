"""What sources say they hold against what is shown of them: one row per total and currency."""

from __future__ import annotations

from typing import Any

import streamlit as st

from model import serve
from views import state
from views.parts import syncing, words
from views.parts.format import Look
from views.parts.html import Column, Html, Row, chip, h, join, tag
from views.parts.panels import rows_panel

TONES = {"agrees": "green", "settling": "", "gap": "red", "failed": "amber"}


def show(context: state.Context, source: str | None) -> None:
    """The last word on each total (of `source`, else of all); nothing where no source states one."""
    rows = serve.control_totals(context.viewer, context.db, source)
    if rows:
        st.html(totals(context.look, rows))


def totals(look: Look, rows: list[dict[str, Any]]) -> Html:
    """Gaps first; the rest by source and name."""
    order = list(TONES)[::-1]
    listed = [
        Row(
            [
                join([h(syncing.name_of(look, row["source"])),
                      tag("span", words.entity(look, row["entity"]), " ", row["currency"] or "", class_="below")]),
                join([words.entity(look, row["entity"]), " ", row["currency"] or ""]),
                _count(look, row, "stated_count"),
                _count(look, row, "shown_count"),
                _count(look, row, "rejected_count"),
                _excluded(look, row),
                _gap(look, row),
                chip(look.t(f"totals.{row['state']}"), TONES.get(row["state"], ""), row["error"]),
                look.when(row["asked_at"]),
            ]
        )
        for row in sorted(rows, key=lambda one: (order.index(one["state"]) != 1, one["source"], one["name"]))
    ]  # fmt: skip
    columns = [
        Column(look.t("col.source")), Column(look.t("col.entity"), phone=False),
        Column(look.t("totals.stated"), "num"), Column(look.t("totals.shown"), "num", phone=False),
        Column(look.t("totals.rejected"), "num", phone=False), Column(look.t("totals.excluded"), phone=False),
        Column(look.t("totals.difference"), "num"), Column(look.t("col.result")),
        Column(look.t("totals.asked"), "mid", phone=False),
    ]  # fmt: skip
    gaps = sum(row["state"] == "gap" for row in rows)
    return rows_panel(look, "totals", columns, listed, badge=chip(look.count(gaps), "red") if gaps else "")


def _count(look: Look, row: dict[str, Any], name: str) -> Html:
    """A count, and the sum below it where there is one."""
    if row[name] is None:
        return look.na()
    amount = row[name.replace("count", "amount")]
    said = look.count(row[name])
    if amount is None or not row["currency"]:
        return h(said)
    return join([h(said), tag("span", look.money(amount, row["currency"]), class_="second")])


def _excluded(look: Look, row: dict[str, Any]) -> Html:
    said = [
        tag("span", look.t(f"totals.class.{name}", n=look.count(count)),
            title=look.t("totals.counted" if name in row["includes"].split() else "totals.not_counted"))
        for name, (count, _) in row["excluded"].items()
    ]  # fmt: skip
    return join(said, " · ") if said else look.na()


def _gap(look: Look, row: dict[str, Any]) -> Html:
    if row["state"] == "failed":
        return look.na()
    if row["state"] == "agrees":
        return h("0")
    return _count(look, row, "gap_count")
