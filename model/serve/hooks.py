"""What webhooks brought, which single records were read for them, and which hosts are left alone."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from ingest import breaker
from model.policy import Viewer
from model.serve.connection import Served
from model.serve.syncing import may_sync
from ops.store import unstamp
from ops.tables import hook_counts, target_runs

REFUSED = ("unsigned", "stale", "malformed")


def hook_state(viewer: Viewer, db: Served, limit: int = 20) -> dict[str, Any]:
    """{hooks: [{source, accepted, duplicate, refused, ignored, last_at}], reads: […], hosts: […]}.

    reads: the newest targeted reads (source, stream, caused_by, started_at, state, asked, rows_landed, error, remedy);
    hosts: as ingest.breaker.at_work. Both empty for a role that does not look after sources.
    """
    with db.instance.store.read() as connection:
        counted = connection.execute(select(hook_counts).order_by(hook_counts.c.source)).all()
        newest = select(target_runs).order_by(target_runs.c.started_at.desc(), target_runs.c.stream).limit(limit)
        reads = connection.execute(newest).all() if may_sync(viewer) else []
    hooks: dict[str, dict[str, Any]] = {}
    for row in counted:
        start = {"source": row.source, "accepted": 0, "duplicate": 0, "refused": 0, "ignored": 0, "last_at": None}
        entry = hooks.setdefault(row.source, start)
        name = "refused" if row.outcome in REFUSED else row.outcome
        if name in entry:
            entry[name] += row.count
        entry["last_at"] = max(filter(None, (entry["last_at"], unstamp(row.last_at))))
    kept = ("source", "stream", "caused_by", "state", "asked", "rows_landed", "error", "remedy")
    return {
        "hooks": list(hooks.values()),
        "reads": [{**{key: getattr(row, key) for key in kept}, "started_at": unstamp(row.started_at)} for row in reads],
        "hosts": breaker.at_work(db.instance.store) if may_sync(viewer) else [],
    }
