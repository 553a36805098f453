"""Finance's screen: today's work, expected cash, ratios and the books; each tile opens its rows."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import streamlit as st

from model import policy, serve
from model.policy import HIDDEN
from views import state
from views.parts import (
    drawer,
    finance_books,
    finance_cash,
    finance_expected,
    finance_panels,
    finance_pictures,
    finance_ratios,
)
from views.parts.format import Look
from views.parts.html import Html, grids, tag
from views.parts.notice import notice
from views.parts.tiles import tile

STYLE = Path(__file__).parent / "parts" / "money.css"
VIEWS = ("today", "cash", "ratios", "books")
SOON = 30
# Statements that somebody has to look after: unanswered, differing, or not delivered.
WAITING = frozenset({"sent", "difference", "failed"})


def page() -> None:
    """One of four views, as the address says: today's work, expected cash, ratios, the books."""
    context = state.context()
    look, role = context.look, policy.roles()[context.viewer.role]
    st.html(STYLE)
    if not (role.may_work and role.scope == "all"):
        st.html(notice(look.t("fin.not_yours"), look.t("fin.not_yours_help"), tone="amber"))
        return
    asked = st.query_params.get("view", VIEWS[0])
    view = asked if asked in VIEWS else VIEWS[0]
    currencies, chosen = _currencies(context)
    st.html(_head(context, view, currencies, chosen))
    if view == "cash":
        finance_expected.show(context, chosen)
    elif view == "ratios":
        finance_ratios.show(context, chosen)
        finance_pictures.performance(context)
    elif view == "books":
        finance_books.show(context)
    else:
        _today(context, currencies, chosen)
    if opened := drawer.drawer(context, "finance"):
        st.html(opened)


def _currencies(context: state.Context) -> tuple[list[str], str]:
    """The currencies anything is open in, and the one the pictures are in: as asked, else the company's."""
    currencies = [row["currency"] for row in serve.aging(context.viewer, context.db)["totals"]]
    base = context.instance.config.base_currency
    asked = st.query_params.get("ccy", base)
    return currencies, asked if asked in currencies else base if base in currencies else next(iter(currencies), base)


def _today(context: state.Context, currencies: list[str], chosen: str) -> None:
    """Tiles, pictures in the chosen currency, then the lists behind the tiles."""
    look, found = context.look, _read(context, currencies)
    st.html(tag("nav", *_tiles(look, found), class_="tiles even", aria_label=look.t("fin.tiles")))
    finance_pictures.show(context, chosen)
    left, right = st.columns([1.6, 1])
    left.html(finance_panels.unapplied(look, found["unapplied"]))
    with right:
        finance_cash.show(context, found["unapplied"])
    st.html(_lists(look, found))


def _read(context: state.Context, currencies: list[str]) -> dict[str, Any]:
    viewer, db = context.viewer, context.db
    day = db.today()
    items = serve.work_items(viewer, db)
    credit = serve.exposure(viewer, db)
    bills = [row for name in currencies for row in serve.ratio_rows(viewer, db, "bills", name, day, day)]
    return {
        "day": day,
        "over": [row for row in credit["rows"] if row["is_over"] is True],
        "held": [row for row in credit["rows"] if row["is_on_hold"]],
        "proposals": [] if credit["proposals"] == HIDDEN else credit["proposals"],
        "unapplied": serve.unapplied(viewer, db),
        "broken": [row for row in items if row["promise"] and row["promise"]["state"] == "broken"],
        "bills": sorted(bills, key=lambda row: (row["due_on"] is None, row["due_on"] or date.max, row["record_key"])),
        "statements": [row for row in serve.statements(viewer, db) if row["state"] in WAITING],
        "disputes": serve.disputes(viewer, db),
        "faults": serve.ledger_faults(viewer, db),
    }


def _head(context: state.Context, view: str, currencies: list[str], chosen: str) -> Html:
    look = context.look
    ways = [
        tag("a", look.t(f"fin.view_{name}"), data_nav="1", target="_self",
            aria_current="page" if name == view else None,
            href=state.href("finance", view=None if name == VIEWS[0] else name, ccy=st.query_params.get("ccy")))
        for name in VIEWS
    ]  # fmt: skip
    codes = [
        tag("a", name, href=state.here("finance", ccy=name, record=None, show=None), data_nav="1", target="_self",
            aria_current="true" if name == chosen else None)
        for name in currencies
    ]  # fmt: skip
    offered = tag("div", *codes, class_="kinds push", role="group", aria_label=look.t("fin.pictures_in"))
    return tag(
        "div",
        tag("h1", look.t("nav.finance")),
        tag("nav", *ways, class_="kinds", aria_label=look.t("fin.views")),
        tag("span", look.t("fin.basis", on=context.db.today().isoformat()), class_="muted"),
        "" if view == "books" or len(currencies) < 2 else offered,
        class_="head",
    )


def _tiles(look: Look, found: dict[str, Any]) -> list[Html]:
    soon = [row for row in found["bills"] if row["due_on"] and (row["due_on"] - found["day"]).days <= SOON]
    covers = sum(1 for row in found["unapplied"] if row["covers_overdue_amount"] > 0)
    late = sum(1 for row in found["statements"] if row["is_late"])
    stale = sum(1 for row in found["disputes"] if row["is_late"])
    return [
        _counted(look, "over_limit", found["over"], tone="bad" if found["over"] else ""),
        _counted(look, "holds", found["held"], look.t("fin.proposals", n=look.count(len(found["proposals"])))),
        _summed(look, "unapplied", found["unapplied"], "left_amount", look.t("fin.covers", n=look.count(covers))),
        _summed(look, "broken", found["broken"], lambda row: row["promise"]["broken_amount"],
                tone="bad" if found["broken"] else ""),
        _summed(look, "bills", soon, "amount", look.t("fin.bills_all", n=look.count(len(found["bills"])))),
        _counted(look, "statements", found["statements"], look.t("fin.late", n=look.count(late)) if late else ""),
        _summed(look, "disputes", found["disputes"], "amount",
                look.t("fin.late_disputes", n=look.count(stale)) if stale else ""),
        tile("faults", look.t("fin.tile_faults"), look.count(len(found["faults"])), look.t("fin.control_tile"),
             href=state.href("finance", view="books")),
    ]  # fmt: skip


def _counted(look: Look, name: str, rows: list[Any], line: object = "", tone: str = "") -> Html:
    return tile(name, look.t(f"fin.tile_{name}"), look.count(len(rows)), line, tone=tone)


def _summed(look: Look, name: str, rows: list[Any], amount: Any, line: object = "", tone: str = "") -> Html:
    """A tile of amounts: one figure per currency, the largest count as the figure, the rest as lines."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        sums[row["currency"]] += row[amount] if isinstance(amount, str) else amount(row)
    ordered = [look.money(value, code) for code, value in sorted(sums.items(), key=lambda entry: -entry[1])]
    count = look.t("work.items_n", n=look.count(len(rows))) if rows else ""
    figure: object = ordered[0] if ordered else "0"
    return tile(name, look.t(f"fin.tile_{name}"), figure, look.dotted(*ordered[1:3], count), line, tone=tone)


def _lists(look: Look, found: dict[str, Any]) -> Html:
    """The lists behind the tiles."""
    return grids([
        finance_panels.over_limit(look, found["over"]),
        finance_panels.holds(look, found["proposals"], found["held"]),
        finance_panels.broken(look, found["broken"]),
        finance_panels.disputes(look, found["disputes"]),
        finance_panels.bills(look, found["bills"], found["day"]),
        finance_panels.statements(look, found["statements"]),
    ])  # fmt: skip


page()
