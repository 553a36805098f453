"""Aging: the product's aging table against a hand-written query over the same ledger, today and as of a past date.

The ledger is made as a build makes it: synthetic facts (20 plan rows a customer, most of them settled), then the
product's own models over them. The hand-written query computes the same table from the same facts; both answers are
compared row by row. Ratio = our seconds ÷ theirs, so lower is better.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from datetime import date
from pathlib import Path

import duckdb
import polars as pl

from model import warehouse
from model.policy import Viewer
from model.publish import Published
from model.receivables import buckets, ledger
from model.serve.aging import table
from model.serve.connection import Served
from ops import clock
from ops.instance import Instance, InstanceConfig

CUSTOMERS = 20_000
ITEMS = 20
REPEATS = 5
TODAY, PAST = date(2026, 11, 21), date(2026, 3, 31)

FACTS = f"""
create table core.dim_customer as
select 'C' || lpad(cast(n as varchar), 9, '0') as customer_key, 'customer ' || n as name,
       'E' || (n % 200) as owner_key, 'owner ' || (n % 200) as owner_name, 'region ' || (n % 7) as region,
       cast(null as varchar) as group_key, cast(null as varchar) as group_name
from range($customers) as t(n) order by customer_key;
create table core.fct_plan_row as
select c.customer_key, 'books:' || c.n || '-' || i || '#1' as record_key, 'books' as source,
       c.n || '-' || i as source_id,
       'books:' || c.n || '-' || i as invoice_key, cast(1 as bigint) as plan_row, c.n || '-' || i as invoice_number,
       'invoice' as kind, cast(null as varchar) as order_id, cast(null as varchar) as order_number,
       cast(null as varchar) as contract_number, cast(null as varchar) as original_invoice_id,
       cast(null as varchar) as excluded_reason, p.posted_on as invoice_on, p.posted_on,
       cast(p.posted_on + 30 + cast(c.n % 60 as integer) as date) as due_on, cast(null as date) as release_on,
       'net 30' as payment_terms, cast(null as bigint) as cutoff_day, cast(null as date) as received_on,
       cast(null as varchar) as condition, false as is_retention, true as is_header_row,
       case when c.n % 10 = 0 then 'USD' else 'CNY' end as currency, cast(1 as decimal(18, 8)) as exchange_rate,
       cast(1000 + (c.n * 7919 + i * 104729) % 90000 as decimal(18, 2)) as amount,
       cast(1000 + (c.n * 7919 + i * 104729) % 90000 as decimal(18, 2)) as invoice_amount,
       cast(null as varchar) as owner_id, cast(null as varchar) as owner_key, '100' as org_code,
       timestamptz '2026-01-01 00:00:00+00' as known_from, cast(null as timestamptz) as known_to
from (select customer_key, row_number() over (order by customer_key) as n from core.dim_customer) as c
cross join range({ITEMS}) as t(i)
cross join lateral (
    select cast(date '2024-01-01' + cast((c.n * 31 + i * 53) % 1050 as integer) as date) as posted_on) as p
order by customer_key, posted_on, record_key;
create table core.fct_receipt as
select customer_key, replace(record_key, '#1', 'R') as record_key, 'books' as source, source_id || 'R' as source_id,
       source_id || 'R' as number, cast(posted_on + 40 as date) as received_on,
       cast(posted_on + 40 as date) as posted_on,
       cast(null as varchar) as excluded_reason, 'transfer' as method, 'sale' as purpose, currency, exchange_rate,
       case when hash(record_key) % 50 = 0 then cast(amount + 100 as decimal(18, 2)) else amount end as amount,
       cast(null as varchar) as payer_name, cast(null as varchar) as bill_number, cast(null as varchar) as bill_state,
       cast(null as date) as bill_matures_on, true as has_recourse, cast(null as date) as dishonoured_on,
       cast(null as varchar) as refund_of_key, org_code, known_from, known_to
from core.fct_plan_row where hash(record_key) % 10 <> 0 order by customer_key, posted_on, record_key;
create table core.fct_allocation as
select p.customer_key, p.record_key || 'A' as record_key, 'books' as source, p.source_id || 'A' as source_id,
       'receipt' as kind, p.invoice_key, r.record_key as receipt_key, cast(null as varchar) as credit_key,
       cast(1 as bigint) as plan_row, false as is_header_level, p.currency, s.amount, s.amount as used_amount,
       false as is_cross_currency, cast(r.posted_on + 2 as date) as allocated_on, false as is_date_derived,
       cast(r.posted_on + 2 as date) as effective_on, cast(null as date) as reversed_on, p.currency as receipt_currency,
       false as is_receipt_unknown, false as is_credit_unknown, false as is_invoice_unknown,
       cast(null as varchar) as excluded_reason, p.known_from, p.known_to
from core.fct_plan_row as p
join core.fct_receipt as r on r.record_key = replace(p.record_key, '#1', 'R')
cross join lateral (
    select case when hash(p.record_key) % 12 = 0 then cast(p.amount / 2 as decimal(18, 2)) else p.amount end as amount
) as s
order by customer_key, invoice_key, effective_on, record_key;
create table core.fct_credit_note (customer_key varchar, record_key varchar, source varchar, source_id varchar,
    number varchar, kind varchar, original_invoice_id varchar, order_id varchar, credit_on date, posted_on date,
    excluded_reason varchar, currency varchar, gross_amount decimal(18, 2), org_code varchar, known_from timestamptz,
    known_to timestamptz);
"""

# what an analyst would write for this ledger: no instalments, no red letters, no dishonoured bills to think of
HANDWRITTEN = """
with used as (
    select invoice_key, sum(amount) as amount from core.fct_allocation
    where effective_on <= $as_of and (reversed_on is null or reversed_on > $as_of) group by invoice_key
),
item as (
    select p.customer_key, p.currency, p.amount - coalesce(u.amount, 0) as amount,
           date_diff('day', p.due_on, $as_of) as days
    from core.fct_plan_row as p left join used as u on u.invoice_key = p.invoice_key
    where p.posted_on <= $as_of
),
spent as (
    select receipt_key, sum(amount) as amount from core.fct_allocation
    where effective_on <= $as_of and (reversed_on is null or reversed_on > $as_of) group by receipt_key
),
cash as (
    select r.customer_key, r.currency, r.amount - coalesce(s.amount, 0) as amount
    from core.fct_receipt as r left join spent as s on s.receipt_key = r.record_key where r.posted_on <= $as_of
),
entry as (
    select customer_key, currency, days, amount, cast(0 as decimal(18, 2)) as cash from item where amount <> 0
    union all
    select customer_key, currency, 0, 0, amount from cash where amount <> 0
)
select c.customer_key, c.name, e.currency,
       sum(case when days <= 0 then amount else 0 end) as not_due,
       sum(case when days between 1 and 30 then amount else 0 end) as d30,
       sum(case when days between 31 and 60 then amount else 0 end) as d60,
       sum(case when days between 61 and 90 then amount else 0 end) as d90,
       sum(case when days between 91 and 180 then amount else 0 end) as d180,
       sum(case when days between 181 and 365 then amount else 0 end) as d365,
       sum(case when days > 365 then amount else 0 end) as older,
       sum(amount) as open, sum(case when days > 0 then amount else 0 end) as overdue, sum(cash) as unallocated
from entry as e join core.dim_customer as c on c.customer_key = e.customer_key
group by c.customer_key, c.name, e.currency
order by overdue desc, open desc, c.customer_key, e.currency"""


def ledger_file(path: Path, customers: int) -> int:
    """Write the facts and the ledger's models into `path`; returns the number of items."""
    con = warehouse.connect(path)
    warehouse.prepare(con)
    for statement in FACTS.strip().split(";\n"):
        con.execute(statement.rstrip(";"), {"customers": customers} if "$customers" in statement else None)
    found = {model.name: model for model in warehouse.models()}
    for name in ledger.MODELS:
        model = found[name]
        con.execute(f"create table {name} as select * from (\n{model.sql}\n) order by {', '.join(model.cluster)}")
    items = con.execute("select count(*) from marts.mart_open_item").fetchall()[0][0]
    con.execute("checkpoint warehouse")
    con.close()
    return int(items)


def ours(served: Served, day: date) -> pl.DataFrame:
    """The product's aging table by customer."""
    return table(Viewer.operator(), served, day, None, "customer", "due", None, None, buckets.default(), {})


def _median(function: object, *arguments: object) -> float:
    samples = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        function(*arguments)  # type: ignore[operator]
        samples.append(time.perf_counter() - started)
    return statistics.median(samples)


def _same(mine: pl.DataFrame, theirs: pl.DataFrame) -> bool:
    columns = ["customer_key", "currency", "open", "overdue", "unallocated"]
    left = mine.rename({"key": "customer_key"}).select(columns).sort("customer_key", "currency")
    right = theirs.select(columns).sort("customer_key", "currency")
    return left.rows() == right.rows()


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Figures: ratio_to_handwritten, asof_ratio_to_handwritten (medians, alternating), seconds of both, items."""
    work = Path(tempfile.mkdtemp(prefix="bench-aging-"))
    try:
        instance = Instance.create(work / "i", InstanceConfig(company="bench"))
        path = work / "wh.duckdb"
        items = ledger_file(path, arguments.customers)
        served = Served(instance, Published("bench", path, path, clock.now(), items, "bench"))
        theirs = duckdb.connect(str(path), read_only=True)
        figures: dict[str, object] = {"customers": arguments.customers, "items": items}
        for prefix, day in (("", TODAY), ("asof_", PAST)):

            def handwritten(day: date = day) -> pl.DataFrame:
                found = pl.from_arrow(theirs.sql(HANDWRITTEN, params={"as_of": day}).to_arrow_table())
                if not isinstance(found, pl.DataFrame):
                    raise TypeError("an Arrow table did not become a frame")
                return found

            if not _same(ours(served, day), handwritten()):
                raise RuntimeError(f"the aging of {day} differs from the hand-written query")
            peer, mine = _median(handwritten), _median(ours, served, day)
            figures |= {
                f"{prefix}seconds": round(mine, 3),
                f"{prefix}handwritten_seconds": round(peer, 3),
                f"{prefix}ratio_to_handwritten": round(mine / peer, 3),
            }
        return figures
    finally:
        shutil.rmtree(work, ignore_errors=True)
