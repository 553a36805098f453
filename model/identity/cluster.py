"""From identifiers to clusters: links by rule, connected components, and cuts where a link must not hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

# Strongest first: the order in which links are kept where a component has to be cut.
RULES = (
    "decision",
    "merged_in_source",
    "ref:crm",
    "ref:erp",
    "ref:tickets",
    "ref:projects",
    "uscc",
    "org",
    "registration",
    "tax",
    "master",
    "email",
    "code",
)
MAX_NAMES_PER_IDENTIFIER = 20
_EDGE = {"left": pl.Int64, "right": pl.Int64, "rule": pl.String, "evidence": pl.String}


@dataclass(frozen=True)
class Clusters:
    """`members`: row, cluster, rule, evidence (one row per record); `conflicts`: row, kind, detail."""

    members: pl.DataFrame
    conflicts: pl.DataFrame


def resolve(records: pl.DataFrame, identifiers: pl.DataFrame, extra: pl.DataFrame, vetoes: pl.DataFrame) -> Clusters:
    """Cluster `records` (row, source, source_id, role, code, clean_name).

    `identifiers`: row, kind, value. `extra`: further links (left, right, rule, evidence). `vetoes`: left, right of
    records that must stay apart. Two records with different valid credit codes stay apart as well, unless a
    decision or a merge in the source joined them. Cost is linear in records and links, except inside components
    that contain a veto.
    """
    shared, overused = _without_overused(records, identifiers)
    edges = pl.concat([_stars(shared), _references(records, identifiers), extra.select(list(_EDGE))])
    edges = edges.filter(pl.col("left") != pl.col("right")).with_columns(
        strength=pl.col("rule").replace_strict({rule: i for i, rule in enumerate(RULES)}, return_dtype=pl.Int32)
    )
    labels = _components(len(records), edges)
    cuts = _forbidden(labels, identifiers, vetoes)
    conflicts = [overused]
    if len(cuts):
        edges, conflict = _cut(labels, edges, cuts)
        conflicts.append(conflict)
        labels = _components(len(records), edges)
    return Clusters(_explain(labels, edges), pl.concat(conflicts))


def _without_overused(records: pl.DataFrame, identifiers: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Drop values under which too many different names stand: a default somebody typed, not an identity."""
    values = identifiers.filter(~pl.col("kind").str.starts_with("ref:"))
    shared = values.filter(pl.len().over("kind", "value") > 1)
    names = shared.join(records.select("row", "clean_name"), on="row")
    bad = (
        names.group_by("kind", "value")
        .agg(names=pl.col("clean_name").n_unique())
        .filter((pl.col("names") > MAX_NAMES_PER_IDENTIFIER) & (pl.col("kind") != "master"))
    )
    hit = shared.join(bad, on=["kind", "value"])
    conflict = hit.select("row", kind=pl.lit("overused_identifier"), detail=pl.col("kind") + "=" + pl.col("value"))
    return shared.join(bad, on=["kind", "value"], how="anti"), conflict


def _stars(shared: pl.DataFrame) -> pl.DataFrame:
    """Every record of a value linked to the value's first record."""
    return (
        shared.with_columns(left=pl.col("row").min().over("kind", "value"))
        .filter(pl.col("left") != pl.col("row"))
        .select("left", right="row", rule="kind", evidence=pl.col("kind") + "=" + pl.col("value"))
    )


def _references(records: pl.DataFrame, identifiers: pl.DataFrame) -> pl.DataFrame:
    """Links from a record that names another source's code to the records of that role with this code or id.

    A code that several sources of one role know is ambiguous and links nothing; a code wins over an id.
    """
    refs = identifiers.filter(pl.col("kind").str.starts_with("ref:"))
    if not len(refs):
        return pl.DataFrame(schema=_EDGE)
    addresses = records.select("row", "source", "source_id", "code", kind="ref:" + pl.col("role"))
    wanted = refs.select("kind", "value").unique()
    by_code = wanted.join(addresses, left_on=["kind", "value"], right_on=["kind", "code"])
    by_id = wanted.join(addresses, left_on=["kind", "value"], right_on=["kind", "source_id"])
    both = pl.concat(
        [
            by_code.select("kind", "value", "row", "source", level=0),
            by_id.select("kind", "value", "row", "source", level=1),
        ]
    )
    best = both.filter(pl.col("level") == pl.col("level").min().over("kind", "value"))
    best = best.filter(pl.col("source").n_unique().over("kind", "value") == 1)
    return refs.join(best.select("kind", "value", target="row"), on=["kind", "value"]).select(
        left="row", right="target", rule="kind", evidence=pl.col("kind").str.slice(4) + "_code=" + pl.col("value")
    )


def _components(count: int, edges: pl.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    left, right = edges["left"].to_numpy(), edges["right"].to_numpy()
    graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(count, count))
    labels: np.ndarray[tuple[int], np.dtype[np.int64]] = connected_components(graph, directed=False)[1]
    return labels.astype(np.int64)


def _forbidden(
    labels: np.ndarray[tuple[int], np.dtype[np.int64]], identifiers: pl.DataFrame, vetoes: pl.DataFrame
) -> pl.DataFrame:
    """Clusters that hold records which must stay apart: cluster, with the reason."""
    codes = identifiers.filter(pl.col("kind") == "uscc")
    # a branch's value carries its name; what must stay apart is the code, and a branch from its head office
    codes = codes.with_columns(
        cluster=pl.Series(labels[codes["row"].to_numpy()], dtype=pl.Int64),
        code=pl.col("value").str.replace(r"\|.*$", "|"),
    )
    several = codes.group_by("cluster").agg(n=pl.col("code").n_unique()).filter(pl.col("n") > 1).select("cluster")
    inside = vetoes.filter(
        pl.Series(labels[vetoes["left"].to_numpy()] == labels[vetoes["right"].to_numpy()], dtype=pl.Boolean)
    )
    held = pl.DataFrame({"cluster": labels[inside["left"].to_numpy()]}, schema={"cluster": pl.Int64})
    broken = pl.concat([several, held]).unique()
    pairs = codes.join(broken, on="cluster").select("cluster", "row", "code")
    apart = inside.with_columns(cluster=pl.Series(labels[inside["left"].to_numpy()], dtype=pl.Int64))
    return pl.concat(
        [
            pairs.select("cluster", "row", "code", other=pl.lit(None, dtype=pl.Int64)),
            apart.select("cluster", row="left", code=pl.lit(None, dtype=pl.String), other="right"),
        ]
    )


def _cut(
    labels: np.ndarray[tuple[int], np.dtype[np.int64]], edges: pl.DataFrame, cuts: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rebuild the affected components link by link, strongest first, refusing links that would break a veto."""
    edges = edges.with_columns(cluster=pl.Series(labels[edges["left"].to_numpy()], dtype=pl.Int64))
    broken = cuts.select("cluster").unique()
    fine = edges.join(broken, on="cluster", how="anti")
    inside = edges.join(broken, on="cluster").sort("strength", "left", "right", "evidence")
    codes: dict[int, set[str]] = {}
    for row, code in cuts.filter(pl.col("code").is_not_null()).select("row", "code").iter_rows():
        codes.setdefault(row, set()).add(code)
    apart: dict[int, set[int]] = {}
    for left, right in cuts.filter(pl.col("other").is_not_null()).select("row", "other").iter_rows():
        apart.setdefault(left, set()).add(right)
        apart.setdefault(right, set()).add(left)
    keep, refused = _join_within_vetoes(inside, codes, apart)
    conflict = inside.filter(pl.Series(refused, dtype=pl.Boolean)).select(
        row="left", kind=pl.lit("refused_link"), detail=pl.col("evidence")
    )
    return pl.concat([fine, inside.filter(pl.Series(keep, dtype=pl.Boolean))]).drop("cluster"), conflict


def _join_within_vetoes(
    inside: pl.DataFrame, codes: dict[int, set[str]], apart: dict[int, set[int]]
) -> tuple[list[bool], list[bool]]:
    parent: dict[int, int] = {}
    members: dict[int, set[int]] = {}

    def find(row: int) -> int:
        root = row
        while parent.setdefault(root, root) != root:
            root = parent[root]
        while parent[row] != root:
            parent[row], row = root, parent[row]
        return root

    keep: list[bool] = []
    for left, right, rule in inside.select("left", "right", "rule").iter_rows():
        a, b = find(left), find(right)
        if a == b:
            keep.append(True)
            continue
        in_a, in_b = members.get(a, {a}), members.get(b, {b})
        vetoed = any(apart.get(row, set()) & in_b for row in in_a)
        both = codes.get(a, set()) | codes.get(b, set())
        foreign = len(both) > 1 and rule not in ("decision", "merged_in_source")
        if (vetoed and rule != "merged_in_source") or foreign:
            keep.append(False)
            continue
        parent[b] = a
        members[a] = in_a | in_b
        codes[a] = both
        keep.append(True)
    return keep, [not kept for kept in keep]


def _explain(labels: np.ndarray[tuple[int], np.dtype[np.int64]], edges: pl.DataFrame) -> pl.DataFrame:
    """Per record its cluster and the strongest link that holds it there; a record alone has rule `single`."""
    touching = pl.concat(
        [
            edges.select("strength", "rule", "evidence", row="left"),
            edges.select("strength", "rule", "evidence", row="right"),
        ]
    )
    best = touching.sort("row", "strength", "evidence").unique("row", keep="first", maintain_order=True)
    members = pl.DataFrame({"row": np.arange(len(labels), dtype=np.int64), "cluster": labels})
    return members.join(best.select("row", "rule", "evidence"), on="row", how="left").with_columns(
        pl.col("rule")
        .fill_null("single")
        .str.replace("ref:tickets", "service_code")
        .str.replace("ref:projects", "project_code")
        .str.replace(r"ref:(crm|erp)", "${1}_code")
    )
