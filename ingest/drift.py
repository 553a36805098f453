"""Drift: what a stream's documents are today against what they were, and a connector's contract against its last.

Looked at after every run that landed something. What is found is recorded once, as long as it lasts; nothing here
stops a run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, insert, select, update

from ingest import shape
from ingest.contract import changes, contract
from ingest.shape import Field, Kept, Shape
from ingest.spec import SourceSpec
from ops import clock
from ops.instance import Instance
from ops.store import stamp
from ops.tables import drifts, planned_changes, source_contracts, stream_shapes

ANNOUNCED_DAYS = 7
"""How far from its announced day a change may come and still be that change."""
_ALWAYS = 0.99
_FEW, _SOME, _MANY = 5, 20, 200
_CHANCE = 1e-6
_KEPT_DOCUMENTS = 20_000
_PER_VALUE = 20
_ENUMERATED = 100
_NO_WORD = re.compile(r"[\d\s:./TZ+-]*")


Knower = Callable[[Instance, str, str], Mapping[str, Kept]]
"""(instance, source, stream) → what of the values of each path may be remembered."""


def _nothing_known(_instance: Instance, _source: str, _stream: str) -> Mapping[str, Kept]:
    return {}


_ask: Knower = _nothing_known


def ask(knower: Knower) -> None:
    """Ask `knower` from now on: mappings, which know the meaning of fields, are not known here."""
    global _ask
    _ask = knower


@dataclass(frozen=True)
class Change:
    """One difference. kind: appeared, vanished, emptied, retyped, new_value, contract; before and after as text."""

    kind: str
    field: str
    before: str | None
    after: str | None


def look(instance: Instance, source: str, stream: str, run_id: str) -> list[Change]:
    """Compare the run's documents with what is known of the stream, record what differs, remember what was seen.

    The first run of a stream is what the later ones are compared with. A run is counted once.
    """
    with instance.store.read() as connection:
        known = connection.execute(
            select(stream_shapes).where(stream_shapes.c.source == source, stream_shapes.c.stream == stream)
        ).first()
    if known and known.run_id >= run_id:
        return []
    kept = _ask(instance, source, stream)
    seen = shape.of_run(instance.landing, source, stream, run_id, kept)
    if not seen.documents:
        return []
    before = Shape.from_json(known.fields) if known else None
    if before:
        before.forget(kept)
        seen.collapse(before.maps)
        before.collapse(seen.maps)
    found = compare(before, seen) if before else []
    merged = _merged(before, seen) if before else seen
    with instance.store.begin() as connection:
        row = {"source": source, "stream": stream, "fields": merged.to_json(), "run_id": run_id, "updated_at": stamp()}
        instance.store.upsert(connection, stream_shapes, row, ["source", "stream"])
        _end(connection, source, stream, seen)
        _forget(connection, source, stream, kept)
        _record(instance, connection, source, stream, run_id, seen.documents, found)
    return found


def look_at_contract(instance: Instance, source: str, spec: SourceSpec) -> list[tuple[str, Change]]:
    """Compare the connector's spec with the one of the last collection; (stream, change) of what is new."""
    told = json.dumps(contract(spec), ensure_ascii=False, sort_keys=True)
    with instance.store.read() as connection:
        known = connection.execute(
            select(source_contracts.c.contract).where(source_contracts.c.source == source)
        ).scalar()
    if known == told:
        return []
    found = [
        (stream, Change("contract", key, old, new))
        for stream, key, old, new in (changes(json.loads(known), json.loads(told)) if known else [])
    ]
    with instance.store.begin() as connection:
        row = {"source": source, "contract": told, "updated_at": stamp()}
        instance.store.upsert(connection, source_contracts, row, ["source"])
        for stream, change in found:
            _record(instance, connection, source, stream, "", 0, [change])
    return found


def compare(known: Shape, seen: Shape) -> list[Change]:
    """What the documents seen have that the known ones had not, and the other way round; the topmost field only."""
    found = [*_appeared(known, seen), *_missing(known, seen)]
    gone = {change.field for change in found}
    for path in sorted(seen.fields.keys() & known.fields.keys() - gone):
        old, new = known.fields[path], seen.fields[path]
        other = new.types - old.types
        if other and old.types:
            found.append(Change("retyped", path, _types(old), ", ".join(sorted(other))))
        found += [Change("new_value", path, _values(old), value) for value in _new_values(old, new)]
    return found


def _appeared(known: Shape, seen: Shape) -> list[Change]:
    new = seen.fields.keys() - known.fields.keys()
    top = sorted(path for path in new if _parent(path) not in new)
    return [Change("appeared", path, None, _types(seen.fields[path]) or "null") for path in top]


def _missing(known: Shape, seen: Shape) -> list[Change]:
    """Fields that are not there, or empty in every document, although they used not to be."""
    found: list[Change] = []
    gone: set[str] = set()
    for path in sorted(known.fields):
        old, parent = known.fields[path], _parent(path)
        if parent in gone:
            gone.add(path)
            continue
        had, have = _filled(known, parent), _filled(seen, parent)
        new = seen.fields.get(path)
        if new is None:
            if _cannot_be_chance(old.present, had, have, _FEW):
                found.append(Change("vanished", path, _types(old) or "null", None))
                gone.add(path)
        elif not new.filled and old.filled and _cannot_be_chance(old.filled, old.present, new.present, _SOME):
            found.append(Change("emptied", path, _types(old), None))
            gone.add(path)
    return found


def _cannot_be_chance(had: int, of: int, now: int, least: int) -> bool:
    """Whether `now` documents without a field say something, when `had` of `of` had it before.

    Records that changed lately are not like all others: what many lacked before is believed of many documents only.
    """
    share = had / of if of else 0.0
    if share >= _ALWAYS:
        return now >= least
    return now >= _MANY and (1 - share) ** now < _CHANCE


def _new_values(old: Field, new: Field) -> list[str]:
    """Values of an enumeration that were never seen; what looks like a number or a day is none."""
    if not old.values or not new.values:
        return []
    counted = sum(old.values.values())
    if counted < max(_ENUMERATED, _PER_VALUE * len(old.values)):
        return []
    return [value for value in sorted(new.values.keys() - old.values.keys()) if not _NO_WORD.fullmatch(value)]


def _parent(path: str) -> str:
    return path.rpartition(".")[0].removesuffix("[]")


def _filled(known: Shape, parent: str) -> int:
    if not parent:
        return known.documents
    held = known.fields.get(parent)
    return held.filled if held else known.documents  # a key with a dot in it has no parent


def _types(one: Field) -> str:
    return ", ".join(sorted(one.types))


def _values(one: Field) -> str:
    return ", ".join(sorted(one.values or {}))


def _merged(known: Shape, seen: Shape) -> Shape:
    """Both counted together; what lies far back counts less and less."""
    halved = 2 if known.documents > _KEPT_DOCUMENTS else 1
    merged = Shape(known.documents // halved + seen.documents)
    for path in known.fields.keys() | seen.fields.keys():
        old, new = known.fields.get(path, Field(values={})), seen.fields.get(path, Field(values={}))
        values = None
        if old.values is not None and new.values is not None:
            values = {
                value: max(1, old.values.get(value, 0) // halved) + new.values.get(value, 0)
                if value in old.values
                else new.values[value]
                for value in old.values.keys() | new.values.keys()
            }
            values = values if len(values) <= shape.VALUES else None
        merged.fields[path] = Field(
            old.present // halved + new.present, old.filled // halved + new.filled, old.types | new.types, values
        )
    merged.collapse(known.maps | seen.maps)
    return merged


def _end(connection: Connection, source: str, stream: str, seen: Shape) -> None:
    """A field that was missing and is back ends what was said about it."""
    rows = connection.execute(
        select(drifts).where(
            drifts.c.source == source,
            drifts.c.stream == stream,
            drifts.c.state != "ended",
            drifts.c.kind.in_(["vanished", "emptied"]),
        )
    ).all()
    for row in rows:
        new = seen.fields.get(row.field)
        if new and (new.filled or row.kind == "vanished"):
            ended = update(drifts).where(drifts.c.drift_id == row.drift_id)
            connection.execute(ended.values(state="ended", settled_at=row.settled_at or stamp()))


def _forget(connection: Connection, source: str, stream: str, kept: Mapping[str, Kept]) -> None:
    """Values that were told before a mapping called their field personal."""
    personal = [path for path, what in kept.items() if what == "none"]
    of_them = (drifts.c.source == source, drifts.c.stream == stream, drifts.c.field.in_(personal))
    if personal:
        told = update(drifts).where(*of_them, drifts.c.kind == "new_value", drifts.c.before.is_not(None))
        connection.execute(told.values(before=None, after=None))


def _record(
    instance: Instance,
    connection: Connection,
    source: str,
    stream: str,
    run_id: str,
    documents: int,
    found: list[Change],
) -> None:
    """Write what is not already known and lasting."""
    for change in found:
        same = [drifts.c.source == source, drifts.c.stream == stream, drifts.c.field == change.field,
                drifts.c.kind == change.kind]  # fmt: skip
        if change.kind in {"vanished", "emptied"}:
            lasting = connection.execute(select(drifts.c.drift_id).where(*same, drifts.c.state != "ended")).first()
            if lasting:
                continue
        row: dict[str, Any] = {
            "source": source, "stream": stream, "field": change.field, "kind": change.kind, "before": change.before,
            # PostgreSQL keeps no NUL in a text
            "after": None if change.after is None else change.after.replace("\0", ""), "documents": documents,
            "run_id": run_id, "found_at": stamp(), "state": "open",
            "planned_id": _announced(instance, connection, source, stream, change.field),
        }  # fmt: skip
        connection.execute(insert(drifts).values(**row))


def _announced(instance: Instance, connection: Connection, source: str, stream: str, field: str) -> int | None:
    """The announced change that this is: same source, its stream and field if it names them, about its day."""
    today = clock.today(instance.config.zone)
    waiting = select(planned_changes).where(planned_changes.c.source == source, planned_changes.c.state == "announced")
    for row in connection.execute(waiting.order_by(planned_changes.c.expected_on, planned_changes.c.planned_id)):
        near = abs(date.fromisoformat(row.expected_on) - today) <= timedelta(days=ANNOUNCED_DAYS)
        if near and row.stream in {None, stream} and (row.field is None or _is_inside(field, row.field)):
            return int(row.planned_id)
    return None


def _is_inside(field: str, named: str) -> bool:
    return field == named or field.startswith((f"{named}.", f"{named}[]"))
