"""Runs the models: all of them over the whole warehouse, or the customer models over the slices of an increment."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import duckdb

from model import warehouse
from model.warehouse import Model
from ops import clock
from ops.errors import FatalError

Progress = Callable[[str], None]

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
    "core.fct_milestone": "milestone",
    "core.dim_contact": "contact",
    "core.dim_project": "project",
}
_VERSIONED = {"core.fct_receipt", "core.fct_credit_note", "core.fct_allocation"}
UNSORTED_LIMIT = 60_000
TAIL_SHARE = 0.25


def fingerprint() -> str:
    """Changes when a model, the identity code's tables or the survivorship defaults change: then a build is full."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(warehouse.ROOM.glob("*/*")):
        if path.suffix in (".sql", ".py", ".toml") and path.parent.name in ("core", "marts", "identity", "schema"):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def run_full(con: duckdb.DuckDBPyConnection, build_id: str, progress: Progress | None) -> int:
    """Create every model's table anew, sorted by its cluster columns; returns the rows of all tables.

    Runs inside the caller's transaction.
    """
    total = 0
    hidden = {f"staging.{entity}": f"delta.shown.{entity}" for entity in _entities(con)}
    for model in warehouse.models():
        started, began = clock.monotonic(), clock.now()
        con.execute(f"create or replace table {model.name} as {_sorted(model, hidden)}")
        rows = _count(con, model.name)
        check(con, model, model.name)
        _record(con, build_id, model, "full", rows, clock.monotonic() - started, began.isoformat())
        total += rows
        if progress:
            progress(f"{model.name}: {rows:,} rows")
    check_counts(con)
    con.execute("delete from meta.table_state")
    con.execute("delete from meta.tail_key")
    return total


def run_slices(con: duckdb.DuckDBPyConnection, tables: dict[str, str]) -> dict[str, int]:
    """Run the customer models over the slices, into delta; returns the affected rows per model. Tests them there."""
    counts = {}
    for model in warehouse.models():
        if model.grain != "customer":
            continue
        target = f"delta.{model.name}"
        con.execute(f"create or replace table {target} as {warehouse.redirect(model.sql, tables)}")
        tables[model.name] = target
        only = f"(select * from {target} where customer_key in (select customer_key from delta.main.affected))"
        check(con, model, only)
        counts[model.name] = _count(con, only)
    return counts


def merge(con: duckdb.DuckDBPyConnection, build_id: str, counts: dict[str, int], changed: Iterable[str]) -> None:
    """Replace the affected customers' rows of every customer model and rebuild the global models that read them.

    `changed`: further tables whose rows changed. Runs inside the caller's transaction.
    """
    dirty = set(changed)
    for model in warehouse.models():
        started, began = clock.monotonic(), clock.now()
        if model.grain == "customer":
            rows = counts[model.name]
            removed = con.execute(
                f"delete from {model.name} where customer_key in (select customer_key from delta.main.affected)"
            ).fetchall()[0][0]
            if rows:
                con.execute(
                    f"insert into {model.name} select * from delta.{model.name} "
                    "where customer_key in (select customer_key from delta.main.affected) "
                    f"order by {', '.join(model.cluster)}"
                )
                _add_unsorted(con, model.name, rows)
            if rows or removed:
                dirty.add(model.name)
        elif model.reads & dirty:
            con.execute(f"create or replace table {model.name} as {_sorted(model, {})}")
            check(con, model, model.name)
            rows = _count(con, model.name)
            dirty.add(model.name)
        else:
            continue
        _record(con, build_id, model, "incremental", rows, clock.monotonic() - started, began.isoformat())
    con.execute("insert into meta.tail_key select customer_key from delta.main.affected")


def recluster(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Sort again where increments left too many rows out of order; returns the tables that were sorted.

    Up to a quarter of the customers only the changed ones are moved, into a sorted run of their own at the end.
    """
    waiting = {
        str(row[0])
        for row in con.execute(
            "select table_name from meta.table_state where unsorted_rows > ?", [UNSORTED_LIMIT]
        ).fetchall()
    }
    if not waiting:
        return []
    tail = con.execute("select count(distinct customer_key) from meta.tail_key").fetchall()[0][0]
    everyone = max(1, _count(con, "core.dim_customer"))
    whole = tail > TAIL_SHARE * everyone
    chosen = [m for m in warehouse.models() if m.grain == "customer" and (whole or m.name in waiting)]
    con.execute("begin")
    for model in chosen:
        order = ", ".join(model.cluster)
        if whole:
            con.execute(f"create or replace table {model.name} as select * from {model.name} order by {order}")
        else:
            keys = "customer_key in (select customer_key from meta.tail_key)"
            con.execute(f"create or replace temp table tail as select * from {model.name} where {keys}")
            con.execute(f"delete from {model.name} where {keys}")
            con.execute(f"insert into {model.name} select * from tail order by {order}")
            con.execute("drop table tail")
        con.execute("delete from meta.table_state where table_name = ?", [model.name])
    if whole:
        con.execute("delete from meta.tail_key")
    else:
        con.execute("create or replace table meta.tail_key as select distinct customer_key from meta.tail_key")
    con.execute("commit")
    return [model.name for model in chosen]


def check(con: duckdb.DuckDBPyConnection, model: Model, rows: str) -> None:
    """Unique key and not-null columns of `rows`; FatalError names the model, the column and an example."""
    keys = ", ".join(model.key)
    twice = con.execute(f"select {keys} from {rows} group by {keys} having count(*) > 1 limit 1").fetchall()
    if twice:
        raise FatalError(
            f"{model.name}: more than one row for {dict(zip(model.key, twice[0], strict=True))}",
            remedy="look at the staged records behind it; the last published build stays in use",
        )
    if not model.not_null:
        return
    sums = ", ".join(f"count(*) - count({column})" for column in model.not_null)
    missing = con.execute(f"select {sums} from {rows}").fetchall()[0]
    empty = [column for column, n in zip(model.not_null, missing, strict=True) if n]
    if empty:
        raise FatalError(
            f"{model.name}: {', '.join(empty)} is empty in {max(missing)} rows",
            remedy="look at the staged records behind it; the last published build stays in use",
        )


class CountMismatchError(FatalError):
    """What came out of a model is not what went in."""


def check_counts(con: duckdb.DuckDBPyConnection) -> None:
    """Rows in = rows out between staging and core for COUNTED entities; CountMismatchError names both counts."""
    for table, entity in COUNTED.items():
        current = " where known_to is null" if table in _VERSIONED else ""
        out = _count(con, f"{table}{current}")
        came = _count(con, f"delta.shown.{entity} where seen_to is null and not is_deleted")
        if out != came:
            raise CountMismatchError(
                f"{table} has {out:,} current rows, staging.{entity} has {came:,}: rows were lost or doubled",
                remedy="run `c360 build --full`; the last published build stays in use",
            )


def _sorted(model: Model, tables: dict[str, str]) -> str:
    return f"select * from (\n{warehouse.redirect(model.sql, tables)}\n) order by {', '.join(model.cluster)}"


def _count(con: duckdb.DuckDBPyConnection, rows: str) -> int:
    return int(con.execute(f"select count(*) from {rows}").fetchall()[0][0])


def _entities(con: duckdb.DuckDBPyConnection) -> list[str]:
    rows = con.execute("select view_name from duckdb_views() where database_name = 'delta' and schema_name = 'shown'")
    return [str(row[0]) for row in rows.fetchall()]


def _add_unsorted(con: duckdb.DuckDBPyConnection, table: str, rows: int) -> None:
    old = con.execute("select sum(unsorted_rows) from meta.table_state where table_name = ?", [table]).fetchall()
    con.execute("delete from meta.table_state where table_name = ?", [table])
    con.execute("insert into meta.table_state values (?, ?)", [table, int(old[0][0] or 0) + rows])


def _record(
    con: duckdb.DuckDBPyConnection,
    build_id: str,
    model: Model,
    mode: str,
    rows: int,
    seconds: float,
    began: str,
) -> None:
    con.execute(
        "insert into meta.model_runs values (?, ?, ?, ?, ?, ?)",
        [build_id, model.name, mode, rows, round(seconds, 4), began],
    )


def remove_spill(folder: Path) -> None:
    """Remove what a killed build left in the folder that sorting spills to."""
    for path in (folder / "spill").glob("duckdb_temp*"):
        path.unlink(missing_ok=True)
