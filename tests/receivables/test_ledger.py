"""Open items over a random ledger in memory: nothing is lost, nothing is over-settled, and the past replays."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from model.receivables import open_items_sql

DAY = date(2026, 6, 30)
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
PLAN = """create table core.fct_plan_row (customer_key text, record_key text, invoice_key text, plan_row bigint,
    kind text, excluded_reason text, invoice_on date, posted_on date, due_on date, release_on date, payment_terms text,
    is_retention boolean, currency text, amount decimal(18, 2), known_from timestamptz, known_to timestamptz)"""
ALLOCATION = """create table core.fct_allocation (customer_key text, record_key text, invoice_key text,
    credit_key text, plan_row bigint, is_header_level boolean, amount decimal(18, 2), effective_on date,
    reversed_on date, excluded_reason text, known_from timestamptz, known_to timestamptz)"""
cents = st.integers(1, 10_000_000).map(lambda n: Decimal(n) / 100)
days = st.integers(-200, 200).map(lambda n: DAY + timedelta(days=n))


@st.composite
def ledgers(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Plan rows of some invoices, and allocations that never exceed what an invoice is for."""
    rows, settlements = [], []
    for number in range(draw(st.integers(1, 4))):
        amounts = draw(st.lists(cents, min_size=1, max_size=4))
        posted = draw(days)
        for index, amount in enumerate(amounts, 1):
            rows.append({"invoice": f"I{number}", "row": index, "amount": amount, "posted": posted,
                         "due": draw(st.none() | days)})  # fmt: skip
        left = sum(amounts)
        for _ in range(draw(st.integers(0, 3))):
            part = (left * draw(st.integers(0, 100)) / 100).quantize(Decimal("0.01"))
            left -= part
            settlements.append({"invoice": f"I{number}", "amount": part, "on": max(draw(days), posted),
                                "reversed": draw(st.none() | days), "known": draw(days)})  # fmt: skip
    return rows, settlements


def fill(rows: list[dict[str, Any]], settlements: list[dict[str, Any]]) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("create schema core")
    con.execute("set timezone = 'UTC'")
    con.execute(PLAN)
    con.execute(ALLOCATION)
    for row in rows:
        con.execute(
            "insert into core.fct_plan_row values ('C1', ?, ?, ?, 'invoice', null, ?, ?, ?, null, null, false,"
            " 'CNY', ?, ?, null)",
            [f"{row['invoice']}#{row['row']}", row["invoice"], row["row"], row["posted"], row["posted"], row["due"],
             row["amount"], BEGINNING],
        )  # fmt: skip
    for number, item in enumerate(settlements):
        known = datetime.combine(item["known"], datetime.min.time(), UTC)
        con.execute(
            "insert into core.fct_allocation values ('C1', ?, ?, null, null, true, ?, ?, ?, null, ?, null)",
            [str(number), item["invoice"], item["amount"], item["on"], item["reversed"], known],
        )
    return con


def opened(con: duckdb.DuckDBPyConnection, known: datetime | None = None) -> dict[str, list[tuple[Any, ...]]]:
    sql = f"""select invoice_key, plan_row, due_on, amount, open_amount
              from ({open_items_sql(known=known is not None)}) order by all"""
    found = con.execute(sql, {"as_of": DAY} | ({} if known is None else {"known": known})).fetchall()
    grouped = defaultdict(list)
    for row in found:
        grouped[row[0]].append(row)
    return grouped


def settled(settlements: list[dict[str, Any]], invoice: str, until: date = date.max) -> Decimal:
    return sum(
        (item["amount"] for item in settlements
         if item["invoice"] == invoice and item["on"] <= DAY and item["known"] < until
         and (item["reversed"] is None or item["reversed"] > DAY)),
        Decimal(0),
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(ledgers())
def test_header_settlements_fill_the_earliest_due_row_and_lose_nothing(
    ledger: tuple[list[dict[str, Any]], list[dict[str, Any]]],
) -> None:
    rows, settlements = ledger
    con = fill(rows, settlements)
    posted = {row["invoice"] for row in rows if row["posted"] <= DAY}
    found = opened(con)
    assert set(found) == posted
    for invoice, items in found.items():
        assert all(0 <= item[4] <= item[3] for item in items)
        assert sum(item[3] - item[4] for item in items) == settled(settlements, invoice)
        by_due = sorted(items, key=lambda item: (item[2] or date.max, item[1]))
        touched = [item[4] < item[3] for item in by_due]
        full = [item[4] == 0 for item in by_due]
        assert all(full[i] for i in range(len(by_due)) if any(touched[i + 1 :]))


@settings(max_examples=30, deadline=None)
@given(ledgers(), days)
def test_known_at_replays_what_was_known(
    ledger: tuple[list[dict[str, Any]], list[dict[str, Any]]], until: date
) -> None:
    rows, settlements = ledger
    known = datetime.combine(until, datetime.min.time(), UTC)
    if known <= BEGINNING:
        return
    found = opened(fill(rows, settlements), known)
    for invoice, items in found.items():
        assert sum(item[3] - item[4] for item in items) == settled(settlements, invoice, until)
