"""Work state as written in the operational store, as it stood at the end of a business day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Table, select

from model.receivables.ledger import known_instant
from model.serve.connection import Served
from ops.store import stamp, unstamp
from ops.tables import disputes, notes, promises, statements, work_events

Rows = list[Any]
# below this many keys the store is asked for them, above it for everything
FEW = 400


@dataclass
class Written:
    """Item key → rows, oldest first, of each table; `until`: they are as of that instant (None: now)."""

    until: str | None
    promises: dict[str, Rows] = field(default_factory=lambda: defaultdict(list))
    disputes: dict[str, Rows] = field(default_factory=lambda: defaultdict(list))
    notes: dict[str, Rows] = field(default_factory=lambda: defaultdict(list))
    events: dict[str, Rows] = field(default_factory=lambda: defaultdict(list))

    def stands(self, ended_at: str | None) -> bool:
        """Whether something that ended at `ended_at` still stood."""
        return ended_at is None or (self.until is not None and ended_at >= self.until)


def end_of(db: Served, day: date | None) -> str | None:
    """The stamp of the end of a day gone by; None for today and later, when everything written counts."""
    if day is None or day >= db.today():
        return None
    instant = known_instant(day, db.instance.config.zone)
    return None if instant is None else stamp(instant)


def read(db: Served, keys: Collection[str], day: date | None = None) -> Written:
    """What was written about the items `keys` by the end of `day`."""
    found = Written(end_of(db, day))
    wanted = set(keys)
    if not wanted:
        return found
    with db.instance.store.read() as connection:
        for table, key, at, into in (
            (promises, "item_key", "made_at", found.promises), (disputes, "item_key", "opened_at", found.disputes),
            (notes, "anchor", "made_at", found.notes), (work_events, "item_key", "at", found.events),
        ):  # fmt: skip
            for row in _rows(connection, table, key, at, wanted, found.until):
                into[getattr(row, key)].append(row)
    return found


def _rows(
    connection: Connection, table: Table, key: str, at: str, wanted: set[str], until: str | None
) -> Iterator[Any]:
    statement = select(table).order_by(*table.primary_key.columns)
    statement = statement.where(table.c[key].in_(wanted)) if len(wanted) <= FEW else statement
    for row in connection.execute(statement):
        if getattr(row, key) in wanted and (until is None or getattr(row, at) < until):
            yield row


def all_promises(db: Served, start: date, end: date) -> Rows:
    """Every promise for a day from `start` to `end` that was not withdrawn before its day had passed."""
    zone = ZoneInfo(db.instance.config.zone)
    inside = promises.c.promised_on.between(start.isoformat(), end.isoformat())
    with db.instance.store.read() as connection:
        rows = connection.execute(select(promises).where(inside).order_by(promises.c.promise_id)).all()
    return [
        row for row in rows
        if row.withdrawn_at is None or local_day(row.withdrawn_at, zone) > date.fromisoformat(row.promised_on)
    ]  # fmt: skip


def standing_promises(db: Served, day: date) -> Rows:
    """Every promise that stood at the end of `day`, whatever it is on."""
    then = Written(end_of(db, day))
    with db.instance.store.read() as connection:
        rows = connection.execute(select(promises).order_by(promises.c.promise_id)).all()
    made = [row for row in rows if then.until is None or row.made_at < then.until]
    return [row for row in made if then.stands(row.withdrawn_at)]


def promises_of(db: Served, keys: Collection[str]) -> Rows:
    """Every promise ever made on the items `keys`."""
    return [row for rows in read(db, keys).promises.values() for row in rows]


def confirmed(db: Served) -> list[Any]:
    """Statements that customers confirmed, whole or with a difference."""
    with db.instance.store.read() as connection:
        return list(
            connection.execute(
                select(statements).where(statements.c.confirmed_on.is_not(None), statements.c.state != "cancelled")
            )
        )


def local_day(stamped: str, zone: ZoneInfo) -> date:
    """The business date of a stamp."""
    instant: datetime = unstamp(stamped)
    return instant.astimezone(zone).date()
