"""How fresh every source is, from the run ledger and the clock; never cached."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from ingest import max_age
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
    """One row per source that is not off: role, source, last_success_at, age_s, state, stale_streams.

    state: failed (the newest run of a stream failed), never, stale, fresh. A source is stale when the newest good run
    of its streams is older than its limit, or that of a stream with a limit of its own than that one; stale_streams
    names those, and is empty when it is the source as a whole.
    """
    good: dict[tuple[str, str], str] = {}
    newest: dict[tuple[str, str], tuple[str, str]] = {}
    with db.instance.store.read() as connection:
        for row in connection.execute(_RUNS):
            stream, run = (row.source, row.stream), (row.started_at, row.state)
            if row.state == "done" and row.ended_at is not None:
                good[stream] = row.ended_at
            newest[stream] = max(newest.get(stream, run), run)
    failed = {source for (source, _), (_, state) in newest.items() if state == "failed"}
    answer = []
    for source in db.instance.config.sources:
        if source.status == "off":
            continue
        mine = {stream: unstamp(at) for (name, stream), at in good.items() if name == source.name}
        at = max(mine.values(), default=None)
        late = late_streams(mine, max_age.limits(db.instance, source))
        state = "failed" if source.name in failed else "never" if at is None else "stale" if late else "fresh"
        answer.append(
            {
                "role": source.role,
                "source": source.name,
                "last_success_at": at,
                "age_s": None if at is None else _age(at),
                "state": state,
                "stale_streams": [] if max_age.COMMON in late else late,
            }
        )
    return answer


def late_streams(good: dict[str, datetime], limits: dict[str, int]) -> list[str]:
    """The streams whose newest good run is older than their own limit; COMMON for the others together.

    One that never ran is not late: it may be one that this company does not use.
    """
    rest = [at for stream, at in good.items() if stream not in limits]
    newest = {stream: good[stream] for stream in limits if stream in good}
    if rest and max_age.COMMON in limits:
        newest[max_age.COMMON] = max(rest)
    return sorted(stream for stream, at in newest.items() if _age(at) > limits[stream] * 60)


def _age(at: datetime) -> int:
    return max(0, int((clock.now() - at).total_seconds()))
