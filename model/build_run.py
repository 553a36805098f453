"""Runs all models over the whole warehouse, tests what came out, and keeps tables sorted (see build_merge)."""

from __future__ import annotations

import hashlib
from collections.abc import Container
from functools import cache
from pathlib import Path

import duckdb

from model import parsed, warehouse
from model.warehouse import Model
from ops import clock
from ops.errors import FatalError
from ops.progress import Progress

# model, mode (full or incremental), rows, seconds, ISO instant of its start
Record = tuple[str, str, int, float, str]

# facts that hold every current row of an entity: nothing is lost between staging and core
COUNTED = {
    "core.fct_order": "sales_order",
    "core.fct_order_line": "sales_order_line",
    "core.fct_shipment": "shipment",
    "core.fct_invoice": "invoice",
    "core.fct_receipt": "receipt",
    "core.fct_credit_note": "credit_note",
    "core.fct_allocation": "allocation",
    "core.fct_ticket": "ticket",
    "core.fct_ticket_event": "ticket_event",
    "core.fct_interaction": "interaction",
    "core.fct_opportunity": "opportunity",
    "core.fct_contract": "contract",
    "core.dim_asset": "asset",
    "core.fct_milestone": "milestone",
    "core.dim_contact": "contact",
    "core.dim_project": "project",
}
_VERSIONED = {"core.fct_receipt", "core.fct_credit_note", "core.fct_allocation"}
UNSORTED_LIMIT = warehouse.ROW_GROUP
TAIL_SHARE = 0.25
_SORTED = "sorted:"


@cache  # like the models, which a process reads once
def fingerprint() -> str:
    """Changes when a model, the identity code's tables or the survivorship defaults change: then a build is full."""
    digest = hashlib.blake2b(digest_size=16)
    rooms = ("core", "marts", "identity", "schema", "matching", "names")
    for path in sorted(path for pattern in ("*/*", "identity/*/*") for path in warehouse.ROOM.glob(pattern)):
        if path.suffix in (".sql", ".py", ".toml") and path.parent.name in rooms:
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def run_full(con: duckdb.DuckDBPyConnection, build_id: str, shown: dict[str, str], progress: Progress | None) -> int:
    """Create every model's table anew, sorted by its cluster columns; returns the rows of all tables.

    `shown`: entity → the relation with its rows of sources that are not hidden. Runs inside the caller's transaction.
    """
    hidden = {f"staging.{entity}": relation for entity, relation in shown.items()}
    records: list[Record] = []
    for model in warehouse.models():
        watch = Watch()
        rows = create(con, model, hidden)
        records.append((model.name, "full", rows, *watch.read()))
        if progress:
            progress(f"{model.name}: {rows:,} rows")
    write_records(con, build_id, records)
    check_counts(con)
    con.execute("delete from meta.table_state")
    _note_sorted(con, {record[0]: record[2] for record in records})
    return sum(record[2] for record in records)


def create(con: duckdb.DuckDBPyConnection, model: Model, tables: dict[str, str]) -> int:
    """Create the model's table anew, sorted by its cluster columns, and test it; returns its rows."""
    body = warehouse.redirect(model.sql, tables)
    order = ", ".join(model.cluster)
    made = parsed.execute(con, f"create or replace table {model.name} as select * from (\n{body}\n) order by {order}")
    rows = int(made.fetchall()[0][0])
    if rows:  # an empty table breaks no contract
        check(con, model, model.name)
    return rows


def recluster(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Sort again where increments left too many rows out of order; returns the tables that were sorted.

    Only what increments added since the whole table was sorted, its tail, is sorted until that is a quarter of it.
    Unchanged rows of changed customers stay where they are: moved, they would leave as many dead rows behind.
    """
    waiting = dict(
        con.execute(
            "select table_name, sum(unsorted_rows) from meta.table_state group by 1 having sum(unsorted_rows) > ?",
            [UNSORTED_LIMIT],
        ).fetchall()
    )
    if not waiting:
        return []
    chosen = [model for model in warehouse.models() if model.name in waiting]
    sorted_rows: dict[str, int] = {}
    con.execute("begin")
    for model in chosen:
        sorted_rows[model.name] = _sort(con, model, int(waiting[model.name]))
        con.execute("delete from meta.table_state where table_name = ?", [model.name])
    _note_sorted(con, sorted_rows)
    con.execute("commit")
    return [model.name for model in chosen]


def _sort(con: duckdb.DuckDBPyConnection, model: Model, unsorted: int) -> int:
    """Sort the model's table, or its tail; returns the row id at which its tail begins from then on."""
    order = ", ".join(model.cluster)
    known = con.execute("select value from meta.state where key = ?", [_SORTED + model.name]).fetchall()
    rows = int(con.execute(f"select coalesce(max(rowid) + 1, 0) from {model.name}").fetchall()[0][0])
    # a checkpoint that puts row groups together moves rows forward, so that the tail may begin earlier than it did
    begin = max(0, min(int(known[0][0]) if known else rows, rows - unsorted))
    if rows - begin > TAIL_SHARE * rows:
        made = con.execute(f"create or replace table {model.name} as select * from {model.name} order by {order}")
        return int(made.fetchall()[0][0])
    con.execute(f"create or replace temp table tail as select * from {model.name} where rowid >= {begin}")
    con.execute(f"delete from {model.name} where rowid >= {begin}")
    con.execute(f"insert into {model.name} select * from tail order by {order}")
    con.execute("drop table tail")
    return begin


def _note_sorted(con: duckdb.DuckDBPyConnection, rows: dict[str, int]) -> None:
    """Note how many rows of each table stand in order before its tail."""
    values = ", ".join("(?, ?)" for _ in rows)
    listed = ", ".join("?" for _ in rows)
    con.execute(f"delete from meta.state where key in ({listed})", [_SORTED + name for name in rows])
    flat = [text for name, count in rows.items() for text in (_SORTED + name, str(count))]
    con.execute(f"insert into meta.state values {values}", flat)


def check(con: duckdb.DuckDBPyConnection, model: Model, rows: str) -> None:
    """Unique key and not-null columns of `rows`; FatalError names the model, the column and an example."""
    keys = ", ".join(model.key)
    lacking = "".join(f", count(*) - count({column}) as n{i}" for i, column in enumerate(model.not_null))
    sums = "".join(f", coalesce(sum(n{i}), 0)" for i, _ in enumerate(model.not_null))
    most, *missing = parsed.execute(
        con, f"select coalesce(max(n), 0){sums} from (select count(*) as n{lacking} from {rows} group by {keys})"
    ).fetchall()[0]
    if most > 1:
        twice = con.execute(f"select {keys} from {rows} group by {keys} having count(*) > 1 limit 1").fetchall()
        raise FatalError(
            f"{model.name}: more than one row for {dict(zip(model.key, twice[0], strict=True))}",
            remedy="look at the staged records behind it; the last published build stays in use",
        )
    empty = [column for column, n in zip(model.not_null, missing, strict=True) if n]
    if empty:
        raise FatalError(
            f"{model.name}: {', '.join(empty)} is empty in {max(missing)} rows",
            remedy="look at the staged records behind it; the last published build stays in use",
        )


class CountMismatchError(FatalError):
    """What came out of a model is not what went in."""


def check_counts(con: duckdb.DuckDBPyConnection, changes: Container[str] | None = None) -> None:
    """Rows in = rows out between staging and core for COUNTED entities; CountMismatchError names both counts.

    `changes`: tables in which rows changed since this was last tested; the others are left out. What came in is read
    from meta.staging_profile, which the build has just counted.
    """
    chosen = {
        table: entity
        for table, entity in COUNTED.items()
        if changes is None or table in changes or f"staging.{entity}" in changes
    }
    if not chosen:
        return
    counts = ", ".join(
        f"(select count(*) from {table}{' where known_to is null' if table in _VERSIONED else ''}), "
        f"(select coalesce(sum(current_count), 0) from meta.staging_profile where entity = '{entity}')"
        for table, entity in chosen.items()
    )
    row = parsed.execute(con, f"select {counts}").fetchall()[0]
    for (table, entity), out, came in zip(chosen.items(), row[::2], row[1::2], strict=True):
        if out != came:
            raise CountMismatchError(
                f"{table} has {out:,} current rows, staging.{entity} has {came:,}: rows were lost or doubled",
                remedy="run `c360 build --full`; the last published build stays in use",
            )


def write_records(con: duckdb.DuckDBPyConnection, build_id: str, records: list[Record]) -> None:
    """Note in meta.model_runs what each model did in this build."""
    if records:
        rows = ", ".join("(?, ?, ?, ?, ?, ?)" for _ in records)
        con.execute(
            f"insert into meta.model_runs values {rows}", [value for record in records for value in (build_id, *record)]
        )


class Watch:
    """Takes the time of one model's run."""

    def __init__(self) -> None:
        self._started, self._began = clock.monotonic(), clock.now()

    def read(self) -> tuple[float, str]:
        """Seconds since it was made, and the instant it was made at, as ISO text."""
        return round(clock.monotonic() - self._started, 4), self._began.isoformat()


def remove_spill(folder: Path) -> None:
    """Remove what a killed build left in the folder that sorting spills to."""
    for path in (folder / "spill").glob("duckdb_temp*"):
        path.unlink(missing_ok=True)
