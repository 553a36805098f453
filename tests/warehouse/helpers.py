"""Small instances whose staging is filled through the real upsert."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from model import build, publish, schema, staging, warehouse
from model.conform import upsert
from model.identity.frames import fetch
from ops.instance import Instance, InstanceConfig, SourceConfig

ROLES = {"crm": "crm", "erp": "erp", "service": "tickets", "projects": "projects"}
T0 = datetime(2026, 11, 1, tzinfo=UTC)
# examples of a property each of which is several builds; more of them look longer for a rare case
EXAMPLES = int(os.environ.get("C360_EXAMPLES", "5"))


def instance(home: Path, **config: Any) -> Instance:
    """An instance with one source per role; nothing collects, tests fill staging."""
    sources = [
        SourceConfig(name=name, connector="template", role=role)  # type: ignore[arg-type]
        for name, role in ROLES.items()
    ]
    return Instance.create(home, InstanceConfig(source=sources, **config))


def copied(template: Path, home: Path) -> Instance:
    """The instance that lies in `template`, at a home of its own; what is built in it need not be built again."""
    shutil.copytree(template, home)
    return Instance.load(home)


def _typed(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind in schema.DECIMALS:
        return Decimal(str(value))
    if kind == "date" and isinstance(value, str):
        return date.fromisoformat(value)
    if kind == "instant" and isinstance(value, str):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return value


def put(
    con: duckdb.DuckDBPyConnection,
    entity: str,
    source: str,
    rows: Sequence[dict[str, Any]],
    *,
    at: datetime = T0,
    run: str | None = None,
) -> None:
    """Stage `rows` (dicts with `id`) as they would be after one collection at `at`."""
    if not rows:
        return
    spec = schema.entity(entity)
    types = {column.name: column.type for column in spec.columns}
    frame_schema: dict[str, Any] = {
        "id": pl.String(), "source_id": pl.String(), "seen_at": pl.Datetime("us", "UTC"), "run_id": pl.String(),
        "is_deleted": pl.Boolean(), "merged_into_id": pl.String(),
        "source_updated_at": pl.Datetime("us", "UTC"), "entered_at": pl.Datetime("us", "UTC"),
    } | {column.name: column.polars_type for column in spec.columns}  # fmt: skip
    full = []
    for row in rows:
        values = {name: _typed(types.get(name, "text"), value) for name, value in row.items()}
        full.append(
            {"source_id": row["id"], "seen_at": at, "run_id": run or at.strftime("%Y%m%dT%H%M%S"), "is_deleted": False}
            | values
        )
    known = set(frame_schema)
    strange = {name for row in full for name in row} - known
    assert not strange, strange
    complete = [{name: row.get(name) for name in frame_schema} for row in full]
    upsert.rows(con, entity, source, pl.DataFrame(complete, schema=frame_schema))


def drop(con: duckdb.DuckDBPyConnection, entity: str, source: str, ids: Sequence[str], *, at: datetime) -> None:
    """Stage the deletion of records."""
    run = at.strftime("%Y%m%dT%H%M%S")
    gone = pl.DataFrame(
        {"id": list(ids), "source_id": list(ids), "seen_at": [at] * len(ids), "run_id": [run] * len(ids)},
        schema={"id": pl.String, "source_id": pl.String, "seen_at": pl.Datetime("us", "UTC"), "run_id": pl.String},
    )
    upsert.deletions(con, entity, source, gone)


Change = tuple[str, str, dict[str, Any] | None, str, datetime]
"""Entity, source, row (None: deleted), id of what is deleted, instant."""


def replay(con: duckdb.DuckDBPyConnection, changes: Iterable[Change], run: str) -> None:
    """Stage `changes`, each at its own instant, as if one after the other.

    Rows of one entity and source go in together until a record of theirs comes again or one is deleted: what is
    staged does not depend on that, and a statement costs the same for many rows.
    """
    waiting: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for entity, source, row, key, at in changes:
        place = entity, source
        if row is None or row["id"] in waiting.get(place, {}):
            put(con, *place, list(waiting.pop(place, {}).values()))
        if row is None:
            drop(con, *place, [key], at=at)
        else:
            waiting.setdefault(place, {})[row["id"]] = row | {"seen_at": at, "run_id": run}
    for place, rows in waiting.items():
        put(con, *place, list(rows.values()))


def make(inst: Instance, **options: Any) -> build.BuildResult:
    """A build of what is staged."""
    return build.build(inst, stage=False, **options)


def open_staging(inst: Instance) -> Any:
    """Context manager: the warehouse with its staging schema."""
    return staging.open_warehouse(inst)


def rows(inst: Instance, sql: str) -> list[tuple[Any, ...]]:
    """Result of `sql` on the current published build."""
    con = duckdb.connect(str(publish.current(inst).path), read_only=True)
    try:
        con.execute("set timezone = 'UTC'")
        return fetch(con, sql).rows()
    finally:
        con.close()


def table(inst: Instance, name: str) -> list[tuple[Any, ...]]:
    """Every row of one of the tables that `everything` reads, sorted."""
    con = warehouse.connect(warehouse.warehouse_path(inst.warehouse), read_only=True)
    try:
        return sorted(fetch(con, f"select * from {name}").rows(), key=repr)
    finally:
        con.close()


def everything(inst: Instance) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table that a build makes, sorted, from the warehouse itself."""
    con = warehouse.connect(warehouse.warehouse_path(inst.warehouse), read_only=True)
    try:
        names = [model.name for model in warehouse.models() if model.name != "core.dim_date"]
        names += ["identity.customer_crosswalk", "identity.customer_identifier", "identity.customer_group",
                  "identity.project_crosswalk", "identity.employee_crosswalk", "identity.product_crosswalk",
                  "identity.employee_golden", "identity.product_golden", "identity.customer_conflict",
                  "identity.match_record", "identity.match_key", "identity.match_pair",
                  "meta.staging_profile", "meta.first_run"]  # fmt: skip
        return {name: sorted(fetch(con, f"select * from {name}").rows(), key=repr) for name in names}
    finally:
        con.close()


def same(incremental: dict[str, list[tuple[Any, ...]]], full: dict[str, list[tuple[Any, ...]]]) -> None:
    """Assert that the tables of `full` hold the same rows in both, telling which are lost or extra."""
    for name, expected in full.items():
        lost = [row for row in expected if row not in incremental[name]]
        extra = [row for row in incremental[name] if row not in expected]
        assert (lost, extra) == ([], []), name
        assert len(incremental[name]) == len(expected), name
