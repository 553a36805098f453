"""Golden keys: assigned once, kept over rebuilds, merges and splits; the registry lives in the operational store.

Overlap of old keys × new clusters, ordered by (anchor record, overlap, age), is assigned one to one. A key that finds
no cluster is retired and leads to the cluster of its anchor record. A cluster that finds no key takes back the retired
key bound to one of its records that lived last, else it gets a new one, bound to its first record. The same clusters
get the same keys again, however often and in whatever order they come.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from model.identity import registry
from model.identity.registry import KEYS, read_records, read_registry
from ops.store import Store, stamp

__all__ = ["PREFIXES", "assign", "read_records", "read_registry"]
PREFIXES = {"customer": "C", "employee": "E", "product": "P"}
_ANCHORS = {"golden_key": pl.String, "source": pl.String, "source_id": pl.String, "is_new": pl.Boolean}


@dataclass(frozen=True)
class _Kept:
    """`keys`: cluster, golden_key that stay. `lost`: golden_key → cluster with most of it. `scattered`: of several."""

    keys: pl.DataFrame
    lost: dict[str, int]
    scattered: frozenset[str]


def assign(store: Store, kind: str, members: pl.DataFrame, registered: pl.DataFrame) -> pl.DataFrame:
    """Give every cluster its golden key and commit what changed to the registry.

    `members`: source, source_id, cluster. `registered`: the registry rows that can matter. Result: source,
    source_id, golden_key. Idempotent: the same clusters get the same keys again.
    """
    joined = members.join(registered, on=KEYS, how="left")
    kept = _keep(store, kind, members, joined)
    leftover = members.join(kept.keys, on="cluster", how="anti")
    bound = registry.read_bound(store, kind, [], leftover)
    reclaimed = _reclaim(store, kind, leftover, bound, kept.keys)
    fresh = (
        leftover.join(reclaimed, on="cluster", how="anti")
        .sort(KEYS)
        .unique("cluster", keep="first", maintain_order=True)
    )
    known = pl.concat([kept.keys, reclaimed])
    moved = (
        joined.drop("since")
        .filter(pl.col("golden_key").is_not_null())
        .rename({"golden_key": "from_key"})
        .join(known, on="cluster", how="left")
        .filter(pl.col("golden_key").is_null() | (pl.col("golden_key") != pl.col("from_key")))
    )
    new = joined.filter(pl.col("golden_key").is_null()).select(*KEYS, "cluster")
    if not len(new) and not len(moved):
        return members.join(known, on="cluster").select(*KEYS, "golden_key")
    at = stamp()
    with store.begin() as connection:
        numbers = registry.take_numbers(store, connection, kind, len(fresh))
        made = fresh.with_columns(
            golden_key=pl.Series([f"{PREFIXES[kind]}{n:06d}" for n in numbers], dtype=pl.String)
        ).select("golden_key", *KEYS, "cluster")
        chosen = pl.concat([known, made.select("cluster", "golden_key")])
        result = members.join(chosen, on="cluster").select(*KEYS, "golden_key")
        moves = moved.drop("golden_key").join(chosen, on="cluster").select(*KEYS, "from_key", "golden_key")
        registry.carry(connection, kind, new.join(chosen, on="cluster").select(*KEYS, "golden_key"), moves, at)
        homes = _homes(store, kind, result, registered, moves, kept, chosen)
        anchors = made.select("golden_key", *KEYS, is_new=pl.lit(True))
        registry.bind(store, connection, kind, pl.concat([anchors, homes.anchors]), at)
        registry.lead(connection, kind, homes.aliases, reclaimed["golden_key"].to_list())
        events = [("create", str(key), None) for key in made["golden_key"]]
        born = {*made["golden_key"], *reclaimed["golden_key"]}
        registry.note(connection, kind, [*events, *_events(moves, kept, homes.aliases, born)], at)
    return result


def _keep(store: Store, kind: str, members: pl.DataFrame, joined: pl.DataFrame) -> _Kept:
    """Which old keys stay with which cluster, and which lose theirs."""
    old = joined.sort(KEYS).with_row_index("first").filter(pl.col("golden_key").is_not_null())
    overlap = old.group_by("golden_key", "cluster").agg(
        overlap=pl.len(), since=pl.col("since").min(), first=pl.col("first").min()
    )
    settled = overlap.filter((pl.len().over("golden_key") == 1) & (pl.len().over("cluster") == 1)).select(
        "cluster", "golden_key"
    )
    disputed = overlap.join(settled, on="cluster", how="anti")
    bound = registry.read_bound(store, kind, disputed["golden_key"].unique().to_list(), members.clear())
    anchored = bound.join(members, on=KEYS).select("golden_key", "cluster", has_anchor=pl.lit(True))
    disputed = (
        disputed.join(anchored, on=["golden_key", "cluster"], how="left")
        .join(bound.select("golden_key", "created_at"), on="golden_key", how="left")
        .with_columns(pl.col("has_anchor").fill_null(False), age=pl.coalesce("created_at", "since"))
        .sort(["has_anchor", "overlap", "age", "golden_key", "first"], descending=[True, True, False, False, False])
    )
    taken: dict[int, str] = {}
    used: set[str] = set()
    for key, cluster in disputed.select("golden_key", "cluster").iter_rows():
        if cluster not in taken and key not in used:
            taken[cluster] = key
            used.add(key)
    won = pl.DataFrame(
        {"cluster": list(taken), "golden_key": list(taken.values())},
        schema={"cluster": members.schema["cluster"], "golden_key": pl.String},
    )
    losing = disputed.filter(~pl.col("golden_key").is_in(list(used))).select("golden_key", "cluster")
    lost: dict[str, int] = {}
    several: set[str] = set()
    for key, cluster in losing.iter_rows():
        if lost.setdefault(key, cluster) != cluster:
            several.add(key)
    return _Kept(pl.concat([settled, won]), lost, frozenset(several))


def _reclaim(store: Store, kind: str, leftover: pl.DataFrame, bound: pl.DataFrame, kept: pl.DataFrame) -> pl.DataFrame:
    """cluster, golden_key: of the keys bound to its records that nobody carries, the one that lived last."""
    free = leftover.join(bound, on=KEYS).join(kept.select("golden_key"), on="golden_key", how="anti")
    keys = free["golden_key"].to_list()
    used, left = registry.in_use(store, kind, keys), registry.last_left(store, kind, keys)
    return (
        free.filter(~pl.col("golden_key").is_in(list(used)))
        .with_columns(left=pl.Series([left.get(key, 0) for key in keys if key not in used], dtype=pl.Int64))
        .sort("left", "created_at", "golden_key", descending=[True, False, False])
        .unique("cluster", keep="first", maintain_order=True)
        .select("cluster", "golden_key")
    )


@dataclass(frozen=True)
class _Homes:
    """`aliases`: retired key → living key. `anchors`: living keys whose anchor left them, with the one they get."""

    aliases: dict[str, str]
    anchors: pl.DataFrame


def _homes(
    store: Store,
    kind: str,
    result: pl.DataFrame,
    registered: pl.DataFrame,
    moves: pl.DataFrame,
    kept: _Kept,
    chosen: pl.DataFrame,
) -> _Homes:
    """Where keys lead whose anchor moved, or that lost their cluster."""
    bound = registry.read_bound(store, kind, list(kept.lost), moves.select(KEYS))
    at_anchor = bound.join(result.rename({"golden_key": "target"}), on=KEYS, how="left")
    living = set(chosen["golden_key"])
    clusters = dict(chosen.iter_rows())
    aliases = {key: clusters[cluster] for key, cluster in kept.lost.items()}
    astray: list[str] = []
    for key, target in at_anchor.select("golden_key", "target").iter_rows():
        if target is None or target == key:
            continue
        if key in living:
            astray.append(key)
        else:
            aliases[key] = target
    absent = [key for key in aliases if key not in kept.lost]
    carried = registry.in_use(store, kind, absent)
    now = registry.read_aliases(store, kind, list(aliases))
    aliases = {key: home for key, home in aliases.items() if key not in carried and now.get(key) != home}
    anchors = (
        result.filter(pl.col("golden_key").is_in(astray))
        .join(registered.select(*KEYS, "golden_key", "since"), on=[*KEYS, "golden_key"], how="left")
        .sort("golden_key", "since", *KEYS, nulls_last=True)
        .unique("golden_key", keep="first", maintain_order=True)
        .select("golden_key", *KEYS, is_new=pl.lit(False))
    )
    return _Homes(aliases, anchors)


def _events(
    moves: pl.DataFrame, kept: _Kept, aliases: dict[str, str], born: set[str]
) -> list[tuple[str, str, str | None]]:
    """What happened to keys: merged into another, retired (scattered over several), split off, records moved."""
    events: list[tuple[str, str, str | None]] = []
    for key in sorted(kept.lost):
        home = aliases.get(key)
        scattered = key in kept.scattered
        events.append(("retire", key, home) if scattered or home is None else ("merge", home, key))
    pairs = moves.select("from_key", "golden_key").unique().sort("from_key", "golden_key")
    for before, key in pairs.iter_rows():
        if before not in kept.lost:
            events.append(("split" if key in born else "move", key, before))
    return events
