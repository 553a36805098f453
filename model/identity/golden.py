"""Golden keys: assigned once, kept over rebuilds, merges and splits; the registry lives in the operational store.

Overlap of old keys × new clusters, ordered by (anchor record, overlap, age), is assigned one to one; a key that
finds no cluster becomes an alias of the cluster that took most of its records, a cluster that finds no key gets a
new one. The anchor of a key is the record that has carried it longest.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl
from sqlalchemy import Table, bindparam, insert, select, update

from ops import clock, tables
from ops.store import Store, stamp

PREFIXES = {"customer": "C", "employee": "E", "product": "P"}
_KEYS = ["source", "source_id"]
_SCHEMA = {"source": pl.String, "source_id": pl.String, "golden_key": pl.String, "since": pl.String}
_BATCH = 20_000


def read_registry(store: Store, kind: str, keys: Iterable[str] | None = None) -> pl.DataFrame:
    """source, source_id, golden_key, since of every registered record, or of the given golden keys only."""
    t = tables.registry
    statement = select(t.c.source, t.c.source_id, t.c.golden_key, t.c.since).where(t.c.kind == kind)
    rows: list[tuple[Any, ...]] = []
    with store.read() as connection:
        if keys is None:
            rows = [tuple(row) for row in connection.execute(statement)]
        else:
            wanted = sorted(set(keys))
            for start in range(0, len(wanted), 500):
                part = statement.where(t.c.golden_key.in_(wanted[start : start + 500]))
                rows += [tuple(row) for row in connection.execute(part)]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def read_records(store: Store, kind: str, records: pl.DataFrame) -> pl.DataFrame:
    """The registry rows of `records` (source, source_id) and of every record that shares a golden key with them."""
    t = tables.registry
    keys: set[str] = set()
    with store.read() as connection:
        for source in records["source"].unique().to_list():
            ids = records.filter(pl.col("source") == source)["source_id"].to_list()
            for start in range(0, len(ids), 500):
                statement = select(t.c.golden_key).where(
                    t.c.kind == kind, t.c.source == source, t.c.source_id.in_(ids[start : start + 500])
                )
                keys |= {row[0] for row in connection.execute(statement)}
    return read_registry(store, kind, keys)


def assign(store: Store, kind: str, members: pl.DataFrame, registered: pl.DataFrame) -> pl.DataFrame:
    """Give every cluster its golden key and commit what changed to the registry.

    `members`: source, source_id, cluster. `registered`: the registry rows that can matter. Result: source,
    source_id, golden_key. Idempotent: the same clusters get the same keys again.
    """
    joined = members.join(registered, on=_KEYS, how="left")
    kept, losers = _keep(joined, registered)
    fresh = (
        members.join(kept, on="cluster", how="anti")
        .sort("source", "source_id")
        .unique("cluster", keep="first", maintain_order=True)
        .select("cluster")
    )
    numbers = _take_numbers(store, kind, len(fresh))
    fresh = fresh.with_columns(golden_key=pl.Series([f"{PREFIXES[kind]}{n:06d}" for n in numbers], dtype=pl.String))
    chosen = pl.concat([kept, fresh])
    result = members.join(chosen, on="cluster").select(*_KEYS, "golden_key")
    changed = result.join(registered, on=[*_KEYS, "golden_key"], how="anti")
    known = changed.join(registered.select(_KEYS), on=_KEYS)
    new = changed.join(registered.select(_KEYS), on=_KEYS, how="anti")
    _commit(store, kind, new, known, losers.join(chosen, on="cluster"), fresh["golden_key"].to_list())
    return result


def _keep(joined: pl.DataFrame, registered: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(cluster, golden_key) that stay, and (old_key, cluster) of keys that lost their cluster."""
    old = joined.filter(pl.col("golden_key").is_not_null())
    anchors = (
        registered.sort("golden_key", "since", "source", "source_id")
        .unique("golden_key", keep="first", maintain_order=True)
        .select(*_KEYS, "golden_key", anchor=pl.lit(True))
    )
    overlap = (
        old.join(anchors, on=[*_KEYS, "golden_key"], how="left")
        .group_by("golden_key", "cluster")
        .agg(has_anchor=pl.col("anchor").fill_null(False).any(), overlap=pl.len(), since=pl.col("since").min())
    )
    alone = overlap.filter((pl.len().over("golden_key") == 1) & (pl.len().over("cluster") == 1)).select(
        "cluster", "golden_key"
    )
    contested = overlap.join(alone, on="cluster", how="anti").sort(
        ["has_anchor", "overlap", "since", "golden_key", "cluster"], descending=[True, True, False, False, False]
    )
    taken: dict[int, str] = {}
    used: set[str] = set()
    for key, cluster in contested.select("golden_key", "cluster").iter_rows():
        if cluster not in taken and key not in used:
            taken[cluster] = key
            used.add(key)
    greedy = pl.DataFrame(
        {"cluster": list(taken), "golden_key": list(taken.values())},
        schema={"cluster": alone.schema["cluster"], "golden_key": pl.String},
    )
    losers = (
        contested.filter(~pl.col("golden_key").is_in(list(used)))
        .unique("golden_key", keep="first", maintain_order=True)
        .select("cluster", old_key="golden_key")
    )
    return pl.concat([alone, greedy]), losers


def _take_numbers(store: Store, kind: str, count: int) -> range:
    """Reserve `count` consecutive numbers; a number is never used twice, even when a build fails afterwards."""
    if not count:
        return range(0)
    name = f"identity.{kind}.last_number"
    with store.begin() as connection:
        row = connection.execute(select(tables.kv.c.value).where(tables.kv.c.key == name)).first()
        last = int(row[0]) if row else 0
        store.upsert(
            connection,
            tables.kv,
            {"key": name, "value": str(last + count), "updated_at": stamp(clock.now())},
            ["key"],
        )
    return range(last + 1, last + count + 1)


def _commit(
    store: Store, kind: str, new: pl.DataFrame, moved: pl.DataFrame, losers: pl.DataFrame, created: list[str]
) -> None:
    at = stamp(clock.now())
    with store.begin() as connection:
        for frame in new.iter_slices(_BATCH):
            rows = [{"kind": kind, "since": at, **row} for row in frame.to_dicts()]
            connection.execute(insert(tables.registry), rows)
        t = tables.registry
        change = (
            update(t)
            .where(t.c.kind == kind, t.c.source == bindparam("s"), t.c.source_id == bindparam("i"))
            .values(golden_key=bindparam("k"), since=at)
        )
        for frame in moved.iter_slices(_BATCH):
            connection.execute(change, [{"s": s, "i": i, "k": k} for s, i, k in frame.iter_rows()])
        for old_key, new_key in losers.select("old_key", "golden_key").iter_rows():
            _alias(store, connection, kind, old_key, new_key, at)
        if created:
            _history(connection, tables.registry_history, kind, created, at)


def _alias(store: Store, connection: Any, kind: str, old_key: str, new_key: str, at: str) -> None:
    t = tables.aliases
    connection.execute(
        update(t).where(t.c.kind == kind, t.c.golden_key == old_key).values(golden_key=new_key, since=at)
    )
    row = {"kind": kind, "alias_key": old_key, "golden_key": new_key, "since": at}
    store.upsert(connection, t, row, ["kind", "alias_key"])
    event = {"kind": kind, "event": "merge", "golden_key": new_key, "other_key": old_key, "at": at}
    connection.execute(insert(tables.registry_history), [event])


def _history(connection: Any, table: Table, kind: str, created: list[str], at: str) -> None:
    for start in range(0, len(created), _BATCH):
        part = created[start : start + _BATCH]
        connection.execute(
            insert(table),
            [{"kind": kind, "event": "create", "golden_key": k, "other_key": None, "at": at} for k in part],
        )
