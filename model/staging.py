"""The staging schema of the warehouse, derived from model/schema: tables, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from model import schema, warehouse, written
from ops.instance import Instance

ROW_GROUP = warehouse.ROW_GROUP
# A checkpoint puts groups together that are not full. After millions of rows that is hundreds at once, for which it
# reads them all; a few at a time keep up with what small runs leave behind.
MERGED_GROUPS = 4
MEMORY_BYTES = 128 * 1024 * 1024
# document_rows: which rows came out of which document, kept where that is not one row under the document's own id.
# changes: keys that changed in staging and that no build has taken up yet; the builder reads and clears them.
_RECORDS_DDL = """
CREATE SCHEMA IF NOT EXISTS staging;
CREATE SCHEMA IF NOT EXISTS meta;
CREATE TABLE IF NOT EXISTS meta.staged_runs (
    source VARCHAR, stream VARCHAR, run_id VARCHAR, landed BIGINT, deduplicated BIGINT, staged BIGINT,
    unchanged BIGINT, rejected BIGINT, mapping_hash VARCHAR, staged_at TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS meta.documents (source VARCHAR, stream VARCHAR, id VARCHAR, hash VARCHAR);
CREATE TABLE IF NOT EXISTS meta.document_rows (
    source VARCHAR, stream VARCHAR, mapping VARCHAR, id VARCHAR, source_id VARCHAR
);
CREATE TABLE IF NOT EXISTS meta.changes (entity VARCHAR, source VARCHAR, source_id VARCHAR, seen_at TIMESTAMPTZ);
"""


def columns(entity: schema.Entity) -> dict[str, str]:
    """Column name → DuckDB type of `staging.<entity>`, system columns first."""
    system = {name: kind for name, (kind, _) in schema.SYSTEM_COLUMNS.items()}
    return system | {column.name: column.duckdb_type for column in entity.columns}


def layout(*others: str) -> str:
    """A digest of the tables that `create` and warehouse.prepare make, and of `others` (DDL)."""
    wanted = [(entity.name, columns(entity)) for entity in schema.entities().values()]
    return hashlib.blake2b(
        repr((wanted, warehouse.META_DDL, _RECORDS_DDL, others)).encode(), digest_size=16
    ).hexdigest()


def create(con: duckdb.DuckDBPyConnection) -> None:
    """Create schemas staging and meta, one staging table per entity, and the record of staged runs.

    Grain of staging.<entity>: one row per (source, source_id, seen_from); current rows have seen_to NULL.
    A column that a newer schema adds is added to an existing table; nothing is ever dropped.
    """
    con.execute(_RECORDS_DDL)
    existing: dict[str, set[str]] = {}
    rows = con.execute(
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = 'staging' AND table_catalog = current_database()"
    ).fetchall()
    for table, column in rows:
        existing.setdefault(table, set()).add(column)
    for entity in schema.entities().values():
        wanted = columns(entity)
        if entity.name not in existing:
            body = ", ".join(f'"{name}" {kind}' for name, kind in wanted.items())
            con.execute(f'CREATE TABLE staging."{entity.name}" ({body})')
            continue
        for name in wanted.keys() - existing[entity.name]:
            con.execute(f'ALTER TABLE staging."{entity.name}" ADD COLUMN "{name}" {wanted[name]}')


@contextmanager
def open_warehouse(instance: Instance) -> Iterator[duckdb.DuckDBPyConnection]:
    """The builder's own connection to warehouse/warehouse.duckdb, in UTC, with the staging schema present."""
    path = warehouse.warehouse_path(instance.warehouse)
    con = warehouse.connect(path, row_group=ROW_GROUP)
    con.execute("SET max_vacuum_tasks = ?", [MERGED_GROUPS])
    try:
        _lay_out(con)
        yield con
        written.close(con, path)
    finally:
        con.close()


def _lay_out(con: duckdb.DuckDBPyConnection) -> None:
    """Create what is missing, unless the warehouse was laid out by this very code."""
    wanted = layout()
    try:
        if con.execute("SELECT value FROM meta.state WHERE key = 'staging'").fetchall() == [(wanted,)]:
            return
    except duckdb.CatalogException:
        pass  # an empty warehouse
    con.execute("BEGIN")  # one write to disk for all tables
    warehouse.prepare(con)
    create(con)
    con.execute("DELETE FROM meta.state WHERE key = 'staging'")
    con.execute("INSERT INTO meta.state VALUES ('staging', ?)", [wanted])
    con.execute("COMMIT")


def spare(con: duckdb.DuckDBPyConnection) -> None:
    """Let go what DuckDB keeps in memory beyond MEMORY_BYTES of blocks that it has written, if it keeps more.

    It would keep them all up to most of the machine's memory, and staging millions of rows reads them seldom.
    """
    used, limit = con.execute(
        "SELECT sum(memory_usage_bytes), current_setting('memory_limit') FROM duckdb_memory()"
    ).fetchall()[0]
    if used <= MEMORY_BYTES:
        return
    number, unit = limit.split()
    limit = f"{float(number) + 0.05:.2f} {unit}"  # it tells one digit and cuts the rest
    try:
        con.execute(f"SET memory_limit = '{MEMORY_BYTES // 2} B'")
    except duckdb.OutOfMemoryException:
        pass  # what is in use stays
    finally:
        con.execute(f"SET memory_limit = '{limit}'")
