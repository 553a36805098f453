"""The append-only history of data quality: one row per published build, source and dimension."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, func, select

from model.policy import Viewer
from model.publish import current_or_none
from model.quality import scores
from model.quality.rule import load
from model.serve.connection import Served
from model.serve.quality_counts import sources_of, tallies
from ops.instance import Instance
from ops.store import stamp
from ops.tables import quality_history as table


def record(instance: Instance) -> int:
    """Judge the published build and add its rows, unless they are there; returns how many were added.

    FatalError for a broken rule.
    """
    published = current_or_none(instance)
    if published is None:
        return 0
    with instance.store.read() as connection:
        if _count(connection, published.version):
            return 0
    db = Served(instance, published)
    try:
        rows = _rows(db)
    finally:
        db.close()
    with instance.store.begin() as connection:
        # one writer at a time: nobody adds the version between the question and the rows
        if not rows or _count(connection, db.version):
            return 0
        connection.execute(table.insert(), rows)
    return len(rows)


def _rows(db: Served) -> list[dict[str, Any]]:
    rules, day = load(db.instance.config_dir), db.today()
    found = tallies(Viewer.operator(), db, rules, day)
    rows = []
    common = {"version": db.version, "taken_at": stamp(), "as_of": day.isoformat()}
    for source in (None, *sources_of(db)):
        parts = scores.parts(rules, found, source)
        whole = {
            "score": scores.score(rules, found, source),
            "checked": sum(one["checked"] for one in parts.values()),
            "failed": sum(one["failed"] for one in parts.values()),
        }
        for dimension, one in ({scores.ALL: whole} | parts).items():
            score: Decimal | None = one["score"]
            if score is not None:
                counts = {"checked": one["checked"], "failed": one["failed"]}
                rows.append({"source": source or "", "dimension": dimension, "score": float(score), **counts, **common})
    return rows


def _count(connection: Connection, version: str) -> int:
    return int(connection.execute(select(func.count()).where(table.c.version == version)).scalar_one())
