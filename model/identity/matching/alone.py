"""Pairs that only the name speaks for: linked where nothing shows a second organisation of this name.

Records are grouped by names that are alike. A group that holds a contradiction (another region, tax number, address)
is known to be several organisations, and in it a name alone decides nothing; in any other group the name is unique.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from model.identity.matching.compare import Compared
from model.identity.matching.link import AUTO, REVIEW, Judged
from model.identity.matching.prepare import Prepared
from model.identity.matching.settings import Settings

Ints = npt.NDArray[np.int64]
RULE = "only one of this name"


def settle(
    prepared: Prepared,
    found: Compared,
    judged: Judged,
    probability: npt.NDArray[np.float64],
    left: Ints,
    right: Ints,
    settings: Settings,
) -> Judged:
    """`judged` with name-only pairs moved into the auto band or out of it."""
    name, tax, phone, address = (found.of(part) for part in ("name", "tax", "phone", "address"))
    trade = prepared.frame["trade"].rank("dense").cast(pl.Int64).fill_null(0).to_numpy()
    same_trade = (trade[left] == trade[right]) & (trade[left] > 0)
    alike = ((name >= 3) | ((name == 2) & same_trade)) & ~found.other_business
    supported = (tax >= 1) | (phone >= 1) | (found.of("email") == 1) | (found.of("domain") == 1) | (address >= 3)
    forbidden = np.array([bool(veto) for veto in judged.veto], dtype=bool)
    against = forbidden | (tax == 0) | ((address == 0) & (phone != 2))
    free = ~(against | (phone == 0) | (found.of("domain") == 0) | (found.of("city") == 0))
    clear = _clear(prepared.size, left, right, alike, against & alike & ~(supported & ~forbidden), settings)
    sure = np.array([bool(rule) for rule in judged.rule], dtype=bool)
    promoted = alike & ~supported & free & clear[left] & ~sure & (probability >= settings.bands.review)
    in_town = (name == 4) & (found.of("city") == 2) & (probability >= settings.bands.name_in_town) & ~against
    demoted = (judged.band == AUTO) & ~sure & ~supported & ~in_town & (~clear[left] | against)
    band = np.where(promoted, AUTO, np.where(demoted, REVIEW, judged.band)).astype(np.int8)
    rule = judged.rule.copy()
    for index in np.flatnonzero(promoted).tolist():
        rule[index] = RULE
    return Judged(band, rule, judged.veto)


def _clear(
    size: int, left: Ints, right: Ints, alike: npt.NDArray[np.bool_], against: npt.NDArray[np.bool_], settings: Settings
) -> npt.NDArray[np.bool_]:
    """Per record: its group of like names holds no contradiction and is small."""
    ones = np.ones(int(alike.sum()), dtype=np.int8)
    graph = coo_array((ones, (left[alike], right[alike])), shape=(size, size))
    group = connected_components(graph, directed=False)[1]
    crowded = np.bincount(group, minlength=size) > settings.guards.largest_group_of_one_name
    crowded[group[left[against]]] = True
    result: npt.NDArray[np.bool_] = ~crowded[group]
    return result
