"""Numbered changes of the operational store, each applied once, in order, inside a transaction."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, text

from ops.tables import metadata


def _create_all(connection: Connection) -> None:
    metadata.create_all(connection)


MIGRATIONS: list[Callable[[Connection], None]] = [_create_all]


def migrate(connection: Connection) -> int:
    """Bring the store to the newest version; returns that version."""
    connection.execute(text("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)"))
    version = connection.execute(text("SELECT coalesce(max(version), 0) FROM schema_version")).scalar_one()
    for number, step in enumerate(MIGRATIONS, start=1):
        if number > version:
            step(connection)
            connection.execute(text("INSERT INTO schema_version (version) VALUES (:n)"), {"n": number})
    return len(MIGRATIONS)
