"""The monthly integration health report: one row per source, and all of them over the last six months."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import streamlit as st

from model import serve
from ops.errors import C360Error
from views import state
from views.parts.format import Look
from views.parts.html import Column, Html, Row, empty, h, join, link, panel, table, tag
from views.parts.notice import show_error


def show(context: state.Context) -> None:
    """The month that `?month=` names, else the present one."""
    look = context.look
    try:
        found = serve.integration_report(context.viewer, context.db, st.query_params.get("month"))
    except C360Error as error:
        show_error(look, error)
        return
    st.html(_sources(look, found, context.db.today()))
    st.html(_trend(look, found))


def _sources(look: Look, found: dict[str, Any], today: date) -> Html:
    title = look.t("panel.health")
    doors = _doors(look, found["month"], today)
    if not found["total"]["runs"]:
        return panel("health", title, empty(look.t("panel.health_none")), source=doors)
    rows = [Row([look.label("source", row["source"]), *_figures(look, row)]) for row in found["sources"]]
    total = Row([look.t("health.all"), *_figures(look, found["total"])])
    body = tag("div", table(title, _columns(look, look.t("col.source")), rows, totals=[total]), class_="scroll")
    return panel("health", title, body, source=doors)


def _trend(look: Look, found: dict[str, Any]) -> Html:
    title = look.t("panel.health_trend")
    months = [row for row in found["trend"] if row["runs"]]
    if not months:
        return panel("health_trend", title, empty(look.t("panel.health_trend_none")))
    rows = [Row([row["month"], *_figures(look, row)], href=state.here("sources", month=row["month"])) for row in months]
    return panel(
        "health_trend", title, tag("div", table(title, _columns(look, look.t("health.month")), rows), class_="scroll")
    )


def _doors(look: Look, month: str, today: date) -> Html:
    """To the month before and, if it has begun, to the one after."""
    first = date.fromisoformat(f"{month}-01")
    before, after = first - timedelta(days=1), (first + timedelta(days=31)).replace(day=1)
    later = link(look.t("health.later"), state.here("sources", month=f"{after:%Y-%m}")) if after <= today else ""
    earlier = link(look.t("health.earlier"), state.here("sources", month=f"{before:%Y-%m}"))
    return join([earlier, " ", tag("b", month), " ", later])


def _columns(look: Look, first: str) -> list[Column]:
    return [
        Column(first),
        Column(look.t("health.fresh"), "num", hint=look.t("health.fresh_hint")),
        Column(look.t("health.runs"), "num", phone=False),
        Column(look.t("health.failed"), "num"),
        Column(look.t("health.recovery"), "num", phone=False),
        Column(look.t("col.rows"), "num", phone=False),
        Column(look.t("health.rejects"), "num"),
        Column(look.t("health.error_rate"), "num", phone=False),
        Column(look.t("health.drift"), "num", phone=False),
        Column(look.t("health.interventions"), "num", phone=False),
    ]


def _figures(look: Look, row: dict[str, Any]) -> list[object]:
    hours = row["recovery_hours"]
    return [
        _share(look, row["fresh_share"], 1),
        look.count(row["runs"]),
        tag("span", look.count(row["failed"]), class_="t-red" if row["failed"] else None),
        look.na() if hours is None else h(f"{hours:.1f}"),
        look.count(row["rows"]),
        look.count(row["rejects"]),
        _share(look, row["error_rate"], 2),
        look.count(row["drift"]),
        look.count(row["interventions"]),
    ]


def _share(look: Look, value: float | None, digits: int) -> Html:
    return look.na() if value is None else look.share(value, digits)
