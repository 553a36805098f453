"""The backtest of the contract model: rolling origins, each trained only on what was decided by then."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from model.renewal.cards import MODEL
from model.renewal.features import FEATURES
from model.renewal.figures import TOO_LITTLE, Forecast, brier_skill, enough, figures, grade, ranking
from model.renewal.learners import expit, logit
from model.renewal.model import correction, fit_logistic
from model.renewal.snapshots import Snapshots

Array = npt.NDArray[Any]
ORIGINS = 5


@dataclass(frozen=True)
class Judgement:
    """The backtest document, its out-of-sample forecasts (None when there is too little data), and the correction
    of the log odds that they teach for the next forecasts."""

    document: dict[str, Any]
    forecast: Forecast | None
    slope: float = 1.0
    shift: float = 0.0


def judge(cases: Snapshots) -> Judgement:
    """Forecast every snapshot after the first origins and grade the forecasts.

    The resampling unit of the grade is the customer: snapshots and contracts of one customer are not independent.
    """
    single = {key: int(y) for key, y in zip(cases.record_keys, cases.renewed, strict=True)}
    outcomes = np.array(list(single.values()), dtype=np.int64)
    version = _version(cases)
    if not enough(outcomes):
        return Judgement(_too_little(version, outcomes), None)
    _, unit = np.unique(cases.customer_keys, return_inverse=True)
    rolled = _roll(cases)
    if not rolled:
        return Judgement(_too_little(version, outcomes), None)
    tested = np.concatenate([one.test for one in rolled])
    forecast = Forecast(
        outcome=cases.renewed[tested],
        probability=np.concatenate([one.probability for one in rolled]),
        base=np.concatenate([one.base for one in rolled]),
        fold=np.concatenate([np.full(len(one.test), number) for number, one in enumerate(rolled)]),
        unit=unit[tested],
    )
    days_left = cases.features[tested, FEATURES.index("days_left")]
    slope, shift = _corrected(cases, rolled, int(cases.decided.max()) + 1, [one.odds for one in rolled])
    document = {**_document(version, forecast), "horizons": _horizons(forecast, days_left)}
    return Judgement(document, forecast, slope, shift)


@dataclass(frozen=True)
class _Origin:
    test: Array
    odds: Array
    base_odds: Array
    probability: Array
    base: Array


def _roll(cases: Snapshots) -> list[_Origin]:
    """One entry per origin; its forecasts are corrected by the errors of earlier ones whose outcome was known.

    The base rate to beat is corrected in the same way, so that following a drift is no skill: skill is what the
    features add.
    """
    rolled: list[_Origin] = []
    for known, test in origins(cases):
        fitted = fit_logistic(cases.features[known], cases.renewed[known], one_each(cases, known))
        odds = fitted.odds(cases.features[test])
        base_odds = np.full(len(test), logit(cases.renewed[known].mean()))
        today = int(cases.days[test].min())
        slope, shift = _corrected(cases, rolled, today, [one.odds for one in rolled])
        base_slope, base_shift = _corrected(cases, rolled, today, [one.base_odds for one in rolled])
        probability, base = expit(slope * odds + shift), expit(base_slope * base_odds + base_shift)
        rolled.append(_Origin(test, odds, base_odds, probability, base))
    return rolled


def one_each(cases: Snapshots, rows: Array) -> Array:
    """Weights that make every contract among `rows` count once, however many snapshots it has."""
    _, place, count = np.unique(np.array(cases.record_keys)[rows], return_inverse=True, return_counts=True)
    return np.asarray(1.0 / count[place])


def _corrected(cases: Snapshots, rolled: list[_Origin], today: int, forecasts: list[Array]) -> tuple[float, float]:
    """Slope and shift from the `forecasts` (log odds) of `rolled` that were decided before `today`."""
    if not rolled:
        return 1.0, 0.0
    rows, odds = np.concatenate([one.test for one in rolled]), np.concatenate(forecasts)
    known = cases.decided[rows] < today
    rows, odds = rows[known], odds[known]
    return correction(odds, cases.renewed[rows], one_each(cases, rows)) if len(rows) else (1.0, 0.0)


def _horizons(forecast: Forecast, days_left: Array) -> list[dict[str, Any]]:
    """Ranking and Brier skill by how long before the end the forecast was made."""
    return [
        {
            "days_left": int(days),
            "n": int((days_left == days).sum()),
            "auc": ranking(forecast.outcome[days_left == days], forecast.probability[days_left == days]),
            "brier_skill": round(brier_skill(forecast, days_left == days), 4),
        }
        for days in sorted(set(days_left.tolist()), reverse=True)
    ]


def origins(cases: Snapshots) -> Iterator[tuple[Array, Array]]:
    starts = np.quantile(cases.days, np.linspace(0.4, 1, ORIGINS + 1)).astype(int)
    starts[-1] += 1
    for start, end in pairwise(starts):
        known = np.flatnonzero(cases.decided < start)
        test = np.flatnonzero((cases.days >= start) & (cases.days < end))
        lost = len({cases.record_keys[row] for row in known if cases.renewed[row] == 0})
        kept = len({cases.record_keys[row] for row in known if cases.renewed[row] == 1})
        if len(test) and lost >= 15 and kept >= 30:
            yield known, test


def _document(version: str, forecast: Forecast) -> dict[str, Any]:
    rate = float(forecast.outcome.mean())
    brier = float(((forecast.base - forecast.outcome) ** 2).mean())
    return {
        "model_version": version,
        "n": len(forecast.outcome),
        "base_rate": round(rate, 4),
        **figures(forecast),
        "grade": grade(forecast),
        "baseline": {
            "name": "base rate",
            "rate": round(float(forecast.base.mean()), 4),
            "auc": 0.5,
            "pr_auc": round(rate, 4),
            "brier": round(brier, 4),
            "brier_skill": 0.0,
            "ece": round(abs(float((forecast.base - forecast.outcome).mean())), 4),
        },
    }


def _too_little(version: str, outcomes: Array) -> dict[str, Any]:
    rate = round(float(outcomes.mean()), 4) if len(outcomes) else None
    brier = round(rate * (1 - rate), 4) if rate is not None else None
    nothing = {"auc": None, "pr_auc": rate, "brier": brier, "brier_skill": 0.0 if rate is not None else None}
    return {
        "model_version": version,
        "n": len(outcomes),
        "base_rate": rate,
        **nothing,
        "ece": None,
        "grade": TOO_LITTLE,
        "baseline": {"name": "base rate", "rate": rate, "auc": None, "brier": brier},
    }


def _version(cases: Snapshots) -> str:
    data = np.nan_to_num(cases.features, nan=-1e9).tobytes() + cases.renewed.tobytes()
    digest = hashlib.blake2b(data + "\n".join(cases.record_keys).encode(), digest_size=4).hexdigest()
    latest = max(cases.as_of, default=date(1970, 1, 1))
    return f"{MODEL}-2-{latest:%Y%m%d}-{digest}"
