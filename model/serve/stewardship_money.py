"""What every source record of some customers holds: the money that moves with it when customers join or part."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import timedelta
from decimal import Decimal
from typing import Any

from model.identity.decisions import Record
from model.receivables import open_items_sql
from model.receivables.items import OVERDUE, open_credits_sql, received_parameters
from model.serve import work
from model.serve.connection import Served

AMOUNTS = ("open", "overdue", "unallocated", "credits", "provisional", "ordered", "contract")
ZERO = Decimal(0)
_ITEMS = """
select i.customer_key, d.source, d.customer_id, i.currency,
       sum(case when i.kind <> 'provisional' and i.open_amount > 0 then open_amount end) as open,
       sum(case when i.kind <> 'provisional' and i.open_amount > 0 and bucket in ({overdue}) then open_amount end)
           as overdue,
       sum(case when i.kind <> 'provisional' and i.open_amount < 0 then -open_amount end) as credits,
       sum(case when i.kind = 'provisional' then open_amount end) as provisional
from ({items}) as i left join core.fct_invoice as d on d.record_key = i.invoice_key
group by all"""
_CASH = """
select c.customer_key, d.source, d.customer_id, c.currency,
       sum(case when c.class = 'unallocated' then left_amount end) as unallocated,
       sum(case when c.class = 'credits' then left_amount end) as credits
from ({credits}) as c left join (
    select record_key, source, customer_id from core.fct_receipt where known_to is null
    union all select record_key, source, customer_id from core.fct_credit_note where known_to is null
) as d on d.record_key = c.record_key
where list_contains($keys, c.customer_key) group by all"""
_ORDERS = """
select customer_key, source, customer_id, currency, sum(gross_amount) as ordered from core.fct_order
where list_contains($keys, customer_key) and excluded_reason is null and order_on > $year_ago and order_on <= $as_of
group by all"""
_CONTRACTS = """
select customer_key, source, customer_id, currency, sum(amount) as contract, count(*) as contracts
from core.fct_contract
where list_contains($keys, customer_key) and coalesce(status, '') not in
    ('draft', 'cancelled', 'terminated', 'expired')
    and (start_on is null or start_on <= $as_of) and (end_on is null or end_on >= $as_of)
group by all"""

Holding = dict[str, Any]


def holdings(db: Served, keys: Collection[str]) -> dict[tuple[str, Record], dict[str, Holding]]:
    """(customer key, record) → currency → {open, overdue, unallocated, credits, provisional, ordered (12 months),
    contract, contracts} as of today. Record ('', '') holds what no single record does: estimated settlements of a pool.
    """
    day, received = db.today(), work.recorded_receipts(db)
    wanted = sorted(set(keys))
    items = open_items_sql(where="list_contains($keys, i.customer_key)", received=bool(received))
    late = ", ".join(f"'{name}'" for name in sorted(OVERDUE))
    dated = {"as_of": day, "keys": wanted}
    year = {**dated, "year_ago": day - timedelta(days=365)}
    rows = [
        *db.rows(_ITEMS.format(overdue=late, items=items), {**dated, **received_parameters(received)}),
        *db.rows(_CASH.format(credits=open_credits_sql()), dated),
        *db.rows(_ORDERS, year),
        *db.rows(_CONTRACTS, dated),
    ]
    found: dict[tuple[str, Record], dict[str, Holding]] = defaultdict(dict)
    base = db.instance.config.base_currency
    for row in rows:
        record = (row["source"], row["customer_id"]) if row["source"] and row["customer_id"] else ("", "")
        into = found[row["customer_key"], record]
        add(into, row["currency"] or base, row)
    return dict(found)


def add(into: dict[str, Holding], currency: str, row: dict[str, Any]) -> None:
    """Add the amounts of `row` to the holding of its currency."""
    holding = into.setdefault(currency, {"currency": currency, **dict.fromkeys(AMOUNTS, ZERO), "contracts": 0})
    for name in AMOUNTS:
        holding[name] += row.get(name) or ZERO
    holding["contracts"] += row.get("contracts") or 0
