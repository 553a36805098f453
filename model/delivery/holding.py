"""Nothing leaves an outbox that is held: after a restore the old instance may have sent the same messages already.

A restore holds the outbox; a person releases it and says what becomes of what waited when the backup was made.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from model.delivery import letters
from ops.errors import FatalError
from ops.store import Store, stamp
from ops.tables import audit, deliveries, kv, outbox

KEY = "outbox.held"
_WAITING = ("waiting", "sending")


@dataclass(frozen=True)
class Held:
    """Since when and why nothing is sent, and how many messages wait."""

    since: str
    why: str
    messages: int


def hold(store: Store, why: str) -> Held:
    """Send and compose nothing from now on. What is held already stays held as it was."""
    with store.begin() as connection:
        if _stored(connection) is None:
            value = json.dumps({"since": stamp(), "why": why}, ensure_ascii=False)
            store.upsert(connection, kv, {"key": KEY, "value": value, "updated_at": stamp()}, ["key"])
        found = _held(connection)
    if found is None:  # pragma: no cover - it was written in this very transaction
        raise FatalError("the outbox could not be held")
    return found


def held(store: Store) -> Held | None:
    """The hold that is in force, None when messages may leave."""
    with store.read() as connection:
        return _held(connection)


def release(store: Store, who: str, *, drop: bool = False) -> Held:
    """Let messages leave again; with `drop` those that wait now are never sent. Returns the hold that ended.

    Dropped messages stand in the delivery ledger as `dropped`; their alerts count as told and are repeated at their
    cadence. FatalError when nothing is held.
    """
    with store.begin() as connection:
        found = _held(connection)
        if found is None:
            raise FatalError("the outbox is not held", valid="after a restore only")
        if drop:
            _drop(connection, who)
        connection.execute(kv.delete().where(kv.c.key == KEY))
        details = json.dumps({"messages": found.messages, "dropped": drop, "why": found.why}, ensure_ascii=False)
        connection.execute(
            insert(audit).values(at=stamp(), actor=who, action="outbox.released", subject=KEY, details=details)
        )
    return found


def _drop(connection: Connection, who: str) -> None:
    waiting = connection.execute(select(outbox.c.message_id).where(outbox.c.state.in_(_WAITING))).scalars().all()
    if not waiting:
        return
    detail = f"not sent: {who} released the outbox without what waited"
    connection.execute(
        insert(deliveries),
        [{"message_id": one, "at": stamp(), "outcome": "dropped", "detail": detail} for one in waiting],
    )
    connection.execute(
        update(outbox).where(outbox.c.message_id.in_(waiting)).values(state="dropped", last_error=detail)
    )
    for identifier in waiting:
        letters.settle(connection, identifier, "dropped")


def _held(connection: Connection) -> Held | None:
    stored = _stored(connection)
    if stored is None:
        return None
    said = json.loads(stored)
    waiting = connection.execute(select(outbox.c.message_id).where(outbox.c.state.in_(_WAITING))).all()
    return Held(said["since"], said["why"], len(waiting))


def _stored(connection: Connection) -> str | None:
    found: str | None = connection.execute(select(kv.c.value).where(kv.c.key == KEY)).scalar()
    return found
