"""The registry of golden keys in the operational store: which record carries which key, and what each key is bound to.

A key is bound to one record, its anchor. A key that lives is carried by its anchor; a retired one is an alias of
whatever key its anchor carries now.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl
from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from ops import tables
from ops.store import Store, stamp

KEYS = ["source", "source_id"]
SCHEMA = {"source": pl.String, "source_id": pl.String, "golden_key": pl.String, "since": pl.String}
BOUND = {"golden_key": pl.String, "source": pl.String, "source_id": pl.String, "created_at": pl.String}
BATCH = 20_000
_CHUNK = 500
_WHOLE = 20_000


def read_registry(store: Store, kind: str, keys: Iterable[str] | None = None) -> pl.DataFrame:
    """source, source_id, golden_key, since of every registered record, or of the given golden keys only."""
    t = tables.registry
    statement = select(t.c.source, t.c.source_id, t.c.golden_key, t.c.since).where(t.c.kind == kind)
    return pl.DataFrame(_read(store, statement, t.c.golden_key, keys), schema=SCHEMA, orient="row")


def read_records(store: Store, kind: str, records: pl.DataFrame) -> pl.DataFrame:
    """The registry rows of `records` (source, source_id) and of every record that shares a golden key with them."""
    t = tables.registry
    keys: set[str] = set()
    for source, ids in _by_source(records):
        statement = select(t.c.golden_key).where(t.c.kind == kind, t.c.source == source)
        keys |= {row[0] for row in _read(store, statement, t.c.source_id, ids)}
    return read_registry(store, kind, keys)


def read_bound(store: Store, kind: str, keys: Sequence[str], records: pl.DataFrame) -> pl.DataFrame:
    """golden_key, source, source_id, created_at of `keys` and of every key that is bound to one of `records`."""
    t = tables.golden_keys
    statement = select(t.c.golden_key, t.c.source, t.c.source_id, t.c.created_at).where(t.c.kind == kind)
    if len(keys) + len(records) > _WHOLE:
        return pl.DataFrame(_read(store, statement, t.c.golden_key, None), schema=BOUND, orient="row")
    rows = _read(store, statement, t.c.golden_key, keys)
    for source, ids in _by_source(records):
        rows += _read(store, statement.where(t.c.source == source), t.c.source_id, ids)
    return pl.DataFrame(rows, schema=BOUND, orient="row").unique("golden_key").sort("golden_key")


def read_aliases(store: Store, kind: str, keys: Sequence[str]) -> dict[str, str]:
    """Retired key → the key it leads to, of those `keys` that are retired."""
    t = tables.aliases
    statement = select(t.c.alias_key, t.c.golden_key).where(t.c.kind == kind)
    rows = _read(store, statement, t.c.alias_key, None if len(keys) > _WHOLE else keys)
    return dict(rows)


def in_use(store: Store, kind: str, keys: Sequence[str]) -> set[str]:
    """Those of `keys` that a record carries."""
    t = tables.registry
    statement = select(t.c.golden_key).where(t.c.kind == kind).distinct()
    return {row[0] for row in _read(store, statement, t.c.golden_key, None if len(keys) > _WHOLE else keys)}


def last_left(store: Store, kind: str, keys: Sequence[str]) -> dict[str, int]:
    """Key → number of the last move of a record away from it: the later, the longer the key lived."""
    t = tables.registry_moves
    statement = select(t.c.from_key, func.max(t.c.move_id)).where(t.c.kind == kind).group_by(t.c.from_key)
    return dict(_read(store, statement, t.c.from_key, None if len(keys) > _WHOLE else keys))


def take_numbers(store: Store, connection: Connection, kind: str, count: int) -> range:
    """Reserve `count` consecutive numbers inside the caller's transaction."""
    if not count:
        return range(0)
    name = f"identity.{kind}.last_number"
    row = connection.execute(select(tables.kv.c.value).where(tables.kv.c.key == name)).first()
    last = int(row[0]) if row else 0
    store.upsert(
        connection, tables.kv, {"key": name, "value": str(last + count), "updated_at": stamp()}, ["key"]
    )  # fmt: skip
    return range(last + 1, last + count + 1)


def bind(store: Store, connection: Connection, kind: str, anchors: pl.DataFrame, at: str) -> None:
    """Bind new keys to their anchors, and living keys that lost theirs to another. `anchors`: golden_key, record."""
    t = tables.golden_keys
    fresh = anchors.filter(pl.col("is_new"))
    for part in fresh.iter_slices(BATCH):
        connection.execute(
            insert(t), [{"kind": kind, "created_at": at, **row} for row in part.drop("is_new").to_dicts()]
        )
    for row in anchors.filter(~pl.col("is_new")).drop("is_new").to_dicts():
        known = connection.execute(
            select(t.c.created_at).where(t.c.kind == kind, t.c.golden_key == row["golden_key"])
        ).scalar()
        store.upsert(connection, t, {"kind": kind, **row, "created_at": known or at}, ["kind", "golden_key"])


def carry(connection: Connection, kind: str, new: pl.DataFrame, moved: pl.DataFrame, at: str) -> None:
    """Write which keys records carry. `new`: source, source_id, golden_key; `moved`: the same with from_key."""
    t = tables.registry
    for part in new.iter_slices(BATCH):
        connection.execute(insert(t), [{"kind": kind, "since": at, **row} for row in part.to_dicts()])
    change = (
        update(t)
        .where(t.c.kind == kind, t.c.source == bindparam("s"), t.c.source_id == bindparam("i"))
        .values(golden_key=bindparam("k"), since=at)
    )
    for part in moved.iter_slices(BATCH):
        rows = part.select(*KEYS, "golden_key", "from_key").rows()
        connection.execute(change, [{"s": s, "i": i, "k": k} for s, i, k, _ in rows])
        connection.execute(
            insert(tables.registry_moves),
            [
                {"kind": kind, "source": s, "source_id": i, "from_key": before, "to_key": k, "at": at}
                for s, i, k, before in rows
            ],
        )


def lead(connection: Connection, kind: str, aliases: dict[str, str], living: Iterable[str]) -> None:
    """Let retired keys lead to living ones; keys that live again are no aliases any more."""
    t, at = tables.aliases, stamp()
    targets = dict(aliases)
    retired = sorted(aliases)
    for start in range(0, len(retired), _CHUNK):
        # what led to a key that is now retired, and has no record of its own, follows it
        asked = select(t.c.alias_key, t.c.golden_key).where(t.c.kind == kind)
        for alias, key in connection.execute(asked.where(t.c.golden_key.in_(retired[start : start + _CHUNK]))):
            targets.setdefault(alias, aliases[key])
    ended = [{"k": key} for key in (*targets, *living)]
    for start in range(0, len(ended), BATCH):
        connection.execute(
            delete(t).where(t.c.kind == kind, t.c.alias_key == bindparam("k")), ended[start : start + BATCH]
        )
    rows = [{"kind": kind, "alias_key": alias, "golden_key": key, "since": at} for alias, key in targets.items()]
    for start in range(0, len(rows), BATCH):
        connection.execute(insert(t), rows[start : start + BATCH])


def note(connection: Connection, kind: str, events: Iterable[tuple[str, str, str | None]], at: str) -> None:
    """Add (event, golden_key, other_key) to the history."""
    rows = [{"kind": kind, "event": e, "golden_key": k, "other_key": o, "at": at} for e, k, o in events]
    for start in range(0, len(rows), BATCH):
        connection.execute(insert(tables.registry_history), rows[start : start + BATCH])


def _by_source(records: pl.DataFrame) -> Iterable[tuple[str, list[str]]]:
    for (source,), part in records.select(KEYS).group_by("source", maintain_order=True):
        yield str(source), part["source_id"].to_list()


def _read(store: Store, statement: Any, column: Any, values: Iterable[str] | None) -> list[tuple[Any, ...]]:
    """Rows of `statement`, all or those whose `column` is one of `values`."""
    rows: list[tuple[Any, ...]] = []
    with store.read() as connection:
        if values is None:
            return [tuple(row) for row in connection.execute(statement)]
        wanted = sorted(set(values))
        for start in range(0, len(wanted), _CHUNK):
            part = statement.where(column.in_(wanted[start : start + _CHUNK]))
            rows += [tuple(row) for row in connection.execute(part)]
    return rows
