"""Caring for a source from the screen: what landing holds, packing it, retention with a look first, trying a source."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import or_, select

from ingest import holding, landing_remote
from model.policy import Viewer
from model.serve.connection import Served
from model.serve.syncing import has_scheduler, must_look_after
from ops import care
from ops.errors import FatalError
from ops.store import stamp, unstamp
from ops.tables import audit, sync_requests


def landing_state(viewer: Viewer, db: Served, source: str | None = None) -> list[dict[str, Any]]:
    """What landing holds, one row per source (or the one named); FatalError for who does not look after sources.

    {source, streams, files, bytes, packed, loose (runs), keep_versions_days, legal_hold, packed_at, packed {…},
    pruned_at, pruned_rows}; instants in UTC, None where it never happened.
    """
    must_look_after(viewer)
    packed, pruned = holding.last_packed(db.instance.store), holding.last_pruned(db.instance.store)
    sources = [db.instance.config.source(source)] if source else db.instance.config.sources
    rows = []
    for one in sources:
        held = holding.held(db.instance.landing, one.name)
        packed_at, facts = packed.get(one.name, (None, None))
        pruned_at, left = pruned.get(one.name, (None, 0))
        rows.append(
            {
                "source": one.name,
                "streams": len(held),
                **{name: sum(getattr(row, name) for row in held) for name in ("files", "bytes", "packed", "loose")},
                "keep_versions_days": one.keep_versions_days,
                "legal_hold": one.legal_hold,
                "packed_at": packed_at,
                "packing": facts,
                "pruned_at": pruned_at,
                "pruned_rows": left,
            }
        )
    return rows


def landing_bucket(viewer: Viewer, db: Served) -> str | None:
    """The bucket's address where landing has one; FatalError for who does not look after sources."""
    must_look_after(viewer)
    bucket = db.instance.config.landing
    return bucket.path if bucket else None


def adopt_landing(viewer: Viewer, db: Served) -> str:
    """Make this instance the one that writes to the bucket; its address. FatalError for who may not; LandingAway."""
    must_look_after(viewer)
    return landing_remote.adopt(db.instance, viewer.user)


def request_care(viewer: Viewer, db: Served, source: str, kind: str, days: int | None = None) -> int:
    """Ask the scheduler to pack, look, prune, bring the bucket's copy up to date, or try `source`; the request's id.

    One that still waits is used again. Audited. `days` (for look and prune) defaults to the source's setting.
    FatalError for who may not, an unknown kind, retention that nothing sets or a legal hold forbids, and for letting
    versions leave that nobody has looked at with the same days.
    """
    must_look_after(viewer)
    configured = db.instance.config.source(source)
    if kind not in care.CARES:
        raise FatalError(f"a source is not cared for by {kind!r}", valid=", ".join(care.CARES))
    if kind == care.BUCKET and db.instance.config.landing is None:
        raise FatalError("landing is a folder of this instance", remedy="name a bucket in [landing] of c360.toml")
    wanted = None
    if kind in {care.LOOK, care.PRUNE}:
        wanted = configured.keep_versions_days if days is None else days
        if wanted is None or wanted < 1:
            raise FatalError(f"versions of {source} are kept for {wanted} days", valid="1 or more")
        if configured.legal_hold:
            raise FatalError(
                f"{source} is under legal hold: nothing of it leaves",
                remedy="set legal_hold = false in c360.toml when the hold has ended",
            )
    if kind == care.PRUNE:
        seen = care_state(viewer, db, source, care.LOOK)
        if seen is None or seen["state"] != "done" or seen["days"] != wanted:
            raise FatalError("nobody has seen yet what would leave", remedy=f"look first, with {wanted} days")
    return _ask(viewer, db, source, care.marker(kind, wanted))


def _ask(viewer: Viewer, db: Served, source: str, marker: str) -> int:
    same = (sync_requests.c.source == source, sync_requests.c.stream == marker, sync_requests.c.state == "waiting")
    with db.instance.store.begin() as connection:
        if (known := connection.execute(select(sync_requests.c.request_id).where(*same)).scalar()) is not None:
            return int(known)
        entry = {"source": source, "stream": marker, "requested_by": viewer.user, "requested_at": stamp()}
        added = connection.execute(sync_requests.insert().values(**entry, state="waiting")).inserted_primary_key
        kind, days = care.parsed(marker)
        details = json.dumps({"kind": kind, "days": days})
        connection.execute(
            audit.insert().values(at=stamp(), actor=viewer.user, action="source.care", subject=source, details=details)
        )
    return int(added[0]) if added else 0


def care_state(viewer: Viewer, db: Served, source: str, kind: str | None = None) -> dict[str, Any] | None:
    """How far the newest request (of this kind, else of any) for `source` is; None when nobody asked.

    {kind, days, state waiting|running|done|failed, requested_by, requested_at, has_scheduler, done, total, rows,
    message}: rows are what the command of the same name prints as JSON. FatalError for who may not.
    """
    must_look_after(viewer)
    kinds = care.CARES if kind is None else (kind,)
    marked = or_(*(sync_requests.c.stream.startswith(care.marker(one), autoescape=True) for one in kinds))
    mine = (sync_requests.c.source == source, marked)
    with db.instance.store.read() as connection:
        newest = select(sync_requests).where(*mine).order_by(sync_requests.c.request_id.desc()).limit(1)
        row = connection.execute(newest).first()
    if row is None:
        return None
    is_text = row.state == "failed"
    told = json.loads(row.message) if row.message and not is_text else {}
    return {
        "kind": care.parsed(row.stream)[0],
        "days": care.parsed(row.stream)[1],
        "state": row.state,
        "requested_by": row.requested_by,
        "requested_at": unstamp(row.requested_at),
        "has_scheduler": has_scheduler(db),
        "done": told.get("done", 0),
        "total": told.get("total", 0),
        "rows": told.get("rows", []),
        "message": row.message if is_text else None,
    }
