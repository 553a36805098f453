"""The quarantine as a worklist: what is alike, setting aside for good with a reason, and replaying a source."""

from __future__ import annotations

import json

from sqlalchemy import select, update

from model.policy import Viewer
from model.serve.connection import Served
from model.serve.find import NotFound
from model.serve.syncing import must_look_after
from ops.errors import FatalError
from ops.store import stamp
from ops.tables import REPLAY, audit, sync_requests
from ops.tables import quarantine as table

STATES = ("open", "fixed", "ignored")
_ALIKE = ("source", "stream", "entity", "field", "reason")


def alike(_viewer: Viewer, db: Served, quarantine_id: int) -> int:
    """How many open rejects share source, stream, field and reason with this one, itself included."""
    with db.instance.store.read() as connection:
        row = connection.execute(select(table).where(table.c.quarantine_id == quarantine_id)).first()
        if row is None:
            return 0
        same = [table.c[name] == getattr(row, name) for name in _ALIKE]
        found = connection.execute(select(table.c.quarantine_id).where(table.c.status == "open", *same)).all()
    return len(found)


def set_reject(
    viewer: Viewer, db: Served, quarantine_id: int, status: str, note: str | None = None, *, all_alike: bool = False
) -> int:
    """Ignore an open reject (and all that are alike), or open an ignored one again; how many were changed.

    An ignored record stays out of the warehouse and out of the counts until it is opened again. FatalError for a role
    that does not look after sources, a state other than open or ignored, and ignoring without a note; NotFound.
    """
    must_look_after(viewer)
    if status not in {"open", "ignored"}:
        raise FatalError(f"a reject is not set to {status!r}", valid="open, ignored")
    if status == "ignored" and not (note or "").strip():
        raise FatalError("a record is ignored for a reason", remedy="say why it may stay out")
    before = "open" if status == "ignored" else "ignored"
    with db.instance.store.begin() as connection:
        row = connection.execute(
            select(table).where(table.c.quarantine_id == quarantine_id, table.c.status == before)
        ).first()
        if row is None:
            raise NotFound(
                f"there is no reject {quarantine_id} that is {before}", remedy="`c360 quarantine` lists them"
            )
        same = [table.c[name] == getattr(row, name) for name in (_ALIKE if all_alike else ("quarantine_id",))]
        done = connection.execute(
            update(table).where(table.c.status == before, *same).values(status=status, updated_at=stamp())
        ).rowcount
        details = json.dumps(
            {"source": row.source, "stream": row.stream, "field": row.field, "records": done, "note": note},
            ensure_ascii=False,
        )
        action = "reject.ignore" if status == "ignored" else "reject.open"
        connection.execute(
            audit.insert().values(at=stamp(), actor=viewer.user, action=action, subject=str(quarantine_id),
                                  details=details)
        )  # fmt: skip
    return int(done)


def request_replay(viewer: Viewer, db: Served, source: str) -> int:
    """Ask the scheduler to stage what landed of `source` again with today's mapping, and to build; the request's id.

    A request that still waits is used again. FatalError for a role that does not look after sources. Audited.
    """
    must_look_after(viewer)
    name = db.instance.config.source(source).name
    same = [sync_requests.c.source == name, sync_requests.c.stream == REPLAY, sync_requests.c.state == "waiting"]
    with db.instance.store.begin() as connection:
        if (known := connection.execute(select(sync_requests.c.request_id).where(*same)).scalar()) is not None:
            return int(known)
        entry = {"source": name, "stream": REPLAY, "requested_by": viewer.user, "requested_at": stamp()}
        added = connection.execute(sync_requests.insert().values(**entry, state="waiting")).inserted_primary_key
        connection.execute(
            audit.insert().values(at=stamp(), actor=viewer.user, action="source.replay", subject=name,
                                  details=json.dumps({"source": name}))
        )  # fmt: skip
    return int(added[0]) if added else 0
