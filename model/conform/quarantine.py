"""Records that were set aside: written when a value is broken, closed when a later version is good."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import bindparam, select, update

from ops.store import Store, stamp
from ops.tables import quarantine


class Reject(NamedTuple):
    """One broken field of one document."""

    record_id: str
    entity: str
    field: str
    value: str | None
    reason: str
    document_hash: str


def record(
    store: Store, source: str, stream: str, run_id: str, processed: Iterable[str], rejects: list[Reject]
) -> None:
    """Bring the quarantine in line with one batch: insert what is broken now, close what no longer is.

    `processed` are the ids of every document the batch mapped. Entries a steward ignored stay ignored.
    """
    now = stamp()
    place = (quarantine.c.source == source, quarantine.c.stream == stream)
    broken = {(r.record_id, r.entity, r.field, r.document_hash): r for r in rejects}
    with store.begin() as connection:
        c = quarantine.c
        wanted = select(c.quarantine_id, c.status, c.record_id, c.entity, c.field, c.document_hash)
        closed, again = [], []
        known = connection.execute(wanted.where(*place)).all()
        seen = set(processed) if known else set()
        for number, status, *key in known:
            if broken.pop(tuple(key), None):
                if status == "fixed":
                    again.append(number)
            elif status == "open" and key[0] in seen:
                closed.append(number)
        by_id = update(quarantine).where(quarantine.c.quarantine_id == bindparam("which"))
        for status, ids in (("fixed", closed), ("open", again)):
            if ids:
                connection.execute(by_id.values(status=status, updated_at=now), [{"which": i} for i in ids])
        rows = [
            {
                **reject._asdict(),
                "source": source,
                "stream": stream,
                "run_id": run_id,
                "status": "open",
                "created_at": now,
                "updated_at": now,
            }
            for reject in broken.values()
        ]
        if rows:
            connection.execute(quarantine.insert(), rows)
