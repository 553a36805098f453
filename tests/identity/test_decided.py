"""A decision joins two customers as everything else made them: nobody is left behind by a guard."""

from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pytest

from model.identity import cluster

EXTRA = {"left": pl.Int64, "right": pl.Int64, "rule": pl.String, "evidence": pl.String}
PAIR = {"left": pl.Int64, "right": pl.Int64}
MATCHED = PAIR | {"bits": pl.Float64, "probability": pl.Float64, "rule": pl.String, "veto": pl.String}


def records(count: int) -> pl.DataFrame:
    """Records of crm and erp by turns, each with a name of its own."""
    sources = [("crm", "erp")[row % 2] for row in range(count)]
    return pl.DataFrame(
        {
            "row": range(count),
            "source": sources,
            "source_id": [str(row) for row in range(count)],
            "role": sources,
            "code": [f"K{row}" for row in range(count)],
            "clean_name": [f"name {row}" for row in range(count)],
        },
        schema_overrides={"row": pl.Int64},
    )


def likely(*pairs: tuple[int, int]) -> pl.DataFrame:
    rows = [(left, right, 9.0, 0.97, "", "") for left, right in pairs]
    return pl.DataFrame(rows, schema=MATCHED, orient="row").with_columns(is_link=pl.lit(True))


def same(*pairs: tuple[int, int]) -> pl.DataFrame:
    rows = [(left, right, "decision", f"decision {n}") for n, (left, right) in enumerate(pairs)]
    return pl.DataFrame(rows, schema=EXTRA, orient="row")


def clusters(
    count: int, decided: pl.DataFrame, apart: list[tuple[int, int]], matched: pl.DataFrame
) -> tuple[set[frozenset[int]], cluster.Clusters]:
    """The partition, and all that was found, with crm and erp free of duplicates."""
    none = pl.DataFrame(schema={"row": pl.Int64, "kind": pl.String, "value": pl.String})
    vetoes = pl.DataFrame(apart, schema=PAIR, orient="row")
    found = cluster.resolve(records(count), none, decided, vetoes, matched, frozenset({"crm", "erp"}))
    groups: dict[int, set[int]] = {}
    for row, label in found.members.select("row", "cluster").iter_rows():
        groups.setdefault(label, set()).add(row)
    return {frozenset(group) for group in groups.values()}, found


def test_one_decision_joins_two_whole_customers() -> None:
    apart, _ = clusters(4, same(), [], likely((0, 1), (2, 3)))
    assert apart == {frozenset({0, 1}), frozenset({2, 3})}
    joined, found = clusters(4, same((0, 2)), [], likely((0, 1), (2, 3)))
    assert joined == {frozenset({0, 1, 2, 3})}
    assert found.refused == ["", ""]


def test_a_customer_kept_apart_by_another_decision_is_not_joined_and_said() -> None:
    groups, found = clusters(4, same((0, 2)), [(1, 3)], likely((0, 1), (2, 3)))
    assert groups == {frozenset({0, 1}), frozenset({2, 3})}
    assert found.conflicts.select("row", "kind").rows() == [(0, "refused_link")]


def test_what_an_earlier_decision_joined_is_kept_apart_as_a_whole() -> None:
    groups, _ = clusters(6, same((0, 2), (2, 4)), [(1, 5)], likely((0, 1), (2, 3), (4, 5)))
    assert groups == {frozenset({0, 1, 2, 3}), frozenset({4, 5})}


@pytest.mark.parametrize("seed", range(8))
def test_many_decisions_give_the_components_of_their_graph(seed: int) -> None:
    draw = np.random.default_rng(seed)
    count = 40
    pairs = [(int(a), int(b)) for a, b in draw.integers(0, count // 2, (12, 2)) * 2 if a != b]
    groups, _ = clusters(count, same(*pairs), [], likely(*[(row, row + 1) for row in range(0, count, 2)]))
    wanted = [{row, row + 1} for row in range(0, count, 2)]
    for left, right in pairs:
        one, two = (next(group for group in wanted if row in group) for row in (left, right))
        if one is not two:
            wanted.remove(two)
            one |= two
    assert groups == {frozenset(group) for group in wanted}
    assert set(itertools.chain(*groups)) == set(range(count))
