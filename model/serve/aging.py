"""Receivables aging: open items by how late they are, on both axes of time, with cash and credits apart."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from model.policy import Viewer
from model.receivables import BUCKETS, bucket_of, open_items_sql
from model.receivables.items import OVERDUE, allocations_sql, known_instant, versions
from model.serve.connection import Served
from ops.errors import FatalError

GROUPS = {
    "customer": ("customer.customer_key", "customer.name"),
    "owner": ("coalesce(customer.owner_key, '')", "coalesce(customer.owner_name, '')"),
    "region": ("coalesce(customer.region, '')", "coalesce(customer.region, '')"),
    "organisation": ("coalesce(item.org_code, '')", "coalesce(item.org_code, '')"),
}
BASES = ("due", "invoice")
ZERO = Decimal(0)


def aging(
    viewer: Viewer,
    db: Served,
    as_of: date | None = None,
    known_at: date | datetime | None = None,
    by: str | None = None,
    basis: str = "due",
    currency: str | None = None,
    customer_key: str | None = None,
) -> dict[str, Any]:
    """{as_of, known_at, basis, totals, rows}: totals per currency, rows per group (default: customer) and currency.

    Each has open (= the sum of its buckets), overdue, unallocated, credits, retention and provisional, all positive.
    """
    by = by or "customer"
    if by not in GROUPS or basis not in BASES:
        wrong, valid = (by, GROUPS) if by not in GROUPS else (basis, BASES)
        raise FatalError(f"aging by {wrong!r} is not offered", valid=", ".join(valid))
    day = as_of or db.today()
    known = known_instant(known_at, db.instance.config.zone)
    key = ("aging", viewer.cache_key, day, known, by, basis, currency, customer_key)
    if key not in db.cache:
        db.cache[key] = _aging(viewer, db, day, known, by, basis, currency, customer_key)
    answer: dict[str, Any] = db.cache[key]
    return {"as_of": day, "known_at": known_at or "now", **answer}


def _aging(
    viewer: Viewer, db: Served, day: date, known: datetime | None, by: str, basis: str, currency: str | None,
    customer_key: str | None,
) -> dict[str, Any]:  # fmt: skip
    groups: dict[tuple[str, str], dict[str, Any]] = {}

    def group(row: dict[str, Any]) -> dict[str, Any]:
        found = groups.get((row["key"], row["currency"]))
        if found is None:
            found = groups[row["key"], row["currency"]] = _empty(row)
        return found

    for row in _item_rows(viewer, db, day, known, by, basis, customer_key):
        if currency in {None, row["currency"]}:
            _count(group(row), row)
    for row in _cash_rows(viewer, db, day, known, by, customer_key):
        if currency in {None, row["currency"]}:
            group(row)[row["what"]] += row["amount"]
    rows = [entry for entry in groups.values() if _matters(entry)]
    name = {"customer": ("customer_key", "name"), "owner": ("owner_key", "owner")}.get(by, (by, "name"))
    for entry in rows:
        entry[name[0]], entry[name[1]] = entry.pop("key"), entry.pop("label")
    rows.sort(key=lambda entry: (-entry["overdue"], -entry["open"], str(entry[name[0]]), entry["currency"]))
    return {"basis": basis, "by": by, "totals": _totals(rows), "rows": rows}


def _empty(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "key": row["key"], "label": row["label"], "currency": row["currency"], "open": ZERO,
        "buckets": dict.fromkeys(BUCKETS, ZERO), "overdue": ZERO, "unallocated": ZERO, "credits": ZERO,
        "retention": ZERO, "retention_not_due": ZERO, "provisional": ZERO, "items": 0, "header_filled": ZERO,
    }  # fmt: skip


def _matters(entry: dict[str, Any]) -> bool:
    return any(entry[name] for name in ("open", "unallocated", "credits", "provisional"))


def _count(entry: dict[str, Any], row: dict[str, Any]) -> None:
    amount: Decimal = row["amount"]
    if row["is_provisional"]:
        entry["provisional"] += amount
        return
    if amount < 0:
        entry["credits"] -= amount
        return
    bucket = bucket_of(row["days"], is_term_open=row["is_term_open"])
    entry["open"] += amount
    entry["buckets"][bucket] += amount
    entry["items"] += row["items"]
    entry["overdue"] += amount if bucket in OVERDUE else ZERO
    entry["retention"] += amount if row["is_retention"] else ZERO
    entry["retention_not_due"] += amount if row["is_retention"] and bucket == "not_due" else ZERO
    entry["header_filled"] += amount if row["is_header_filled"] else ZERO


def _totals(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    figures = (
        "open",
        "overdue",
        "unallocated",
        "credits",
        "retention",
        "retention_not_due",
        "provisional",
        "header_filled",
        "items",
    )
    totals: dict[str, dict[str, Any]] = {}
    for row in rows:
        total = totals.setdefault(row["currency"], {"currency": row["currency"], "buckets": defaultdict(Decimal)})
        for name in figures:
            total[name] = total.get(name, ZERO) + row[name]
        for name, amount in row["buckets"].items():
            total["buckets"][name] += amount
    for total in totals.values():
        total["buckets"] = {name: total["buckets"][name] for name in BUCKETS}
    return [totals[name] for name in sorted(totals)]


def _where(customer_key: str | None) -> str:
    return "p.customer_key = $customer_key" if customer_key else "true"


def _parameters(
    viewer: Viewer, day: date, known: datetime | None, customer_key: str | None
) -> tuple[str, dict[str, Any]]:
    rule, named = viewer.named_rows()
    parameters: dict[str, Any] = {"as_of": day, **named}
    if known is not None:
        parameters["known"] = known
    if customer_key is not None:
        parameters["customer_key"] = customer_key
    return rule, parameters


def _item_rows(
    viewer: Viewer,
    db: Served,
    day: date,
    known: datetime | None,
    by: str,
    basis: str,
    customer_key: str | None,
) -> list[dict[str, Any]]:
    rule, parameters = _parameters(viewer, day, known, customer_key)
    key, label = GROUPS[by]
    items = open_items_sql(known=known is not None, where=_where(customer_key), basis=basis)
    return db.rows(
        f"""select {key} as key, {label} as label, item.currency, item.days_past_due as days, item.is_term_open,
                   item.is_retention, item.kind = 'provisional' as is_provisional, item.is_header_filled,
                   item.open_amount < 0 as is_credit,
                   sum(item.open_amount) as amount, count(*) as items
            from ({items}) as item
            join core.dim_customer as customer on customer.customer_key = item.customer_key
            where item.open_amount <> 0 and {rule}
            group by all""",
        parameters,
    )


def _cash_rows(
    viewer: Viewer, db: Served, day: date, known: datetime | None, by: str, customer_key: str | None
) -> list[dict[str, Any]]:
    """Receipts and credit notes less what is allocated of them; grain: group × currency × what."""
    rule, parameters = _parameters(viewer, day, known, customer_key)
    key, label = (text.replace("item.", "document.") for text in GROUPS[by])
    has_version = known is not None
    only = "document.customer_key = $customer_key" if customer_key else "true"
    return db.rows(
        f"""with allocation as ({allocations_sql(known=has_version)}),
            used as (
                select coalesce(receipt_key, credit_key) as document_key, sum(amount) as amount from allocation
                where receipt_key is not null or credit_key is not null group by all
            ),
            document as (
                select customer_key, record_key, currency, amount, org_code, 'unallocated' as what
                from core.fct_receipt as r
                where {versions("r", known=has_version)} and excluded_reason is null and posted_on <= $as_of
                union all
                select customer_key, record_key, currency, gross_amount, org_code, 'credits'
                from core.fct_credit_note as c
                where {versions("c", known=has_version)} and excluded_reason is null and posted_on <= $as_of
            )
            select {key} as key, {label} as label, document.currency, document.what,
                   sum(document.amount - coalesce(used.amount, 0)) as amount
            from document
            left join used on used.document_key = document.record_key
            join core.dim_customer as customer on customer.customer_key = document.customer_key
            where document.amount <> coalesce(used.amount, 0) and {only} and {rule}
            group by all""",
        parameters,
    )
