"""What makes the weight of a pair depend on its two records alone: everything that is counted over all records."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from model.identity.matching import alone, link, weights
from model.identity.matching.alone import Marks
from model.identity.matching.compare import Compared, Comparer
from model.identity.matching.link import Judged
from model.identity.matching.prepare import Prepared
from model.identity.matching.refused import hashed
from model.identity.matching.settings import Settings
from model.identity.matching.statistics import Statistics

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Parameters:
    """Weights, frequencies, how many records may share a value per blocking rule, sources free of duplicates, and the
    values that bring no candidates however few records have them (see refused.py)."""

    weights: weights.Weights
    statistics: Statistics
    caps: dict[str, int]
    duplicate_free: frozenset[str]
    refused: pl.DataFrame

    @cached_property
    def refused_keys(self) -> dict[str, npt.NDArray[np.uint64]]:
        """`refused` as blocking keys, per rule."""
        return hashed(self.refused)


@dataclass(frozen=True)
class Weighed:
    """Pairs of rows with their weight in bits, probability, verdict so far and marks."""

    compared: Compared
    bits: Doubles
    probability: Doubles
    judged: Judged
    marks: Marks


class Scales:
    """Weighs pairs of `prepared`; `shared`: see link.overused."""

    def __init__(
        self,
        prepared: Prepared,
        comparer: Comparer,
        fitted: weights.Weights,
        statistics: Statistics,
        shared: dict[str, Bools],
        settings: Settings,
    ) -> None:
        self._prepared, self._comparer, self._fitted = prepared, comparer, fitted
        self._shared, self._settings = shared, settings
        self.chances = weights.frequencies(prepared, statistics)

    @property
    def prior(self) -> float:
        """Bits of any pair before anything is compared."""
        return float(np.log2(self._fitted.share / (1 - self._fitted.share)))

    def weigh(self, left: Ints, right: Ints, compared: Compared | None = None) -> Weighed:
        """The pairs (left[i], right[i]) on the scales."""
        prepared, settings = self._prepared, self._settings
        if compared is None:
            compared = self._comparer.compare(left, right)
        bits, probability = weights.probabilities(compared, self._fitted, self.chances, left, right)
        rule = link.certain(prepared, compared, left, right, self._shared)
        veto = link.vetoes(prepared, compared, left, right)
        judged = link.judge(probability, rule, veto, compared, settings)
        judged, marks = alone.mark(
            prepared, compared, judged, probability, left, right, self._shared["trade"], settings
        )
        return Weighed(compared, bits, probability, judged, marks)

    def reordered(self, place: Ints) -> Scales:
        """These scales for records in another order: row i is the former row place[i]. For `steps` only."""
        other = copy(self)
        other.chances = {name: chance[place] for name, chance in self.chances.items()}
        return other

    def steps(self, compared: Compared, left: Ints, right: Ints) -> dict[str, Doubles]:
        """Bits that each comparison adds to each pair, the prior first; they add up to the weight."""
        result = {"prior": np.full(len(left), self.prior)}
        for column, name in enumerate(compared.names):
            level = compared.levels[:, column].astype(np.int64)
            bits = np.append(self._fitted.bits(name), 0.0)[level]
            if name in self.chances:
                chance = np.maximum(self.chances[name][left], self.chances[name][right])
                bits = bits + weights.rarity_bits(name, level, self._fitted, chance)
            result[name] = np.where(level >= 0, bits, 0.0)
        return result
