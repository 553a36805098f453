"""Clusters agree with an oracle that knows nothing of arrays: plain sets and loops over one link after the other."""

from __future__ import annotations

import random

import numpy as np
import pytest

from model.identity.matching.join import Links, join
from model.identity.matching.settings import Guards, shipped

GUARDS = shipped().guards.model_copy(update={"largest_cluster": 7})


def oracle(
    base: list[int],
    sources: list[str | None],
    codes: list[str | None],
    links: list[tuple[int, int, float, bool]],
    forbidden: list[tuple[int, int]],
    guards: Guards,
) -> tuple[list[int], list[str]]:
    groups: list[set[int]] = [{row for row, unit in enumerate(base) if unit == label} for label in sorted(set(base))]
    apart = {frozenset((base[a], base[b])) for a, b in forbidden}
    linked = {frozenset((base[a], base[b])) for a, b, _, _ in links}
    reasons = [""] * len(links)
    order = sorted(range(len(links)), key=lambda i: (not links[i][3], -links[i][2], links[i][0], links[i][1]))
    for index in order:
        left, right, _, is_sure = links[index]
        one = next(group for group in groups if left in group)
        two = next(group for group in groups if right in group)
        if one is two:
            continue
        reasons[index] = _reason(one, two, base, sources, codes, apart, linked, guards, is_sure=is_sure)
        if not reasons[index]:
            groups.remove(one)
            groups.remove(two)
            groups.append(one | two)
    labels = [min(next(group for group in groups if row in group)) for row in range(len(base))]
    return labels, reasons


def _reason(
    one: set[int],
    two: set[int],
    base: list[int],
    sources: list[str | None],
    codes: list[str | None],
    apart: set[frozenset[int]],
    linked: set[frozenset[int]],
    guards: Guards,
    *,
    is_sure: bool,
) -> str:
    if {sources[row] for row in one} & {sources[row] for row in two} - {None}:
        return "best link"
    here, there = ({codes[row] for row in group} - {None} for group in (one, two))
    if here and there and not (here <= there or there <= here):
        return "different credit codes"
    units = [(base[a], base[b]) for a in one for b in two]
    pairs = {frozenset(pair) for pair in units}
    if pairs & apart:
        return "veto inside"
    if is_sure:
        return ""
    count = len({base[row] for row in one}) + len({base[row] for row in two})
    if len(one) + len(two) > guards.largest_cluster and count > 2:
        return "cluster size"
    return "" if len(pairs & linked) >= guards.cohesion * len(pairs) else "weak bridge"


@pytest.mark.parametrize("seed", range(300))
def test_clusters_agree_with_the_oracle(seed: int) -> None:
    chance = random.Random(seed)
    size = chance.randint(2, 24)
    base = list(range(size))
    if seed % 3 == 0:  # some records are one already
        base = [min(row, chance.randrange(size)) if chance.random() < 0.3 else row for row in range(size)]
        base = [base[base[row]] if base[base[row]] == base[row] else row for row in range(size)]
    sources = [chance.choice([None, None, "a", "b", "c"]) for _ in range(size)]
    codes = [chance.choice([None] * 6 + ["X", "Y"]) for _ in range(size)]
    pairs = [(a, b) for a in range(size) for b in range(a + 1, size)]
    density = chance.choice([0.05, 0.15, 0.4])
    wanted = [pair for pair in pairs if chance.random() < density]
    links = [(a, b, float(chance.randint(1, 9)), chance.random() < 0.3) for a, b in wanted]
    forbidden = [pair for pair in pairs if pair not in wanted and chance.random() < 0.03]
    expected, reasons = oracle(base, sources, codes, links, forbidden, GUARDS)
    columns = list(zip(*links, strict=True)) if links else [(), (), (), ()]
    ends = list(zip(*forbidden, strict=True)) if forbidden else [(), ()]
    labels, why = join(
        np.array(base, dtype=np.int64),
        sources,
        codes,
        Links(
            np.array(columns[0], dtype=np.int64),
            np.array(columns[1], dtype=np.int64),
            np.array(columns[2], dtype=np.float64),
            np.array(columns[3], dtype=bool),
        ),
        (np.array(ends[0], dtype=np.int64), np.array(ends[1], dtype=np.int64)),
        GUARDS,
    )
    assert labels.tolist() == expected
    assert [bool(reason) for reason in why] == [bool(reason) for reason in reasons]
    for group in set(labels.tolist()):
        rows = [row for row in range(size) if labels[row] == group]
        assert not any(a in rows and b in rows for a, b in forbidden if base[a] != base[b])
