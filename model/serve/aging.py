"""Receivables aging: open items by how late they are, on both axes of time, with cash and credits apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import polars as pl

from model.policy import Viewer
from model.receivables import buckets, open_items_sql
from model.receivables.buckets import BucketSet
from model.receivables.items import ANCHORS, open_credits_sql, received_parameters
from model.receivables.ledger import known_instant
from model.receivables.owners import OWNERS_THEN
from model.serve import links, money, work
from model.serve.connection import Served
from ops.errors import FatalError

GROUPS = {
    "customer": ("customer.customer_key", "customer.name"),
    "group": ("coalesce(customer.group_key, customer.customer_key)", "coalesce(customer.group_name, customer.name)"),
    "owner": ("coalesce(customer.owner_key, '')", "coalesce(customer.owner_name, '')"),
    "region": ("coalesce(customer.region, '')", "coalesce(customer.region, '')"),
    "organisation": ("coalesce(entry.org_code, '')", "coalesce(entry.org_code, '')"),
    "product_line": ("coalesce(entry.product_line, '')", "coalesce(entry.product_line, '')"),
}
BASES = tuple(ANCHORS)
NETS = ("credits", "unallocated")
ZERO = Decimal(0)
# figures of a row beside its buckets
FIGURES = (
    "open", "overdue", "unallocated", "credits", "retention", "retention_not_due", "provisional", "header_filled",
    "estimated", "due_derived", "owner_assumed", "prepaid", "items",
)  # fmt: skip


def aging(
    viewer: Viewer,
    db: Served,
    as_of: date | None = None,
    known_at: date | datetime | None = None,
    by: str | None = None,
    basis: str = "due",
    currency: str | None = None,
    customer_key: str | None = None,
    edges: Sequence[int] | None = None,
    net: Sequence[str] = (),
) -> dict[str, Any]:
    """{as_of, known_at, members_on, basis, by, buckets, net, company, totals, rows}; totals per
    currency, rows per group.

    members_on: the day whose members the rows stand under: by owner the as-of day, else today's, whatever the day.
    `owner_assumed` is what is open where collection does not reach back to that day, so that the first known owner is
    taken for the one of then.

    Each has open (= the sum of its buckets), overdue (past its due date, whatever the basis), unallocated, credits,
    retention, provisional, all positive, and what of it is filled from whole-invoice settlements, estimated, or due by
    derived terms. `company` is the same in the company's currency. `net` (credits, unallocated) takes these off the
    oldest buckets and says so: `netted`.
    """
    by = by or "customer"
    _valid(by, basis, net)
    day = as_of or db.today()
    known = known_instant(known_at, db.instance.config.zone)
    chosen = buckets.choose(basis, edges)
    received = work.recorded_receipts(db)
    key = ("aging", viewer.cache_key, day, known, by, basis, currency, customer_key, tuple(edges or ()), tuple(net),
           tuple(sorted(received.items())))  # fmt: skip
    if key not in db.cache:
        frame = table(viewer, db, day, known, by, basis, currency, customer_key, chosen, received)
        rows = [_shape(row, chosen, by, net, basis) for row in frame.iter_rows(named=True)]
        if by == "customer":
            links.of_customers(db, rows)
        totals = _totals(rows, chosen)
        db.cache[key] = {
            "basis": basis, "by": by, "buckets": list(chosen.names), "net": list(net),
            "company": company(db, totals, chosen.names, day), "totals": totals, "rows": rows,
        }  # fmt: skip
    answer: dict[str, Any] = db.cache[key]
    members = min(day, db.today()) if by == "owner" else db.today()
    return {"as_of": day, "known_at": known_at or "now", "members_on": members, **answer}


def owners_then(db: Served, by: str, day: date) -> dict[str, Any]:
    """The parameter of OWNERS_THEN: the end of `day` in the company's zone; empty where today's owners are meant."""
    return {"members_end": known_instant(day, db.instance.config.zone)} if by == "owner" and day < db.today() else {}


def grouped(by: str, *, then: bool) -> tuple[str, str]:
    """(key, label) of a dimension as SQL; `then`: by the owners of OWNERS_THEN."""
    return ("coalesce(member.owner_key, '')", "member.owner_name") if then else GROUPS[by]


def _valid(by: str, basis: str, net: Sequence[str]) -> None:
    for given, valid in ((by, GROUPS), (basis, BASES), *((name, NETS) for name in net)):
        if given not in valid:
            raise FatalError(f"aging by {given!r} is not offered", valid=", ".join(valid))


def table(
    viewer: Viewer,
    db: Served,
    day: date,
    known: datetime | None,
    by: str,
    basis: str,
    currency: str | None,
    customer_key: str | None,
    chosen: BucketSet,
    received: dict[str, date],
) -> pl.DataFrame:
    """The aging table: key, label, currency, FIGURES and one column b0, b1 … per bucket of `chosen`.

    Grain: group × currency with anything open, most overdue first; one query.
    """
    rule, named = viewer.named_rows()
    parameters: dict[str, Any] = {"as_of": day, **named}
    parameters |= {"known": known} if known is not None else {}
    parameters |= {"customer_key": customer_key} if customer_key is not None else {}
    parameters |= {"currency": currency} if currency is not None else {}
    parameters |= received_parameters(received) | (members := owners_then(db, by, day))
    sql = table_sql(
        known=known is not None, customer=customer_key is not None, by=by, basis=basis, chosen=chosen, rule=rule,
        currency=currency is not None, received=bool(received), then=bool(members),
    )  # fmt: skip
    return db.frame(sql, parameters)


def table_sql(
    *, known: bool, customer: bool, by: str, basis: str, chosen: BucketSet, rule: str, currency: bool, received: bool,
    then: bool = False,
) -> str:  # fmt: skip
    """The one statement of `table`."""
    key, label = grouped(by, then=then)
    line = "entry.product_line" in key
    sums = ", ".join(
        f"sum(case when bucket = '{name}' then amount end) as b{place}" for place, name in enumerate(chosen.names)
    )
    overdue, late = _overdue(basis, chosen)
    return f"""
    with item as ({open_items_sql(known=known, customer=customer, basis=basis, received=received)}),
    bucketed as (
        select customer_key, {"order_id, order_number, source," if line else ""} org_code, currency, open_amount,
               is_retention, kind, is_header_filled, is_estimated, is_due_derived, {late} as is_late,
               {chosen.sql} as bucket
        from item where open_amount <> 0
    ),
    credit as ({open_credits_sql(known=known, customer=customer)}),
    {PRODUCT_LINE if line else ""}
    {OWNERS_THEN + "," if then else ""}
    entry as (
        select b.customer_key, b.org_code, {"l.product_line" if line else "null"} as product_line, b.currency,
               case when kind = 'provisional' then 'provisional' when open_amount < 0 then 'credits' else bucket end
                   as bucket,
               case when kind <> 'provisional' and open_amount < 0 then -open_amount else open_amount end as amount,
               coalesce(is_retention, false) as is_retention, is_header_filled, is_estimated, is_due_derived,
               is_late, false as is_prepaid, 1 as items
        from bucketed as b
        {JOIN_LINE if line else ""}
        union all
        select customer_key, org_code, null, currency, class, left_amount, false, false, false, false, false,
               coalesce(purpose in ('prepayment', 'deposit'), false), 0
        from credit
    ),
    summed as (
        select customer_key, org_code, product_line, currency, bucket, is_retention, is_header_filled, is_estimated,
               is_due_derived, is_late, is_prepaid, sum(amount) as amount, sum(items) as items
        from entry group by all
    )
    select {key} as key, {label} as label, entry.currency, {sums},
           sum(case when bucket not in {_APART} then amount else 0 end) as open,
           sum(case when {overdue} then amount else 0 end) as overdue,
           sum(case when bucket = 'unallocated' then amount else 0 end) as unallocated,
           sum(case when bucket = 'credits' then amount else 0 end) as credits,
           sum(case when is_retention and bucket not in {_APART} then amount else 0 end) as retention,
           sum(case when is_retention and bucket = 'not_due' then amount else 0 end) as retention_not_due,
           sum(case when bucket = 'provisional' then amount else 0 end) as provisional,
           sum(case when is_header_filled and bucket not in {_APART} then amount else 0 end) as header_filled,
           sum(case when is_estimated and bucket not in {_APART} then amount else 0 end) as estimated,
           sum(case when is_due_derived and bucket not in {_APART} then amount else 0 end) as due_derived,
           {_ASSUMED if then else "cast(0 as decimal(38, 2))"} as owner_assumed,
           sum(case when is_prepaid then amount else 0 end) as prepaid,
           cast(sum(case when bucket not in {_APART} then items else 0 end) as bigint) as items
    from summed as entry
    join core.dim_customer as customer on customer.customer_key = entry.customer_key
    {JOIN_MEMBER if then else ""}
    where {rule} {"and entry.currency = $currency" if currency else ""}
    group by all order by overdue desc, open desc, key, label, currency"""


def _overdue(basis: str, chosen: BucketSet) -> tuple[str, str]:
    """(condition on an entry, is_late of an item): what is overdue does not depend on the day buckets count from."""
    if basis != "due":
        return f"is_late and bucket not in {_APART}", "due_on < $as_of and not is_awaiting_release"
    return f"bucket in ({', '.join(repr(name) for name in sorted(chosen.overdue))})", "null"


JOIN_MEMBER = "join member on member.customer_key = entry.customer_key"
JOIN_LINE = "left join line as l on l.source = b.source and l.order_ref = coalesce(b.order_id, b.order_number)"
_APART = "('credits', 'provisional', 'unallocated')"
_ASSUMED = f"sum(case when member.is_assumed and bucket not in {_APART} then amount else 0 end)"
# the line with the largest share of the order stands for the invoice
PRODUCT_LINE = """line as (
        select source, order_ref, max_by(product_line, row(amount, product_line)) as product_line from (
            select o.source, r.order_ref, coalesce(p.product_line, '') as product_line,
                   coalesce(sum(l.gross_amount), 0) as amount
            from core.fct_order as o
            join core.fct_order_line as l on l.order_key = o.record_key
            join core.dim_product as p on p.product_key = l.product_key
            join (select record_key, unnest([source_id, number]) as order_ref from core.fct_order) as r
                on r.record_key = o.record_key
            group by all) group by all
    ),"""


def _shape(row: dict[str, Any], chosen: BucketSet, by: str, net: Sequence[str], basis: str) -> dict[str, Any]:
    names = {"customer": ("customer_key", "name"), "group": ("group_key", "name"), "owner": ("owner_key", "owner")}
    key, label = names.get(by, (by, "name"))
    entry: dict[str, Any] = {
        key: row["key"],
        label: row["label"],
        "currency": row["currency"],
        "buckets": {name: row[f"b{place}"] or ZERO for place, name in enumerate(chosen.names)},
        **{name: row[name] for name in FIGURES},
    }
    if net:
        _net(entry, chosen, net, basis)
    return entry


def _net(entry: dict[str, Any], chosen: BucketSet, net: Sequence[str], basis: str) -> None:
    """Take credits and unallocated cash off the buckets, oldest first; what is left of them stays apart.

    Buckets that do not count from the due date do not say what of them is overdue: there it comes off that first.
    """
    undated = [name for name in chosen.names if name in {"no_due_date", "term_not_started"}]
    order = [name for name in reversed(chosen.names) if name not in undated] + undated
    entry["netted"] = ZERO
    for kind in net:
        for name in order:
            part = min(max(entry[kind], ZERO), entry["buckets"][name])
            entry["buckets"][name] -= part
            entry[kind] -= part
            entry["netted"] += part
            entry["open"] -= part
            if basis != "due":
                entry["overdue"] -= min(part, entry["overdue"])
            elif name in chosen.overdue:
                entry["overdue"] -= part


def _totals(rows: list[dict[str, Any]], chosen: BucketSet) -> list[dict[str, Any]]:
    totals: dict[str, dict[str, Any]] = {}
    for row in rows:
        total = totals.setdefault(row["currency"], {"currency": row["currency"], "buckets": defaultdict(Decimal)})
        for name in (*FIGURES, *(["netted"] if "netted" in row else [])):
            total[name] = total.get(name, ZERO) + row[name]
        for name, amount in row["buckets"].items():
            total["buckets"][name] += amount
    for total in totals.values():
        total["buckets"] = {name: total["buckets"][name] for name in chosen.names}
    return [totals[name] for name in sorted(totals)]


def company(db: Served, totals: list[dict[str, Any]], names: Sequence[str], day: date) -> dict[str, Any]:
    """The totals in the company's currency by the rates of `day`; currencies without a rate are named, not guessed."""

    def summed(amounts: dict[str, Decimal]) -> dict[str, Any]:
        return money.total(db, amounts, day)

    figures = ("open", "overdue", "unallocated", "credits", "provisional")
    found = {name: summed({row["currency"]: row[name] for row in totals}) for name in figures}
    return {
        "currency": db.instance.config.base_currency,
        "missing_rates": sorted({code for item in found.values() for code in item["missing_rates"]}),
        **{name: item["amount"] for name, item in found.items()},
        "buckets": {
            name: summed({row["currency"]: row["buckets"][name] for row in totals})["amount"] for name in names
        },
    }
