"""The matcher from records to clusters, in one call."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from model.identity.matching import alone, blocking, link, statistics, weights
from model.identity.matching.compare import Compared, Comparer
from model.identity.matching.fit import sampled
from model.identity.matching.parameters import Scales
from model.identity.matching.prepare import FIELDS, Prepared, prepare
from model.identity.matching.screen import Screen
from model.identity.matching.settings import Settings, shipped

_BANDS = ("reject", "review", "auto")


@dataclass(frozen=True)
class Matching:
    """The result: `clusters` per record (the lowest row of its cluster) and all that led there. Of more than a million
    candidate pairs only those that can matter are kept (see screen.py); `dropped`: how many others there were."""

    prepared: Prepared
    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    compared: Compared
    bits: npt.NDArray[np.float64]
    probability: npt.NDArray[np.float64]
    judged: link.Judged
    refused: list[str]
    clusters: npt.NDArray[np.int64]
    rules: pl.DataFrame
    parameters: weights.Weights
    duplicate_free: frozenset[str]
    scales: Scales
    dropped: int = 0

    @cached_property
    def pairs(self) -> pl.DataFrame:
        """One row per compared pair: left, right, bits, probability, band, rule, veto, refused."""
        return pl.DataFrame(
            {
                "left": self.left,
                "right": self.right,
                "bits": self.bits,
                "probability": self.probability,
                "band": [_BANDS[band] for band in self.judged.band.tolist()],
                "rule": [*self.judged.rule],
                "veto": [*self.judged.veto],
                "refused": self.refused,
            }
        )

    def explain(self, index: int) -> list[tuple[str, str, float]]:
        """The waterfall of pair `index`: comparison, level, bits it adds; the prior first."""
        one = np.array([index])
        compared = self.compared.take(one)
        steps = self.scales.steps(compared, self.left[one], self.right[one])
        result = [("prior", "", float(steps["prior"][0]))]
        for column, name in enumerate(compared.names):
            level = int(compared.levels[0, column])
            if level >= 0:
                result.append((name, shipped().comparison[name].levels[level], float(steps[name][0])))
        return result


def match(records: pl.DataFrame, settings: Settings | None = None) -> Matching:
    """Find the records of one organisation.

    `records`: text columns, any of name, tax_id, phone, email, domain, address, city, postcode and source; one row
    per record. The order of rows decides nothing but the numbers of clusters.
    """
    settings = settings or shipped()
    fields = [name for name in (*FIELDS, "source") if name in records.columns]
    order = records.with_row_index("row").sort(*fields, "row", nulls_last=True)["row"].to_numpy().astype(np.int64)
    return _restored(_match(records[order.tolist()], settings), order)


def _match(records: pl.DataFrame, settings: Settings) -> Matching:
    prepared = prepare(records)
    found = blocking.candidates(prepared, settings.blocking)
    left, right = found.left, found.right
    counted = statistics.count(prepared)
    comparer = Comparer(prepared, counted)
    chosen = sampled(len(left))
    compared = comparer.compare(left[chosen], right[chosen])
    parameters = weights.estimate(prepared, comparer, left, right, compared, settings, chosen)
    dropped = 0
    if len(chosen) < len(left):
        kept = np.flatnonzero(Screen(prepared, comparer, parameters, settings).keep(left, right))
        dropped = len(left) - len(kept)
        left, right = left[kept], right[kept]
        compared = comparer.compare(left, right)
    shared = link.overused(prepared, settings.guards.names_per_identifier, settings.blocking.largest_block)
    scales = Scales(prepared, comparer, parameters, counted, shared, settings)
    weighed = scales.weigh(left, right, compared)
    judged = alone.settle(prepared.size, left, right, weighed.judged, weighed.marks, settings)
    free = link.duplicate_free(prepared, judged, left, right, settings.guards)
    clusters, refused = link.cluster(prepared, judged, left, right, weighed.bits, free, settings.guards)
    judged = link.demote(judged, refused)
    return Matching(
        prepared,
        left,
        right,
        compared,
        weighed.bits,
        weighed.probability,
        judged,
        refused,
        clusters,
        found.rules,
        parameters,
        free,
        scales,
        dropped,
    )


def _restored(result: Matching, order: npt.NDArray[np.int64]) -> Matching:
    """`result` of records that were put in canonical `order`, in their own order again."""
    one, two = order[result.left], order[result.right]
    place = np.argsort(order)
    lowest = np.full(len(order), len(order), dtype=np.int64)
    np.minimum.at(lowest, result.clusters, order)
    prepared = Prepared(
        result.prepared.frame[place.tolist()].with_columns(row=pl.int_range(len(order), dtype=pl.UInt32)),
        [result.prepared.names[position] for position in place.tolist()],
    )
    clusters = lowest[result.clusters[place]]
    return replace(
        result,
        prepared=prepared,
        left=np.minimum(one, two),
        right=np.maximum(one, two),
        clusters=clusters,
        scales=result.scales.reordered(place),
    )
