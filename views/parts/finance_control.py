"""The receivables shown here against the balance that finance's own system states, per month-end and currency."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from views import state
from views.parts.format import Look, number
from views.parts.html import Column, Html, Row, chip, h, join, link, tag
from views.parts.panels import rows_panel

ZERO = Decimal(0)


def drawn(look: Look, found: list[dict[str, Any]]) -> Html:
    """Rows of `serve.control_balances`: those that differ first, then the newest; each amount opens what it is of."""
    # The answer comes newest first, and sorting keeps that.
    ordered = sorted(found, key=lambda row: bool(row["agrees"]))
    differing = sum(1 for row in found if not row["agrees"])
    badge: Html | str = ""
    if found:
        badge = (
            chip(look.t("fin.balance_differs", n=look.count(differing)), "red") if differing
            else chip(look.t("fin.balance_agrees"), "green")
        )  # fmt: skip
    columns = [
        Column(look.t("fin.balance_on"), "mid"),
        Column(look.t("col.currency"), "mid", phone=False),
        Column(look.t("fin.balance_shown"), "num", look.t("fin.balance_shown_help")),
        Column(look.t("fin.balance_aside"), "num", look.t("fin.balance_aside_help"), phone=False),
        Column(look.t("fin.balance_counted"), "num", look.t("fin.balance_counted_help"), phone=False),
        Column(look.t("fin.balance_erp"), "num", look.t("fin.balance_erp_help")),
        Column(look.t("fin.balance_difference"), "num"),
    ]
    return rows_panel(
        look, "control_balance", columns, [_row(look, row) for row in ordered], badge=badge,
        foot=h(look.t("fin.balance_help")) if found else "",
    )  # fmt: skip


def _row(look: Look, row: dict[str, Any]) -> Row:
    day, currency = row["balance_on"].isoformat(), row["currency"]
    items = state.href("receivables", view="aging", as_of=day, ccy=currency, bucket_of="all", gccy=currency)
    aside = state.href("sources", source=row["source"])
    late = state.here("finance", view="books", as_of=day, record=None)
    return Row(
        [
            join([day, tag("span", look.label("source", row["source"]), class_="second"),
                  tag("span", currency, class_="below")]),
            currency,
            _amount(look, row["shown_amount"], items),
            join([_amount(look, row["quarantined_amount"], aside), _unreadable(look, row, aside)]),
            _counted(look, row),
            _amount(look, row["erp_amount"]),
            tag("span", "✓ 0", class_="t-green", title=look.t("fin.balance_row_agrees")) if row["agrees"]
            else link(tag("b", "✗ ", look.exact(row["difference"]), class_="t-red"), late,
                      title=look.t("fin.balance_late")),
        ]
    )  # fmt: skip


def _amount(look: Look, amount: Any, href: str | None = None) -> Html:
    if not number(amount):
        return tag("span", "0", class_="muted")
    return link(look.exact(amount), href) if href else look.exact(amount)


def _unreadable(look: Look, row: dict[str, Any], href: str) -> Html | str:
    if not row["unreadable"]:
        return ""
    said = look.t("fin.balance_unreadable", n=look.count(row["unreadable"]))
    return tag("span", link(said, href), class_="second", title=look.t("fin.balance_unreadable_help"))


def _counted(look: Look, row: dict[str, Any]) -> Html:
    """What the source counts of the documents that are not shown, and which kinds these are."""
    if not row["includes"]:
        return look.na()
    whole = sum((row["excluded"][name] for name in row["includes"]), ZERO)
    kinds = look.dotted(*(look.t(f"fin.class_{name}") for name in row["includes"]))
    return join([look.exact(whole), tag("span", kinds, class_="second")])
