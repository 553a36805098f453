"""Set-based upsert of conformed rows into staging versions; one statement per step, however many rows.

A version ends (`seen_to`) when a later document says something else; a delete is a version with is_deleted.
"""

from __future__ import annotations

import duckdb
import polars as pl

from model import schema, staging

# Vendor stamps move without a change of meaning; they do not make a version.
_UNHASHED = {
    "source",
    "source_id",
    "seen_from",
    "seen_to",
    "run_id",
    "hash",
    "source_updated_at",
    "entered_at",
}


def _hash_sql(entity: schema.Entity, alias: str, *, deleted: str | None = None) -> str:
    parts = [name for name in staging.columns(entity) if name not in _UNHASHED]
    texts = []
    for name in parts:
        value = f'{alias}."{name}"' if name != "is_deleted" or deleted is None else deleted
        texts.append(f"coalesce(CAST({value} AS VARCHAR), chr(0))")
    return f"md5(concat_ws(chr(31), {', '.join(texts)}))"


def rows(
    con: duckdb.DuckDBPyConnection,
    entity_name: str,
    source: str,
    incoming: pl.DataFrame,
    *,
    is_monotonic: bool = False,
) -> pl.DataFrame:
    """Stage `incoming` (one row per source_id; columns id, seen_at, run_id, system and canonical columns).

    Returns the rows that became new versions: columns id (landed document), source_id. Rows equal to the current
    version are left alone. With `is_monotonic` a row with an older source_updated_at than the current one is too.
    """
    if incoming.is_empty():
        return pl.DataFrame(schema={"id": pl.String, "source_id": pl.String})
    entity = schema.entity(entity_name)
    con.register("incoming_frame", incoming.to_arrow())
    table = f'staging."{entity_name}"'
    try:
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE incoming AS SELECT *, {_hash_sql(entity, 'f')} AS new_hash "
            "FROM incoming_frame AS f"
        )
    finally:
        con.unregister("incoming_frame")
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE cur AS SELECT s.source_id, s.seen_from, s.hash, s.source_updated_at "
        f"FROM {table} AS s "
        "WHERE s.source = ? AND s.seen_to IS NULL AND s.source_id IN (SELECT source_id FROM incoming)",
        [source],
    )
    newer = ""
    if is_monotonic:
        newer = "AND coalesce(i.source_updated_at >= c.source_updated_at, true)"
    con.execute(
        "CREATE OR REPLACE TEMP TABLE changed AS SELECT i.*, c.seen_from AS old_from FROM incoming AS i "
        f"LEFT JOIN cur AS c ON c.source_id = i.source_id WHERE (c.hash IS DISTINCT FROM i.new_hash) {newer}"
    )
    _end_versions(con, table, source)
    names = list(staging.columns(entity))
    values = {"source": "?", "seen_from": "seen_at", "seen_to": "NULL", "hash": "new_hash"}
    select = ", ".join(values.get(name, f'"{name}"') for name in names)
    listed = ", ".join(f'"{name}"' for name in names)
    con.execute(f"INSERT INTO {table} ({listed}) SELECT {select} FROM changed", [source])
    return _note_changes(con, entity_name, source)


def _end_versions(con: duckdb.DuckDBPyConnection, table: str, source: str) -> None:
    # A version that begins and ends at one instant never was: a page read twice within a run leaves one version.
    con.execute(
        f"DELETE FROM {table} WHERE source = ? AND seen_to IS NULL "
        "AND (source_id, seen_from) IN (SELECT source_id, old_from FROM changed WHERE old_from = seen_at)",
        [source],
    )
    con.execute(
        f"UPDATE {table} AS s SET seen_to = c.seen_at FROM changed AS c "
        "WHERE s.source = ? AND s.seen_to IS NULL AND s.source_id = c.source_id AND c.old_from IS NOT NULL",
        [source],
    )


def _note_changes(con: duckdb.DuckDBPyConnection, entity: str, source: str) -> pl.DataFrame:
    con.execute("INSERT INTO meta.changes SELECT ?, ?, source_id, seen_at FROM changed", [entity, source])
    frame = pl.from_arrow(con.sql("SELECT id, source_id FROM changed").to_arrow_table())
    if not isinstance(frame, pl.DataFrame):
        raise TypeError("an Arrow table did not become a frame")
    return frame


def deletions(con: duckdb.DuckDBPyConnection, entity_name: str, source: str, gone: pl.DataFrame) -> pl.DataFrame:
    """Write a deleted version for every current, undeleted row of `gone` (columns id, source_id, seen_at, run_id).

    The deleted version keeps the values the record had. Returns id and source_id of the rows that were deleted.
    """
    if gone.is_empty():
        return pl.DataFrame(schema={"id": pl.String, "source_id": pl.String})
    entity = schema.entity(entity_name)
    names = list(staging.columns(entity))
    table = f'staging."{entity_name}"'
    con.register("gone_frame", gone.select("id", "source_id", "seen_at", "run_id").unique("source_id").to_arrow())
    select = {
        "seen_from": "g.seen_at",
        "seen_to": "CAST(NULL AS TIMESTAMPTZ)",
        "is_deleted": "true",
        "run_id": "g.run_id",
        "hash": _hash_sql(entity, "s", deleted="true"),
    }
    listed = ", ".join(f'{select.get(name, chr(34).join(("s.", name, "")))} AS "{name}"' for name in names)
    try:
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE changed AS SELECT {listed}, g.id, g.seen_at, s.seen_from AS old_from "
            f"FROM {table} AS s JOIN gone_frame AS g ON g.source_id = s.source_id "
            "WHERE s.source = ? AND s.seen_to IS NULL AND NOT s.is_deleted",
            [source],
        )
    finally:
        con.unregister("gone_frame")
    _end_versions(con, table, source)
    listed = ", ".join(f'"{name}"' for name in names)
    con.execute(f"INSERT INTO {table} ({listed}) SELECT {listed} FROM changed")
    return _note_changes(con, entity_name, source)
