"""What people do with open items: it becomes this product's own state, keyed to the open item, and is audited."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import Connection, update

from model import policy
from model.policy import Viewer
from model.receivables import open_items_sql
from model.serve.connection import Served
from model.serve.find import NotFound
from ops.errors import FatalError
from ops.store import stamp
from ops.tables import audit, disputes, notes, promises

ACTIONS = (
    "acknowledge",
    "promise",
    "dispute",
    "escalate",
    "snooze",
    "note",
    "withdraw_promise",
    "close_dispute",
)


def act(viewer: Viewer, db: Served, item_key: str, action: str, **arguments: Any) -> None:
    """Record `action` on the open item `item_key` (a plan row's record key).

    promise: amount, on, note · dispute: amount, reason, note · snooze: until, note · others: note. FatalError for an
    action or argument that is not valid; NotFound when the item is not one of the viewer's.
    """
    if action not in ACTIONS:
        raise FatalError(f"there is no action {action!r}", valid=", ".join(ACTIONS))
    if not policy.roles()[viewer.role].may_work:
        raise FatalError(f"the role {viewer.role} does not work receivables", valid="account_manager, finance, leader")
    item = _item(viewer, db, item_key)
    with db.instance.store.begin() as connection:
        _write(connection, viewer, item, action, arguments)
        details = json.dumps({name: str(value) for name, value in arguments.items()}, ensure_ascii=False)
        connection.execute(
            audit.insert().values(
                at=stamp(),
                actor=viewer.user,
                action=f"receivable.{action}",
                subject=item_key,
                details=details,
            )
        )


def _item(viewer: Viewer, db: Served, item_key: str) -> dict[str, Any]:
    rule, named = viewer.named_rows()
    parameters: dict[str, Any] = {"as_of": db.today(), "item_key": item_key, **named}
    found = db.rows(
        f"""select item.record_key, item.currency, item.open_amount from ({open_items_sql()}) as item
            join core.dim_customer as customer on customer.customer_key = item.customer_key
            where item.record_key = $item_key and {rule}""",
        parameters,
    )
    if not found:
        raise NotFound(f"no open item {item_key!r}", remedy="take its key from the customer's receivables")
    return found[0]


def _write(
    connection: Connection, viewer: Viewer, item: dict[str, Any], action: str, arguments: dict[str, Any]
) -> None:
    key, who, at = item["record_key"], viewer.user, stamp()
    note = arguments.get("note") or None
    if action == "promise":
        promised = _day(arguments, "on")
        amount = _amount(arguments.get("amount", item["open_amount"]), item)
        connection.execute(
            promises.insert().values(
                item_key=key, amount=str(amount), currency=item["currency"], promised_on=promised.isoformat(),
                made_by=who, made_at=at, note=note,
            )
        )  # fmt: skip
    elif action == "dispute":
        amount = _amount(arguments.get("amount", item["open_amount"]), item)
        connection.execute(
            disputes.insert().values(
                item_key=key, amount=str(amount), currency=item["currency"], reason=arguments.get("reason") or "other",
                opened_by=who, opened_at=at, note=note,
            )
        )  # fmt: skip
    elif action == "withdraw_promise":
        connection.execute(
            update(promises)
            .where(promises.c.item_key == key, promises.c.withdrawn_at.is_(None))
            .values(withdrawn_at=at)
        )
    elif action == "close_dispute":
        connection.execute(
            update(disputes).where(disputes.c.item_key == key, disputes.c.closed_at.is_(None)).values(closed_at=at)
        )
    else:
        until = _day(arguments, "until").isoformat() if action == "snooze" else None
        if action == "note" and note is None:
            raise FatalError("a note without text", remedy="write what was said")
        connection.execute(
            notes.insert().values(anchor=key, kind=action, body=note, until=until, made_by=who, made_at=at)
        )


def _day(arguments: dict[str, Any], name: str) -> date:
    value = arguments.get(name)
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, date):
        raise FatalError(f"{name!r} must be a date", valid="YYYY-MM-DD")
    return value


def _amount(value: Any, item: dict[str, Any]) -> Decimal:
    try:
        amount = Decimal(str(value)).quantize(Decimal("0.01"))
    except InvalidOperation as error:
        raise FatalError(f"{value!r} is not an amount", valid="a number such as 1200.50") from error
    if not 0 < amount <= item["open_amount"]:
        raise FatalError(f"the amount {amount} is not possible", valid=f"0.01 to the open {item['open_amount']}")
    return amount
