"""Clusters from links, strongest first, within guards: what may not stand together never gets joined.

A unit is what harder evidence (codes, merges, decisions) has joined already; without any, every record is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from model.identity.matching.settings import Guards

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
_NEVER_WEAK = 4  # units, up to which one link between two parts is always enough of their pairs


@dataclass(frozen=True)
class Links:
    """Pairs of rows that are to be linked; `is_sure`: by a rule; `bits`: weight; `is_kept`: before all others."""

    left: Ints
    right: Ints
    bits: npt.NDArray[np.float64]
    is_sure: Bools
    is_kept: Bools | None = None


def join(
    base: Ints,
    sources: Sequence[str | None],
    codes: Sequence[str | None],
    links: Links,
    forbidden: tuple[Ints, Ints],
    guards: Guards,
) -> tuple[Ints, list[str]]:
    """Cluster per row (its lowest row), and per link why it was not taken ('' if it was).

    `base`: unit per row. `sources`: per row its source where that is free of duplicates, else None. `codes`: valid
    credit code per row. `forbidden`: rows that must stay apart, left and right. A link joins two clusters only where
    nothing forbids it, no duplicate-free source would stand twice, there is one credit code at most, and, unless it is
    sure, the size guard holds and enough of the pairs of units between them are linked.
    """
    unit = np.unique(base, return_inverse=True)[1].astype(np.int64)
    count = int(unit.max(initial=-1)) + 1
    left, right = unit[links.left], unit[links.right]
    ones = np.ones(len(left), dtype=np.int8)
    component = connected_components(coo_array((ones, (left, right)), shape=(count, count)), directed=False)[1]
    apart = unit[forbidden[0]], unit[forbidden[1]]
    careful = _needs_care(component, unit, sources, codes, links, (left, right), apart, guards)
    reasons = [""] * len(left)
    label = component.astype(np.int64)
    loose = np.flatnonzero(careful[component[left]])
    if len(loose):
        near = careful[component[apart[0]]] & (component[apart[0]] == component[apart[1]])
        kept_apart = apart[0][near], apart[1][near]
        forest = _Forest(unit, careful[component], sources, codes, (left[loose], right[loose]), kept_apart)
        order = loose[_strongest_first(links, loose)]
        for index, a, b, is_sure in zip(
            order.tolist(), left[order].tolist(), right[order].tolist(), links.is_sure[order].tolist(), strict=True
        ):
            reasons[index] = forest.link(a, b, guards, is_sure=is_sure)
        inside = np.flatnonzero(careful[component])
        label[inside] = [count + forest.find(row) for row in inside.tolist()]
    rows = label[unit]
    lowest = np.full(2 * count + 1, len(base), dtype=np.int64)
    np.minimum.at(lowest, rows, np.arange(len(base)))
    return lowest[rows], reasons


def _strongest_first(links: Links, chosen: Ints) -> Ints:
    later = ~links.is_sure[chosen]
    keys = [links.right[chosen], links.left[chosen], -links.bits[chosen], later]
    if links.is_kept is not None:
        keys.append(~links.is_kept[chosen])
    return np.lexsort(keys)


def _needs_care(
    component: npt.NDArray[np.int32],
    unit: Ints,
    sources: Sequence[str | None],
    codes: Sequence[str | None],
    links: Links,
    ends: tuple[Ints, Ints],
    apart: tuple[Ints, Ints],
    guards: Guards,
) -> Bools:
    """Components in which a guard could refuse a link; in all others every link holds."""
    count = int(component.max(initial=-1)) + 1
    units, records = np.bincount(component, minlength=count), np.bincount(component[unit], minlength=count)
    soft = np.zeros(count, dtype=bool)
    soft[component[ends[0][~links.is_sure]]] = True
    careful = soft & ((units > _NEVER_WEAK) | (records > guards.largest_cluster))
    inside = component[apart[0]] == component[apart[1]]
    careful[component[apart[0][inside]]] = True
    frame = pl.DataFrame(
        {
            "component": component[unit],
            "unit": unit,
            "source": pl.Series(sources, dtype=pl.String),
            "code": pl.Series(codes, dtype=pl.String),
        }
    )
    twice = (
        frame.filter(pl.col("source").is_not_null())
        .unique(["component", "unit", "source"])
        .group_by("component", "source")
        .len()
        .filter(pl.col("len") > 1)
    )
    several = (
        frame.filter(pl.col("code").is_not_null())
        .group_by("component")
        .agg(n=pl.col("code").n_unique())
        .filter(pl.col("n") > 1)
    )
    careful[twice["component"].to_numpy()] = True
    careful[several["component"].to_numpy()] = True
    result: Bools = careful & (units > 1)
    return result


class _Forest:
    """Clusters of units under construction: what they hold, and what they may not join."""

    def __init__(
        self,
        unit: Ints,
        wanted: Bools,
        sources: Sequence[str | None],
        codes: Sequence[str | None],
        ends: tuple[Ints, Ints],
        apart: tuple[Ints, Ints],
    ) -> None:
        self.parent: dict[int, int] = {}
        self.members: dict[int, list[int]] = {}
        self.size: dict[int, int] = {}
        self.sources: dict[int, set[str]] = {}
        self.codes: dict[int, set[str]] = {}
        self.apart: dict[int, set[int]] = {}
        self.linked: dict[int, set[int]] = {}
        for row in np.flatnonzero(wanted[unit]).tolist():
            own = int(unit[row])
            if self.parent.setdefault(own, own) == own:
                self.members.setdefault(own, [own])
            self.size[own] = self.size.get(own, 0) + 1
            for held, value in ((self.sources, sources[row]), (self.codes, codes[row])):
                if value is not None:
                    held.setdefault(own, set()).add(value)
        for near, pairs in ((self.apart, apart), (self.linked, ends)):
            for a, b in zip(pairs[0].tolist(), pairs[1].tolist(), strict=True):
                near.setdefault(a, set()).add(b)
                near.setdefault(b, set()).add(a)

    def find(self, unit: int) -> int:
        while self.parent[unit] != unit:
            self.parent[unit] = self.parent[self.parent[unit]]
            unit = self.parent[unit]
        return unit

    def link(self, one: int, two: int, guards: Guards, *, is_sure: bool) -> str:
        """Join the clusters of two units, or say why not."""
        a, b = self.find(one), self.find(two)
        if a == b:
            return ""
        if len(self.members[a]) > len(self.members[b]):
            a, b = b, a
        reason = self._obstacle(a, b, guards, is_sure=is_sure)
        if not reason:
            self._join(a, b)
        return reason

    def _obstacle(self, a: int, b: int, guards: Guards, *, is_sure: bool) -> str:
        if not self.sources.get(a, _NONE).isdisjoint(self.sources.get(b, _NONE)):
            return "best link"
        # the codes that hard evidence joined already are no conflict of this link
        one, two = self.codes.get(a, _NONE), self.codes.get(b, _NONE)
        if one and two and not (one <= two or two <= one):
            return "different credit codes"
        small, large = self.members[a], self.members[b]
        if any(self.find(other) == b for unit in small for other in self.apart.get(unit, ()) if other in self.parent):
            return "veto inside"
        if is_sure:
            return ""
        if self.size[a] + self.size[b] > guards.largest_cluster and len(small) + len(large) > 2:
            return "cluster size"
        links = sum(self.find(other) == b for unit in small for other in self.linked.get(unit, ()))
        return "" if links >= guards.cohesion * len(small) * len(large) else "weak bridge"

    def _join(self, small: int, large: int) -> None:
        self.parent[small] = large
        self.members[large] += self.members.pop(small)
        self.size[large] += self.size.pop(small)
        for held in (self.sources, self.codes):
            if small in held:
                held.setdefault(large, set()).update(held.pop(small))


_NONE: frozenset[str] = frozenset()
