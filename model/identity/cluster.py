"""From links to clusters: identifiers first, then what the matcher found, within guards.

Identifiers and merges in the source are joined by connected components, and cut where a link must not hold. What they
joined is one unit for the matcher's links, which are taken strongest first (matching/join.py). Decisions come last:
they join whole customers as everything else made them.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from model.identity.matching.join import Links, join
from model.identity.matching.settings import shipped

DECISION = "decision"
# Strongest first: the order in which links are kept where a component has to be cut.
RULES = (
    DECISION,
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
    "phone",
)
MAX_NAMES_PER_IDENTIFIER = 20
_Labels = np.ndarray[tuple[int], np.dtype[np.int64]]
# the matcher's links come after every identifier: those by a rule, then those by their weight
_RULED, _LIKELY = len(RULES), len(RULES) + 1
LIKELY = "likely"
_EDGE = {"left": pl.Int64, "right": pl.Int64, "rule": pl.String, "evidence": pl.String}


@dataclass(frozen=True)
class Clusters:
    """`members`: row, cluster, rule, evidence (one row per record); `conflicts`: row, kind, detail; `refused`: per
    matched pair why its link was not taken ('' otherwise)."""

    members: pl.DataFrame
    conflicts: pl.DataFrame
    refused: list[str]


def resolve(
    records: pl.DataFrame,
    identifiers: pl.DataFrame,
    extra: pl.DataFrame,
    vetoes: pl.DataFrame,
    matched: pl.DataFrame | None = None,
    duplicate_free: AbstractSet[str] = frozenset(),
) -> Clusters:
    """Cluster `records` (row, source, source_id, role, code, clean_name).

    `identifiers`: row, kind, value. `extra`: further links (left, right, rule, evidence). `vetoes`: left, right of
    records that must stay apart. Two records with different valid credit codes stay apart as well, unless a
    decision or a merge in the source joined them. `matched`: pairs of the matcher (left, right, bits, probability,
    rule, veto, is_link, and is_kept where some go before all others); `duplicate_free`: sources of which a cluster of
    the matcher's holds one record at most.
    Cost is linear in records and links, except inside components that contain a veto.
    """
    shared, overused = _without_overused(records, identifiers)
    edges = pl.concat([_stars(shared), _references(records, identifiers), extra.select(list(_EDGE))])
    edges = edges.filter(pl.col("left") != pl.col("right")).with_columns(
        strength=pl.col("rule").replace_strict({rule: i for i, rule in enumerate(RULES)}, return_dtype=pl.Int32)
    )
    decided, edges = edges.filter(pl.col("rule") == DECISION), edges.filter(pl.col("rule") != DECISION)
    labels = _components(len(records), edges)
    cuts = _forbidden(labels, identifiers, vetoes)
    conflicts = [overused]
    if len(cuts):
        edges, conflict = _cut(labels, edges, cuts)
        conflicts.append(conflict)
        labels = _components(len(records), edges)
    refused: list[str] = []
    if matched is not None and len(matched):
        labels, refused = _join_matched(records, labels, identifiers, vetoes, matched, duplicate_free)
        edges = pl.concat([edges, _evidence(records, matched, refused)])
    if len(decided):
        labels, decided, conflict = _join_decided(labels, decided, vetoes)
        edges = pl.concat([edges, decided])
        conflicts.append(conflict)
    return Clusters(_explain(labels, edges), pl.concat(conflicts), refused)


def _join_matched(
    records: pl.DataFrame,
    labels: _Labels,
    identifiers: pl.DataFrame,
    vetoes: pl.DataFrame,
    matched: pl.DataFrame,
    duplicate_free: AbstractSet[str],
) -> tuple[_Labels, list[str]]:
    """Labels once the matcher's links are taken as well, and per matched pair why its link was not."""
    links = matched.with_row_index("place").filter("is_link").sort("left", "right")
    forbidden = pl.concat(
        [vetoes.select("left", "right"), matched.filter(pl.col("veto") != "").select("left", "right")]
    )
    codes: list[str | None] = [None] * len(records)
    # a branch under its head office's code is kept apart by its name
    known = _codes(identifiers).with_columns(pl.col("code").str.strip_chars_end("|"))
    for row, code in known.sort("row", "code", descending=[False, True]).iter_rows():
        codes[row] = code
    free = pl.col("source").is_in(sorted(duplicate_free))
    sources = records.select(pl.when(free).then("source")).to_series().to_list()
    found, reasons = join(
        labels,
        sources,
        codes,
        Links(
            links["left"].to_numpy(),
            links["right"].to_numpy(),
            links["bits"].to_numpy(),
            (links["rule"] != "").to_numpy(),
            links["is_kept"].to_numpy() if "is_kept" in links.columns else None,
        ),
        (forbidden["left"].to_numpy(), forbidden["right"].to_numpy()),
        shipped().guards,
    )
    refused = [""] * len(matched)
    places = links["place"].to_numpy()
    for index in np.flatnonzero(np.array(reasons, dtype=object) != ""):
        refused[int(places[index])] = reasons[index]
    return found, refused


def _join_decided(
    labels: _Labels, decided: pl.DataFrame, vetoes: pl.DataFrame
) -> tuple[_Labels, pl.DataFrame, pl.DataFrame]:
    """Labels once every decided pair's customers are one, the links that hold, and as conflicts those that do not:
    another decision keeps the two customers apart."""
    decided = decided.sort("left", "right", "evidence")
    root: dict[int, int] = {}

    def find(label: int) -> int:
        while root.setdefault(label, label) != label:
            label = root[label]
        return label

    apart: dict[int, set[int]] = {}
    for left, right in vetoes.select("left", "right").iter_rows():
        one, two = int(labels[left]), int(labels[right])
        if one != two:
            apart.setdefault(one, set()).add(two)
            apart.setdefault(two, set()).add(one)
    keep: list[bool] = []
    for left, right in decided.select("left", "right").iter_rows():
        a, b = find(int(labels[left])), find(int(labels[right]))
        held = a != b and b in {find(label) for label in apart.get(a, ())}
        keep.append(not held)
        if a != b and not held:
            root[b] = a
            apart[a] = apart.get(a, set()) | apart.pop(b, set())
    moved = sorted(label for label in root if root[label] != label)
    joined = labels.copy()
    if moved:
        place = np.minimum(np.searchsorted(moved, labels), len(moved) - 1)
        hit = np.array(moved)[place] == labels
        joined[hit] = np.array([find(label) for label in moved])[place[hit]]
    held_back = decided.filter(~pl.Series(keep, dtype=pl.Boolean))
    conflict = held_back.select(row="left", kind=pl.lit("refused_link"), detail=pl.col("evidence"))
    return joined, decided.filter(pl.Series(keep, dtype=pl.Boolean)), conflict


def _evidence(records: pl.DataFrame, matched: pl.DataFrame, refused: list[str]) -> pl.DataFrame:
    """The matcher's links that were taken, as edges: each side's evidence is the other record."""
    taken = matched.filter(pl.col("is_link") & (pl.Series(refused, dtype=pl.String) == ""))
    chance = pl.col("probability").round(4).cast(pl.String)
    name = records["source"] + ":" + records["source_id"]
    return taken.select(
        "left",
        "right",
        rule=pl.when(pl.col("rule") == "").then(pl.lit(LIKELY)).otherwise(pl.col("rule").str.replace_all(" ", "_")),
        evidence=pl.lit("probability ") + chance + ": "
        + pl.Series(name.gather(taken["left"])) + " = " + pl.Series(name.gather(taken["right"])),
        strength=pl.when(pl.col("rule") == "").then(_LIKELY).otherwise(_RULED).cast(pl.Int32),
    )  # fmt: skip


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


def _components(count: int, edges: pl.DataFrame) -> _Labels:
    left, right = edges["left"].to_numpy(), edges["right"].to_numpy()
    graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(count, count))
    labels: _Labels = connected_components(graph, directed=False)[1]
    return labels.astype(np.int64)


def _codes(identifiers: pl.DataFrame) -> pl.DataFrame:
    """row, code of valid credit codes; a branch's carries its name, and is another code than its head office's."""
    found = identifiers.filter(pl.col("kind") == "uscc")
    return found.select("row", code=pl.col("value").str.replace(r"\|.*$", "|"))


def _forbidden(labels: _Labels, identifiers: pl.DataFrame, vetoes: pl.DataFrame) -> pl.DataFrame:
    """Clusters that hold records which must stay apart: cluster, with the reason."""
    codes = _codes(identifiers)
    codes = codes.with_columns(cluster=pl.Series(labels[codes["row"].to_numpy()], dtype=pl.Int64))
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


def _cut(labels: _Labels, edges: pl.DataFrame, cuts: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
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
        one, two = codes.get(a, set()), codes.get(b, set())
        # codes that a merge joined already are no conflict of this link
        foreign = rule != "merged_in_source" and not (one <= two or two <= one)
        if (vetoed and rule != "merged_in_source") or foreign:
            keep.append(False)
            continue
        parent[b] = a
        members[a] = in_a | in_b
        codes[a] = one | two
        keep.append(True)
    return keep, [not kept for kept in keep]


def _explain(labels: _Labels, edges: pl.DataFrame) -> pl.DataFrame:
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
