"""Which candidate pairs can matter at all, told before they are compared letter by letter.

Of a million records most candidates are strangers in one house or of one trade name. What numbers alone tell of a pair
(equal values, and what the letters of its names allow at most) bounds its weight from above; a pair that even so would
be neither linked, nor shown to a person, nor one of a group of like names is dropped. What is kept is weighed as ever,
so that screening changes no result.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from model.identity.matching.compare import NAME_STEPS, Comparer
from model.identity.matching.link import differ_in_place
from model.identity.matching.parallel import over
from model.identity.matching.prepare import Prepared
from model.identity.matching.settings import Settings
from model.identity.matching.weights import Weights

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.uint16]
# a forbidden pair is worth keeping where it could stand in one cluster over a third record
LEAST_FORBIDDEN = 0.01
_SLACK = 0.01  # bits
_CHUNK = 16_000
_MOST_PLACES = 1_000
_VALUES = ("tax", "phone", "email", "domain", "number", "city", "postcode", "street")
_COLUMNS = (*_VALUES, "core", "trade", "uscc", "branch", "tax begins", "tax ends")
_BIT = {name: np.uint16(1 << place) for place, name in enumerate(_COLUMNS)}
_NEVER = 9.0  # a similarity that no two names reach


class Screen:
    """Sieves pairs of `prepared`; `fitted`: the weights by which they would be weighed."""

    def __init__(self, prepared: Prepared, comparer: Comparer, fitted: Weights, settings: Settings) -> None:
        self._prepared, self._comparer, self._settings = prepared, comparer, settings
        # the least that each level and all above it may add, since levels are only bounded from above
        self._bits = {name: np.maximum.accumulate(fitted.bits(name)) for name in comparer.names}
        self._prior = float(np.log2(fitted.share / (1 - fitted.share)))
        self._records, self._known = _side_by_side(prepared)
        self._weights = self._without_name()
        self._places, self._differ = _places(prepared.regions)

    def keep(self, left: Ints, right: Ints) -> Bools:
        """False only for pairs that cannot matter to a cluster or a person."""
        parts = list(over(len(left), _CHUNK, lambda part: self._keep(left[part], right[part])))
        return np.concatenate(parts) if parts else np.zeros(0, dtype=bool)

    def _keep(self, a: Ints, b: Ints) -> Bools:
        equal = self._records.take(a, axis=0) == self._records.take(b, axis=0)
        same = np.packbits(equal, bitorder="little").view("<u2").astype(np.uint16)
        both = self._known[a] & self._known[b]
        least = self._least_similarity(same, both, self._differ_in_place(a, b))
        result: Bools = (same & both & (_BIT["core"] | _BIT["tax"]) != 0) | (least <= 0)
        open_ = np.flatnonzero(~result & (least < _NEVER))
        names = self._prepared.name_of
        result[open_] = self._comparer.scorer.may_reach(names[a[open_]], names[b[open_]], least[open_])
        return result

    def _without_name(self) -> npt.NDArray[np.float64]:
        """Bits of a pair with all that is not read yet at its best, the name left out, by its number: see _number."""
        number = np.arange(1 << 16, dtype=np.uint16)
        known = {name: number & _BIT[name] != 0 for name in _VALUES}
        same = {name: number >> 8 & _BIT[name] != 0 for name in _VALUES}
        levels = {
            "tax": np.where(same["tax"], 2, same["street"]),  # in place of the street: whether tax numbers are near
            "phone": np.where(same["phone"], 2, 0),
            "email": same["email"].astype(np.int64),
            "domain": same["domain"].astype(np.int64),
            "address": np.where(same["number"], 4, np.where(~known["number"], 2, 1)),
            "city": np.where(same["city"], 2, 1),
            "postcode": np.where(same["postcode"], 2, 1),
        }
        bits = np.full(len(number), self._prior)
        for name, level in levels.items():
            bits += np.where(known["street" if name == "address" else name], self._bits[name][level], 0.0)
        return bits

    def _differ_in_place(self, a: Ints, b: Ints) -> Bools:
        if self._differ is None:
            return differ_in_place(self._prepared.regions[a], self._prepared.regions[b])
        found: Bools = self._differ.ravel().take(self._places[a] * len(self._differ) + self._places[b])
        return found

    def _least_similarity(self, same: Flags, both: Flags, differ: Bools) -> Floats:
        """How alike the names must be at least for the pair to matter; 0 where it matters anyhow. `same`, `both`: which
        values are equal, and known on both sides (bits of _COLUMNS); `differ`: whether the places do."""
        weight = self._weights[_number(same, both)]
        forbidden = both & ~same & (_BIT["uscc"] | _BIT["number"]) != 0
        forbidden |= (same & _BIT["branch"] == 0) | differ
        review, forbid = (
            float(np.log2(chance / (1 - chance))) - _SLACK for chance in (self._settings.bands.review, LEAST_FORBIDDEN)
        )
        wanted = np.where(forbidden, min(forbid, review), review)
        alike = forbidden | (same & both & _BIT["trade"] != 0)
        named = both & _BIT["core"] != 0
        bits = np.append(self._bits["name"][:4], 0.0)
        result = np.where(named, np.where(alike, NAME_STEPS[1], NAME_STEPS[2]), _NEVER)
        for level in (3, 2, 1):
            enough = named & (weight + bits[level] >= wanted)
            result = np.where(enough, np.minimum(result, NAME_STEPS[level - 1]), result)
        anyhow = weight + np.where(named, bits[0], 0.0) >= wanted
        return np.where(anyhow, 0.0, result).astype(np.float32)


def _side_by_side(prepared: Prepared) -> tuple[npt.NDArray[np.uint64], Flags]:
    """Per record its values as numbers in the order of _COLUMNS, in one line of memory, and which of them it has."""
    tax = prepared.frame["tax"]
    ends = {"tax begins": tax.str.slice(0, 3), "tax ends": tax.str.slice(-3)}
    records = np.zeros((prepared.size, 16), dtype=np.uint64)
    known = np.zeros(prepared.size, dtype=np.uint16)
    for place, name in enumerate(_COLUMNS):
        records[:, place] = ends[name].hash(seed=7).to_numpy() if name in ends else prepared.numbers(name)
        if name not in ends:
            known |= (records[:, place] != 0).astype(np.uint16) << np.uint16(place)
    # any two numbers are near where one of them is short
    known[(tax.str.len_chars().fill_null(0) >= 7).to_numpy()] |= _BIT["tax begins"]
    return records, known


def _number(same: Flags, both: Flags) -> Flags:
    """What decides the weight of a pair apart from its name: equal values in the upper byte, known ones in the lower;
    the upper bit of the street says whether two tax numbers are near each other."""
    near = (same & (_BIT["tax begins"] | _BIT["tax ends"]) != 0) | (both & _BIT["tax begins"] == 0)
    values = same & both & (0xFF ^ _BIT["street"])
    number: Flags = (values | near * _BIT["street"]) << np.uint16(8) | both & np.uint16(0xFF)
    return number


def _places(regions: Ints) -> tuple[Ints, Bools | None]:
    """Per record the number of its place, and per two of them whether they differ; None where there are too many."""
    distinct = pl.Series(regions).unique().sort().to_numpy()
    if len(distinct) > _MOST_PLACES:
        return regions, None
    return np.searchsorted(distinct, regions), differ_in_place(distinct[:, None], distinct[None])
