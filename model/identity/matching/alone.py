"""Pairs that only the name speaks for: linked where nothing shows a second organisation of this name.

Records are grouped by names that are alike. A group that holds a contradiction (another region, tax number, address)
is known to be several organisations, and in it a name alone decides nothing; in any other group the name is unique.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from model.identity.matching.compare import Compared
from model.identity.matching.link import AUTO, REJECT, REVIEW, Judged
from model.identity.matching.prepare import Prepared
from model.identity.matching.settings import Settings

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
RULE = "only one of this name"


@dataclass(frozen=True)
class Marks:
    """Per pair, from its two records alone. `alike`: like names; `contradicts`: such a pair that cannot be one;
    `promotable`: linked where the name is clear; `demotable`: linked only there."""

    alike: Bools
    contradicts: Bools
    promotable: Bools
    demotable: Bools


def mark(
    prepared: Prepared,
    found: Compared,
    judged: Judged,
    probability: npt.NDArray[np.float64],
    left: Ints,
    right: Ints,
    common: Bools,
    settings: Settings,
) -> tuple[Judged, Marks]:
    """Marks of the pairs, and `judged` without links that something speaks against.

    `common`: per record whether its trade name stands on too many records to be compared with all of them.
    """
    name, tax, phone, address = (found.of(part) for part in ("name", "tax", "phone", "address"))
    trade = prepared.numbers("trade")
    same_trade = (trade[left] == trade[right]) & (trade[left] != 0)
    alike = ((name >= 3) | ((name == 2) & same_trade)) & ~found.other_business
    supported = (tax >= 1) | (phone >= 1) | (found.of("email") == 1) | (found.of("domain") == 1) | (address >= 3)
    forbidden, sure = judged.is_forbidden, judged.is_sure
    against = forbidden | (tax == 0) | ((address == 0) & (phone != 2))
    crowded = common[left] | common[right]
    free = ~(against | crowded | (phone == 0) | (found.of("domain") == 0) | (found.of("city") == 0))
    promotable = alike & ~supported & free & ~sure & (probability >= settings.bands.review)
    in_town = (name == 4) & (found.of("city") == 2) & (probability >= settings.bands.name_in_town) & ~against
    demotable = (judged.band == AUTO) & ~sure & ~supported & ~in_town
    demoted = demotable & (against | crowded)
    band = np.where(demoted, REVIEW, judged.band).astype(np.int8)
    # thousands of records of one name are no work for a person either
    band[crowded & ~supported & ~sure & ~in_town & (judged.band == REVIEW)] = REJECT
    marks = Marks(alike, against & alike & ~(supported & ~forbidden), promotable, demotable & ~demoted)
    return Judged(band, judged.rule, judged.veto), marks


def settle(size: int, left: Ints, right: Ints, judged: Judged, marks: Marks, settings: Settings) -> Judged:
    """`judged` with name-only pairs moved into the auto band or out of it; `size`: number of records."""
    band, promoted = bands(size, left, right, judged.band, marks, settings)
    rule = list(judged.rule)
    for index in np.flatnonzero(promoted).tolist():
        rule[index] = RULE
    return Judged(band, rule, judged.veto)


def bands(
    size: int, left: Ints, right: Ints, band: npt.NDArray[np.int8], marks: Marks, settings: Settings
) -> tuple[npt.NDArray[np.int8], Bools]:
    """`band` per pair once groups of like names are known, and which pairs that moved into the auto band."""
    clear = clear_records(size, left, right, marks.alike, marks.contradicts, settings)
    both = clear[left] & clear[right]
    promoted: Bools = marks.promotable & both
    return np.where(promoted, AUTO, np.where(marks.demotable & ~both, REVIEW, band)).astype(np.int8), promoted


def clear_records(size: int, left: Ints, right: Ints, alike: Bools, against: Bools, settings: Settings) -> Bools:
    """Per record: its group of like names holds no contradiction and is small."""
    ones = np.ones(int(alike.sum()), dtype=np.int8)
    graph = coo_array((ones, (left[alike], right[alike])), shape=(size, size))
    group = connected_components(graph, directed=False)[1]
    crowded = np.bincount(group, minlength=size) > settings.guards.largest_group_of_one_name
    crowded[group[left[against]]] = True
    result: Bools = ~crowded[group]
    return result
