"""Finance's ratios with their printed basis: formula, inputs, the switches that change them and the rows behind."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import streamlit as st

from model import serve
from model.serve.overview import month_starts
from model.serve.ratio_rows import INPUTS, SWITCHES
from views import state
from views.parts.finance_panels import record_at
from views.parts.format import Look
from views.parts.html import Column, Html, Row, chip, empty, h, join, link, panel, table, tag

PERIODS = (3, 6, 12)
ROWS = 200
# figure → how it is written; the order is the order of reading
FIGURES = {
    "dso_ratio": "days", "dso_countback": "days", "best_possible_dso": "days", "add": "days",
    "weighted_days_late": "days", "cei": "percent", "overdue_ratio": "percent", "largest_10_percent": "percent",
    "herfindahl": "plain", "write_offs": "money", "recoveries": "money", "bills": "money",
}  # fmt: skip
COUNTS = {"days", "debtors"}


def show(context: state.Context, currency: str) -> None:
    """Switches, the printed basis, the rows of the chosen input, the ratios and their months."""
    look, today = context.look, context.db.today()
    include = [name for name in SWITCHES if name in st.query_params.get("net", "").split(",")]
    months = _months_asked()
    start = month_starts(today, months)[0]
    found = serve.ratios(context.viewer, context.db, start, today, include)
    st.html(join([_switches(look, include, months), _printed(look, start, today, include)]))
    mine = next((row for row in found if row["currency"] == currency), None)
    if mine is None:
        st.html(panel("ratios", look.t("panel.ratios"), empty(look.t("panel.ratios_none"))))
        return
    if drilled := _drilled(context, mine, include):
        st.html(drilled)
    st.html(_table(look, found, mine))
    if mine["months"]:
        st.html(_by_month(look, mine))


def _months_asked() -> int:
    asked = st.query_params.get("by", "")
    return int(asked) if asked in {str(one) for one in PERIODS} else PERIODS[0]


def _switches(look: Look, include: list[str], months: int) -> Html:
    periods = [
        _switch(look.t("ratios.months", n=one), {"by": str(one), "show": None}, on=one == months) for one in PERIODS
    ]
    switches = [
        _switch(look.t(f"ratios.with_{name}"), {"net": ",".join(_toggled(include, name)) or None, "show": None},
                on=name in include)
        for name in SWITCHES
    ]  # fmt: skip
    return tag("div", _group(look.t("ratios.period"), periods), _group(look.t("ratios.include"), switches),
               class_="switches")  # fmt: skip


def _switch(label: str, changes: dict[str, Any], *, on: bool) -> Html:
    return tag("a", label, href=state.here("finance", **changes), data_nav="1", target="_self",
               aria_current="true" if on else None)  # fmt: skip


def _toggled(include: list[str], one: str) -> list[str]:
    return [name for name in SWITCHES if (name in include) != (name == one)]


def _group(label: str, links: list[Html]) -> Html:
    return tag("div", tag("span", label), *links, class_="kinds", role="group", aria_label=label)


def _printed(look: Look, start: date, end: date, include: list[str]) -> Html:
    """The basis in words: the period, tax, and what is in and out."""
    said = [look.t("ratios.printed", start=start.isoformat(), end=end.isoformat())]
    groups = {"ratios.is_in": include, "ratios.is_out": [name for name in SWITCHES if name not in include]}
    separator = "、" if look.language == "zh" else ", "
    said += [look.t(key, names=separator.join(look.t(f"ratios.with_{name}") for name in names))
             for key, names in groups.items() if names]  # fmt: skip
    return tag("p", look.dotted(*said), class_="muted printed")


def _written(look: Look, kind: str, value: Any, *, beyond: bool = False) -> Html:
    if value is None:
        return look.na()
    if kind == "money":
        return look.money(value, None)
    if kind == "percent":
        return look.percent(value, 1)
    shown = look.fixed(value, 1) if kind == "days" else look.plain(value)
    return h(f"> {shown}" if beyond else shown)


def _table(look: Look, found: list[dict[str, Any]], mine: dict[str, Any]) -> Html:
    rows = []
    for name, kind in FIGURES.items():
        unit = look.t(f"ratios.unit_{kind}")
        label = join([look.t(f"ratios.{name}"), tag("span", " ", unit, class_="muted") if unit else ""])
        formula = tag("span", look.t(mine["figures"][name]["formula"]), class_="second")
        values = [
            _written(look, kind, one[name], beyond=name == "dso_countback" and one["dso_countback_is_beyond_history"])
            for one in found
        ]
        rows.append(Row([join([label, formula]), *values, _inputs(look, name, mine)]))
    columns = [
        Column(look.t("ratios.figure")),
        *(Column(one["currency"], "num", phone=one is mine) for one in found),
        Column(look.t("ratios.inputs", currency=mine["currency"]), "inputs", phone=False),
    ]
    title = look.t("panel.ratios")
    return panel("ratios", title, tag("div", table(title, columns, rows), class_="scroll ratios"))


def _inputs(look: Look, name: str, mine: dict[str, Any]) -> Html:
    """The figures a ratio was made from; those with rows open them."""
    figure = mine["figures"][name]
    said: list[Html] = []
    for what in [*figure["inputs"], *(one for one in figure["rows"] if one not in figure["inputs"])]:
        value = figure["inputs"].get(what, figure["value"])
        written = h(look.plain(value)) if what in COUNTS or what in {"dso_ratio", "best_possible"} else None
        words = join([look.t(f"ratios.input_{what}"), " ", written or look.money(value, None)])
        if what in figure["rows"]:
            words = link(words, state.here("finance", show=f"{name}.{what}", record=None))
        said.append(words)
    return look.dotted(*said) if said else look.na()


def _drilled(context: state.Context, mine: dict[str, Any], include: list[str]) -> Html | None:
    """The documents of the input that the address names; they add up to it."""
    name, _, what = st.query_params.get("show", "").partition(".")
    asked = mine["figures"].get(name, {}).get("rows", {}).get(what)
    if asked is None or what not in INPUTS:
        return None
    look, currency = context.look, mine["currency"]
    found = serve.ratio_rows(context.viewer, context.db, what, currency, asked["start"], asked["end"], include)
    rows = [
        Row([
            row["name"], row["number"] or look.na(), look.day(row["dated_on"]) if row["dated_on"] else look.na(),
            look.day(row["due_on"]) if row["due_on"] else look.na(),
            *([h(look.plain(row["days_late"]))] if what == "payments" else []), look.exact(row["amount"]),
        ], href=record_at(row["entity"], row), is_record=True)
        for row in found[:ROWS]
    ]  # fmt: skip
    columns = [
        Column(look.t("col.customer")), Column(look.t("ratios.document"), "mid"), Column(look.t("ratios.dated"), "num"),
        Column(look.t("col.due"), "num", phone=False),
        *([Column(look.t("aging.days"), "num")] if what == "payments" else []),
        Column(f"{look.t('col.amount')} ({currency})", "num"),
    ]  # fmt: skip
    whole = sum((row["amount"] for row in found), Decimal(0))
    title = look.t("ratios.rows_of", what=look.t(f"ratios.input_{what}"))
    badge = chip(look.dotted(look.t("work.items_n", n=look.count(len(found))), look.money(whole, currency)))
    closing = link(look.t("record.close"), state.here("finance", show=None), "linkish")
    more = look.t("fin.first", shown=ROWS, total=look.count(len(found))) if len(found) > ROWS else ""
    body = tag("div", table(title, columns, rows), class_="scroll drill") if rows else empty(look.t("aging.items_none"))
    return panel("ratio_rows", title, body, badge=badge, source=closing, foot=more)


def _by_month(look: Look, mine: dict[str, Any]) -> Html:
    names = ("opening", "sales", "closing", "closing_not_due", "write_offs", "collected", "collectable")
    rows = [
        Row([str(row["month"])[:7], *(look.money(row[name], None) for name in names),
             _written(look, "percent", row["cei"])])
        for row in reversed(mine["months"])
    ]  # fmt: skip
    columns = [
        Column(look.t("col.month"), "mid"),
        *(Column(look.t(f"ratios.month_{name}"), "num", phone=name in {"collected", "collectable"}) for name in names),
        Column(look.t("ratios.cei"), "num"),
    ]
    title = look.t("panel.ratio_months")
    return panel("ratio_months", title, tag("div", table(title, columns, rows), class_="scroll"),
                 badge=chip(mine["currency"]))  # fmt: skip
