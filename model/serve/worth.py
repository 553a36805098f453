"""What a customer is worth to work on: money at stake, by which stewards' lists are ordered."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from model.receivables import open_items_sql
from model.receivables.items import received_parameters
from model.serve import money, work
from model.serve.connection import Served

_WORTH = """
    with rate as (select unnest($currencies) as currency, unnest($rates) as rate),
    amount as (
        select customer_key, currency, open_amount as amount from ({items})
        where open_amount > 0 and kind <> 'provisional'
        union all
        select customer_key, currency, gross_amount from core.fct_order
        where excluded_reason is null and order_on > $year_ago and order_on <= $as_of
    )
    select customer_key, cast(sum(amount * rate) as decimal(18, 2)) as revenue
    from amount join rate using (currency)
    group by customer_key
"""


def worth(db: Served) -> dict[str, Decimal]:
    """Customer → open items and orders of 12 months, in the company's currency, of every customer; cached.

    Only for ordering and for rows that the viewer's scope has chosen already.
    """
    day, received = db.today(), work.recorded_receipts(db)
    key = ("worth", day, tuple(sorted(received.items())))
    if key not in db.cache:
        rates = money.rates(db, day)
        rows = db.rows(_WORTH.format(items=open_items_sql(received=bool(received))), {
            "as_of": day, "year_ago": day - timedelta(days=365), "currencies": list(rates),
            "rates": list(rates.values()), **received_parameters(received),
        })  # fmt: skip
        db.cache[key] = {row["customer_key"]: row["revenue"] for row in rows}
    answer: dict[str, Decimal] = db.cache[key]
    return answer
