"""What was done: the history of an item and of a customer, disputes by owner, calls, and the words to choose from."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import or_, select

from model.policy import Viewer
from model.receivables import codes, open_items_sql
from model.serve import acting, actions, work_rows
from model.serve.anchors import anchor_of, anchors_of, people
from model.serve.connection import Served
from model.serve.find import NotFound, resolve
from ops.errors import FatalError
from ops.store import stamp, unstamp
from ops.tables import disputes as disputes_table
from ops.tables import work_events

ZERO = Decimal(0)
LATE_DAYS = 14


def work_codes(viewer: Viewer, db: Served) -> dict[str, list[dict[str, Any]]]:
    """Group (dispute_reason, stage, call_result …) → [{code, label, is_demand}] in the viewer's language, in order."""
    return {
        group: [{"code": name, "label": code.label(viewer.language), "is_demand": code.is_demand}
                for name, code in found.items()]
        for group, found in codes.load(db.instance.config_dir).items()
    }  # fmt: skip


def work_history(
    viewer: Viewer, db: Served, item_key: str | None = None, customer: str | None = None, limit: int = 500
) -> list[dict[str, Any]]:
    """Every action on an item, or on a customer and all its items, newest first.

    {event_id, at, actor, action, item_key, invoice_number, happened_on, until_on, amount, currency, person, code,
    label (of the code), body, batch_id}. NotFound when it is not one of the viewer's.
    """
    if (item_key is None) == (customer is None):
        raise FatalError("ask for the history of one item or of one customer", valid="item_key or customer")
    rule, named = viewer.named_rows()
    if item_key is not None:
        where, extra = "i.record_key = $key", {"key": item_key}
    else:
        where, extra = "i.customer_key = $key", {"key": resolve(viewer, db, str(customer))}
    rows = db.rows(
        f"""select i.record_key, i.invoice_number from marts.mart_open_item as i
            join core.dim_customer as customer on customer.customer_key = i.customer_key where {where} and {rule}""",
        {**extra, **named},
    )
    numbers = {row["record_key"]: row["invoice_number"] for row in rows}
    if item_key is not None and not numbers:
        raise NotFound(f"no item {item_key!r}", remedy="take its key from the customer's receivables")
    anchors = [] if item_key is not None else anchors_of(db, extra["key"])
    with db.instance.store.read() as connection:
        found = connection.execute(
            select(work_events)
            .where(or_(work_events.c.item_key.in_(list(numbers)), work_events.c.anchor.in_(anchors)))
            .order_by(work_events.c.event_id.desc())
            .limit(limit)
        ).all()
    return _shown(viewer, db, found, numbers)


def _shown(viewer: Viewer, db: Served, rows: Any, numbers: dict[str, str]) -> list[dict[str, Any]]:
    known = codes.load(db.instance.config_dir)
    labels = {name: code.label(viewer.language) for group in known.values() for name, code in group.items()}
    names = people(db, {row.person for row in rows})
    return [
        {
            "event_id": row.event_id, "at": unstamp(row.at), "actor": row.actor, "action": row.action,
            "item_key": row.item_key, "invoice_number": numbers.get(row.item_key or ""),
            "happened_on": date.fromisoformat(row.happened_on),
            "until_on": row.until_on and date.fromisoformat(row.until_on),
            "amount": row.amount and Decimal(row.amount), "currency": row.currency,
            "person": names.get(row.person, row.person), "code": row.code, "label": labels.get(row.code or ""),
            "body": row.body, "batch_id": row.batch_id,
        }
        for row in rows
    ]  # fmt: skip


def log_call(
    viewer: Viewer, db: Served, customer: str, *, result: str, contact: str | None = None, note: str | None = None,
    on: date | str | None = None, next_on: date | str | None = None,
) -> None:  # fmt: skip
    """Record a call with a customer's finance contact that is about no single item: who, when, result, next step on.

    FatalError for a result that is no code or a day to come; NotFound when the customer is not one of the viewer's.
    """
    acting.may_work(viewer)
    key = resolve(viewer, db, customer)
    given = {"result": result, "contact": contact, "on": on, "next_on": next_on, "note": note}
    item = {"record_key": "", "currency": db.instance.config.base_currency, "open_amount": ZERO}
    planned = actions.plan(actions.ground(db), item, "call", {name: value for name, value in given.items() if value})
    with db.instance.store.begin() as connection:
        acting.log(connection, viewer, stamp(), action="call", anchor=anchor_of(db, key),
                   happened_on=str(planned.happened_on), person=planned.person, code=planned.code, body=planned.body,
                   until_on=None if planned.until_on is None else str(planned.until_on))  # fmt: skip


def disputes(viewer: Viewer, db: Served, owner: str | None = None, *, closed: bool = False) -> list[dict[str, Any]]:
    """Disputes that stand (or all, with `closed`), longest open first.

    {dispute_id, item_key, customer_key, name, invoice_number, currency, amount (still disputed: at most what is
    open), said_amount, reason, label, dispute_owner_key, dispute_owner, account_owner, opened_on, days, is_late (over
    14 days), closed_on, outcome, note, open_amount}. `owner`: employee who must resolve; "unowned" for nobody.
    """
    with db.instance.store.read() as connection:
        statement = select(disputes_table).order_by(disputes_table.c.dispute_id)
        statement = statement if closed else statement.where(disputes_table.c.closed_at.is_(None))
        rows = connection.execute(statement).all()
    rows = [row for row in rows if owner is None or (row.owner_key or "unowned") == owner]
    rule, named = viewer.named_rows()
    found = db.rows(
        f"""select item.record_key, item.customer_key, item.invoice_number, item.currency, customer.name,
                   customer.owner_name, coalesce(o.open_amount, 0) as open_amount
            from marts.mart_open_item as item
            join core.dim_customer as customer on customer.customer_key = item.customer_key
            left join ({open_items_sql(where="list_contains($keys, i.record_key)")}) as o
                on o.record_key = item.record_key
            where list_contains($keys, item.record_key) and {rule}""",
        {"as_of": db.today(), "keys": sorted({row.item_key for row in rows}), **named},
    )
    items = {row["record_key"]: row for row in found}
    names = people(db, {row.owner_key for row in rows})
    lines = [_dispute(viewer, db, row, items[row.item_key], names) for row in rows if row.item_key in items]
    return sorted(lines, key=lambda line: (-line["days"], line["dispute_id"]))


def _dispute(viewer: Viewer, db: Served, row: Any, item: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    zone = ZoneInfo(db.instance.config.zone)
    opened = work_rows.local_day(row.opened_at, zone)
    closed = None if row.closed_at is None else work_rows.local_day(row.closed_at, zone)
    days = ((closed or db.today()) - opened).days
    reason = codes.load(db.instance.config_dir)["dispute_reason"].get(row.reason)
    return {
        "dispute_id": row.dispute_id, "item_key": row.item_key, "customer_key": item["customer_key"],
        "name": item["name"], "invoice_number": item["invoice_number"], "currency": row.currency,
        "amount": max(min(Decimal(row.amount), item["open_amount"]), ZERO), "said_amount": Decimal(row.amount),
        "reason": row.reason, "label": reason.label(viewer.language) if reason else row.reason,
        "dispute_owner_key": row.owner_key, "dispute_owner": names.get(row.owner_key or ""),
        "account_owner": item["owner_name"], "opened_on": opened, "days": days,
        "is_late": closed is None and days > LATE_DAYS, "closed_on": closed, "outcome": row.outcome, "note": row.note,
        "open_amount": item["open_amount"],
    }  # fmt: skip
