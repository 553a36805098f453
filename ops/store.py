"""The operational store: SQLite in WAL mode by default, PostgreSQL by URL."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.schema import Table

from ops import clock
from ops.migrations import migrate

_ONE_WRITER = text("SELECT pg_advisory_xact_lock(360360)")


def stamp(instant: datetime | None = None) -> str:
    """An instant (default: now) as the store writes it: ISO 8601 UTC with microseconds, ending in Z."""
    value = (instant or clock.now()).astimezone(UTC)
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def unstamp(value: str) -> datetime:
    """The instant that `stamp` wrote."""
    return datetime.fromisoformat(value)


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=30000", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        mode = connection.get_execution_options().get("c360_begin", "IMMEDIATE")
        connection.exec_driver_sql(f"BEGIN {mode}")


class Store:
    """A handle on the operational store; opening it applies the migrations."""

    def __init__(self, url: str) -> None:
        self.engine = create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
        self.is_sqlite = url.startswith("sqlite")
        self._owner = os.getpid()
        if self.is_sqlite:
            _prepare_sqlite(self.engine)
        with self.begin() as connection:
            migrate(connection)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A write transaction; commits at the end, rolls back on an error. One writer at a time, on both databases:

        SQLite by BEGIN IMMEDIATE, PostgreSQL by a lock of the transaction. Code that reads before it writes (leases,
        the registry, migrations) relies on it.
        """
        with self.engine.begin() as connection:
            if not self.is_sqlite:
                connection.execute(_ONE_WRITER)
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction that never waits for writers."""
        with self.engine.connect().execution_options(c360_begin="DEFERRED") as connection:
            yield connection

    def upsert(self, connection: Connection, table: Table, row: dict[str, Any], keys: list[str]) -> None:
        """Insert `row`, or update the row that has the same `keys` (a primary key or unique constraint)."""
        insert = sqlite_insert if self.is_sqlite else postgresql_insert
        rest = {name: value for name, value in row.items() if name not in keys}
        statement = insert(table).values(**row)
        if rest:
            statement = statement.on_conflict_do_update(index_elements=keys, set_=rest)
        else:
            statement = statement.on_conflict_do_nothing(index_elements=keys)
        connection.execute(statement)

    def close(self) -> None:
        """Give back every pooled connection."""
        self.engine.dispose()
