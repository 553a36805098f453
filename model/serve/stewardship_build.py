"""From a decision to the build that carries it out: a request in the store that the scheduler takes."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import func, select

from model.policy import Viewer
from model.serve.connection import Served
from model.serve.syncing import has_scheduler
from ops.store import stamp, unstamp
from ops.tables import BUILD_ONLY, audit, match_decisions, sync_requests


def request_build(viewer: Viewer, db: Served) -> int:
    """Ask the scheduler for a build without a collection; a request that still waits is used again. Audited."""
    waiting = select(sync_requests.c.request_id).where(
        sync_requests.c.source == BUILD_ONLY, sync_requests.c.state == "waiting"
    )
    with db.instance.store.begin() as connection:
        if (known := connection.execute(waiting).scalar()) is not None:
            return int(known)
        entry = {"source": BUILD_ONLY, "requested_by": viewer.user, "requested_at": stamp(), "state": "waiting"}
        added = connection.execute(sync_requests.insert().values(**entry)).inserted_primary_key
        details = json.dumps({"version": db.version})
        connection.execute(
            audit.insert().values(at=stamp(), actor=viewer.user, action="build.request", subject="", details=details)
        )
    return int(added[0]) if added else 0


def build_state(_viewer: Viewer, db: Served) -> dict[str, Any]:
    """{pending, state, message, requested_by, requested_at, has_scheduler, version}: how far decisions have come.

    pending: decisions taken since the served build; they take effect with the next one. state: waiting, running, done
    or failed of the newest request, null when nobody ever asked.
    """
    newest = (
        select(sync_requests)
        .where(sync_requests.c.source == BUILD_ONLY)
        .order_by(sync_requests.c.request_id.desc())
        .limit(1)
    )
    with db.instance.store.read() as connection:
        row = connection.execute(newest).first()
        since = select(func.count()).where(match_decisions.c.decision_id > last_built(db))
        pending = int(connection.execute(since).scalar() or 0)
    return {
        "pending": pending,
        "state": row.state if row else None,
        "message": row.message if row else None,
        "requested_by": row.requested_by if row else None,
        "requested_at": unstamp(row.requested_at) if row else None,
        "has_scheduler": has_scheduler(db),
        "version": db.version,
    }


def last_built(db: Served) -> int:
    """The last decision that the served build knows."""
    if ("last_decision",) not in db.cache:
        rows = db.rows("select value from meta.state where key = 'decision'")
        db.cache["last_decision",] = int(rows[0]["value"]) if rows else 0
    return int(db.cache["last_decision",])
