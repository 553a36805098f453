"""Stewards' decisions on values: "what this record says of this field is right", replayed at every build.

Only ever added to. A decision names the record and what it said; it holds while the record lives, belongs to the
customer and still says so. A later decision on the same field of the same customer beats it; a retract ends it.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import polars as pl
from sqlalchemy import Connection, func, insert, select

from model.identity.frames import fetch
from model.identity.frames import store as write
from model.identity.survivorship import COLUMNS, FIELDS, GROUPS
from ops.errors import FatalError
from ops.store import Store, stamp
from ops.tables import field_decisions as table

RIGHT, RETRACT = "right", "retract"
KINDS = (RIGHT, RETRACT)


@dataclass(frozen=True)
class Pin:
    """One decision as it was taken; `decided_at` is ISO text."""

    decision_id: int
    source: str
    source_id: str
    field: str
    decision: str
    value: str | None
    decided_by: str
    decided_at: str
    reason: str | None


def history(store: Store) -> list[Pin]:
    """Every decision ever taken, oldest first."""
    with store.read() as connection:
        rows = connection.execute(select(table).order_by(table.c.decision_id))
        return [Pin(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public row view


def effective(store: Store) -> dict[tuple[str, str, str], Pin]:
    """(source, source_id, field) → the decision that holds; those taken back are absent."""
    latest = {(one.source, one.source_id, one.field): one for one in history(store)}
    return {key: one for key, one in latest.items() if one.decision == RIGHT}


def last(store: Store) -> int:
    """The number of the newest decision, 0 without any."""
    with store.read() as connection:
        return int(connection.execute(select(func.max(table.c.decision_id))).scalar() or 0)


def add(
    connection: Connection, record: tuple[str, str], field: str, decision: str, value: str | None, author: str,
    reason: str | None,
) -> None:  # fmt: skip
    """Add one decision inside the caller's transaction. FatalError for an unknown field or kind."""
    if field not in FIELDS:
        raise FatalError(f"there is no field {field!r}", valid=", ".join(FIELDS))
    if decision not in KINDS:
        raise FatalError(f"there is no decision {decision!r}", valid=", ".join(KINDS))
    connection.execute(
        insert(table).values(
            source=record[0], source_id=record[1], field=field, decision=decision, value=value, decided_by=author,
            decided_at=stamp(), reason=reason,
        )
    )  # fmt: skip


def resolve_pins(con: duckdb.DuckDBPyConnection, store: Store) -> int:
    """Write delta.identity.field_pin: per record and field the decision that holds today; returns last(store).

    In a group that wins together a decision on one field is a decision for the record, in all of them.
    """
    newest = last(store)
    schema = {"source": pl.String, "source_id": pl.String} | dict.fromkeys(FIELDS, pl.Int64)
    pins = [one for one in effective(store).values() if one.decision_id <= newest]
    found: dict[tuple[str, str], dict[str, int]] = {}
    if pins:
        together = _together(con)
        for one in _holding(con, pins):
            group = FIELDS[one.field]
            row = found.setdefault((one.source, one.source_id), {})
            for field in GROUPS[group] if group in together else (one.field,):
                row[field] = max(one.decision_id, row.get(field, 0))
    rows = [{"source": key[0], "source_id": key[1], **found[key]} for key in sorted(found)]
    complete = [{name: row.get(name) for name in schema} for row in rows]
    write(con, pl.DataFrame(complete, schema=schema), "delta.identity.field_pin")
    return newest


def _holding(con: duckdb.DuckDBPyConnection, pins: list[Pin]) -> list[Pin]:
    """The decisions whose records still say what was decided on."""
    wanted = pl.DataFrame(
        {"source": [one.source for one in pins], "source_id": [one.source_id for one in pins]}
    ).unique()  # fmt: skip
    write(con, wanted, "delta.main.pinned")
    columns = ", ".join(f"cast(c.{COLUMNS.get(field, field)} as varchar) as {field}" for field in FIELDS)
    said = fetch(
        con,
        f"""select c.source, c.source_id, {columns} from staging.customer as c
            semi join delta.main.pinned as p on p.source = c.source and p.source_id = c.source_id
            where c.seen_to is null and not c.is_deleted and c.merged_into_id is null""",
    )
    now = {(row["source"], row["source_id"]): row for row in said.iter_rows(named=True)}
    return [one for one in pins if one.value and now.get((one.source, one.source_id), {}).get(one.field) == one.value]


def _together(con: duckdb.DuckDBPyConnection) -> set[str]:
    flags = ", ".join(f"max({group}_together)" for group in GROUPS)
    row = con.execute(f"select {flags} from meta.survivorship").fetchall()[0]
    return {group for group, flag in zip(GROUPS, row, strict=True) if flag}
