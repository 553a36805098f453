"""How open receivables moved month over month: what came new, was paid, slipped past its day or was written off."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from model.policy import Viewer
from model.receivables import open_items_sql
from model.receivables.items import received_parameters
from model.serve import work
from model.serve.connection import Served
from model.serve.overview import month_starts

ZERO = Decimal(0)
_PAID = ("receipt", "fifo")


def aging_movement(viewer: Viewer, db: Served, months: int = 6, as_of: date | None = None) -> list[dict[str, Any]]:
    """The last `months` months up to `as_of` (the last one so far), oldest first; grain: currency × month.

    {currency, month, from_on, to_on, opening, new, paid, written_off, other, closing, overdue, slipped}; opening and
    closing are the open totals of the aging, closing = opening + new - paid - written_off - other. other: credit
    notes, red invoices, offsets, discounts and exchange differences, and overpaid rows that are not open items.
    slipped: what was not yet overdue when the month began and is overdue at its end.
    """
    day = as_of or db.today()
    received = work.recorded_receipts(db)
    key = ("aging movement", viewer.cache_key, months, day, tuple(sorted(received.items())))
    if key not in db.cache:
        db.cache[key] = _movement(viewer, db, month_starts(day, months), day, received)
    found: list[dict[str, Any]] = db.cache[key]
    return found


def _movement(
    viewer: Viewer, db: Served, starts: list[date], day: date, received: dict[str, date]
) -> list[dict[str, Any]]:
    ends = [min((start + timedelta(days=32)).replace(day=1) - timedelta(days=1), day) for start in starts]
    before = starts[0] - timedelta(days=1)
    balances = {end: _balance(viewer, db, end, start, received) for start, end in zip(starts, ends, strict=True)}
    opening = {name: row["open"] for name, row in _balance(viewer, db, before, before, received).items()}
    new, settled = _new(viewer, db, starts[0], day), _settled(viewer, db, starts[0], day)
    rows = []
    for currency in sorted({*opening, *(name for found in balances.values() for name in found)}):
        left = opening.get(currency, ZERO)
        for start, end in zip(starts, ends, strict=True):
            found = balances[end].get(currency, {"open": ZERO, "overdue": ZERO, "slipped": ZERO})
            kinds = settled[currency, start]
            paid = sum((kinds[kind] for kind in _PAID), ZERO)
            added, lost = new.get((currency, start), ZERO), kinds["write_off"]
            rows.append(
                {"currency": currency, "month": start, "from_on": start, "to_on": end, "opening": left, "new": added,
                 "paid": paid, "written_off": lost, "other": left + added - paid - lost - found["open"],
                 "closing": found["open"], "overdue": found["overdue"], "slipped": found["slipped"]}
            )  # fmt: skip
            left = found["open"]
    return rows


def _balance(
    viewer: Viewer, db: Served, day: date, start: date, received: dict[str, date]
) -> dict[str, dict[str, Decimal]]:
    rule, named = viewer.named_rows()
    rows = db.rows(
        f"""select item.currency, sum(open_amount) as open,
                   coalesce(sum(case when days_past_due > 0 then open_amount end), 0) as overdue,
                   coalesce(sum(case when days_past_due > 0 and due_on >= $before then open_amount end), 0) as slipped
            from ({open_items_sql(received=bool(received))}) as item
            join core.dim_customer as customer on customer.customer_key = item.customer_key
            where open_amount > 0 and item.kind <> 'provisional' and {rule} group by item.currency""",
        {"as_of": day, "before": start - timedelta(days=1), **named, **received_parameters(received)},
    )
    return {row["currency"]: row for row in rows}


def _new(viewer: Viewer, db: Served, start: date, end: date) -> dict[tuple[str, date], Decimal]:
    """(currency, month) → invoiced, red invoices apart: they settle."""
    rule, named = viewer.named_rows()
    rows = db.rows(
        f"""select i.currency, cast(date_trunc('month', i.posted_on) as date) as month_on, sum(i.amount) as amount
            from marts.mart_open_item as i
            join core.dim_customer as customer on customer.customer_key = i.customer_key
            where i.amount > 0 and i.kind <> 'provisional' and i.posted_on between $start and $end and {rule}
            group by all""",
        {"start": start, "end": end, **named},
    )
    return {(row["currency"], row["month_on"]): row["amount"] for row in rows}


def _settled(viewer: Viewer, db: Served, start: date, end: date) -> dict[tuple[str, date], dict[str, Decimal]]:
    """(currency, month) → kind of movement → what it settled of invoices."""
    rule, named = viewer.named_rows()
    found: dict[tuple[str, date], dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for row in db.rows(
        f"""select i.currency, cast(date_trunc('month', m.moved_on) as date) as month_on, m.kind,
                   sum(m.amount) as amount
            from marts.mart_item_movement as m
            join marts.mart_open_item as i on i.record_key = m.record_key
            join core.dim_customer as customer on customer.customer_key = i.customer_key
            where i.amount > 0 and i.kind <> 'provisional' and m.moved_on between $start and $end and {rule}
            group by all""",
        {"start": start, "end": end, **named},
    ):
        found[row["currency"], row["month_on"]][row["kind"]] += row["amount"]
    return found
