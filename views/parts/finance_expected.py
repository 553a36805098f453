"""Finance's expected cash: by week with its interval, what no day can be said for, and the items behind it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import streamlit as st

from model import serve
from views import state
from views.parts import charts
from views.parts.format import Look
from views.parts.html import Column, Html, Row, chip, empty, join, link, panel, table, tag
from views.parts.panels import rows_panel
from views.parts.tiles import tile

WEEKS, MONTH_WEEKS, ITEMS = 13, 4, 100
ZERO = Decimal(0)
SOURCES = ("habit", "promised", "bills")
AGING = {"no_due_date": "no_due_date", "awaiting_release": "not_due"}


def show(context: state.Context, currency: str) -> None:
    """Tiles, the weeks as a picture with its figures, what is left out, then the items by their expected day."""
    look = context.look
    found = {row["currency"]: row for row in serve.expected_cash(context.viewer, context.db, WEEKS)["currencies"]}
    mine = found.get(currency)
    if mine is None:
        st.html(panel("expected", look.t("panel.expected"), empty(look.t("panel.expected_none"))))
        return
    st.html(_tiles(look, mine))
    left, right = st.columns([2, 1])
    with left, st.container(key="card_expected"):
        _weeks(look, mine)
    with right, st.container(key="card_left_out"):
        st.html(_left_out(look, mine))
    st.html(_items(context, currency))


def _tiles(look: Look, mine: dict[str, Any]) -> Html:
    weeks, code = mine["weeks"], mine["currency"]

    def over(label: str, chosen: list[dict[str, Any]]) -> Html:
        whole = sum((week["expected"] for week in chosen), ZERO)
        sure = sum((week["promised"] + week["bills"] for week in chosen), ZERO)
        return tile("expected", label, look.money(whole, code), look.t("cash.sure", amount=look.short(sure)))

    out = sum(mine["left_out"].values(), ZERO)
    drawn = [
        over(look.t("cash.next_week"), weeks[:1]),
        over(look.t("cash.next_weeks", n=MONTH_WEEKS), weeks[:MONTH_WEEKS]),
        over(look.t("cash.next_weeks", n=WEEKS), weeks),
        tile("expected_items", look.t("cash.later"), look.money(mine["later"], code), look.t("cash.later_help")),
        tile("left_out", look.t("panel.left_out"), look.money(out, code), look.t("cash.left_out_help")),
    ]
    return tag("nav", *drawn, class_="tiles even", aria_label=look.t("panel.expected"))


def _weeks(look: Look, mine: dict[str, Any]) -> None:
    code = mine["currency"]
    heading = tag("div", tag("h2", look.t("panel.expected")), tag("span", code, class_="src"), class_="phead",
                  id="p-expected")  # fmt: skip
    st.html(heading)
    names = {name: look.t(f"cash.{name}") for name in SOURCES}
    drawn = [
        {"from": look.month_day(week["from"]), "low": week["low"], "high": week["high"],
         "parts": {names[name]: _part(week, name) for name in SOURCES}}
        for week in mine["weeks"]
    ]  # fmt: skip
    charts.weeks(look, drawn, key="expected_chart", unit=code, names=list(names.values()))
    heads = ("expected", "low", "high", "promised", "bills")
    rows = [
        Row([look.dotted(f"{week['from'].isoformat()} – {look.month_day(week['to'])}"),
             *(look.exact(week[name]) for name in heads)])
        for week in mine["weeks"]
    ]  # fmt: skip
    columns = [Column(look.t("cash.week"), "mid"), *(Column(look.t(f"cash.{name}"), "num") for name in heads)]
    body = tag("div", table(f"{look.t('panel.expected')} {code}", columns, rows), class_="scroll sums")
    details = tag("details", tag("summary", look.t("lead.as_table"), class_="linkish"), body, class_="behind")
    st.html(join([tag("p", look.t("cash.basis"), class_="muted printed"), details]))


def _part(week: dict[str, Any], name: str) -> Decimal:
    if name == "habit":
        return Decimal(week["expected"] - week["promised"] - week["bills"])
    return Decimal(week[name])


def _left_out(look: Look, mine: dict[str, Any]) -> Html:
    """Amounts without an expected day, each with its reason."""
    rows = []
    for name, amount in mine["left_out"].items():
        words: object = look.t(f"cash.out_{name}")
        if name in AGING and amount:
            href = state.href("receivables", view="aging", bucket_of=AGING[name], gccy=mine["currency"])
            words = link(words, href)
        said = join([words, tag("span", look.t(f"cash.out_{name}_help"), class_="second")])
        rows.append(Row([said, look.exact(amount) if amount else tag("span", "0", class_="muted")]))
    columns = [Column(look.t("col.reason")), Column(f"{look.t('col.amount')} ({mine['currency']})", "num")]
    title = look.t("panel.left_out")
    heading = tag("div", tag("h2", title), class_="phead", id="p-left_out")
    return join([heading, table(title, columns, rows)])


def _items(context: state.Context, currency: str) -> Html:
    """Open items by the day their money is expected, the next first."""
    look = context.look
    listed = [row for row in serve.expected_days(context.viewer, context.db)
              if row["currency"] == currency and row["expected_on"]]  # fmt: skip
    listed.sort(key=lambda row: (row["expected_on"], -row["amount"], row["record_key"]))
    rows = [
        Row([
            row["name"], row["invoice_number"], look.day(row["due_on"]) if row["due_on"] else look.na(),
            look.day(row["expected_on"]), _range(look, row), look.exact(row["amount"]), level(look, row),
        ], href=state.href("customer", customer=row["customer_key"]))
        for row in listed[:ITEMS]
    ]  # fmt: skip
    columns = [
        Column(look.t("col.customer")), Column(look.t("col.invoice"), "mid"),
        Column(look.t("col.due"), "num", phone=False), Column(look.t("cash.expected_on"), "num"),
        Column(look.t("cash.range"), "num", look.t("cash.range_help"), phone=False),
        Column(f"{look.t('col.amount')} ({currency})", "num"), Column(look.t("cash.level"), phone=False),
    ]  # fmt: skip
    more = look.t("fin.first", shown=ITEMS, total=look.count(len(listed))) if len(listed) > ITEMS else ""
    badge = chip(look.count(len(listed))) if listed else ""
    return rows_panel(look, "expected_items", columns, rows, badge=badge, foot=more)


def _range(look: Look, row: dict[str, Any]) -> Html:
    if row["low_on"] == row["high_on"]:
        return look.na()
    return tag("span", f"{look.month_day(row['low_on'])} – {look.month_day(row['high_on'])}", class_="n")


def level(look: Look, row: dict[str, Any]) -> Html:
    """What the expected day was learned from, and from how many payments."""
    if row["level"] in {"promise", "terms"}:
        return tag("span", look.t(f"cash.level_{row['level']}"))
    return tag("span", look.t(f"cash.level_{row['level']}", n=look.count(row["count"])))
