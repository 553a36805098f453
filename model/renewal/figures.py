"""Figures of a probability forecast, and the grade they earn.

Brier skill compares with the base rate that was known before each test period (Murphy 1973); the calibration
error is the expected calibration error over ten bins of equal width (Guo et al. 2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, roc_auc_score

Array = npt.NDArray[Any]

RENEWALS_NEEDED = 100
LOSSES_NEEDED = 30
RESAMPLES = 1000
UNITS = 10_000
TOO_LITTLE = "too little data"
NO_SIGNAL = "no usable signal"


@dataclass(frozen=True)
class Forecast:
    """Out-of-sample forecasts: outcome 0/1, probability, the base rate known then, fold number, resampling unit."""

    outcome: Array
    probability: Array
    base: Array
    fold: Array
    unit: Array


def ranking_quality(outcome: Array, score: Array) -> float:
    """AUC in either direction (at least .5); .5 when only one class is present."""
    if len(np.unique(outcome)) < 2:
        return 0.5
    auc = float(roc_auc_score(outcome, score))
    return max(auc, 1 - auc)


def ranking(outcome: Array, score: Array) -> float | None:
    """AUC to four places; None when only one class is present."""
    return round(float(roc_auc_score(outcome, score)), 4) if len(np.unique(outcome)) == 2 else None


def calibration_error(outcome: Array, probability: Array, bins: int = 10) -> float:
    """Expected calibration error over `bins` bins of equal width."""
    index = np.minimum((probability * bins).astype(int), bins - 1)
    error = 0.0
    for number in np.unique(index):
        inside = index == number
        error += abs(float(outcome[inside].mean() - probability[inside].mean())) * float(inside.mean())
    return error


def calibration_curve(outcome: Array, probability: Array, bins: int = 10) -> list[dict[str, float]]:
    """Per bin of equal count: mean forecast, observed rate and number of rows."""
    order = np.argsort(probability, kind="stable")
    return [
        {
            "forecast": round(float(probability[part].mean()), 4),
            "observed": round(float(outcome[part].mean()), 4),
            "rows": len(part),
        }
        for part in np.array_split(order, bins)
        if len(part)
    ]


def skill_lower_bound(forecast: Forecast, seed: int = 20260101) -> float:
    """0.5 % bound of the Brier skill under a bootstrap of units (customers where they repeat, else rows)."""
    _, unit = np.unique(forecast.unit, return_inverse=True)
    ours = np.bincount(unit, (forecast.probability - forecast.outcome) ** 2)
    base = np.bincount(unit, (forecast.base - forecast.outcome) ** 2)
    if len(ours) > UNITS:
        # so many units that sums of some of them vary as they do
        bucket = np.arange(len(ours)) % UNITS
        ours, base = np.bincount(bucket, ours), np.bincount(bucket, base)
    rng = np.random.default_rng(seed)
    skills = np.empty(RESAMPLES)
    for number in range(RESAMPLES):
        weight = rng.poisson(1.0, len(ours))
        skills[number] = 1 - float(weight @ ours) / max(float(weight @ base), 1e-12)
    return float(np.quantile(skills, 0.005))


def enough(outcome: Array) -> bool:
    """Whether there are at least 100 of the commoner outcome and 30 of the rarer."""
    positive = int(outcome.sum())
    rare, common = sorted((positive, len(outcome) - positive))
    return rare >= LOSSES_NEEDED and common >= RENEWALS_NEEDED


def grade(forecast: Forecast) -> str:
    """strong, usable, weak or no usable signal, by the lower bound of the Brier skill.

    Where there are at least three test periods, most of them must agree: one lucky quarter is no signal.
    """
    bound = skill_lower_bound(forecast)
    folds = np.unique(forecast.fold)
    agree = sum(brier_skill(forecast, forecast.fold == number) > 0 for number in folds)
    if bound <= 0 or (len(folds) >= 3 and agree * 3 < len(folds) * 2):
        return NO_SIGNAL
    if bound < 0.05:
        return "weak"
    return "usable" if bound < 0.2 else "strong"


def brier_skill(forecast: Forecast, rows: Array | None = None) -> float:
    """1 − Brier ÷ Brier of the base rate, over `rows` (default all)."""
    inside = np.ones(len(forecast.outcome), dtype=bool) if rows is None else rows
    outcome = forecast.outcome[inside]
    ours = float(((forecast.probability[inside] - outcome) ** 2).mean())
    base = float(((forecast.base[inside] - outcome) ** 2).mean())
    return 1 - ours / base if base > 0 else 0.0


def figures(forecast: Forecast) -> dict[str, float]:
    """auc, pr_auc, brier, brier_skill and ece of the pooled forecasts, rounded to four places."""
    outcome, probability = forecast.outcome, forecast.probability
    both = len(np.unique(outcome)) == 2
    values = {
        "auc": float(roc_auc_score(outcome, probability)) if both else 0.5,
        "pr_auc": float(average_precision_score(outcome, probability)) if both else float(outcome.mean()),
        "brier": float(((probability - outcome) ** 2).mean()),
        "brier_skill": brier_skill(forecast),
        "ece": calibration_error(outcome, probability),
    }
    return {name: round(value, 4) for name, value in values.items()}
