"""The read-only SQL console: what a viewer may see of core and marts, asked in SQL.

The statement never runs beside the published build's own names. Every table it reads is a gated twin in a connection
of its own: with the viewer's rows only and masked columns already replaced, so that no join, filter or order can reach
behind them. For viewers who see all rows the twins are views; for others they are copies of the viewer's rows and the
build is detached before the statement runs, so that not even an error message can quote another's row.
"""

from __future__ import annotations

import secrets
import threading
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from model import schema
from model.policy import HIDDEN, Viewer
from model.serve.connection import Served
from model.serve.console_sql import Refused, Statement, prepare
from ops import clock
from ops.errors import C360Error
from ops.store import stamp
from ops.tables import audit

SCHEMAS = ("core", "marts")
MAX_ROWS = 100_000
MEMORY = "512MB"
THREADS = 2
# tables without customer_key that tell nothing about one customer; all others of that kind need the scope "all"
HARMLESS = frozenset(
    {"dim_currency", "dim_date", "dim_employee", "dim_organisation", "dim_product", "fct_exchange_rate"}
)
# columns that name another customer than the row's own
OTHER_CUSTOMERS = frozenset({"parent_key", "group_key"})
_TEXT = "VARCHAR"


class TooLong(C360Error):  # noqa: N818 - named after what happened
    """The statement was stopped: time or memory."""


@cache
def masked_columns() -> dict[str, str]:
    """Column name → kind of mask (phone, bank, credit), from the canonical schema."""
    kinds = {"phone", "bank", "credit"}
    columns = [column for entity in schema.entities().values() for column in entity.columns]
    return {column.name: column.sensitivity for column in columns if column.sensitivity in kinds}


def tables(viewer: Viewer, db: Served) -> list[dict[str, Any]]:
    """What this viewer may query: {table, columns: [{name, type, masked}]}, by name."""
    masked = masked_columns()
    return [
        {
            "table": f"{place}.{name}",
            "columns": [
                {"name": column, "type": kind, "masked": masked.get(column) in viewer.masks}
                for column, kind in columns.items()
            ],
        }
        for (place, name), columns in sorted(_catalogue(db).items())
        if _may(viewer, name, columns)
    ]


def query(viewer: Viewer, db: Served, text: str, *, limit: int = 1000, timeout_s: float = 30.0) -> dict[str, Any]:
    """One SELECT over core and marts under the viewer's row rule and masks.

    {version, columns, types, rows (lists in the order of columns), truncated}. At most `limit` rows, `timeout_s`
    seconds and MEMORY. Refused for anything but one plain query, TooLong when a bound is met. Audited.
    """
    if not 0 < limit <= MAX_ROWS:
        raise Refused(f"a limit of {limit} rows", valid=f"1 to {MAX_ROWS:,}")
    catalogue = {table: columns for table, columns in _catalogue(db).items() if _may(viewer, table[1], columns)}
    _record(viewer, db, text)
    statement = prepare(text, frozenset(catalogue), clock.now(), db.instance.config.zone, limit + 1)
    connection = _sealed()
    timer = threading.Timer(timeout_s, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        _gate(viewer, connection, statement, catalogue, db.published.path)
        result = connection.execute(statement.sql)
        described, rows = result.description, result.fetchmany(limit + 1)
    except duckdb.InterruptException as error:
        raise TooLong(
            f"the statement was stopped after {timeout_s:g} s", remedy="ask for fewer rows, or raise --timeout"
        ) from error
    except duckdb.OutOfMemoryException as error:
        raise TooLong(
            f"the statement needs more than {MEMORY}", remedy="group, filter or limit earlier in the query"
        ) from error
    except duckdb.Error as error:
        raise Refused(
            f"DuckDB says: {_first(error)}", valid="see `c360 query --tables` for tables and columns"
        ) from error
    finally:
        timer.cancel()
        connection.close()
    return {
        "version": db.version,
        "columns": [column[0] for column in described],
        "types": [str(column[1]) for column in described],
        "rows": [list(row) for row in rows[:limit]],
        "truncated": len(rows) > limit,
    }


def _catalogue(db: Served) -> dict[tuple[str, str], dict[str, str]]:
    """(schema, table) → column → type of the published build."""
    asked = ("console", "catalogue")
    if asked not in db.cache:
        found: dict[tuple[str, str], dict[str, str]] = {}
        rows = db.rows(
            "select table_schema, table_name, column_name, data_type from information_schema.columns"
            " where table_schema in ('core', 'marts') order by table_schema, table_name, ordinal_position"
        )
        for row in rows:
            found.setdefault((row["table_schema"], row["table_name"]), {})[row["column_name"]] = row["data_type"]
        db.cache[asked] = found
    catalogue: dict[tuple[str, str], dict[str, str]] = db.cache[asked]
    return catalogue


def _may(viewer: Viewer, table: str, columns: dict[str, str]) -> bool:
    return viewer.scope == "all" or "customer_key" in columns or table in HARMLESS


def _record(viewer: Viewer, db: Served, text: str) -> None:
    entry = {"at": stamp(), "actor": viewer.user, "action": "query", "subject": db.version, "details": text[:4000]}
    with db.instance.store.begin() as connection:
        connection.execute(audit.insert().values(**entry))


def _sealed() -> duckdb.DuckDBPyConnection:
    """A connection of its own, small and without Python's variables."""
    connection = duckdb.connect(
        ":memory:", config={"memory_limit": MEMORY, "threads": THREADS, "python_enable_replacements": False}
    )
    connection.execute("set timezone = 'UTC'")
    connection.execute("set temp_directory = ''")
    return connection


def _gate(
    viewer: Viewer,
    connection: duckdb.DuckDBPyConnection,
    statement: Statement,
    catalogue: dict[tuple[str, str], dict[str, str]],
    path: Path,
) -> None:
    """Make the gated twins of the tables that the statement reads, then lock the connection.

    The build is attached under a name that nobody can know.
    """
    hidden, quoted = f"b{secrets.token_hex(16)}", str(path).replace("'", "''")
    connection.execute(f"attach '{quoted}' as {hidden} (read_only)")
    for name in SCHEMAS:
        connection.execute(f"create schema {name}")
    everything = viewer.scope == "all"
    if not everything:
        rule, parameters = viewer.rows("customer")
        rule = rule.replace("core.dim_employee", f"{hidden}.core.dim_employee")
        connection.execute("create schema gate")
        connection.execute(
            "create table gate.visible as"
            f" select customer_key from {hidden}.core.dim_customer as customer where {rule}",
            parameters,
        )
    for place, name in sorted(statement.tables):
        columns = catalogue[place, name]
        where = "" if everything or "customer_key" not in columns else " where customer_key in (from gate.visible)"
        chosen = ", ".join(_column(viewer, name, column, kind) for column, kind in columns.items())
        what = "view" if everything else "table"
        connection.execute(
            f'create {what} {place}."{name}" as select {chosen} from {hidden}.{place}."{name}" as twin{where}'
        )
    if not everything:
        connection.execute("drop schema gate cascade")
        connection.execute(f"detach {hidden}")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def _column(viewer: Viewer, table: str, column: str, kind: str) -> str:
    """The column as this viewer may read it; unknown values stay unknown."""
    if masked_columns().get(column) in viewer.masks:
        value = f"'{HIDDEN}'" if kind == _TEXT else f"cast(null as {kind})"
        return f'case when twin."{column}" is not null then {value} end as "{column}"'
    if table == "dim_customer_history" and column == "value":
        names = [name for name, mask in masked_columns().items() if mask in viewer.masks]
        if names:
            listed = ", ".join(f"'{name}'" for name in sorted(names))
            return f"case when twin.attribute in ({listed}) then '{HIDDEN}' else twin.value end as value"
    if column in OTHER_CUSTOMERS and viewer.scope != "all":
        return f'case when twin."{column}" in (from gate.visible) then twin."{column}" end as "{column}"'
    return f'twin."{column}"'


def _first(error: duckdb.Error) -> str:
    """What DuckDB says, without the rewritten statement that it quotes."""
    return " ".join(str(error).split("\n\nLINE")[0].split())
