"""What people do with open items: it becomes this product's own state, keyed to the open item, and is audited.

Nothing is written to a source system. Work state, its history (work_events, only ever added to) and the audit row are
one transaction.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from model import policy
from model.policy import Viewer
from model.receivables import open_items_sql
from model.serve import actions
from model.serve.actions import ACTIONS, Planned
from model.serve.connection import Served
from model.serve.find import NotFound
from ops.errors import C360Error, FatalError
from ops.store import stamp
from ops.tables import audit, work_events

__all__ = ["ACTIONS", "act", "act_many", "may_work", "record"]


def may_work(viewer: Viewer) -> None:
    """FatalError unless the viewer's role works receivables."""
    if not policy.roles()[viewer.role].may_work:
        raise FatalError(f"the role {viewer.role} does not work receivables", valid="account_manager, finance, leader")


def act(viewer: Viewer, db: Served, item_key: str, action: str, **arguments: Any) -> None:
    """Record `action` on the open item `item_key` (a plan row's record key); all take `note`.

    promise: amount, on · dispute: amount, reason, owner · close_dispute: dispute_id, outcome · withdraw_promise:
    promise_id · snooze: until · assign: to (employee; empty ends it), as (owner, deputy), until · call: contact,
    result, on, next_on · stage: stage, on. FatalError for an action or argument that is not valid; NotFound when the
    item is not one of the viewer's.
    """
    _valid(viewer, action)
    found = _items(viewer, db, [item_key])
    if item_key not in found:
        raise NotFound(f"no open item {item_key!r}", remedy="take its key from the customer's receivables")
    record(viewer, db, [actions.plan(actions.ground(db), found[item_key], action, arguments)])


def act_many(
    viewer: Viewer, db: Served, keys: Sequence[str], action: str, *, preview: bool = False, **arguments: Any
) -> dict[str, Any]:
    """Record `action` on every item of `keys`, or on none; with `preview` only say what it would do.

    {action, rows, totals, problems, batch_id}: rows {item_key, customer_key, name, invoice_number, currency,
    open_amount, amount, until_on, person, code}; totals: currency → amount the action is about; problems {item_key,
    what}. Amounts default to each item's open amount. FatalError when there is a problem and it is no preview.
    """
    _valid(viewer, action)
    wanted = list(dict.fromkeys(keys))
    if not wanted:
        raise FatalError("no item is chosen", remedy="choose at least one open item")
    found, ground = _items(viewer, db, wanted), actions.ground(db)
    planned: list[Planned] = []
    problems: list[dict[str, str]] = []
    for key in wanted:
        try:
            if key not in found:
                raise NotFound(f"no open item {key!r}")
            planned.append(actions.plan(ground, found[key], action, dict(arguments)))
        except C360Error as error:
            problems.append({"item_key": key, "what": str(error)})
    answer: dict[str, Any] = {
        "action": action, "rows": [_row(found[one.item_key], one) for one in planned],
        "totals": _totals(found, planned), "problems": problems, "batch_id": None,
    }  # fmt: skip
    if preview:
        return answer
    if problems:
        first = problems[0]
        raise FatalError(
            f"{len(problems)} of {len(wanted)} items cannot take {action}; nothing was written",
            valid=f"{first['item_key']}: {first['what']}",
        )
    return answer | {"batch_id": record(viewer, db, planned)}


def record(viewer: Viewer, db: Served, planned: Iterable[Planned]) -> str | None:
    """Write planned actions with their history and audit rows in one transaction; the id that joins several."""
    several = list(planned)
    batch = secrets.token_hex(8) if len(several) > 1 else None
    with db.instance.store.begin() as connection:
        for one in several:
            at = stamp()
            actions.write(connection, viewer.user, at, one)
            log(connection, viewer, at, action=one.action, item_key=one.item_key, happened_on=str(one.happened_on),
                until_on=_text(one.until_on), amount=_text(one.amount), currency=one.currency, person=one.person,
                code=one.code, body=one.body, batch_id=batch)  # fmt: skip
    return batch


def log(connection: Connection, viewer: Viewer, at: str, *, action: str, **values: Any) -> None:
    """Add one row of history and its audit row."""
    connection.execute(work_events.insert().values(at=at, actor=viewer.user, action=action, **values))
    details = {name: value for name, value in values.items() if value is not None}
    subject = values.get("item_key") or values.get("anchor")
    connection.execute(
        audit.insert().values(
            at=at, actor=viewer.user, action=f"receivable.{action}", subject=subject,
            details=json.dumps(details, ensure_ascii=False, default=str),
        )
    )  # fmt: skip


def _valid(viewer: Viewer, action: str) -> None:
    if action not in ACTIONS:
        raise FatalError(f"there is no action {action!r}", valid=", ".join(ACTIONS))
    may_work(viewer)


def _items(viewer: Viewer, db: Served, keys: list[str]) -> dict[str, dict[str, Any]]:
    """The open items of `keys` that are the viewer's."""
    rule, named = viewer.named_rows()
    rows = db.rows(
        f"""select item.record_key, item.customer_key, customer.name, item.invoice_number, item.currency,
                   item.open_amount
            from ({open_items_sql(where="list_contains($keys, i.record_key)")}) as item
            join core.dim_customer as customer on customer.customer_key = item.customer_key
            where item.open_amount > 0 and {rule}""",
        {"as_of": db.today(), "keys": keys, **named},
    )
    return {row["record_key"]: row for row in rows}


def _row(item: dict[str, Any], planned: Planned) -> dict[str, Any]:
    return {
        "item_key": planned.item_key,
        **{name: item[name] for name in ("customer_key", "name", "invoice_number", "currency", "open_amount")},
        **{name: getattr(planned, name) for name in ("amount", "until_on", "person", "code")},
    }


def _totals(items: dict[str, dict[str, Any]], planned: list[Planned]) -> dict[str, Decimal]:
    totals: dict[str, Decimal] = {}
    for one in planned:
        amount = one.amount if one.amount is not None else items[one.item_key]["open_amount"]
        totals[one.currency] = totals.get(one.currency, Decimal(0)) + amount
    return totals


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
