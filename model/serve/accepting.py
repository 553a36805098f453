"""Accepting a difference between systems: with a reason, for the figures it stands at, and audited."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, update

from model.policy import Viewer
from model.receivables import codes
from model.serve import acting
from model.serve.anchors import anchors_of
from model.serve.connection import Served
from model.serve.reconciling import difference
from model.serve.reconciling_state import REASONS, figures, place
from ops.errors import FatalError
from ops.store import stamp
from ops.tables import accepted_differences as table
from ops.tables import audit, work_events


def accept_difference(viewer: Viewer, db: Served, item_id: str, *, reason: str, note: str | None = None) -> int:
    """Record that the difference `item_id` is explained, as it stands today; the acceptance's id.

    `reason` is a code of the group reconcile_reason (serve.work_codes). FatalError when the role does not work, for
    an unknown reason, and for what is still a matter of time; NotFound when it is not one of the viewer's.
    """
    acting.may_work(viewer)
    code = codes.choose(codes.load(db.instance.config_dir), REASONS, reason)
    item = difference(viewer, db, item_id)
    if item["state"] == "waiting":
        raise FatalError(
            f"this is a matter of time until {item['due_on']}: there is nothing to accept yet",
            valid="differences of class missing, amount, currency or duplicate",
        )
    at = stamp()
    with db.instance.store.begin() as connection:
        _end(connection, viewer, item, at)
        made = connection.execute(
            table.insert().values(
                **place(item), **figures(item), reason=code, note=note, accepted_by=viewer.user, accepted_at=at,
            )
        ).inserted_primary_key  # fmt: skip
        _log(connection, viewer, db, item, at, action="accept_difference", code=code, body=note)
    return int(made[0]) if made else 0


def withdraw_acceptance(viewer: Viewer, db: Served, item_id: str, note: str | None = None) -> None:
    """Take an acceptance back; FatalError when none stands, NotFound when it is not one of the viewer's."""
    acting.may_work(viewer)
    item = difference(viewer, db, item_id)
    at = stamp()
    with db.instance.store.begin() as connection:
        if not _end(connection, viewer, item, at):
            raise FatalError(f"the difference {item_id} is not accepted", valid="one in the state accepted")
        _log(connection, viewer, db, item, at, action="withdraw_acceptance", body=note)


def _end(connection: Connection, viewer: Viewer, item: dict[str, Any], at: str) -> bool:
    """Withdraw what stands on the difference; whether anything did."""
    same = [table.c[name].is_(None) if value is None else table.c[name] == value for name, value in place(item).items()]
    ended = connection.execute(
        update(table).where(*same, table.c.withdrawn_at.is_(None)).values(withdrawn_at=at, withdrawn_by=viewer.user)
    )
    return bool(ended.rowcount)


def _log(connection: Connection, viewer: Viewer, db: Served, item: dict[str, Any], at: str, **values: Any) -> None:
    """One row of history, under a record of the customer, and its audit row."""
    action = values.pop("action")
    records = anchors_of(db, item["customer_key"])
    connection.execute(
        work_events.insert().values(
            at=at, actor=viewer.user, action=action, item_key=item["item_id"], anchor=records[0] if records else None,
            happened_on=str(db.today()), currency=item["currency"],
            amount=None if item["difference"] is None else str(item["difference"]), **values,
        )
    )  # fmt: skip
    details = {**figures(item), "class": item["class"], **values}
    connection.execute(
        audit.insert().values(
            at=at, actor=viewer.user, action=f"reconcile.{action}", subject=item["item_id"],
            details=json.dumps(details, ensure_ascii=False, default=str),
        )
    )  # fmt: skip
