"""What an integration owner does with a whole source from the screen: let it in, put it back, roll it back, go on."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import select

from model import publish, source_status
from model.conform import held
from model.policy import Viewer
from model.serve.connection import Served
from model.serve.rejects import request_replay
from model.serve.stewardship_build import request_build
from model.serve.syncing import must_look_after
from ops.errors import FatalError
from ops.store import stamp, unstamp
from ops.tables import audit

_ACTIONS = (
    "source.promote", "source.demote", "source.rollback", "source.resume", "mapping.apply", "mapping.sign",
    "build.rollback", "source.stop", "source.replay", "landing.prune", "source.add", "source.configure", "source.off",
    "source.on", "source.full",
)  # fmt: skip


def held_sources(_viewer: Viewer, db: Served) -> list[dict[str, Any]]:
    """Sources held at an earlier state: source, until (instant), by, at (instant), note, waiting (landed runs)."""
    return [
        {
            "source": one.source,
            "until": one.instant,
            "by": one.by,
            "at": unstamp(one.at),
            "note": one.note,
            "waiting": held.waiting(db.instance, one),
        }
        for _, one in sorted(held.holds(db.instance.store).items())
    ]


def source_points(viewer: Viewer, db: Served, source: str) -> list[dict[str, Any]]:
    """States `source` can go back to, newest first: {to, at, streams, rows}; FatalError for who may not."""
    must_look_after(viewer)
    return held.points(db.instance, source)


def roll_back_source(viewer: Viewer, db: Served, source: str, to: str, note: str | None = None) -> None:
    """Show `source` as it stood after the run (or at the instant) `to`, and hold it there; needs a reason.

    The scheduler stages it and builds. FatalError for who may not, without a reason, or when there is no such run.
    """
    must_look_after(viewer)
    if not (note or "").strip():
        raise FatalError("a source is rolled back for a reason", remedy="say what is wrong with what came later")
    held.hold(db.instance, source, to, viewer.user, note)
    request_replay(viewer, db, source)


def resume_source(viewer: Viewer, db: Served, source: str) -> None:
    """Let a held source go on: what has landed meanwhile is staged by the build that is asked for."""
    must_look_after(viewer)
    held.let_go(db.instance, source, viewer.user)
    request_build(viewer, db)


def set_source_status(viewer: Viewer, db: Served, source: str, status: str, note: str | None = None) -> bool:
    """Make a shadow source active, or an active one a shadow, and ask for a build; False when it is so already."""
    must_look_after(viewer)
    is_changed = source_status.set_status(db.instance, source, status, viewer.user, note)
    if is_changed:
        request_build(viewer, db)
    return is_changed


def kept_builds(viewer: Viewer, db: Served) -> list[dict[str, Any]]:
    """The published builds that are kept, newest first: version, published_at, current, rows."""
    must_look_after(viewer)
    return publish.builds(db.instance)


def roll_back_build(viewer: Viewer, db: Served, version: str) -> None:
    """Serve an earlier build again until something changes; audited. FatalError for who may not and no such build."""
    must_look_after(viewer)
    publish.rollback(db.instance, version)
    with db.instance.store.begin() as connection:
        connection.execute(
            audit.insert().values(
                at=stamp(), actor=viewer.user, action="build.rollback", subject=version, details=json.dumps({})
            )
        )


def source_history(_viewer: Viewer, db: Served, source: str | None = None, limit: int = 20) -> list[dict[str, Any]]:
    """What was done with sources as a whole, newest first: at (instant), actor, action, subject, note.

    Of a change of its configuration also before and after: key → value, of what has changed.
    """
    chosen = select(audit).where(audit.c.action.in_(_ACTIONS))
    if source is not None:
        chosen = chosen.where((audit.c.subject == source) | (audit.c.action == "build.rollback"))
    with db.instance.store.read() as connection:
        rows = connection.execute(chosen.order_by(audit.c.audit_id.desc()).limit(limit)).all()
    return [
        {
            "at": unstamp(row.at),
            "actor": row.actor,
            "action": row.action,
            "subject": row.subject,
            **{key: details.get(key) for key in ("note", "before", "after")},
        }
        for row, details in ((row, json.loads(row.details or "{}")) for row in rows)
    ]
