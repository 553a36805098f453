"""Parameters from the records at hand: the only place where anything is counted over all of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from model.identity.matching import alone, blocking, link, statistics, weights
from model.identity.matching.compare import Comparer
from model.identity.matching.parameters import Parameters, Scales
from model.identity.matching.prepare import Prepared
from model.identity.matching.refused import too_common
from model.identity.matching.settings import Settings

Ints = npt.NDArray[np.int64]
ENOUGH_LABELS = 50
MOST_PAIRS = 1_000_000

# a value that brought candidates at training goes on bringing them until it stands on this many times the records
ROOM = 2


def sampled(pairs: int) -> Ints:
    """The positions of the pairs that are counted: all, or a million of them by a seeded sample, in order."""
    if pairs <= MOST_PAIRS:
        return np.arange(pairs)
    chosen: Ints = np.sort(np.random.default_rng(20_150_901).choice(pairs, MOST_PAIRS, replace=False))
    return chosen


def fit(prepared: Prepared, settings: Settings, same: tuple[Ints, Ints] | None = None) -> Parameters:
    """Parameters for these records and those to come. `same`: pairs of rows that stewards called one customer.

    From 50 such pairs on they give m. Of more than a million candidate pairs a seeded sample is weighed.
    """
    budget = max(1, settings.blocking.standing_pairs_per_record * prepared.size)
    found = blocking.blocked(prepared, budget, settings.blocking.largest_block)
    counted = statistics.count(prepared)
    comparer = Comparer(prepared, counted)
    chosen = sampled(len(found.left))
    left, right = found.left[chosen], found.right[chosen]
    compared = comparer.compare(left, right)
    fitted = weights.estimate(prepared, comparer, found.left, found.right, compared, settings, chosen)
    if same is not None and len(same[0]) >= ENOUGH_LABELS:
        fitted = weights.with_labels(fitted, comparer.compare(*same), settings)
    shared = link.overused(prepared, settings.guards.names_per_identifier, settings.blocking.largest_block)
    weighed = Scales(prepared, comparer, fitted, counted, shared, settings).weigh(left, right, compared)
    judged = alone.settle(prepared.size, left, right, weighed.judged, weighed.marks, settings)
    free = link.duplicate_free(prepared, judged, left, right, settings.guards)
    # a cap holds for the values of today alone: a value that crossed it later would part records of old
    most = settings.blocking.largest_block
    caps = dict.fromkeys(blocking.RULES, most)
    refused = too_common(prepared, caps | {rule: cap for rule, cap in _lowered(found.rules) if cap < most})
    return Parameters(fitted, counted, dict.fromkeys(caps, ROOM * most), free, refused)


def _lowered(rules: pl.DataFrame) -> list[tuple[str, int]]:
    """The cap that each rule was counted with; none where every record was compared with every other."""
    known = rules.filter(pl.col("rule").is_in(blocking.RULES)).select("rule", "cap")
    return [(str(rule), int(cap)) for rule, cap in known.iter_rows()]
