"""The figures against an independent count over every pair and record."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.identity.metrics import agreement, ranking

LABELS = st.integers(1, 14).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 5), min_size=n, max_size=n), st.lists(st.integers(0, 5), min_size=n, max_size=n)
    )
)


def _f1(precision: float, recall: float) -> float:
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


def _groups(labels: list[int]) -> set[frozenset[int]]:
    return {frozenset(i for i, other in enumerate(labels) if other == label) for label in labels}


@given(LABELS)
def test_pairs_by_hand(labels: tuple[list[int], list[int]]) -> None:
    found, truth = labels
    pairs = list(combinations(range(len(found)), 2))
    said = {p for p in pairs if found[p[0]] == found[p[1]]}
    real = {p for p in pairs if truth[p[0]] == truth[p[1]]}
    precision = len(said & real) / len(said) if said else 1.0
    recall = len(said & real) / len(real) if real else 1.0
    measured = agreement(found, truth)["pair"]
    assert measured["precision"] == pytest.approx(precision)
    assert measured["recall"] == pytest.approx(recall)
    assert measured["f1"] == pytest.approx(_f1(precision, recall))


@given(LABELS)
def test_clusters_by_hand(labels: tuple[list[int], list[int]]) -> None:
    found, truth = map(_groups, labels)
    both = len(found & truth)
    measured = agreement(*labels)["cluster"]
    assert measured["precision"] == pytest.approx(both / len(found))
    assert measured["recall"] == pytest.approx(both / len(truth))
    assert measured["f1"] == pytest.approx(_f1(both / len(found), both / len(truth)))


@given(LABELS)
def test_b_cubed_by_hand(labels: tuple[list[int], list[int]]) -> None:
    found, truth = labels
    precisions, recalls = [], []
    for i in range(len(found)):
        mine = {j for j in range(len(found)) if found[j] == found[i]}
        real = {j for j in range(len(found)) if truth[j] == truth[i]}
        precisions.append(len(mine & real) / len(mine))
        recalls.append(len(mine & real) / len(real))
    precision, recall = sum(precisions) / len(found), sum(recalls) / len(found)
    measured = agreement(found, truth)["b_cubed"]
    assert measured["precision"] == pytest.approx(precision)
    assert measured["recall"] == pytest.approx(recall)
    assert measured["f1"] == pytest.approx(_f1(precision, recall))


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]), st.booleans()), min_size=2, max_size=25))
def test_ranking_by_hand(pairs: list[tuple[float, bool]]) -> None:
    scores, truth = [s for s, _ in pairs], [t for _, t in pairs]
    measured = ranking(scores, truth)
    good, bad = [s for s, t in pairs if t], [s for s, t in pairs if not t]
    if not good or not bad:
        assert measured["auc"] is None
    else:
        wins = sum((g > b) + 0.5 * (g == b) for g in good for b in bad)
        assert measured["auc"] == pytest.approx(wins / (len(good) * len(bad)))
    best = 0.0
    for threshold in set(scores):
        said = [t for s, t in pairs if s >= threshold]
        best = max(best, 2 * sum(said) / (len(said) + max(len(good), 1)))
    assert measured["best_f1"] == pytest.approx(best)
    at = [t for s, t in pairs if s >= measured["threshold"]]
    assert 2 * sum(at) / (len(at) + max(len(good), 1)) == pytest.approx(best)


def test_perfect_and_empty() -> None:
    assert agreement([1, 1, 2], [5, 5, 6])["cluster"]["f1"] == 1
    assert agreement(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))["b_cubed"]["f1"] == 1
