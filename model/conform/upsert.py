"""Set-based upsert of conformed rows into staging versions; one statement per step, however many rows.

A version ends (`seen_to`) when a later document says something else; a delete is a version with is_deleted.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import groupby

import duckdb
import polars as pl

from model import schema, staging
from model.conform.frames import fetched, shown

_CHANGES = "INSERT INTO meta.changes SELECT ?, ?, source_id, seen_at FROM "
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


def _hash_sql(
    entity: schema.Entity, alias: str, *, deleted: str | None = None, empty: Collection[str] = frozenset()
) -> str:
    """The hash of a version; the columns named `empty` are null in every row and need no reading."""
    parts = [name for name in staging.columns(entity) if name not in _UNHASHED]
    texts: list[str] = []
    for are_empty, names in groupby(parts, lambda name: name in empty):
        if are_empty:
            texts.append(f"repeat(chr(0) || chr(31), {len(list(names)) - 1}) || chr(0)")  # one constant for all
            continue
        for name in names:
            value = f'{alias}."{name}"' if name != "is_deleted" or deleted is None else deleted
            texts.append(f"coalesce(CAST({value} AS VARCHAR), chr(0))")
    return f"md5(concat_ws(chr(31), {', '.join(texts)}))"


def hashed(con: duckdb.DuckDBPyConnection, entity_name: str, incoming: pl.DataFrame) -> pl.DataFrame:
    """`incoming` with the column `version`: the hash of what a version holds; a column that is missing is null."""
    entity = schema.entity(entity_name)
    absent = {name for name in staging.columns(entity) if name not in incoming.columns}
    empty = absent | {name for name in incoming.columns if incoming[name].null_count() == incoming.height}
    numbered = incoming.with_row_index("nr")
    with shown(con, hashed_rows=numbered):
        made = fetched(con.sql(f"SELECT nr, {_hash_sql(entity, 'f', empty=empty)} AS version FROM hashed_rows AS f"))
    return incoming.with_columns(made.sort("nr")["version"])


def rows(
    con: duckdb.DuckDBPyConnection,
    entity_name: str,
    source: str,
    incoming: pl.DataFrame,
    *,
    is_monotonic: bool = False,
) -> pl.DataFrame:
    """Stage `incoming` (one row per source_id; columns id, seen_at, run_id, system and canonical columns).

    A column that is missing is null; `version` is computed where it is missing.

    Returns the rows that became new versions: columns id (landed document), source_id. Rows equal to the current
    version are left alone. With `is_monotonic` a row with an older source_updated_at than the current one is too.
    """
    if incoming.is_empty():
        return pl.DataFrame(schema={"id": pl.String, "source_id": pl.String})
    entity = schema.entity(entity_name)
    table = f'staging."{entity_name}"'
    names = list(staging.columns(entity))
    if "version" not in incoming.columns:
        incoming = hashed(con, entity_name, incoming)
    values = {"source": "?", "seen_from": "f.seen_at", "seen_to": "NULL", "hash": "f.version"}
    values |= {name: "NULL" for name in names if name not in incoming.columns and name not in values}
    select = ", ".join(values.get(name, f'f."{name}"') for name in names)
    listed = ", ".join(f'"{name}"' for name in names)
    with shown(con, incoming=incoming):
        if not _find_current(con, entity_name, source):
            con.execute(f"INSERT INTO {table} ({listed}) SELECT {select} FROM incoming AS f", [source])
            con.execute(_CHANGES + "incoming", [entity_name, source])
            return incoming.select("id", "source_id")
        _find_changed(con, incoming, is_monotonic=is_monotonic)
        _end_versions(con, table)
        con.execute(
            f"INSERT INTO {table} ({listed}) SELECT {select} FROM incoming AS f "
            "JOIN changed AS c ON c.source_id = f.source_id",
            [source],
        )
    return _note_changes(con, entity_name, source)


def _find_current(con: duckdb.DuckDBPyConnection, entity: str, source: str) -> bool:
    """Make temp table cur: the current versions of the incoming rows; whether there are any."""
    # the keys are looked through first: other columns are then read only where there is something to read
    con.execute(
        "CREATE OR REPLACE TEMP TABLE cur AS SELECT rowid AS row_id, source_id, seen_from, hash, source_updated_at "
        f'FROM staging."{entity}" WHERE rowid IN (SELECT s.rowid FROM staging."{entity}" AS s '
        "WHERE s.source = ? AND s.seen_to IS NULL AND s.source_id IN (SELECT source_id FROM incoming))",
        [source],
    )
    return bool(con.execute("SELECT 1 FROM cur LIMIT 1").fetchall())


def _find_changed(con: duckdb.DuckDBPyConnection, incoming: pl.DataFrame, *, is_monotonic: bool) -> None:
    """Make temp table changed: source_id, id, seen_at, new_hash of new versions; old_from, row_id of those they end."""
    stamp = "source_updated_at" if "source_updated_at" in incoming.columns else "CAST(NULL AS TIMESTAMPTZ)"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE arrived AS SELECT id, source_id, seen_at, {stamp} AS source_updated_at, "
        "version AS new_hash FROM incoming"
    )
    newer = "AND coalesce(i.source_updated_at >= c.source_updated_at, true)" if is_monotonic else ""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE changed AS "
        "SELECT i.source_id, i.id, i.seen_at, i.new_hash, c.seen_from AS old_from, c.row_id FROM arrived AS i "
        f"LEFT JOIN cur AS c ON c.source_id = i.source_id WHERE (c.hash IS DISTINCT FROM i.new_hash) {newer}"
    )


def _end_versions(con: duckdb.DuckDBPyConnection, table: str) -> None:
    if not con.execute("SELECT 1 FROM changed WHERE old_from IS NOT NULL LIMIT 1").fetchall():
        return
    # A version that begins and ends at one instant never was: a page read twice within a run leaves one version.
    con.execute(f"DELETE FROM {table} WHERE rowid IN (SELECT row_id FROM changed WHERE old_from = seen_at)")
    con.execute(
        f"UPDATE {table} AS s SET seen_to = c.seen_at FROM changed AS c WHERE s.rowid = c.row_id AND s.seen_to IS NULL"
    )


def _note_changes(con: duckdb.DuckDBPyConnection, entity: str, source: str) -> pl.DataFrame:
    con.execute(_CHANGES + "changed", [entity, source])
    return fetched(con.sql("SELECT id, source_id FROM changed"))


def deletions(con: duckdb.DuckDBPyConnection, entity_name: str, source: str, gone: pl.DataFrame) -> pl.DataFrame:
    """Write a deleted version for every current, undeleted row of `gone` (columns id, source_id, seen_at, run_id).

    The deleted version keeps the values the record had. Returns id and source_id of the rows that were deleted.
    """
    if gone.is_empty():
        return pl.DataFrame(schema={"id": pl.String, "source_id": pl.String})
    entity = schema.entity(entity_name)
    names = list(staging.columns(entity))
    table = f'staging."{entity_name}"'
    select = {
        "seen_from": "g.seen_at",
        "seen_to": "CAST(NULL AS TIMESTAMPTZ)",
        "is_deleted": "true",
        "run_id": "g.run_id",
        "hash": _hash_sql(entity, "s", deleted="true"),
    }
    listed = ", ".join(f'{select.get(name, chr(34).join(("s.", name, "")))} AS "{name}"' for name in names)
    gone = gone.select("id", "source_id", "seen_at", "run_id").sort("seen_at", "id")
    with shown(con, gone_frame=gone.unique("source_id", keep="last", maintain_order=True)):
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE changed AS SELECT {listed}, g.id, g.seen_at, s.seen_from AS old_from, "
            "s.rowid AS row_id "
            f"FROM {table} AS s JOIN gone_frame AS g ON g.source_id = s.source_id "
            "WHERE s.source = ? AND s.seen_to IS NULL AND NOT s.is_deleted",
            [source],
        )
    _end_versions(con, table)
    listed = ", ".join(f'"{name}"' for name in names)
    con.execute(f"INSERT INTO {table} ({listed}) SELECT {listed} FROM changed")
    return _note_changes(con, entity_name, source)
