"""A published build made by the real models from a few staged rows: small and quick enough for simulated days."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from model import parsed, schema, staging, warehouse
from model.identity import survivorship
from model.receivables import ledger
from model.receivables.exposure import RATES, components_sql, limits_sql
from model.receivables.payments import ROWS, SETTLEMENTS

SEEN = datetime(2020, 1, 1, tzinfo=UTC)
ROOM = Path(warehouse.__file__).parent
Rows = Mapping[str, Iterable[Mapping[str, Any]]]


@dataclass(frozen=True)
class Build:
    """One published version."""

    version: str
    path: Path


def connect(path: Path) -> duckdb.DuckDBPyConnection:
    """A file with empty staging, identity and meta tables, and one source `erp` that gives allocations."""
    con = duckdb.connect(str(path))
    con.execute("set timezone = 'UTC'")
    warehouse.prepare(con)
    staging.create(con)
    con.execute((ROOM / "identity/schema.sql").read_text(encoding="utf-8"))
    con.execute("insert into meta.source values ('erp', 'erp', 'template', 'active', 1, 1, 1, 1, 1)")
    con.execute("insert into meta.source_capability values ('erp', true)")
    con.execute(survivorship.ddl())
    survivorship.write(con, survivorship.rules(), [("erp", "erp")])
    return con


def stage(con: duckdb.DuckDBPyConnection, rows: Rows) -> None:
    """Put current rows of source `erp` into staging; each has `source_id` and columns of its entity.

    Customers and employees are their own golden records: key = source_id.
    """
    for entity, given in rows.items():
        found = [{"source": "erp", "seen_from": SEEN, "is_deleted": False, "run_id": "1", **row} for row in given]
        if not found:
            continue
        types = {column.name: column.polars_type for column in schema.entity(entity).columns}
        types |= {"seen_from": pl.Datetime("us", "UTC"), "entered_at": pl.Datetime("us", "UTC")}
        names = list(dict.fromkeys(name for row in found for name in row))
        frame = pl.DataFrame(
            [{name: row.get(name) for name in names} for row in found],
            schema={name: types.get(name, pl.Boolean if name == "is_deleted" else pl.String) for name in names},
        )
        con.register("incoming", frame.to_arrow())
        con.execute(f'insert into staging."{entity}" by name select * from incoming')
        con.unregister("incoming")
    con.execute("delete from identity.customer_crosswalk")
    con.execute(
        "insert into identity.customer_crosswalk select source, source_id, source_id, 'own', null from staging.customer"
    )
    con.execute("delete from identity.employee_crosswalk")
    con.execute(
        "insert into identity.employee_crosswalk select source, source_id, source_id, name, 'own' from staging.employee"
    )
    con.execute("delete from identity.employee_golden")
    con.execute(
        """insert into identity.employee_golden by name
           select source_id as employee_key, code, name, email, phone, department, team, region,
                  manager_id as manager_key, is_active, 1 as record_count from staging.employee"""
    )


def run_models(con: duckdb.DuckDBPyConnection) -> None:
    """Make the tables that alert rules and digests read, by the product's own models."""
    for model in needed():
        parsed.execute(con, f"create or replace table {model.name} as {model.sql}")


@cache
def needed() -> tuple[warehouse.Model, ...]:
    """The models that rules, work tables and digests read, and what those read, in order."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOM / "alerts").rglob("*.toml")]
    texts.append((ROOM / "alerts/work.sql").read_text(encoding="utf-8"))
    texts += [ROWS, SETTLEMENTS, RATES, components_sql(), limits_sql(keyed=False)]
    texts += [(ROOM / f"reconcile/differences.{kind}").read_text(encoding="utf-8") for kind in ("sql", "py")]
    wanted = {name for text in texts for name in re.findall(r"\b(?:core|marts)\.[a-z_]+", text)}
    wanted |= set(ledger.MODELS) | {"core.dim_employee", "core.dim_customer"}
    found = []
    for model in reversed(warehouse.models()):
        if model.name in wanted:
            found.append(model)
            wanted |= model.reads
    return tuple(reversed(found))
