"""Sources, runs and rejects: is everything fresh, what failed, what was set aside."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, func, select

from model import schema
from model.policy import HIDDEN, MASKS, Viewer
from model.serve.connection import Served
from model.serve.freshness import source_states
from ops.tables import quarantine as quarantine_table
from ops.tables import runs


def status(_viewer: Viewer, db: Served) -> dict[str, Any]:
    """{build{version, published_at}, sources[{source, state, last_success_at, age_s, rows_landed, …}]}."""
    landed = _by_source(db, select(runs.c.source, func.sum(runs.c.rows_landed)).group_by(runs.c.source))
    starts = _by_source(db, select(runs.c.source, func.max(runs.c.started_at)).group_by(runs.c.source))
    is_open = quarantine_table.c.status == "open"
    counted = select(quarantine_table.c.source, func.count()).where(is_open).group_by(quarantine_table.c.source)
    rejected = _by_source(db, counted)
    staged = {
        row["source"]: row["n"]
        for row in db.rows("select source, sum(current_count)::bigint as n from marts.mart_freshness group by source")
    }
    answer = []
    for state in source_states(db):
        source = db.instance.config.source(state["source"])
        answer.append(
            {
                **state,
                "connector": source.connector,
                "status": source.status,
                "rows_landed": int(landed.get(source.name) or 0),
                "rows_staged": int(staged.get(source.name) or 0),
                "rejected": int(rejected.get(source.name) or 0),
                "schedule": source.schedule,
                "last_started_at": starts.get(source.name),
                "next_run_at": _next_run(source.schedule, starts.get(source.name), db.instance.config.zone),
            }
        )
    return {
        "build": {"version": db.version, "published_at": db.published.published_at},
        "company": db.instance.config.company,
        "sources": answer,
    }


def _by_source(db: Served, statement: Select[Any]) -> dict[str, Any]:
    with db.instance.store.read() as connection:
        return {row[0]: row[1] for row in connection.execute(statement)}


def _next_run(schedule: str | None, last: str | None, zone: str) -> Any:
    from ops.schedule import next_after
    from ops.store import unstamp

    return next_after(schedule, unstamp(last) if last else None, zone)


def sources(viewer: Viewer, db: Served, limit: int = 50) -> dict[str, Any]:
    """The status, the newest runs and the open rejects."""
    statement = select(runs).order_by(runs.c.started_at.desc()).limit(limit)
    with db.instance.store.read() as connection:
        rows = [dict(row._mapping) for row in connection.execute(statement)]  # noqa: SLF001
    recent = [{**row, "status": row["state"], "rows": row["rows_landed"]} for row in rows]
    return {**status(viewer, db), "runs": recent, "rejects": quarantine(viewer, db, limit=200)}


def quarantine(viewer: Viewer, db: Served, limit: int = 1000, *, status: str = "open") -> list[dict[str, Any]]:
    """Records set aside and still open (or fixed, ignored), newest first; values of masked kinds are hidden.

    A rejected record has no customer yet, so a viewer of own or team rows sees that it exists and not what it says.
    """
    statement = (
        select(quarantine_table)
        .where(quarantine_table.c.status == status)
        .order_by(quarantine_table.c.quarantine_id.desc())
        .limit(limit)
    )
    columns = [column for entity in schema.entities().values() for column in entity.columns]
    hidden = {column.name: column.sensitivity for column in columns if column.sensitivity in MASKS}
    with db.instance.store.read() as connection:
        rows = [dict(row._mapping) for row in connection.execute(statement)]  # noqa: SLF001
    for row in rows:
        if row["field"] in hidden:
            row["value"] = viewer.hide(hidden[row["field"]], row["value"])
        if viewer.scope != "all" and row["value"] is not None:
            row["value"] = HIDDEN
        if viewer.scope != "all":
            row["record_id"] = HIDDEN
    return rows
