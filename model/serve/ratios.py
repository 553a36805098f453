"""Receivables ratios per currency from the ledger: DSO both ways, best possible, ADD, CEI, overdue ratio, retention."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from model.policy import Viewer
from model.receivables.ratios import collection, countback, ratio_dso
from model.serve.aging import aging
from model.serve.connection import Served
from model.serve.overview import _retention, month_starts

ZERO = Decimal(0)
CENT = Decimal("0.01")


def ratios(viewer: Viewer, db: Served, start: date | None = None, end: date | None = None) -> list[dict[str, Any]]:
    """One row per currency for `start`..`end` (default: the last three months to today); null where undefined.

    Tax-included; unallocated cash, retention and provisional receivables are outside. CEI adds up whole months that
    end inside the period.
    """
    last = end or db.today()
    first = start or month_starts(last, 3)[0]
    days = (last - first).days + 1
    closing = {row["currency"]: row for row in aging(viewer, db, last)["totals"]}
    sales = _sales_by_month(viewer, db, last)
    retained = {row["currency"]: row for row in _retention(viewer, db, last)["by_currency"]}
    return [
        _row(viewer, db, row, sales[currency], retained.get(currency, {}), first, last, days)
        for currency, row in sorted(closing.items())
    ]


def _row(
    viewer: Viewer, db: Served, closing: dict[str, Any], sales: dict[date, Decimal], retained: dict[str, Any],
    first: date, last: date, days: int,
) -> dict[str, Any]:  # fmt: skip
    balance = closing["open"] - closing["retention"]
    not_due = closing["buckets"]["not_due"] - closing["retention_not_due"]
    period = _sales_between(viewer, db, closing["currency"], first, last)
    ratio = ratio_dso(balance, period, days)
    best = ratio_dso(not_due, period, days)
    back, is_beyond = countback(balance, sorted(sales.items(), reverse=True))
    return {
        "currency": closing["currency"],
        "period": [first, last],
        "dso_ratio": ratio,
        "dso_countback": back,
        "dso_countback_is_beyond_history": is_beyond,
        "best_possible_dso": best,
        "add": None if ratio is None or best is None else ratio - best,
        "cei": _cei(viewer, db, closing["currency"], sales, first, last),
        "overdue_ratio": None if not closing["open"] else (closing["overdue"] / closing["open"] * 100).quantize(CENT),
        "nrr": retained.get("nrr"),
        "grr": retained.get("grr"),
    }


def _sales_by_month(viewer: Viewer, db: Served, last: date) -> dict[str, dict[date, Decimal]]:
    rule, parameters = viewer.named_rows()
    rows = db.rows(
        f"""select m.currency, m.month_on, sum(m.sales_amount) as amount from marts.mart_sales_month as m
            join core.dim_customer as customer on customer.customer_key = m.customer_key
            where m.month_on <= $last and {rule} group by all""",
        {"last": last, **parameters},
    )
    found: dict[str, dict[date, Decimal]] = defaultdict(dict)
    for row in rows:
        found[row["currency"]][row["month_on"]] = row["amount"]
    return found


def _sales_between(viewer: Viewer, db: Served, currency: str, first: date, last: date) -> Decimal:
    rule, parameters = viewer.named_rows()
    row = db.rows(
        f"""select coalesce(sum(amount), 0) as amount from (
                select customer_key, gross_amount as amount from core.fct_invoice
                where excluded_reason is null and kind <> 'provisional' and kind <> 'opening'
                  and currency = $currency and posted_on between $first and $last
                union all
                select customer_key, -gross_amount from core.fct_credit_note
                where known_to is null and excluded_reason is null and currency = $currency
                  and posted_on between $first and $last) as document
            join core.dim_customer as customer on customer.customer_key = document.customer_key where {rule}""",
        {"currency": currency, "first": first, "last": last, **parameters},
    )[0]
    amount: Decimal = row["amount"]
    return Decimal(amount)


def _cei(
    viewer: Viewer, db: Served, currency: str, sales: dict[date, Decimal], first: date, last: date
) -> Decimal | None:
    collected = collectable = ZERO
    for start in (month for month in month_starts(last, 120) if month >= first.replace(day=1)):
        following = (start + timedelta(days=32)).replace(day=1)
        if following - timedelta(days=1) > last:
            continue
        opening, closing = (_balance(viewer, db, currency, day - timedelta(days=1)) for day in (start, following))
        got, could = collection(
            opening[0],
            sales.get(start, ZERO),
            closing[0],
            closing[1],
            _write_offs(viewer, db, currency, start, following),
        )
        collected, collectable = collected + got, collectable + could
    return None if collectable <= 0 else (collected / collectable * 100).quantize(CENT)


def _balance(viewer: Viewer, db: Served, currency: str, day: date) -> tuple[Decimal, Decimal]:
    for row in aging(viewer, db, day, currency=currency)["totals"]:
        return row["open"] - row["retention"], row["buckets"]["not_due"] - row["retention_not_due"]
    return ZERO, ZERO


def _write_offs(viewer: Viewer, db: Served, currency: str, start: date, following: date) -> Decimal:
    rule, parameters = viewer.named_rows()
    row = db.rows(
        f"""select coalesce(sum(a.amount), 0) as amount from core.fct_allocation as a
            join core.dim_customer as customer on customer.customer_key = a.customer_key
            where a.kind = 'write_off' and a.known_to is null and a.excluded_reason is null and a.currency = $currency
              and a.effective_on >= $start and a.effective_on < $following
              and (a.reversed_on is null or a.reversed_on >= $following) and {rule}""",
        {"currency": currency, "start": start, "following": following, **parameters},
    )[0]
    return Decimal(row["amount"])
