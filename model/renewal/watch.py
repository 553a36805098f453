"""Drift watch: do the contracts of today still look, and end, like those the model was trained on?

Population stability index over fifths of the training values (and the share unknown where it grew), less what two
samples of these sizes differ by chance; customary limits: below 0.1 stable, from 0.25 shifted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from model.renewal.features import FEATURES
from model.renewal.snapshots import Snapshots

Array = npt.NDArray[Any]

WATCH, SHIFTED = 0.1, 0.25
RECENT_DAYS = 180
RECENT_NEEDED = 30
# the watch is on the customers: how near the end lies is chosen by the calendar
NOT_WATCHED = frozenset({"days_left"})


def stability_index(reference: Array, current: Array, bins: int = 5) -> float:
    """PSI of two samples of one feature, without the part that chance explains; at least 0.

    NaN is a bin of its own where more is unknown than before, as when a source breaks; that less is unknown, as
    when records grow longer, is no drift.
    """
    if len(reference) and len(current) and np.isnan(current).mean() <= np.isnan(reference).mean():
        reference, current = reference[~np.isnan(reference)], current[~np.isnan(current)]
    if not len(reference) or not len(current):
        return 0.0
    known = reference[~np.isnan(reference)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1])) if len(known) else np.empty(0)
    cells = len(edges) + 2

    def shares(values: Array) -> Array:
        place = np.where(np.isnan(values), cells - 1, np.searchsorted(edges, values, side="left"))
        count = np.bincount(place, minlength=cells) + 0.5
        return np.asarray(count / count.sum())

    before, now = shares(reference), shares(current)
    by_chance = (cells - 1) * (1 / len(reference) + 1 / len(current))
    return max(0.0, float(((now - before) * np.log(now / before)).sum()) - by_chance)


def base_rate_drift(cases: Snapshots) -> dict[str, Any]:
    """Renewal rate of the contracts decided in the last half year against those before, one row per contract.

    `{before, recent, recent_contracts, change, is_significant}`; change and test (95 %) are None with too few.
    """
    last: dict[str, tuple[int, int]] = {
        key: (int(day), int(label))
        for key, day, label in zip(cases.record_keys, cases.decided, cases.renewed, strict=True)
        if label >= 0
    }
    days = np.array([day for day, _ in last.values()], dtype=np.int64)
    labels = np.array([label for _, label in last.values()], dtype=np.int64)
    recent = days > (days.max() if len(days) else 0) - RECENT_DAYS
    late, early = labels[recent], labels[~recent]
    if min(len(late), len(early)) < RECENT_NEEDED:
        return {
            "before": None,
            "recent": None,
            "recent_contracts": len(late),
            "change": None,
            "is_significant": False,
        }
    change = float(late.mean() - early.mean())
    pooled = float(labels.mean())
    error = float(np.sqrt(pooled * (1 - pooled) * (1 / len(late) + 1 / len(early))))
    return {
        "before": round(float(early.mean()), 4),
        "recent": round(float(late.mean()), 4),
        "recent_contracts": len(late),
        "change": round(change, 4),
        "is_significant": bool(error > 0 and abs(change) > 1.96 * error),
    }


def compare(decided: Snapshots, present: Snapshots, known_before: int | None = None) -> dict[str, Any]:
    """`{verdict, trained, present, features[{feature, psi}], base_rate{…}}`; verdict stable, watch or shifted.

    `decided` snapshots, of which those known before `known_before` (days since 1970, default all) were trained on;
    `present` those due now; counts are contracts. Features are sorted by PSI and only those that moved are listed.
    A verdict needs thirty contracts due.
    """
    known = decided.decided < (known_before if known_before is not None else np.inf)
    trained = decided.features[known]
    indexes: list[dict[str, Any]] = [
        {"feature": name, "psi": round(stability_index(trained[:, n], present.features[:, n]), 3)}
        for n, name in enumerate(FEATURES)
        if name not in NOT_WATCHED
    ]
    moved = sorted((one for one in indexes if float(one["psi"]) >= WATCH), key=lambda one: -float(one["psi"]))
    rate = base_rate_drift(decided)
    due = len(set(present.record_keys))
    if due < RECENT_NEEDED and not rate["is_significant"]:
        verdict = "too little data"
    elif (due >= RECENT_NEEDED and moved and float(moved[0]["psi"]) >= SHIFTED) or rate["is_significant"]:
        verdict = "shifted"
    else:
        verdict = "watch" if moved and due >= RECENT_NEEDED else "stable"
    return {
        "verdict": verdict,
        "trained": len(set(np.array(decided.record_keys)[known])),
        "present": due,
        "features": moved if due >= RECENT_NEEDED else [],
        "base_rate": rate,
    }
