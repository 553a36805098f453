"""What a person looked at: what changed since the last visit, recent and pinned customers.

A visit is kept by a source record of the customer, so that it follows the customer through merge and split.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select

from model.policy import Viewer
from model.serve import changes
from model.serve.connection import Served
from model.serve.find import NotFound, resolve
from model.serve.links import linked_events
from model.serve.timeline import end_of, events
from ops import clock
from ops.store import stamp, unstamp
from ops.tables import pins, visits

PAUSE = timedelta(minutes=30)
FIRST = timedelta(days=30)
MOST = 200


def changes_since(viewer: Viewer, db: Served, customer: str) -> dict[str, Any]:
    """What became known of `customer` (key or code) since this viewer's last visit.

    {since, basis, count, has_more, by_kind{kind: count}, events}: basis is "visit", or "first_visit" where there was
    none and what happened in the last 30 days is told instead. Events are those of the timeline, newest first, at most
    200.
    """
    key = resolve(viewer, db, customer)
    mark, end = _mark(_visit(viewer, db, key)), end_of(db, db.today())
    if mark is None:
        since = clock.now() - FIRST
        found = linked_events(db, events(viewer, db, key, end, since=since, limit=MOST + 1))
    else:
        since, known = mark
        found = changes.since_visit(viewer, db, key, since, known, end)
    by_kind: dict[str, int] = {}
    for event in found[:MOST]:
        by_kind[event["kind"]] = by_kind.get(event["kind"], 0) + 1
    return {
        "since": since,
        "basis": "first_visit" if mark is None else "visit",
        "count": min(len(found), MOST),
        "has_more": len(found) > MOST,
        "by_kind": by_kind,
        "events": found[:MOST],
    }


def seen(viewer: Viewer, db: Served, customer: str) -> None:
    """Record that this viewer looks at `customer` (key or code) now. Within 30 minutes it is still the same visit."""
    key = resolve(viewer, db, customer)
    visit = _visit(viewer, db, key)
    row = {
        "user": viewer.user,
        "anchor": _anchors(db, key)[0] if visit is None else visit.anchor,
        "last_at": stamp(),
        "last_data": stamp(changes.data_until(db)),
        "mark_at": None,
        "mark_data": None,
    }
    if visit is not None:
        is_new = clock.now() - unstamp(visit.last_at) > PAUSE
        row["mark_at"] = visit.last_at if is_new else visit.mark_at
        row["mark_data"] = visit.last_data if is_new else visit.mark_data
    with db.instance.store.begin() as connection:
        db.instance.store.upsert(connection, visits, row, ["user", "anchor"])


def recent(viewer: Viewer, db: Served, limit: int = 8) -> list[dict[str, Any]]:
    """Customers this viewer looked at, newest first: {customer_key, name, last_at}; only those still theirs to see."""
    with db.instance.store.read() as connection:
        rows = connection.execute(_of(viewer, visits).order_by(visits.c.last_at.desc())).all()
    return _customers(viewer, db, [(row.anchor, "last_at", row.last_at) for row in rows])[:limit]


def pinned(viewer: Viewer, db: Served) -> list[dict[str, Any]]:
    """Customers this viewer pinned, first pinned first: {customer_key, name, pinned_at}; only those theirs to see."""
    with db.instance.store.read() as connection:
        rows = connection.execute(_of(viewer, pins).order_by(pins.c.pinned_at)).all()
    return _customers(viewer, db, [(row.anchor, "pinned_at", row.pinned_at) for row in rows])


def pin(viewer: Viewer, db: Served, customer: str) -> None:
    """Keep `customer` (key or code) in this viewer's list; again changes nothing."""
    key = resolve(viewer, db, customer)
    if key in {row["customer_key"] for row in pinned(viewer, db)}:
        return
    row = {"user": viewer.user, "anchor": _anchors(db, key)[0], "pinned_at": stamp()}
    with db.instance.store.begin() as connection:
        db.instance.store.upsert(connection, pins, row, ["user", "anchor"])


def unpin(viewer: Viewer, db: Served, customer: str) -> None:
    """Take `customer` (key or code) from this viewer's list, also where it was pinned before a merge."""
    anchors = _anchors(db, resolve(viewer, db, customer))
    with db.instance.store.begin() as connection:
        connection.execute(delete(pins).where(pins.c.user == viewer.user, pins.c.anchor.in_(anchors)))


def _of(viewer: Viewer, table: Any) -> Any:
    return select(table).where(table.c.user == viewer.user)


def _visit(viewer: Viewer, db: Served, key: str) -> Any:
    """The row of this viewer's newest visit of a customer, under whichever of its records, or None."""
    anchors = _anchors(db, key)
    with db.instance.store.read() as connection:
        rows = [row for row in connection.execute(_of(viewer, visits)) if row.anchor in anchors]
    return max(rows, key=lambda row: row.last_at, default=None)


def _mark(visit: Any) -> tuple[datetime, datetime] | None:
    """(end of the visit before the present one, until when its data went); None on the first visit.

    A visit is present for 30 minutes after it was last seen.
    """
    if visit is None:
        return None
    is_over = clock.now() - unstamp(visit.last_at) > PAUSE
    at, data = (visit.last_at, visit.last_data) if is_over else (visit.mark_at, visit.mark_data)
    return None if at is None else (unstamp(at), unstamp(data or at))


def _anchors(db: Served, key: str) -> list[str]:
    """Record keys of a customer, in order."""
    cached = ("anchors", key)
    if cached not in db.cache:
        rows = db.rows(
            """select source || ':' || source_id as anchor from identity.customer_crosswalk
               where customer_key = ? order by source, source_id""",
            [key],
        )
        db.cache[cached] = [row["anchor"] for row in rows]
    anchors: list[str] = db.cache[cached]
    if not anchors:
        raise NotFound(f"{key} has no source record to remember it by")
    return anchors


def _customers(viewer: Viewer, db: Served, kept: Iterable[tuple[str, str, str]]) -> list[dict[str, Any]]:
    """Anchors resolved on the served build, in order, each customer once, without those the viewer may not see."""
    wanted = list(kept)
    if not wanted:
        return []
    rule, parameters = viewer.rows("customer")
    rows = db.rows(
        f"""select x.source || ':' || x.source_id as anchor, customer.customer_key, customer.name
            from identity.customer_crosswalk as x
            join core.dim_customer as customer on customer.customer_key = x.customer_key
            where list_contains(?, x.source || ':' || x.source_id) and {rule}""",
        [[anchor for anchor, _, _ in wanted], *parameters],
    )
    by_anchor = {row["anchor"]: row for row in rows}
    found: dict[str, dict[str, Any]] = {}
    for anchor, name, at in wanted:
        if anchor in by_anchor:
            row = by_anchor[anchor]
            entry = {"customer_key": row["customer_key"], "name": row["name"], name: unstamp(at)}
            found.setdefault(row["customer_key"], entry)
    return list(found.values())
