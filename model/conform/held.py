"""A source rolled back: staged as it stood after an earlier run, and held there until it is let go on.

Landing is append-only, so that going back is staging its older part again. Collecting goes on meanwhile; what lands is
kept and waits. Letting go stages what has waited, run by run, as if nothing had been held: that also undoes it.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import delete, select

from ingest import landing
from ops.errors import FatalError
from ops.instance import Instance
from ops.store import Store, stamp
from ops.tables import audit, kv, quarantine

_KEY = "source.hold."
_RUN = re.compile(r"\d{8}T\d{12}Z-\d{4}-")
_STAMP = "%Y%m%dT%H%M%S%f"


@dataclass(frozen=True)
class Hold:
    """`until`: the beginning of the last run id that counts; `by` and `at` (ISO instant): who held it and when."""

    source: str
    until: str
    by: str
    at: str
    note: str | None = None

    @property
    def instant(self) -> datetime:
        """The instant up to which the source is shown."""
        return instant_of(self.until)

    def covers(self, run_id: str) -> bool:
        """Whether the run is among those that count."""
        return run_id[: len(self.until)] <= self.until


def instant_of(run_id: str) -> datetime:
    """When a run began, by its id."""
    return datetime.strptime(run_id.split("Z-")[0], _STAMP).replace(tzinfo=UTC)


def holds(store: Store) -> dict[str, Hold]:
    """Source → its hold, for those that are held."""
    with store.read() as connection:
        rows = connection.execute(select(kv.c.value).where(kv.c.key.startswith(_KEY))).scalars().all()
    found = [Hold(**json.loads(row)) for row in rows]
    return {one.source: one for one in found}


def hold(instance: Instance, source: str, to: str, by: str, note: str | None = None) -> Hold:
    """Hold `source` at `to`: the id of one of its runs, or an instant; audited. Staging follows at the next replay.

    An instant without an offset is one of the company's zone. FatalError for a run or an instant that is not there.
    """
    instance.config.source(source)
    one = Hold(source, _until(instance, source, to), by, stamp(), (note or "").strip() or None)
    entry = {"key": _KEY + source, "value": json.dumps(asdict(one), ensure_ascii=False), "updated_at": one.at}
    with instance.store.begin() as connection:
        instance.store.upsert(connection, kv, entry, ["key"])
        connection.execute(audit.insert().values(**_told(one, by, "source.rollback")))
    return one


def let_go(instance: Instance, source: str, by: str) -> Hold:
    """End the hold of `source`; what waits is staged by the next build. Audited; FatalError when it is not held."""
    instance.config.source(source)
    held = holds(instance.store)
    if source not in held:
        raise FatalError(f"{source} is not held", valid=", ".join(sorted(held)) or "no source is held")
    with instance.store.begin() as connection:
        connection.execute(delete(kv).where(kv.c.key == _KEY + source))
        connection.execute(audit.insert().values(**_told(held[source], by, "source.resume")))
    return held[source]


def forget_later_rejects(store: Store, one: Hold) -> None:
    """Remove open rejects of runs after the hold: their documents are not part of what is shown, and come again."""
    with store.begin() as connection:
        is_later = (quarantine.c.source == one.source, quarantine.c.status == "open", quarantine.c.run_id > one.until)
        rows = connection.execute(select(quarantine.c.quarantine_id, quarantine.c.run_id).where(*is_later)).all()
        later = [row.quarantine_id for row in rows if not one.covers(row.run_id)]
        if later:
            connection.execute(delete(quarantine).where(quarantine.c.quarantine_id.in_(later)))


def points(instance: Instance, source: str, limit: int = 20) -> list[dict[str, Any]]:
    """States the source can go back to, newest first: one per pass over its streams that landed something.

    Rows: to (the id of the pass's last run), at (when that began), streams, rows. A pass ends where a stream comes
    again.
    """
    config = instance.config.source(source)
    runs = [
        (run_id, stream)
        for stream in landing.streams(instance.landing, config.name)
        for run_id in landing.runs(instance.landing, config.name, stream)
    ]
    passes: list[list[tuple[str, str]]] = []
    for run_id, stream in sorted(runs):
        if not passes or any(stream == known for _, known in passes[-1]):
            passes.append([])
        passes[-1].append((run_id, stream))
    return [
        {
            "to": one[-1][0],
            "at": instant_of(one[-1][0]),
            "streams": [stream for _, stream in one],
            "rows": sum(int(landing.manifest(instance.landing, source, stream, run)["rows"]) for run, stream in one),
        }
        for one in passes[: -limit - 1 : -1]
    ]


def waiting(instance: Instance, one: Hold) -> int:
    """How many landed runs wait behind the hold."""
    streams = landing.streams(instance.landing, one.source)
    return sum(not one.covers(run) for stream in streams for run in landing.runs(instance.landing, one.source, stream))


def _until(instance: Instance, source: str, to: str) -> str:
    runs = sorted(
        run
        for stream in landing.streams(instance.landing, source)
        for run in landing.runs(instance.landing, source, stream)
    )
    if not runs:
        raise FatalError(f"nothing of {source} has landed", remedy=f"run `c360 sync {source}`")
    if _RUN.match(to):
        if to not in runs:
            raise FatalError(f"{source} has no run {to!r}", valid=f"such as {', '.join(runs[-3:])}")
        return to[: to.rindex("-")]
    try:
        at = datetime.fromisoformat(to)
    except ValueError as error:
        raise FatalError(
            f"{to!r} is no run and no instant", valid=f"a run such as {runs[-1]}, or 2026-11-22T09:30"
        ) from error
    at = at if at.tzinfo else at.replace(tzinfo=ZoneInfo(instance.config.zone))
    until = f"{at.astimezone(UTC):{_STAMP}}Z-9999"
    if until < runs[0]:
        raise FatalError(
            f"{source} has no run that early", valid=f"not before {instant_of(runs[0]).isoformat(timespec='seconds')}"
        )
    return until


def _told(one: Hold, by: str, action: str) -> dict[str, Any]:
    details = json.dumps({"until": one.until, "note": one.note}, ensure_ascii=False)
    return {"at": stamp(), "actor": by, "action": action, "subject": one.source, "details": details}
