"""Finance's books: what was entered after the day it counts for, what does not fit, and totals against the source."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import streamlit as st

from model import serve
from model.serve.overview import month_starts
from views import state
from views.parts import finance_control, finance_panels
from views.parts.finance_panels import record_at
from views.parts.format import Look, number
from views.parts.html import Column, Html, Row, chip, empty, grids, h, join, panel, table, tag
from views.parts.panels import rows_panel
from views.parts.words import entity

MONTHS = 6
FIGURES = ("open", "overdue", "unallocated", "credits")


def show(context: state.Context) -> None:
    """Entered late first, then the ERP's own balance, control totals, faults, currencies and terms."""
    viewer, db, look = context.viewer, context.db, context.look
    day = _asked_day(db.today())
    late = serve.entered_late(viewer, db, day)
    st.html(_days(look, db.today(), day))
    st.html(tag("div", _late(look, late), _documents(look, late), class_="panels"))
    faults, terms = serve.ledger_faults(viewer, db), serve.terms_report(viewer, db)
    rates = serve.currency_report(viewer, db)
    drawn = [
        finance_control.drawn(look, serve.control_balances(viewer, db)),
        finance_panels.control(look, serve.ledger_control(viewer, db)),
        finance_panels.faults(look, faults),
        finance_panels.currency(look, rates),
        finance_panels.terms(look, terms),
    ]
    st.html(grids(drawn))


def _ends(today: date) -> list[date]:
    """The last days of the months before this one, the newest first."""
    return [start - timedelta(days=1) for start in reversed(month_starts(today, MONTHS))]


def _asked_day(today: date) -> date:
    try:
        asked = date.fromisoformat(st.query_params.get("as_of", ""))
    except ValueError:
        return _ends(today)[0]
    return min(asked, today)


def _days(look: Look, today: date, day: date) -> Html:
    offered = _ends(today)
    offered = offered if day in offered else [day, *offered]
    links = [
        tag("a", one.isoformat(), href=state.here("finance", as_of=one.isoformat(), record=None), data_nav="1",
            target="_self", aria_current="true" if one == day else None)
        for one in offered
    ]  # fmt: skip
    label = look.t("books.day")
    group = tag("div", tag("span", label), *links, class_="kinds", role="group", aria_label=label)
    return join([tag("div", group, class_="switches"), tag("p", look.t("books.late_help"), class_="muted printed")])


def _late(look: Look, found: dict[str, Any]) -> Html:
    """The figures of the day as known on that very day and as known now."""
    rows = []
    for one in found["currencies"]:
        for name in FIGURES:
            figure = one[name]
            if not (figure["then"] or figure["now"]):
                continue
            label = join([look.t(f"books.{name}"), tag("span", " ", one["currency"], class_="muted")])
            then = tag("span", look.t("books.then"), " ", look.exact(figure["then"]), class_="below")
            rows.append(Row([label, look.exact(figure["then"]), join([look.exact(figure["now"]), then]),
                             _difference(look, figure["difference"])]))  # fmt: skip
    title = look.t("panel.entered_late")
    if not rows:
        return panel("entered_late", title, empty(look.t("kpi.nothing_open")))
    columns = [
        Column(look.t("books.figure")), Column(look.t("books.then"), "num", phone=False),
        Column(look.t("books.now"), "num"), Column(look.t("books.difference"), "num"),
    ]  # fmt: skip
    badge = chip(found["as_of"].isoformat())
    return panel("entered_late", title, tag("div", table(title, columns, rows), class_="scroll"), badge=badge)


def _difference(look: Look, value: Any) -> Html:
    if not number(value):
        return tag("span", "0", class_="muted")
    return tag("b", ("+" if value > 0 else "") + look.amount(value))


def _documents(look: Look, found: dict[str, Any]) -> Html:
    """What bears a day up to the chosen one and was entered or changed after it, the largest first."""
    rows = [
        Row([
            join([row["number"] or h(row["record_key"]), tag("span", entity(look, row["entity"]), class_="second")]),
            row["name"], look.day(row["dated_on"]), look.when(row["known_from"]),
            join([look.exact(row["amount"]), " ", row["currency"] or "",
                  tag("span", look.t("books.excluded"), class_="second") if row["is_excluded"] else ""]),
        ], href=record_at(row["entity"], row) if row["entity"] != "allocation" else None, is_record=True)
        for row in found["documents"]
    ]  # fmt: skip
    columns = [
        Column(look.t("ratios.document")), Column(look.t("col.customer"), phone=False),
        Column(look.t("books.dated"), "num"), Column(look.t("books.entered"), "num"),
        Column(look.t("col.amount"), "num"),
    ]  # fmt: skip
    badge = chip(look.count(len(rows)), "amber") if rows else ""
    return rows_panel(look, "late_documents", columns, rows, badge=badge)
