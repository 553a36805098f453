"""Open items as SQL: what each payment-plan row still owes as of a business date, as known at an instant.

Effective allocations are those on or before the as-of date and not reversed by it. An allocation that names an
invoice but no plan row fills the earliest due row first. What settles more than a row stays on the last row, so that
nothing is lost: the sum over an invoice's rows is always its amount less its allocations.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

BUCKETS = (
    "not_due", "1-30", "31-60", "61-90", "91-180", "181-365", "over_365", "term_not_started", "no_due_date",
)  # fmt: skip
_EDGES = ((0, "not_due"), (30, "1-30"), (60, "31-60"), (90, "61-90"), (180, "91-180"), (365, "181-365"))
OVERDUE = frozenset({"1-30", "31-60", "61-90", "91-180", "181-365", "over_365"})
_DUE = "case when is_retention then greatest(due_on, release_on) else due_on end"
_FOREVER = "date '9999-12-31'"
# A red invoice may settle another customer's: its use is looked up whoever the settled invoice belongs to.
_OF_CREDITS = "a.credit_key in (select invoice_key from item where amount < 0)"


def bucket_of(days: int | None, *, is_term_open: bool = False) -> str:
    """The bucket of `days` past due (0 or less is not due); without a due date one of the two buckets for that."""
    if days is None:
        return "term_not_started" if is_term_open else "no_due_date"
    for edge, name in _EDGES:
        if days <= edge:
            return name
    return "over_365"


def known_instant(known_at: date | datetime | None, zone: str) -> datetime | None:
    """The instant up to which knowledge counts: the end of a date in the company's zone; None = everything."""
    if known_at is None or isinstance(known_at, datetime):
        return known_at
    return datetime.combine(known_at + timedelta(days=1), time(0), ZoneInfo(zone))


def versions(alias: str, *, known: bool) -> str:
    """The condition that picks the version of a row known at `$known` (or the present one)."""
    if not known:
        return f"{alias}.known_to is null"
    return f"{alias}.known_from < $known and ({alias}.known_to is null or {alias}.known_to >= $known)"


def allocations_sql(*, known: bool, where: str = "true") -> str:
    """Allocations that count at `$as_of`: every column of core.fct_allocation."""
    return f"""
        select a.* from core.fct_allocation as a
        where {versions("a", known=known)} and a.excluded_reason is null and {where}
          and a.effective_on <= $as_of and (a.reversed_on is null or a.reversed_on > $as_of)"""


def open_items_sql(*, known: bool = False, where: str = "true", basis: str = "due") -> str:
    """One row per payment-plan row with what is open at `$as_of` (and known at `$known`).

    Columns: those of core.fct_plan_row plus `allocated_amount`, `open_amount` (negative: an unused red invoice),
    `is_header_filled`, `days_past_due` (null without a date) and `is_term_open`.
    Retention is not due before its release. `where` filters the plan rows, as
    alias `p`; `basis` is due or invoice. Provisional documents are in, by kind.
    """
    anchor = "invoice_on" if basis == "invoice" else _DUE
    return f"""
    with item as (
        select p.* from core.fct_plan_row as p
        where {versions("p", known=known)} and p.excluded_reason is null and p.posted_on <= $as_of and {where}
    ),
    allocation as ({allocations_sql(known=known, where=_same_customer(where))}),
    at_row as (
        select invoice_key, plan_row, sum(amount) as allocated from allocation where not is_header_level group by all
    ),
    at_header as (
        select invoice_key, sum(amount) as allocated from allocation where is_header_level group by all
    ),
    used as (
        select credit_key, sum(amount) as used from ({allocations_sql(known=known, where=_OF_CREDITS)}) group by all
    ),
    remaining as (
        select item.*,
               coalesce(at_row.allocated, 0) as row_allocated,
               coalesce(at_header.allocated, 0) as header_allocated,
               case when item.amount < 0 then coalesce(used.used, 0) else 0 end as used,
               greatest(item.amount - coalesce(at_row.allocated, 0), 0) as room
        from item
        left join at_row on at_row.invoice_key = item.invoice_key and at_row.plan_row = item.plan_row
        left join at_header on at_header.invoice_key = item.invoice_key
        left join used on used.credit_key = item.invoice_key
    ),
    filled as (
        select *,
               sum(room) over (partition by invoice_key order by coalesce(due_on, {_FOREVER}), plan_row) - room
                   as room_before,
               row_number() over (partition by invoice_key order by coalesce(due_on, {_FOREVER}) desc, plan_row desc)
                   as from_last
        from remaining
    ),
    settled as (
        select *,
               case when from_last = 1 then greatest(header_allocated - room_before, 0)
                    else least(greatest(header_allocated - room_before, 0), room) end as header_share,
               case when from_last = 1 then used else 0 end as credit_used
        from filled
    )
    select * exclude (row_allocated, header_allocated, used, room, room_before, from_last, header_share, credit_used),
           cast(row_allocated + header_share as decimal(18, 2)) as allocated_amount,
           cast(amount - row_allocated - header_share + credit_used as decimal(18, 2)) as open_amount,
           header_share <> 0 as is_header_filled,
           date_diff('day', {anchor}, $as_of) as days_past_due,
           coalesce(due_on is null and regexp_matches(payment_terms, '票到|发票到'), false) as is_term_open
    from settled"""


def _same_customer(where: str) -> str:
    """A customer filter on plan rows holds for allocations too: both carry the invoice's customer."""
    return where.replace("p.customer_key", "a.customer_key") if where.startswith("p.customer_key") else "true"
