"""The queue of money that nobody allocated: what it was probably for, and what finance was told about it.

This product never writes to the ERP: an accepted suggestion is told to finance, and stays open until the ERP says
that the money is allocated.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import select, update

from model.policy import Viewer
from model.receivables import open_items_sql
from model.receivables.items import open_credits_sql
from model.receivables.suggestions import FORMS, NOISE, Open, payer, suggest
from model.serve import acting
from model.serve.anchors import anchor_of
from model.serve.connection import Served
from model.serve.find import NotFound
from ops.errors import FatalError
from ops.store import stamp, unstamp
from ops.tables import suggestions as table

ZERO = Decimal(0)
UNIDENTIFIED = "C000000"
_NAMED, _BY_AMOUNT, _SHORTEST = 20, 50, 4


def unapplied(viewer: Viewer, db: Served, as_of: date | None = None) -> list[dict[str, Any]]:
    """Receipts with something left to allocate, of the viewer's customers, largest first.

    {receipt_key, number, customer_key, name, owner, is_identified, currency, amount, left_amount, received_on, days,
    method, purpose, payer_name, bill_number, bill_matures_on, covers_overdue_amount, suggestions, told}. suggestions:
    {customer_key, name, items [{item_key, invoice_number, amount}], reason, score, rest_amount}, surest first. told:
    {suggestion_id, at, by, items, reason, state} of what finance was told last (state told, partly or allocated), or
    None. Money nobody could identify is shown to those who see all customers, with customers suggested by payer's name
    and by amount.
    """
    day = as_of or db.today()
    receipts = _receipts(viewer, db, day)
    known = {row["customer_key"] for row in receipts if row["is_identified"]}
    items = _items(viewer, db, day, receipts, known)
    told = _told(db)
    found = []
    for row in receipts:
        pools = _pools(row, items)
        offers = [
            {"customer_key": key, "name": pool[0]["name"], **_offer(one, pool), "score": min(one.score, most)}
            for key, pool, most in pools
            for one in suggest(row["left_amount"], [_open(item) for item in pool], row["payer_name"] or "")
        ]  # fmt: skip
        owed = [item for item in items.get((row["customer_key"], row["currency"]), []) if item["is_overdue"]]
        found.append(
            {
                **row,
                "days": None if row["received_on"] is None else (day - row["received_on"]).days,
                "covers_overdue_amount": min(sum((item["open_amount"] for item in owed), ZERO), row["left_amount"]),
                "suggestions": sorted(offers, key=lambda one: (-one["score"], one["customer_key"]))[:3],
                "told": _standing(told.get(row["receipt_key"]), row["left_amount"]),
            }
        )
    return sorted(found, key=lambda row: (row["told"] is not None, -row["left_amount"], row["receipt_key"]))


def tell_finance(
    viewer: Viewer, db: Served, receipt_key: str, items: dict[str, Any], *, reason: str = "chosen",
    note: str | None = None,
) -> int:  # fmt: skip
    """Record that finance was told to allocate the receipt to `items` (item key → amount); the suggestion's id.

    A later one replaces an earlier one. FatalError when an item is not open, is of another customer or currency than
    the others, gets more than it owes, or all together more than the receipt has left.
    """
    acting.may_work(viewer)
    day = db.today()
    receipt = next((row for row in _receipts(viewer, db, day) if row["receipt_key"] == receipt_key), None)
    if receipt is None:
        raise NotFound(f"no unallocated receipt {receipt_key!r}", remedy="take its key from the unapplied queue")
    chosen = {key: Decimal(str(amount)).quantize(Decimal("0.01")) for key, amount in items.items()}
    customer_key = _checked(viewer, db, receipt, chosen)
    anchor, at = anchor_of(db, customer_key), stamp()
    with db.instance.store.begin() as connection:
        connection.execute(
            update(table)
            .where(table.c.receipt_key == receipt_key, table.c.withdrawn_at.is_(None))
            .values(withdrawn_at=at, withdrawn_by=viewer.user)
        )
        made = connection.execute(
            table.insert().values(
                receipt_key=receipt_key, anchor=anchor, currency=receipt["currency"],
                left_amount=str(receipt["left_amount"]), reason=reason, told_by=viewer.user, told_at=at, note=note,
                items=json.dumps({key: str(amount) for key, amount in chosen.items()}),
            )
        ).inserted_primary_key  # fmt: skip
        acting.log(
            connection, viewer, at, action="tell_finance", anchor=anchor, happened_on=str(day), person=receipt_key,
            amount=str(sum(chosen.values(), ZERO)), currency=receipt["currency"], code=reason, body=note,
        )  # fmt: skip
    return int(made[0]) if made else 0


def withdraw_suggestion(viewer: Viewer, db: Served, suggestion_id: int) -> None:
    """Take back what finance was told; FatalError when nothing stands under that id among the viewer's."""
    acting.may_work(viewer)
    with db.instance.store.read() as connection:
        row = connection.execute(
            select(table).where(table.c.suggestion_id == suggestion_id, table.c.withdrawn_at.is_(None))
        ).one_or_none()
    if row is None or all(one["receipt_key"] != row.receipt_key for one in _receipts(viewer, db, db.today())):
        raise FatalError(f"no suggestion {suggestion_id} stands", valid="an id from the unapplied queue")
    with db.instance.store.begin() as connection:
        at = stamp()
        connection.execute(
            update(table)
            .where(table.c.suggestion_id == suggestion_id)
            .values(withdrawn_at=at, withdrawn_by=viewer.user)
        )
        acting.log(connection, viewer, at, action="withdraw_suggestion", anchor=row.anchor,
                   happened_on=str(db.today()), person=row.receipt_key)  # fmt: skip


def _receipts(viewer: Viewer, db: Served, day: date) -> list[dict[str, Any]]:
    rule, named = viewer.named_rows()
    nobody = "true" if viewer.scope == "all" else "false"
    return db.rows(
        f"""select r.record_key as receipt_key, r.number, r.customer_key, customer.name, customer.owner_key,
                   customer.owner_name as owner, r.customer_key <> '{UNIDENTIFIED}' as is_identified, r.currency,
                   r.amount, r.left_amount, r.dated_on as received_on, r.method, r.purpose, r.payer_name,
                   r.bill_number, r.bill_matures_on, r.source, r.source_id
            from ({open_credits_sql()}) as r
            left join core.dim_customer as customer on customer.customer_key = r.customer_key
            where r.class = 'unallocated' and r.left_amount > 0 and r.source is not null
              and ((r.customer_key = '{UNIDENTIFIED}' and {nobody})
                   or (r.customer_key <> '{UNIDENTIFIED}' and customer.customer_key is not null and {rule}))""",
        {"as_of": day, **named},
    )


def _items(
    viewer: Viewer, db: Served, day: date, receipts: list[dict[str, Any]], known: set[str]
) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """(customer, currency) → open items: of customers with money, and for unidentified money of those that fit."""
    lost = [row for row in receipts if not row["is_identified"]]
    named = _named_customers(viewer, db, {payer(row["payer_name"]) for row in lost} - {""})
    rule, rows = viewer.named_rows()
    found: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in db.rows(
        f"""select item.record_key, item.customer_key, customer.name, item.invoice_number, item.currency, item.due_on,
                   item.open_amount, coalesce(item.days_past_due, 0) > 0 as is_overdue
            from ({open_items_sql()}) as item
            join core.dim_customer as customer on customer.customer_key = item.customer_key
            where item.open_amount > 0 and item.kind <> 'provisional' and {rule}
              and (list_contains($known, item.customer_key) or list_contains($amounts, item.open_amount))
            order by item.record_key""",
        {"as_of": day, "known": sorted(known | set(named)),
         "amounts": sorted({row["left_amount"] for row in lost}) or [Decimal("0.00")], **rows},
    ):  # fmt: skip
        found[row["customer_key"], row["currency"]].append(row | {"names": named.get(row["customer_key"], set())})
    return found


def _named_customers(viewer: Viewer, db: Served, names: set[str]) -> dict[str, set[str]]:
    """Customer key → the payers of `names` that are called like it; names of fewer than four characters prove nothing.

    Compared without punctuation and legal form; one may be part of the other.
    """
    asked = sorted(name for name in names if len(name) >= _SHORTEST)
    key = ("payers", viewer.cache_key, tuple(asked))
    if key not in db.cache:
        rule, named = viewer.named_rows()
        found: dict[str, set[str]] = defaultdict(set)
        for row in db.rows(
            f"""with called as (
                    select customer_key, regexp_replace(regexp_replace(lower(unnest(
                        [name, short_name, former_name, english_name])), $forms, ''), $noise, '', 'g') as name
                    from core.dim_customer as customer where {rule}
                )
                select called.customer_key, who.name
                from (select unnest($asked) as name) as who
                join called on contains(who.name, called.name) or contains(called.name, who.name)
                where length(called.name) >= {_SHORTEST}""",
            {"asked": asked, "noise": NOISE, "forms": FORMS, **named},
        ):
            found[row["customer_key"]].add(row["name"])
        db.cache[key] = dict(found)
    answer: dict[str, set[str]] = db.cache[key]
    return answer


def _pools(
    row: dict[str, Any], items: dict[tuple[str, str], list[dict[str, Any]]]
) -> Iterable[tuple[str, list[dict[str, Any]], int]]:
    """(customer, its open items in the receipt's currency, highest score) that the receipt may be for."""
    if row["is_identified"]:
        pool = items.get((row["customer_key"], row["currency"]), [])
        return [(row["customer_key"], pool, 100)] if pool else []
    who, pools = payer(row["payer_name"]), []
    for (key, currency), pool in items.items():
        if currency != row["currency"]:
            continue
        if who and who in pool[0]["names"]:
            pools.append((key, pool, 100 - _NAMED))
        elif any(item["open_amount"] == row["left_amount"] for item in pool):
            same = [item for item in pool if item["open_amount"] == row["left_amount"]]
            pools.append((key, same, _BY_AMOUNT))
    return pools


def _open(item: dict[str, Any]) -> Open:
    return Open(item["record_key"], item["invoice_number"], item["due_on"], item["open_amount"])


def _offer(one: Any, pool: list[dict[str, Any]]) -> dict[str, Any]:
    numbers = {item["record_key"]: item["invoice_number"] for item in pool}
    parts = [{"item_key": key, "invoice_number": numbers[key], "amount": amount} for key, amount in one.items]
    return {"items": parts, "reason": one.reason, "rest_amount": one.rest_amount}


def _told(db: Served) -> dict[str, Any]:
    with db.instance.store.read() as connection:
        rows = connection.execute(
            select(table).where(table.c.withdrawn_at.is_(None)).order_by(table.c.suggestion_id)
        ).all()
    return {row.receipt_key: row for row in rows}


def _standing(row: Any, left: Decimal) -> dict[str, Any] | None:
    """What finance was told, and whether the ERP has followed: partly, as long as something of it is left."""
    if row is None:
        return None
    items = {key: Decimal(amount) for key, amount in json.loads(row.items).items()}
    gone = Decimal(row.left_amount) - left
    asked = sum(items.values(), ZERO)
    state = "told" if gone <= 0 else "partly" if gone < asked else "allocated"
    return {"suggestion_id": row.suggestion_id, "at": unstamp(row.told_at), "by": row.told_by, "items": items,
            "reason": row.reason, "state": state, "note": row.note}  # fmt: skip


def _checked(viewer: Viewer, db: Served, receipt: dict[str, Any], chosen: dict[str, Decimal]) -> str:
    """The customer whose open items `chosen` are; FatalError when the money cannot be used so."""
    if not chosen or min(chosen.values()) <= 0:
        raise FatalError("a suggestion names at least one item with a positive amount")
    rule, named = viewer.named_rows()
    rows = db.rows(
        f"""select item.record_key, item.customer_key, item.currency, item.open_amount
            from ({open_items_sql(where="list_contains($keys, i.record_key)")}) as item
            join core.dim_customer as customer on customer.customer_key = item.customer_key
            where item.open_amount > 0 and {rule}""",
        {"as_of": db.today(), "keys": sorted(chosen), **named},
    )
    owed = {row["record_key"]: row for row in rows}
    if missing := sorted(set(chosen) - set(owed)):
        raise FatalError(f"not open: {', '.join(missing)}", valid="open items of the viewer's customers")
    if {row["currency"] for row in rows} != {receipt["currency"]}:
        raise FatalError("the items are not in the receipt's currency", valid=str(receipt["currency"]))
    customers = {row["customer_key"] for row in rows}
    if len(customers) > 1 or (receipt["is_identified"] and customers != {receipt["customer_key"]}):
        raise FatalError("the items are not all of the receipt's customer")
    for key, amount in chosen.items():
        if amount > owed[key]["open_amount"]:
            raise FatalError(f"{amount} is more than {key} owes", valid=f"up to {owed[key]['open_amount']}")
    if sum(chosen.values(), ZERO) > receipt["left_amount"]:
        raise FatalError("this is more than the receipt has left", valid=f"up to {receipt['left_amount']}")
    return str(customers.pop())
