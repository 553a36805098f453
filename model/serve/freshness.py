"""How fresh every source is, from the run ledger and the clock; never cached."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from model.serve.connection import Served
from ops import clock
from ops.store import unstamp
from ops.tables import runs

# the newest run of each stream in each state
_RUNS = select(
    runs.c.source,
    runs.c.stream,
    runs.c.state,
    func.max(runs.c.started_at).label("started_at"),
    func.max(runs.c.ended_at).label("ended_at"),
).group_by(runs.c.source, runs.c.stream, runs.c.state)


def freshness(db: Served) -> dict[str, Any]:
    """Role → {source, last_success_at, age_s, state}: the stalest source of each role that is in use and shown."""
    found: dict[str, Any] = {}
    shadows = {one.name for one in db.instance.config.sources if one.status == "shadow"}
    for entry in (one for one in source_states(db) if one["source"] not in shadows):
        known = found.get(entry["role"])
        if known is None or (entry["age_s"] or 0) > (known["age_s"] or 0):
            found[entry["role"]] = entry
    return found


def source_states(db: Served) -> list[dict[str, Any]]:
    """One row per source that is not off: role, source, last_success_at, age_s, state fresh|stale|failed|never."""
    latest: dict[str, str] = {}
    newest: dict[tuple[str, str], tuple[str, str]] = {}
    with db.instance.store.read() as connection:
        for row in connection.execute(_RUNS):
            if row.state == "done" and row.ended_at is not None:
                latest[row.source] = max(latest.get(row.source, ""), row.ended_at)
            stream, run = (row.source, row.stream), (row.started_at, row.state)
            newest[stream] = max(newest.get(stream, run), run)
    failed = {source for (source, _), (_, state) in newest.items() if state == "failed"}
    answer = []
    for source in db.instance.config.sources:
        if source.status == "off":
            continue
        ended = latest.get(source.name)
        at = unstamp(ended) if ended else None
        age = None if at is None else max(0, int((clock.now() - at).total_seconds()))
        answer.append(
            {
                "role": source.role,
                "source": source.name,
                "last_success_at": at,
                "age_s": age,
                "state": _state(age, source.max_age_minutes, source.name in failed),
            }
        )
    return answer


def _state(age: int | None, max_age_minutes: int, has_failed: bool) -> str:
    if has_failed:
        return "failed"
    if age is None:
        return "never"
    return "stale" if age > max_age_minutes * 60 else "fresh"
