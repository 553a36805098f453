"""Numbered changes of the operational store, each applied once, in order, inside a transaction."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, inspect, text

from ops.tables import metadata


def _create_missing(connection: Connection) -> None:
    """Tables of today's definition that the store has not yet; one question for all of them, not one for each."""
    known = set(inspect(connection).get_table_names())
    missing = [table for table in metadata.tables.values() if table.name not in known]
    metadata.create_all(connection, tables=missing, checkfirst=False)


def _visits_with_marks(connection: Connection) -> None:
    known = {column["name"] for column in inspect(connection).get_columns("visits")}
    for name in ("last_data", "mark_at", "mark_data"):
        if name not in known:
            connection.execute(text(f"ALTER TABLE visits ADD COLUMN {name} VARCHAR(40)"))
    _create_missing(connection)


def _collection_work(connection: Connection) -> None:
    """Owners and outcomes of disputes, and the history of what was done on open items, with what was done so far."""
    added = {"promises": ("withdrawn_by",), "disputes": ("owner_key", "closed_by", "outcome")}
    for table, names in added.items():
        known = {column["name"] for column in inspect(connection).get_columns(table)}
        for name in names:
            if name not in known:
                connection.execute(text(f"ALTER TABLE {table} ADD COLUMN {name} VARCHAR(100)"))
    _create_missing(connection)
    connection.execute(
        text(
            "INSERT INTO work_events (at, actor, action, item_key, happened_on, body)"
            " SELECT at, actor, substr(action, 12), subject, substr(at, 1, 10), details FROM audit"
            " WHERE action LIKE 'receivable.%' ORDER BY audit_id"
        )
    )


def _bound_keys(connection: Connection) -> None:
    """Where decisions come from, and the record each golden key is bound to: the one that has carried it longest."""
    known = {column["name"] for column in inspect(connection).get_columns("match_decisions")}
    for name, kind in (("origin", "VARCHAR(20) DEFAULT 'steward' NOT NULL"), ("batch_id", "VARCHAR(40)"),
                       ("seen", "VARCHAR(40)")):  # fmt: skip
        if name not in known:
            connection.execute(text(f"ALTER TABLE match_decisions ADD COLUMN {name} {kind}"))
    _create_missing(connection)
    connection.execute(
        text(
            "INSERT INTO golden_keys (kind, golden_key, source, source_id, created_at)"
            " SELECT kind, golden_key, source, source_id, since FROM ("
            "  SELECT r.*, row_number() OVER (PARTITION BY kind, golden_key ORDER BY since, source, source_id) AS place"
            "  FROM registry AS r) AS ranked WHERE place = 1 AND NOT EXISTS ("
            "  SELECT 1 FROM golden_keys AS k WHERE k.kind = ranked.kind AND k.golden_key = ranked.golden_key)"
        )
    )


MIGRATIONS: list[Callable[[Connection], None]] = [
    _create_missing,
    _visits_with_marks,
    _collection_work,
    _bound_keys,
    _create_missing,  # accepted differences
    _create_missing,  # field decisions
    _create_missing,  # quality history
    _create_missing,  # letters
    _create_missing,  # drift
    _create_missing,  # signatures of mappings
    _create_missing,  # control totals
    _create_missing,  # webhooks, targeted reads, breakers
    _create_missing,  # kept links
]


def migrate(connection: Connection) -> int:
    """Bring the store to the newest version; returns that version."""
    connection.execute(text("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)"))
    version = connection.execute(text("SELECT coalesce(max(version), 0) FROM schema_version")).scalar_one()
    for number, step in enumerate(MIGRATIONS, start=1):
        if number > version:
            step(connection)
            connection.execute(text("INSERT INTO schema_version (version) VALUES (:n)"), {"n": number})
    return len(MIGRATIONS)
