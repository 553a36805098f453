"""Receivables: whom to call first with what was agreed, and the aging behind it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import streamlit as st

from model import policy, serve
from ops import clock
from ops.texts import catalogue
from views import state
from views.parts import actions, aging_panel, debtor, drawer, filters, panels, picks, worklist
from views.parts.filters import Filters
from views.parts.format import Look, as_date
from views.parts.html import Column, Html, Row, chip, empty, join, link, panel, tag

SHORT = 15
SEVERITY_TONES = {"critical": "red", "warning": "amber"}
VIEWS = ("list", "aging")
STYLE = Path(__file__).parent / "parts" / "money.css"


def page() -> None:
    """The worklist or the aging, as the address says, and the source record it may have opened."""
    context = state.context()
    st.html(STYLE)
    view = st.query_params.get("view")
    view = view if view in VIEWS else "list"
    as_of = _head(context, view)
    if view == "aging":
        aging_panel.show(context, as_of)
    else:
        _work(context, as_of)
    if opened := drawer.drawer(context, "receivables"):
        st.html(opened)


def _head(context: state.Context, view: str) -> date:
    look, today = context.look, clock.today(context.instance.config.zone)
    title, picker = st.columns([4.6, 1], vertical_alignment="center")
    ways = [
        link(look.t(f"work.view_{name}"), state.here("receivables", view=None if name == "list" else name, record=None))
        if name != view
        else tag("a", look.t(f"work.view_{name}"), href="#", aria_current="page")
        for name in VIEWS
    ]
    title.html(
        tag(
            "div",
            tag("h1", look.t("nav.receivables")),
            tag("nav", *ways, class_="kinds", aria_label=look.t("work.views")),
            tag("span", look.t("work.basis"), class_="muted") if view == "list" else "",
            class_="head",
        )
    )
    # The address holds the day, so that a link shows what its sender saw.
    st.session_state["as_of"] = _asked_day(today)
    chosen = picker.date_input(
        look.t("work.as_of"), max_value=today, key="as_of", format="YYYY-MM-DD", on_change=_keep_day, args=(today,)
    )
    return as_date(chosen)


def _asked_day(today: date) -> date:
    try:
        return min(date.fromisoformat(st.query_params.get("as_of", "")), today)
    except ValueError:
        return today


def _keep_day(today: date) -> None:
    chosen = as_date(st.session_state["as_of"])
    if chosen < today:
        st.query_params["as_of"] = chosen.isoformat()
    else:
        st.query_params.pop("as_of", None)


def _work(context: state.Context, as_of: date) -> None:
    look, asked = context.look, filters.asked()
    aging = serve.aging(context.viewer, context.db, as_of=as_of)
    if strip := worklist.today_strip(look, serve.work_items(context.viewer, context.db, as_of), as_of):
        st.html(strip)
    totals = aging["totals"]
    st.html(worklist.totals(look, totals) if totals else empty(look.t("kpi.nothing_open")))
    alerts = serve.alerts(context.viewer, context.db)
    lines = _lines(context, as_of, asked, alerts)
    filters.show(context, [total["currency"] for total in totals], actions.owners(context))
    if not lines:
        st.html(panel("worklist", look.t("work.list"), empty(_nothing(look, asked))))
        st.html(_alerts(look, alerts))
        return
    chosen = _chosen(lines)
    may_work = policy.roles()[context.viewer.role].may_work and as_of >= context.db.today()
    aged = {(row["customer_key"], row["currency"]): row["buckets"] for row in aging["rows"]}
    left, right = st.columns([1.5, 1])
    with left:
        keys = picks.picked(lines) if may_work else []
        if keys:
            picks.panel(context, lines, keys)
        st.html(worklist.listing(look, lines, aged, chosen, may_pick=may_work))
        if may_work:
            picks.listen(keys)
    with right:
        debtor.detail(context, chosen, as_of)
    # Alerts stand under the shorter of the two.
    with left if len(lines) <= SHORT else right, st.container(key="alerts_box"):
        st.html(_alerts(look, alerts))


def _nothing(look: Look, asked: Filters) -> str:
    return look.t("work.none" if asked == Filters() else "work.none_filtered")


def _lines(context: state.Context, as_of: date, asked: Filters, alerts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    lines = serve.worklist(context.viewer, context.db, as_of=as_of, **asked.options())
    if asked.rule is None:
        return lines
    named = {row["customer_key"] for row in alerts if row["rule"] == asked.rule}
    return [line for line in lines if line["customer_key"] in named]


def _chosen(lines: list[dict[str, Any]]) -> dict[str, Any]:
    asked = (st.query_params.get("customer"), st.query_params.get("currency"))
    return next(
        (row for row in lines if asked in {(row["customer_key"], row["currency"]), (row["customer_key"], None)}),
        lines[0],
    )


def _alerts(look: Look, alerts: list[dict[str, Any]]) -> Html:
    rows = [
        Row(
            [
                join([row["customer"], tag("span", _alert(look, row), class_="below all")]),
                look.money(row["amount"], row.get("currency")) if row.get("amount") is not None else look.na(),
                chip(look.t(f"alerts.severity.{row['severity']}"), SEVERITY_TONES.get(row["severity"], "")),
                join([look.t(f"alerts.state.{row['state']}"), " ", look.when(row["fired_at"])]),
            ],
            href=state.href("customer", customer=row["customer_key"]) if row.get("customer_key") else None,
        )
        for row in alerts
    ]
    columns = [
        Column(look.t("col.alert")),
        Column(look.t("col.amount"), "num"),
        Column(look.t("col.severity"), "mid"),
        Column(look.t("col.since"), "num", phone=False),
    ]
    badge = chip(look.count(len(rows)), "amber") if rows else ""
    return panels.rows_panel(look, "alerts", columns, rows, badge=badge)


def _alert(look: Look, row: dict[str, Any]) -> str:
    due = as_date(row["due_on"]).isoformat() if row.get("due_on") else "—"
    values = {"document": row.get("document") or "—", "due": due, "days": row.get("days") or 0}
    msgid = f"alerts.what.{row['rule']}"
    # A company's own rule has no text here: its document and day say enough.
    return look.t(msgid, **values) if msgid in catalogue() else f"{values['document']} · {due}"


page()
