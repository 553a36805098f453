"""Who is trained on and who is tested: rolling origins where there is time, stratified folds where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

Array = npt.NDArray[Any]
Split = tuple[Array, Array]


def rolling_origins(days: Array, folds: int, first: float = 0.5) -> list[Split]:
    """Expanding windows: train on every earlier day, test on the next block of days.

    `first` is the share of rows before the first origin. A day is never divided between train and test.
    """
    order = np.sort(days)
    cuts = [order[min(len(order) - 1, int(len(order) * share))] for share in np.linspace(first, 1, folds + 1)[:-1]]
    starts = [cut for cut in dict.fromkeys(int(cut) for cut in cuts) if (days < cut).any()]
    if not starts:
        later = np.unique(days)[1:]
        starts = [int(later[0])] if len(later) else []
    ends = [*starts[1:], int(days.max()) + 1]
    return [
        (np.flatnonzero(days < start), np.flatnonzero((days >= start) & (days < end)))
        for start, end in zip(starts, ends, strict=True)
    ]


def apart(splits: list[Split], groups: Array) -> list[Split]:
    """The splits with every row of a tested group taken out of the training side."""
    return [(train[~np.isin(groups[train], groups[test])], test) for train, test in splits]


def stratified(label: Array, groups: Array | None, folds: int, seed: int) -> list[Split]:
    """Stratified folds; rows of one group are never on both sides."""
    dummy = np.zeros(len(label))
    if groups is not None:
        grouped = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        return list(grouped.split(dummy, label, groups))
    return list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(dummy, label))


def usable(splits: list[Split], label: Array) -> Iterator[Split]:
    """The splits whose training side has both outcomes at least five times and whose test side has rows."""
    for train, test in splits:
        positive = int(label[train].sum())
        if len(test) and min(positive, len(train) - positive) >= 5:
            yield train, test
