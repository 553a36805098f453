"""How sources change: drift with the mapping rows it touches, acknowledged by a person, and changes announced ahead."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Row, insert, select, update

from ingest.drift import ANNOUNCED_DAYS
from ingest.spec import SourceSpec
from model.conform.kept_values import read_by, whole
from model.conform.sources import mapping_of
from model.conform.spec import EntityMapping, FieldSpec, Mapping
from model.policy import HIDDEN, Viewer
from model.serve.connection import Served
from model.serve.find import NotFound
from model.serve.syncing import must_look_after
from ops.errors import C360Error, FatalError
from ops.store import stamp
from ops.tables import audit
from ops.tables import drifts as table
from ops.tables import planned_changes as planned

DRIFT_STATES = ("open", "acknowledged", "ended")
SETTLED = ("done", "cancelled", "rolled_back")


def drifts(
    viewer: Viewer, db: Served, *, state: str | None = "open", source: str | None = None, limit: int = 500
) -> list[dict[str, Any]]:
    """What changed at the sources, newest first; grain: one change of one field.

    {drift_id, source, stream, field, kind, before, after, documents, found_at, state, planned_id, note, settled_by,
    touches[{entity, field}]}: `touches` are the mapping rows that read the field. Values of enumerations are hidden
    from viewers of own or team rows.
    """
    if state is not None and state not in DRIFT_STATES:
        raise FatalError(f"drift is never {state!r}", valid=", ".join(DRIFT_STATES))
    query = select(table).order_by(table.c.drift_id.desc()).limit(limit)
    if state:
        query = query.where(table.c.state == state)
    if source:
        query = query.where(table.c.source == db.instance.config.source(source).name)
    with db.instance.store.read() as connection:
        rows = connection.execute(query).all()
    mappings: dict[str, Mapping | None] = {}
    return [_drift(viewer, db, row, mappings) for row in rows]


def _drift(viewer: Viewer, db: Served, row: Row[Any], mappings: dict[str, Mapping | None]) -> dict[str, Any]:
    told = dict(row._mapping)  # noqa: SLF001
    if row.kind == "new_value" and viewer.scope != "all":
        told |= {"before": HIDDEN, "after": HIDDEN}
    if row.source not in mappings:
        mappings[row.source] = _mapping(db, row.source)
    mapping = mappings[row.source]
    reading = touched(mapping, row.stream, row.field) if mapping and row.kind != "contract" else []
    return {**told, "touches": reading}


def _mapping(db: Served, source: str) -> Mapping | None:
    """The source's mapping; None for a source that is no longer configured or whose mapping is broken."""
    try:
        return mapping_of(db.instance, db.instance.config.source(source))
    except C360Error:
        return None


def touched(mapping: Mapping, stream: str, field: str) -> list[dict[str, str]]:
    """The entity fields of a stream's tables that read `field`, or something inside or around it."""
    found = []
    for entity in mapping.of(stream):
        for name, path in _reads(entity):
            if _overlap(whole(entity, path), field):
                found.append((entity.entity, name))
    return [{"entity": entity, "field": name} for entity, name in dict.fromkeys(found)]


def _reads(entity: EntityMapping) -> Iterator[tuple[str, str]]:
    """(canonical field, path of the document) of everything an entity table looks at."""
    yield from (("id", path) for path in ([*_placeholders(entity.id)] or [entity.id]))
    yield from (("filter", place.path) for place in entity.filter)
    yield from (("deleted", place.path) for place in entity.deleted)
    if entity.merged_into:
        yield "merged_into", entity.merged_into
    fields: dict[str, FieldSpec | None] = {
        **entity.fields, "updated_at": entity.updated_at, "entered_at": entity.entered_at
    }  # fmt: skip
    for name, spec in fields.items():
        if spec:
            yield from ((name, path) for path in read_by(spec))


def _placeholders(template: str) -> list[str]:
    return [part.partition("}")[0] for part in template.split("{")[1:]]


def _overlap(path: str, field: str) -> bool:
    """Whether one of the two is the other or inside it."""
    return path == field or _inside(path, field) or _inside(field, path)


def _inside(path: str, outer: str) -> bool:
    return path.startswith((f"{outer}.", f"{outer}["))


def acknowledge_drift(viewer: Viewer, db: Served, drift_id: int, note: str | None = None) -> None:
    """Say that somebody has seen to a drift; FatalError for a role that does not look after sources, NotFound."""
    must_look_after(viewer)
    with db.instance.store.begin() as connection:
        values = {"state": "acknowledged", "settled_by": viewer.user, "settled_at": stamp(), "note": note}
        done = connection.execute(
            update(table).where(table.c.drift_id == drift_id, table.c.state == "open").values(**values)
        )
        if not done.rowcount:
            raise NotFound(f"there is no open drift {drift_id}", remedy="`c360 drift` lists them")
        details = json.dumps({"note": note}, ensure_ascii=False)
        connection.execute(_audited(viewer, "drift.acknowledge", str(drift_id), details))


def announced_changes(_viewer: Viewer, db: Served) -> list[dict[str, Any]]:
    """Changes announced by sources, the next day first; settled ones after them, newest first.

    {planned_id, source, stream, field, title, expected_on, owner, check, rollback, state, note, happened, is_late}:
    `happened` counts the drift that came within 7 days of the day; `is_late`: nothing came and the 7 days are over.
    """
    with db.instance.store.read() as connection:
        rows = connection.execute(select(planned).order_by(planned.c.expected_on, planned.c.planned_id)).all()
        came = connection.execute(select(table.c.planned_id).where(table.c.planned_id.is_not(None))).scalars().all()
    told = []
    for row in rows:
        day = date.fromisoformat(row.expected_on)
        happened = sum(number == row.planned_id for number in came)
        is_over = db.today() > day + timedelta(days=ANNOUNCED_DAYS)
        is_late = row.state == "announced" and not happened and is_over
        told.append({**row._mapping, "expected_on": day, "happened": happened, "is_late": is_late})  # noqa: SLF001
    waiting = [row for row in told if row["state"] == "announced"]
    return [*waiting, *reversed([row for row in told if row["state"] != "announced"])]


def announce_change(
    viewer: Viewer,
    db: Served,
    source: str,
    title: str,
    *,
    expected_on: date,
    owner: str,
    check: str,
    rollback: str,
    stream: str | None = None,
    field: str | None = None,
) -> int:
    """Enter a change that a source has announced, before its day; its id.

    FatalError for a role that does not look after sources, an unknown source or stream, and an empty text.
    """
    must_look_after(viewer)
    configured = db.instance.config.source(source)
    streams = [one.name for one in SourceSpec.load(configured.connector, db.instance.config_dir).streams]
    if stream is not None and stream not in streams:
        raise FatalError(f"{source} has no stream {stream!r}", valid=", ".join(streams))
    texts = {"title": title.strip(), "owner": owner.strip(), "check": check.strip(), "rollback": rollback.strip()}
    missing = [name for name, text in texts.items() if not text]
    if missing:
        raise FatalError(
            f"an announced change needs its {', '.join(missing)}",
            remedy="say who answers for it, how one sees that it went well, and what is done if it did not",
        )
    row = {**texts, "source": source, "stream": stream, "field": field or None, "expected_on": expected_on.isoformat(),
           "entered_by": viewer.user, "entered_at": stamp(), "state": "announced"}  # fmt: skip
    with db.instance.store.begin() as connection:
        made = connection.execute(insert(planned).values(**row)).inserted_primary_key
        details = json.dumps({"source": source, "title": title}, ensure_ascii=False)
        connection.execute(_audited(viewer, "change.announce", str(made[0]) if made else "", details))
    return int(made[0]) if made else 0


def settle_change(viewer: Viewer, db: Served, planned_id: int, state: str, note: str | None = None) -> None:
    """Say how an announced change ended: done, cancelled or rolled_back. FatalError, NotFound as above."""
    must_look_after(viewer)
    if state not in SETTLED:
        raise FatalError(f"an announced change does not end as {state!r}", valid=", ".join(SETTLED))
    with db.instance.store.begin() as connection:
        values = {"state": state, "settled_by": viewer.user, "settled_at": stamp(), "note": note}
        done = connection.execute(
            update(planned).where(planned.c.planned_id == planned_id, planned.c.state == "announced").values(**values)
        )
        source = connection.execute(select(planned.c.source).where(planned.c.planned_id == planned_id)).scalar()
        if not done.rowcount:
            raise NotFound(f"no change {planned_id} is announced", remedy="`c360 drift announced` lists them")
        details = json.dumps({"state": state, "source": source})
        connection.execute(_audited(viewer, "change.settle", str(planned_id), details))


def _audited(viewer: Viewer, action: str, subject: str, details: str) -> Any:
    return insert(audit).values(at=stamp(), actor=viewer.user, action=action, subject=subject, details=details)
