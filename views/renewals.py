"""Renewals: contracts due in the next half year, how likely each is, why, and how good the model has been."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import streamlit as st

from model import serve
from model.serve.renewals import APART_POINTS
from views import state
from views.parts import renewal_card, words
from views.parts.format import Look, as_date, number
from views.parts.html import Column, Html, Row, bar, chip, empty, join, panel, table, tag

WINDOWS = (30, 90, 180)
KEEP = 15


def page() -> None:
    """The list at the left, the model card at the right."""
    context = state.context()
    look = context.look
    rows = serve.renewals(context.viewer, context.db)
    card = serve.renewal_card(context.viewer, context.db)
    st.html(
        tag(
            "div",
            tag("h1", look.t("nav.renewals")),
            tag("span", look.t("renew.window"), class_="muted"),
            class_="head",
        )
    )
    today = context.db.today()
    if rows:
        st.html(_windows(look, rows, today))
    left, right = st.columns([2.6, 1])
    with left:
        st.html(_list(look, _asked(rows, today)))
    with right:
        st.html(renewal_card.panel_of(look, card))


def _windows(look: Look, rows: list[dict[str, Any]], today: date) -> Html:
    """How many contracts end within each window and what they are worth, and where owner and model disagree.

    Each tile shows its contracts alone; the chosen one shows all again.
    """
    tiles, start = [], -1
    for end in WINDOWS:
        due = _within(rows, today, end)
        label = look.t("renew.window_days", start=start + 1, end=end)
        tiles.append(_tile(look, str(end), label, due, _worth(look, due)))
        start = end
    apart = [row for row in rows if row.get("disagreement") is not None]
    tiles.append(_tile(look, "apart", look.t("renew.apart"), apart, look.t("renew.apart_help", points=APART_POINTS)))
    return tag("nav", *tiles, class_="tiles even", aria_label=look.t("renew.windows"))


def _within(rows: list[dict[str, Any]], today: date, end: int) -> list[dict[str, Any]]:
    """The contracts of the window that ends `end` days from today."""
    start = max((one for one in WINDOWS if one < end), default=-1)
    return [row for row in rows if start < (as_date(row["end_on"]) - today).days <= end]


def _asked(rows: list[dict[str, Any]], today: date) -> list[dict[str, Any]]:
    """The rows that the address asks for: one window, where owner and model disagree, or all of them."""
    asked = st.query_params.get("show")
    if asked == "apart":
        return [row for row in rows if row.get("disagreement") is not None]
    return _within(rows, today, int(asked)) if asked in {str(one) for one in WINDOWS} else rows


def _tile(look: Look, name: str, label: str, rows: list[dict[str, Any]], line: object) -> Html:
    is_on = st.query_params.get("show") == name
    body = [tag("span", label, class_="ln"), tag("span", look.count(len(rows)), class_="fig"),
            tag("span", line, class_="ln")]  # fmt: skip
    return tag("a", *body, class_="tile", href=state.here("renewals", show=None if is_on else name), data_nav="1",
               target="_self", aria_current="true" if is_on else None)  # fmt: skip


def _worth(look: Look, rows: list[dict[str, Any]]) -> Html:
    amounts: dict[str, Decimal] = {}
    for row in rows:
        if row.get("amount") is not None:
            amounts[row["currency"]] = amounts.get(row["currency"], Decimal(0)) + number(row["amount"])
    return look.dotted(*(look.money(amount, currency) for currency, amount in sorted(amounts.items()))) or look.na()


def _list(look: Look, rows: list[dict[str, Any]]) -> Html:
    title = look.t("renew.list")
    if not rows:
        return panel("renewals", title, empty(look.t("renew.none")))
    drawn = [
        Row(
            [
                row["name"],
                look.text(row.get("contract_number")),
                look.day(row["end_on"]),
                look.money(row.get("amount"), row.get("currency")),
                meter(look, row),
                _why(look, row),
                _forecast(look, row),
            ],
            href=state.href("customer", customer=row["customer_key"]),
        )
        for row in rows
    ]
    columns = [
        Column(look.t("col.customer")),
        Column(look.t("col.contract"), "mid", phone=False),
        Column(look.t("col.ends"), "mid"),
        Column(look.t("col.amount"), "num"),
        Column(look.t("col.likelihood")),
        Column(look.t("col.drivers"), phone=False),
        Column(look.t("col.owner_forecast"), "num", phone=False),
    ]
    total = chip(look.t("work.count", n=look.count(len(rows))))
    foot: object = ""
    if len(drawn) > KEEP:
        foot = tag("button", tag("span", look.t("panel.all", n=look.count(len(drawn))), class_="more"),
                   tag("span", look.t("panel.fewer"), class_="less"), type="button", data_toggle="all",
                   aria_expanded="false")  # fmt: skip
    listed = table(title, columns, drawn, KEEP)
    return tag("div", panel("renewals", title, listed, badge=total, foot=foot), class_="worklist")


def _forecast(look: Look, row: dict[str, Any]) -> Html:
    if row.get("owner_forecast") is None:
        return look.na()
    said, apart = look.percent(row["owner_forecast"]), row.get("disagreement")
    if apart is None:
        return said
    words_of = look.t("renew.above" if apart > 0 else "renew.below", points=abs(apart))
    hint = look.t("renew.differs_help", limit=APART_POINTS)
    return join([said, tag("span", tag("span", words_of, class_="chip amber", title=hint), class_="second")])


def meter(look: Look, row: dict[str, Any]) -> Html:
    """A likelihood as a bar and a figure; without a score the base rate in words."""
    value = row.get("likelihood")
    if value is None:
        base = row.get("base_rate")
        rest = look.t("kpi.base_rate", rate=look.share(base)) if base is not None else look.t("kpi.too_little")
        return tag("span", rest, class_="unknown")
    share = float(number(value))
    if row.get("grade") in renewal_card.NOTES:
        # Without a proven model the figure is a base rate, and looks like one.
        return tag(
            "span",
            bar([(share, "grey", ""), (1 - share, "none", "")], look.t("renew.base")),
            look.share(value),
            " ",
            look.t("renew.base"),
            class_="meter muted",
        )
    tone = "red" if share < 0.4 else "mid" if share < 0.7 else "green"
    label = look.t("renew.chance", share=look.share(value))
    return tag("span", bar([(share, tone, ""), (1 - share, "none", "")], label), look.share(value), class_="meter")


def _why(look: Look, row: dict[str, Any]) -> Html:
    """The strongest reason against and for renewal, two lines at most; the others on hover."""
    down = [("↓ ", "t-red", words.driver(look, one)) for one in row.get("drivers_down") or []]
    up = [("↑ ", "t-green", words.driver(look, one)) for one in row.get("drivers_up") or []]
    shown = [*down[:1], *up[:1], *down[1:2], *up[1:2]][:2]
    if not shown:
        return look.na()
    every = "\n".join(mark + said for mark, _, said in [*down, *up])
    return tag("span", *(tag("span", mark, said, class_=f"reason {tone}") for mark, tone, said in shown), title=every)


page()
