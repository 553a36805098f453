"""Promises joined to what was received: how each stands on a day, and how well promises are kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from model.policy import Viewer
from model.receivables.items import open_credits_sql
from model.receivables.judging import Purse, judge_items
from model.receivables.payments import ROWS, SETTLEMENTS, payments_of
from model.receivables.promises import Judged, Payment, Promise, performance
from model.serve import work_rows
from model.serve.connection import Served
from ops.errors import FatalError

GROUPS = (None, "owner", "customer")
_NEIGHBOURS = """
    select distinct other.record_key
    from marts.mart_open_item as item
    join marts.mart_open_item as other on other.customer_key = item.customer_key and other.currency = item.currency
    where list_contains($keys, item.record_key) and list_contains($others, other.record_key)
        and other.posted_on <= $as_of and (other.settled_on is null or other.settled_on > $as_of)"""


def judged(db: Served, rows: Iterable[Any], day: date) -> dict[str, list[Judged]]:
    """Item key → its promises (`rows` of the store) judged as of `day`, in the order of their days.

    Money that waits is shared over the promises on all open items of the same customers, not only over those asked for:
    an item answers alike on the card, in the worklist and in an alert.
    """
    zone = ZoneInfo(db.instance.config.zone)
    rows = list(rows)
    asked = {row.item_key for row in rows}
    rows += _neighbours(db, asked, day)
    promises = [
        Promise(row.promise_id, row.item_key, Decimal(row.amount), row.currency,
                work_rows.local_day(row.made_at, zone), date.fromisoformat(row.promised_on))
        for row in rows
    ]  # fmt: skip
    keys = sorted({promise.item_key for promise in promises})
    if not keys:
        return {}
    paid, purses = payments(db, keys, day)
    cash = {
        purse: [entry for entry in entries if entry[1] > 0]
        for purse, entries in waiting(db, purses.values(), day).items()
    }
    return {key: found for key, found in judge_items(promises, paid, purses, cash, day).items() if key in asked}


def _neighbours(db: Served, asked: Collection[str], day: date) -> list[Any]:
    """Standing promises on other items of the same customers that are open on `day`."""
    if not asked:
        return []
    others = [row for row in work_rows.standing_promises(db, day) if row.item_key not in asked]
    if not others:
        return []
    found = db.rows(_NEIGHBOURS, {"keys": sorted(asked), "others": sorted({row.item_key for row in others}),
                                  "as_of": day})  # fmt: skip
    near = {row["record_key"] for row in found}
    return [row for row in others if row.item_key in near]


def payments(db: Served, keys: Collection[str], day: date) -> tuple[dict[str, list[Payment]], dict[str, Purse]]:
    """(item key → what receipts paid of it by `day`, item key → customer and currency); two queries, cached."""
    cached = ("payments", tuple(keys), day)
    if cached not in db.cache:
        rows = db.rows(ROWS, {"keys": list(keys), "as_of": day})
        invoices = sorted({row["invoice_key"] for row in rows})
        settlements = db.rows(SETTLEMENTS, {"invoices": invoices, "as_of": day})
        purses = {row["record_key"]: (row["customer_key"], row["currency"]) for row in rows}
        db.cache[cached] = payments_of(keys, rows, settlements), purses
    found: tuple[dict[str, list[Payment]], dict[str, Purse]] = db.cache[cached]
    return found


def waiting(db: Served, purses: Iterable[Purse], day: date) -> dict[Purse, list[tuple[date, Decimal]]]:
    """(customer, currency) → receipts not allocated by `day`: (received on, amount), oldest first; refunds negative."""
    customers = sorted({customer for customer, _ in purses})
    cached = ("waiting", tuple(customers), day)
    if cached not in db.cache:
        found: dict[Purse, list[tuple[date, Decimal]]] = defaultdict(list)
        rows = db.rows(
            f"""select customer_key, currency, dated_on, left_amount from ({open_credits_sql()})
                where class = 'unallocated'
                  and list_contains($customers, customer_key)
                order by dated_on, record_key""",
            {"as_of": day, "customers": customers},
        )
        for row in rows:
            found[row["customer_key"], row["currency"]].append((row["dated_on"] or day, row["left_amount"]))
        db.cache[cached] = dict(found)
    answer: dict[Purse, list[tuple[date, Decimal]]] = db.cache[cached]
    return answer


def shown(item: Judged) -> dict[str, Any]:
    """A judged promise as plain values."""
    return {
        "promise_id": item.promise.promise_id,
        "on": item.promise.promised_on,
        "amount": item.promise.amount,
        "made_on": item.promise.made_on,
        "state": item.state,
        "kept_amount": item.kept_amount,
        "by_bill_amount": item.by_bill_amount,
        "unallocated_amount": item.unallocated_amount,
        "broken_amount": item.broken_amount,
        "kept_percent": (item.kept_amount / item.promise.amount * 100).quantize(Decimal("0.01")),
        "expected_cash": item.expected_cash,
    }


def promise_performance(
    viewer: Viewer, db: Served, start: date, end: date, by: str | None = None
) -> list[dict[str, Any]]:
    """How promises for the days `start` to `end` were kept, per currency and per owner or customer; today's knowledge.

    Rows: currency, (owner_key, owner | customer_key, name), promises, kept, promised_amount, kept_amount,
    by_bill_amount, kept_by_amount_percent, kept_by_count_percent, open (promises not decided yet) and expected_cash
    (day, amount) of what was kept by bill. Only customers the viewer may see. A promise withdrawn before its day had
    passed does not count.
    """
    if by not in GROUPS:
        raise FatalError(f"promise performance by {by!r} is not offered", valid="owner, customer")
    rows = work_rows.all_promises(db, start, end)
    owners = _owners(viewer, db, {row.item_key for row in rows})
    counted = {row.promise_id for row in rows}
    # promises outside the period share the money of those inside
    everything = [
        row for row in work_rows.promises_of(db, list(owners)) if row.withdrawn_at is None or row.promise_id in counted
    ]
    groups: dict[tuple[str, str], list[Judged]] = defaultdict(list)
    names: dict[str, dict[str, Any]] = {}
    for key, found in judged(db, everything, db.today()).items():
        owner = owners[key]
        label = _label(owner, by)
        group = next(iter(label.values()), None) or ""
        names[group] = label
        for item in found:
            if item.promise.promise_id in counted:
                groups[group, item.promise.currency].append(item)
    return [
        {**names[group], "currency": currency, **performance(items), "open": sum(i.state == "open" for i in items),
         "expected_cash": sorted(cash for item in items for cash in item.expected_cash)}
        for (group, currency), items in sorted(groups.items())
    ]  # fmt: skip


def _label(row: dict[str, Any], by: str | None) -> dict[str, Any]:
    if by == "owner":
        return {"owner_key": row["owner_key"], "owner": row["owner_name"]}
    return {"customer_key": row["customer_key"], "name": row["name"]} if by == "customer" else {}


def _owners(viewer: Viewer, db: Served, keys: Collection[str]) -> dict[str, dict[str, Any]]:
    """Item key → its customer with owner, of those the viewer may see; also settled items."""
    rule, named = viewer.named_rows()
    rows = db.rows(
        f"""select i.record_key, i.customer_key, customer.name, customer.owner_key, customer.owner_name
            from marts.mart_open_item as i
            join core.dim_customer as customer on customer.customer_key = i.customer_key
            where list_contains($keys, i.record_key) and {rule}""",
        {"keys": sorted(keys), **named},
    )
    return {row["record_key"]: row for row in rows}
