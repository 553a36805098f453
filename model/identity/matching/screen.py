"""Which candidate pairs can matter at all, told before they are compared letter by letter.

Of a million records most candidates are strangers in one house or of one trade name. What numbers alone tell of a pair
(equal values, and what the letters of its names allow at most) bounds its weight from above; a pair that even so would
be neither linked, nor shown to a person, nor one of a group of like names is dropped. What is kept is weighed as ever,
so that screening changes no result.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model.identity.matching.compare import NAME_STEPS, Comparer
from model.identity.matching.link import differ_in_place
from model.identity.matching.parallel import over
from model.identity.matching.prepare import Prepared
from model.identity.matching.settings import Settings
from model.identity.matching.weights import Weights

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
# a forbidden pair is worth keeping where it could stand in one cluster over a third record
LEAST_FORBIDDEN = 0.01
_SLACK = 0.01  # bits
_CHUNK = 30_000
_NEVER = 9.0  # a similarity that no two names reach


class Screen:
    """Sieves pairs of `prepared`; `fitted`: the weights by which they would be weighed."""

    def __init__(self, prepared: Prepared, comparer: Comparer, fitted: Weights, settings: Settings) -> None:
        self._prepared, self._comparer, self._settings = prepared, comparer, settings
        # the least that each level and all above it may add, since levels are only bounded from above
        self._bits = {name: np.maximum.accumulate(fitted.bits(name)) for name in comparer.names}
        self._prior = float(np.log2(fitted.share / (1 - fitted.share)))
        tax = prepared.frame["tax"]
        self._tax_ends = [end.hash(seed=7).to_numpy() for end in (tax.str.slice(0, 3), tax.str.slice(-3))]
        self._is_short = (tax.str.len_chars().fill_null(0) < 7).to_numpy()

    def keep(self, left: Ints, right: Ints) -> Bools:
        """False only for pairs that cannot matter to a cluster or a person."""
        parts = list(over(len(left), _CHUNK, lambda part: self._keep(left[part], right[part])))
        return np.concatenate(parts) if parts else np.zeros(0, dtype=bool)

    def _keep(self, a: Ints, b: Ints) -> Bools:
        both, same = {}, {}
        for name in ("core", "tax", "phone", "email", "domain", "number", "street", "city", "postcode"):
            one, two = self._ends(name, a, b)
            both[name] = (one != 0) & (two != 0)
            same[name] = both[name] & (one == two)
        weight = self._without_name(a, b, both, same)
        least = self._least_similarity(a, b, weight, both, same)
        result: Bools = same["core"] | same["tax"] | (least <= 0)
        open_ = np.flatnonzero(~result)
        open_ = open_[least[open_] < _NEVER]
        names = self._prepared.name_of
        result[open_] = self._comparer.scorer.may_reach(names[a[open_]], names[b[open_]], least[open_])
        return result

    def _ends(self, column: str, a: Ints, b: Ints) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
        values = self._prepared.numbers(column)
        return values[a], values[b]

    def _without_name(
        self, a: Ints, b: Ints, both: dict[str, Bools], same: dict[str, Bools]
    ) -> npt.NDArray[np.float64]:
        """Bits of a pair with all that is not read yet at its best, the name left out."""
        ends = self._tax_ends
        near_tax = (ends[0][a] == ends[0][b]) | (ends[1][a] == ends[1][b]) | self._is_short[a] | self._is_short[b]
        levels = {
            "tax": np.where(same["tax"], 2, np.where(near_tax, 1, 0)),
            "phone": np.where(same["phone"], 2, 0),
            "email": same["email"].astype(np.int64),
            "domain": same["domain"].astype(np.int64),
            "address": np.where(same["number"], 4, np.where(~both["number"], 2, 1)),
            "city": np.where(same["city"], 2, 1),
            "postcode": np.where(same["postcode"], 2, 1),
        }
        bits = np.full(len(a), self._prior)
        for name, level in levels.items():
            known = both["street" if name == "address" else name]
            bits += np.where(known, self._bits[name][level], 0.0)
        return bits

    def _least_similarity(
        self, a: Ints, b: Ints, weight: npt.NDArray[np.float64], both: dict[str, Bools], same: dict[str, Bools]
    ) -> Floats:
        """How alike the names must be at least for the pair to matter; 0 where it matters anyhow."""
        code_a, code_b = self._ends("uscc", a, b)
        branch_a, branch_b = self._ends("branch", a, b)
        trade_a, trade_b = self._ends("trade", a, b)
        forbidden = (code_a != 0) & (code_b != 0) & (code_a != code_b)
        forbidden |= (branch_a != branch_b) | (both["number"] & ~same["number"])
        forbidden |= differ_in_place(self._prepared.regions[a], self._prepared.regions[b])
        review, forbid = (
            float(np.log2(chance / (1 - chance))) - _SLACK for chance in (self._settings.bands.review, LEAST_FORBIDDEN)
        )
        wanted = np.where(forbidden, min(forbid, review), review)
        alike = forbidden | ((trade_a == trade_b) & (trade_a != 0))
        named = both["core"]
        bits = np.append(self._bits["name"][:4], 0.0)
        result = np.where(named, np.where(alike, NAME_STEPS[1], NAME_STEPS[2]), _NEVER)
        for level in (3, 2, 1):
            enough = named & (weight + bits[level] >= wanted)
            result = np.where(enough, np.minimum(result, NAME_STEPS[level - 1]), result)
        anyhow = weight + np.where(named, bits[0], 0.0) >= wanted
        return np.where(anyhow, 0.0, result).astype(np.float32)
