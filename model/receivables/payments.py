"""What receipts paid on items, with the day the money was received: settlements joined to their receipts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from model.receivables.promises import Payment

ZERO = Decimal(0)
CENT = Decimal("0.01")

# settlements of every kind up to a day on the invoices of some plan rows
SETTLEMENTS = """
    select s.invoice_key, s.plan_row, s.moved_on, s.kind, s.document_key, s.amount,
           coalesce(r.received_on, s.moved_on) as received_on, r.method, r.bill_matures_on
    from core.fct_settlement as s
    left join core.fct_receipt as r on r.record_key = s.document_key and r.known_to is null
    where s.moved_on <= $as_of and list_contains($invoices, s.invoice_key)
    order by s.moved_on, s.movement_key"""
# the plan rows of the invoices that `$keys` belong to, with their movements by day
ROWS = """
    with wanted as (
        select distinct invoice_key from marts.mart_open_item where list_contains($keys, record_key)
    )
    select i.record_key, i.invoice_key, i.plan_row, i.customer_key, i.currency, m.moved_on, m.kind, m.amount
    from wanted
    join marts.mart_open_item as i on i.invoice_key = wanted.invoice_key
    left join marts.mart_item_movement as m on m.record_key = i.record_key and m.moved_on <= $as_of"""


def payments_of(
    keys: Iterable[str], rows: list[dict[str, Any]], settlements: list[dict[str, Any]]
) -> dict[str, list[Payment]]:
    """Item key → payments, from the rows of ROWS and SETTLEMENTS.

    A receipt that was taken back (reversed, or its bill dishonoured) nets out. A settlement of an invoice as a whole
    is divided over its rows as the ledger did that day. An estimated use of cash counts from the day of the estimate.
    """
    wanted = set(keys)
    by_invoice: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for settled in settlements:
        by_invoice[settled["invoice_key"]].append(settled)
    places: dict[str, tuple[str, int]] = {row["record_key"]: (row["invoice_key"], row["plan_row"]) for row in rows}
    size: dict[str, int] = defaultdict(int)
    for invoice, _ in places.values():
        size[invoice] += 1
    moved: dict[tuple[str, date], Decimal] = defaultdict(Decimal)
    found: dict[str, list[Payment]] = {}
    for row in rows:
        if row["moved_on"] is not None and row["kind"] != "fifo":
            moved[row["record_key"], row["moved_on"]] += row["amount"]
        elif row["moved_on"] is not None and row["record_key"] in wanted:
            found.setdefault(row["record_key"], []).append(
                Payment(row["record_key"], row["moved_on"], row["amount"], None)
            )
    for key in wanted & set(places):
        invoice, plan_row = places[key]
        parts = _parts(key, plan_row, by_invoice[invoice], moved, is_single=size[invoice] == 1)
        found.setdefault(key, []).extend(parts)
    return found


def _parts(
    key: str, plan_row: int, settlements: list[dict[str, Any]], moved: dict[tuple[str, date], Decimal], *,
    is_single: bool,
) -> list[Payment]:  # fmt: skip
    """Payments of one plan row: those on it, and its part of those on the invoice as a whole."""
    whole: dict[date, Decimal] = defaultdict(Decimal)
    direct: dict[date, Decimal] = defaultdict(Decimal)
    for row in settlements:
        if row["plan_row"] is None and not is_single:
            whole[row["moved_on"]] += row["amount"]
        elif is_single or row["plan_row"] == plan_row:
            direct[row["moved_on"]] += row["amount"]
    net: dict[tuple[str, date, str | None, date | None], Decimal] = defaultdict(Decimal)
    for row in settlements:
        on, amount = row["moved_on"], row["amount"]
        if row["kind"] != "receipt" or not (is_single or row["plan_row"] in {None, plan_row}):
            continue
        if row["plan_row"] is None and not is_single:
            share = moved[key, on] - direct[on]
            amount = (share * amount / whole[on]).quantize(CENT) if whole[on] else ZERO
        net[row["document_key"] or "", row["received_on"], row["method"], row["bill_matures_on"]] += amount
    return [
        Payment(key, received_on, amount, method, matures_on)
        for (_, received_on, method, matures_on), amount in net.items()
        if amount > 0
    ]
