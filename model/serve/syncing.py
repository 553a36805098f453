"""Sync now from the screen: a request in the store that the scheduler takes, and how far it has come."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, update

from ingest import max_age, stopping
from ingest.spec import SourceSpec
from model import policy
from model.policy import Viewer
from model.serve.connection import Served
from ops import clock
from ops.care import FULL, MARK
from ops.errors import FatalError
from ops.instance import SourceConfig
from ops.store import stamp, unstamp
from ops.tables import REPLAY, audit, leases, runs, sync_requests

WAITING = ("waiting", "running")
# collections and replays, not what cares for a source beside them
_IS_REFRESH = (
    sync_requests.c.stream.is_(None)
    | sync_requests.c.stream.in_([REPLAY, FULL])
    | ~sync_requests.c.stream.startswith(MARK, autoescape=True)
)


def may_sync(viewer: Viewer) -> bool:
    """Whether this viewer's role may ask for a collection."""
    return policy.roles()[viewer.role].may_sync


def must_look_after(viewer: Viewer) -> None:
    """FatalError, naming the roles that may, for a role that does not look after sources."""
    if not may_sync(viewer):
        able = ", ".join(name for name, role in policy.roles().items() if role.may_sync)
        raise FatalError(f"the role {viewer.role} does not look after sources", valid=able)


def request_sync(viewer: Viewer, db: Served, source: str, stream: str | None = None) -> int:
    """Ask the scheduler to collect `source` (or one of its streams) now; the request's id.

    A request for the same thing that is still waiting is used again. FatalError for a role that may not ask, a source
    that is off or does not exist, and a stream that it does not have. The request is audited.
    """
    must_look_after(viewer)
    configured = db.instance.config.source(source)
    if configured.status == "off":
        raise FatalError(f"the source {source} is off", remedy="set its status to active or shadow in c360.toml")
    names = _streams(db, configured)
    if stream is not None and stream not in names:
        raise FatalError(f"{source} has no stream {stream!r}", valid=", ".join(names))
    wanted = {"source": source, "stream": stream}
    same = [column == value for column, value in ((sync_requests.c.source, source), (sync_requests.c.stream, stream))]
    with db.instance.store.begin() as connection:
        waiting = select(sync_requests.c.request_id).where(sync_requests.c.state == "waiting", *same)
        if (known := connection.execute(waiting).scalar()) is not None:
            return int(known)
        entry = {**wanted, "requested_by": viewer.user, "requested_at": stamp(), "state": "waiting"}
        added = connection.execute(sync_requests.insert().values(**entry)).inserted_primary_key
        details = json.dumps({key: value for key, value in wanted.items() if value})
        connection.execute(
            audit.insert().values(at=stamp(), actor=viewer.user, action="source.sync", subject=source, details=details)
        )
    return int(added[0]) if added else 0


def stop_sync(viewer: Viewer, db: Served, source: str) -> None:
    """Stop the collection of `source` that is under way, and what waits for it; what was read is kept. Audited.

    FatalError for a role that may not, and for a source that does not exist.
    """
    must_look_after(viewer)
    name = db.instance.config.source(source).name
    waits = (sync_requests.c.source == name, sync_requests.c.state == "waiting", _IS_REFRESH)
    with db.instance.store.begin() as connection:
        connection.execute(update(sync_requests).where(*waits).values(state="stopped", message=viewer.user))
        connection.execute(
            audit.insert().values(at=stamp(), actor=viewer.user, action="source.stop", subject=name, details="{}")
        )
    stopping.ask(db.instance.store, name, viewer.user)


def sync_state(viewer: Viewer, db: Served, source: str) -> dict[str, Any] | None:
    """The newest request for `source` and how far it is; None when nobody ever asked.

    {request_id, stream, state waiting|running|done|failed|stopped, message, requested_by, requested_at, has_scheduler,
    streams_done, streams_total, rows_landed, stream_now}. The message of a failure is for those who may sync only.
    """
    newest = (
        select(sync_requests)
        .where((sync_requests.c.source == source) | sync_requests.c.source.is_(None), _IS_REFRESH)
        .order_by(sync_requests.c.request_id.desc())
        .limit(1)
    )
    with db.instance.store.read() as connection:
        row = connection.execute(newest).first()
        if row is None:
            return None
        ledger = connection.execute(
            select(runs).where(runs.c.source == source, runs.c.started_at >= row.requested_at)
        ).all()
    is_one = row.stream and row.stream != FULL
    names = [row.stream] if is_one else _streams(db, db.instance.config.source(source))
    ended = {run.stream for run in ledger if run.state != "running"}
    now = [run.stream for run in ledger if run.state == "running"]
    return {
        "request_id": row.request_id,
        "stream": row.stream,
        "state": row.state,
        "message": row.message if may_sync(viewer) else None,
        "requested_by": row.requested_by,
        "requested_at": unstamp(row.requested_at),
        "has_scheduler": has_scheduler(db),
        "streams_done": len(ended.intersection(names)),
        "streams_total": len(names),
        "rows_landed": sum(run.rows_landed or 0 for run in ledger),
        "stream_now": now[-1] if now else None,
    }


def has_scheduler(db: Served) -> bool:
    """Whether a scheduler holds its lease at this moment, so that requests will be taken."""
    with db.instance.store.read() as connection:
        expires = connection.execute(select(leases.c.expires_at).where(leases.c.name == "scheduler")).scalar()
    return expires is not None and unstamp(expires) > clock.wall()


def streams(_viewer: Viewer, db: Served, source: str) -> list[dict[str, Any]]:
    """One row per stream of `source` in the connector's order, with its newest run (None where it never ran).

    max_age_minutes: its own limit, None where it has none.
    {stream, entities, max_age_minutes, started_at, state, rows_landed, rows_changed, seconds, error, remedy}.
    """
    newest = select(runs.c.stream, func.max(runs.c.started_at).label("at")).where(runs.c.source == source)
    latest = newest.group_by(runs.c.stream).subquery()
    statement = (
        select(runs)
        .join(
            latest, (runs.c.stream == latest.c.stream) & (runs.c.started_at == latest.c.at) & (runs.c.source == source)
        )
        .order_by(runs.c.ended_at, runs.c.run_id)
    )
    with db.instance.store.read() as connection:
        known = {row.stream: row for row in connection.execute(statement)}
    limits = max_age.limits(db.instance, db.instance.config.source(source))
    return [
        {**_stream(name, entities, known.get(name)), "max_age_minutes": limits.get(name)}
        for name, entities in _spec(db, source)
    ]


def _stream(name: str, entities: list[str], run: Any) -> dict[str, Any]:
    kept = ("state", "rows_landed", "rows_changed", "seconds", "error", "remedy")
    started: datetime | None = unstamp(run.started_at) if run is not None else None
    figures = {key: getattr(run, key) if run is not None else None for key in kept}
    return {"stream": name, "entities": entities, "started_at": started, **figures}


def _streams(db: Served, source: SourceConfig) -> list[str]:
    return [name for name, _ in _spec(db, source.name)]


def _spec(db: Served, source: str) -> list[tuple[str, list[str]]]:
    return _read_spec(db.instance.config.source(source).connector, db.instance.config_dir)


@cache
def _read_spec(connector: str, config_dir: Path) -> list[tuple[str, list[str]]]:
    return [(stream.name, list(stream.entities)) for stream in SourceSpec.load(connector, config_dir).streams]
