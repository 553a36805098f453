"""The open items behind a cell of the aging table; their amounts add up to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from model.policy import Viewer
from model.receivables import buckets, open_items_sql
from model.receivables.items import ANCHORS, received_parameters
from model.receivables.ledger import known_instant
from model.receivables.owners import OWNERS_THEN
from model.serve import work
from model.serve.aging import BASES, GROUPS, JOIN_LINE, JOIN_MEMBER, PRODUCT_LINE, grouped, owners_then
from model.serve.connection import Served
from ops.errors import FatalError


def aging_rows(
    viewer: Viewer, db: Served, bucket: str | None = None, as_of: date | None = None,
    known_at: date | datetime | None = None, by: str | None = None, group: str | None = None, basis: str = "due",
    currency: str | None = None, edges: Sequence[int] | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Open items of `bucket` (None: all) in the group whose key is `group` (None: all), largest first; before netting.

    Grain: payment-plan row: customer_key, name, owner, record_key, invoice_number, plan_row, currency, amount,
    open_amount, bucket, days_past_due (from the day the `basis` counts from: counted_from), due_on, source, source_id
    and the marks is_retention, is_due_derived, is_estimated, is_header_filled, is_awaiting_release. FatalError for a
    basis, group or bucket that is not offered.
    """
    by, chosen = by or "customer", buckets.choose(basis, edges)
    offered = ((by, GROUPS), (basis, BASES), *([(bucket, chosen.names)] if bucket else []))
    for given, valid in offered:
        if given not in valid:
            raise FatalError(f"aging by {given!r} is not offered", valid=", ".join(valid))
    known, received = known_instant(known_at, db.instance.config.zone), work.recorded_receipts(db)
    rule, named = viewer.named_rows()
    members = owners_then(db, by, as_of or db.today())
    asked = {"known": known, "bucket": bucket, "group": group, "currency": currency, **members}
    return db.rows(
        _sql(
            chosen.sql, by, basis, rule, known=known is not None, received=bool(received), bucket=bucket is not None,
            group=group is not None, currency=currency is not None, then=bool(members),
        ),
        {"as_of": as_of or db.today(), **named, **{name: value for name, value in asked.items() if value is not None},
         **received_parameters(received)},
    )  # fmt: skip


def _sql(
    bucket_sql: str, by: str, basis: str, rule: str, *, known: bool, received: bool, bucket: bool, group: bool,
    currency: bool, then: bool,
) -> str:  # fmt: skip
    key, line = grouped(by, then=then)[0], by == "product_line"
    wheres = [
        "entry.open_amount > 0", "entry.kind <> 'provisional'", rule,
        *(["entry.bucket = $bucket"] if bucket else []), *([f"{key} = $group"] if group else []),
        *(["entry.currency = $currency"] if currency else []),
    ]  # fmt: skip
    return f"""
    with {PRODUCT_LINE if line else ""} {OWNERS_THEN + "," if then else ""}
    item as ({open_items_sql(known=known, basis=basis, received=received)}),
    entry as (
        select b.*, {"l.product_line" if line else "null"} as product_line
        from (select * replace ({bucket_sql} as bucket) from item) as b
        {JOIN_LINE if line else ""}
    )
    select entry.customer_key, customer.name, {"member" if then else "customer"}.owner_name as owner,
           entry.record_key, entry.invoice_number, entry.plan_row,
           entry.currency, entry.amount, entry.open_amount, entry.bucket, entry.days_past_due,
           entry.{ANCHORS[basis]} as counted_from, entry.due_on, entry.source, entry.source_id,
           coalesce(entry.is_retention, false) as is_retention, entry.is_due_derived, entry.is_estimated,
           entry.is_header_filled, entry.is_awaiting_release
    from entry
    join core.dim_customer as customer on customer.customer_key = entry.customer_key
    {JOIN_MEMBER if then else ""}
    where {" and ".join(wheres)}
    order by entry.open_amount desc, entry.record_key"""
