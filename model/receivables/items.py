"""Open items as SQL: what each payment-plan row still owes as of a business date, as known at an instant.

The open amount on a day is the row's amount less the movements up to that day; how settlements become movements is
said in model/core/fct_settlement.sql and model/marts/mart_item_movement.sql.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from model.receivables import ledger

BUCKETS = (
    "not_due", "1-30", "31-60", "61-90", "91-180", "181-365", "over_365", "term_not_started", "no_due_date",
)  # fmt: skip
_EDGES = ((0, "not_due"), (30, "1-30"), (60, "31-60"), (90, "61-90"), (180, "91-180"), (365, "181-365"))
OVERDUE = frozenset({"1-30", "31-60", "61-90", "91-180", "181-365", "over_365"})
# the day that days past due count from
ANCHORS = {"due": "due_on", "invoice": "invoice_on", "business": "posted_on", "recognition": "recognised_on"}


def bucket_of(days: int | None, *, is_term_open: bool = False) -> str:
    """The bucket of `days` past due (0 or less is not due); without a due date one of the two buckets for that."""
    if days is None:
        return "term_not_started" if is_term_open else "no_due_date"
    for edge, name in _EDGES:
        if days <= edge:
            return name
    return "over_365"


def open_items_sql(
    *, known: bool = False, customer: bool = False, basis: str = "due", where: str = "true", received: bool = False
) -> str:
    """One row per payment-plan row that is open at `$as_of` (and as known at `$known`), also overpaid ones.

    Columns: those of marts.mart_open_item with `allocated_amount`, `open_amount` (negative: an unused red invoice or
    an overpaid row), `is_header_filled`, `is_estimated`, `is_implied`, `days_past_due` by `basis` (null without a
    date; retention whose release is awaited: 0) and `bucket`. With `customer` only `$customer_key`'s; `where` filters
    the items as alias `i`. Provisional documents are in, by kind. With `received` the days on which customers received
    invoices (`received_parameters`) start the terms that wait for it.
    """
    _, names = ledger.tables(known=known, customer=customer)
    only = "i.customer_key = $customer_key" if customer else "true"
    moved = only.replace("i.", "m.")
    days = f"date_diff('day', {ANCHORS[basis]}, $as_of)"
    if basis == "due":
        days = f"case when is_awaiting_release then 0 else {days} end"
    replaced, join = "", ""
    if received:
        starts = "i.is_term_open and i.terms_anchor = 'invoice_received' and given.received_on is not null"
        replaced = f""" replace (
            case when {starts} then given.received_on + coalesce(i.term_days, 0) else i.due_on end as due_on,
            i.is_due_derived or ({starts}) as is_due_derived,
            i.is_term_open and not ({starts}) as is_term_open)"""
        join = """left join (
                select unnest($received_keys) as invoice_key, unnest($received_days) as received_on
            ) as given on given.invoice_key = i.invoice_key"""
    ctes = f"""
    moved as (
        select m.record_key, sum(m.amount) as amount,
               bool_or(m.is_header_filled) as is_header_filled, bool_or(m.is_estimated) as is_estimated,
               bool_or(m.is_implied) as is_implied
        from {names["marts.mart_item_movement"]} as m
        where m.moved_on <= $as_of and (m.settled_on is null or m.settled_on > $as_of) and {moved}
        group by m.record_key
    ),
    item as (
        select i.* exclude (allocated_amount, open_amount, is_header_filled, is_estimated){replaced},
               cast(coalesce(moved.amount, 0) as decimal(18, 2)) as allocated_amount,
               cast(i.amount - coalesce(moved.amount, 0) as decimal(18, 2)) as open_amount,
               coalesce(moved.is_header_filled, false) as is_header_filled,
               coalesce(moved.is_estimated, false) as is_estimated,
               coalesce(moved.is_implied, false) as is_implied
        from {names["marts.mart_open_item"]} as i
        left join moved on moved.record_key = i.record_key
        {join}
        where i.posted_on <= $as_of and (i.settled_on is null or i.settled_on > $as_of) and {only} and {where}
    ),
    dated as (select *, {days} as days_past_due from item)"""
    select = f"select *, {bucket_sql('days_past_due', 'is_term_open')} as bucket from dated"
    return ledger.question(select, ctes, known=known, customer=customer)


def received_parameters(received: dict[str, date]) -> dict[str, list[Any]]:
    """Parameters for `open_items_sql(received=True)`: invoice key → the day the customer received it."""
    if not received:
        return {}
    return {"received_keys": list(received), "received_days": list(received.values())}


def bucket_sql(days: str, is_term_open: str) -> str:
    """The bucket of a days column as a SQL expression; `bucket_of` in SQL."""
    whens = " ".join(f"when {days} <= {edge} then '{name}'" for edge, name in _EDGES)
    return (
        f"case when {days} is null and {is_term_open} then 'term_not_started' when {days} is null then 'no_due_date' "
        f"{whens} else 'over_365' end"
    )


def open_credits_sql(*, known: bool = False, customer: bool = False) -> str:
    """One row per receipt or credit note with something left at `$as_of` (refunds are negative).

    Columns: customer_key, record_key, currency, org_code, class (unallocated, credits), purpose, left_amount and the
    document's own (number, method, dated_on, bill_*; empty on the pool rows of an estimated allocation).
    """
    _, names = ledger.tables(known=known, customer=customer)
    only = "d.customer_key = $customer_key" if customer else "true"
    moved = only.replace("d.", "m.")
    ctes = f"""
    used as (
        select m.customer_key, m.record_key, m.currency, m.org_code, m.class, sum(m.amount) as amount
        from {names["marts.mart_credit_movement"]} as m
        where m.moved_on <= $as_of and (m.used_up_on is null or m.used_up_on > $as_of) and {moved}
        group by m.customer_key, m.record_key, m.currency, m.org_code, m.class
    ),
    document as (
        select * from {names["marts.mart_open_credit"]} as d
        where d.posted_on <= $as_of and (d.ends_on is null or d.ends_on > $as_of)
          and (d.used_up_on is null or d.used_up_on > $as_of) and {only}
    )"""
    select = """
    select coalesce(d.customer_key, u.customer_key) as customer_key, coalesce(d.record_key, u.record_key) as record_key,
           coalesce(d.currency, u.currency) as currency, coalesce(d.org_code, u.org_code) as org_code,
           coalesce(d.class, u.class) as class, d.source, d.source_id, d.number, d.method, d.purpose, d.dated_on,
           d.posted_on, d.amount, d.payer_name, d.bill_number, d.bill_state, d.bill_matures_on,
           cast(coalesce(d.amount, 0) - coalesce(u.amount, 0) as decimal(18, 2)) as left_amount
    from document as d
    full join used as u on u.record_key = d.record_key and u.class = d.class
    where (d.record_key is not null or u.record_key like '%~fifo') and coalesce(d.amount, 0) <> coalesce(u.amount, 0)"""
    return ledger.question(select, ctes, known=known, customer=customer)
