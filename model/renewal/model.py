"""The model that scores contracts: a logistic model kept as JSON, so that a score can be explained and replayed.

No pickles: a stored model is numbers, readable in ten years and harmless when it comes from a backup.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from sklearn.linear_model import LogisticRegression

from model.renewal.learners import Predict, calibrator, expit
from model.renewal.snapshots import FEATURES

Array = npt.NDArray[Any]

STRENGTH = 0.3
SHRINK = 20.0
NOT_A_DRIVER = frozenset({"days_left"})
CHANGES = frozenset({"price_change", "order_trend"})
SHARES = CHANGES | {"unpaid_share", "missed_share", "unhappy_share"}


class LogisticModel(BaseModel):
    """Standardised, clipped logistic regression; `covariance` (k+1, k+1) is that of intercept and coefficients.

    `slope` and `shift` are the sigmoid calibration on the log odds (1 and 0 when none was chosen).
    """

    model_config = ConfigDict(extra="forbid")

    kind: str = "logistic"
    features: list[str]
    low: list[float]
    high: list[float]
    mean: list[float]
    scale: list[float]
    coefficients: list[float]
    intercept: float
    covariance: list[list[float]]
    slope: float = 1.0
    shift: float = 0.0
    base_rate: float

    def standardise(self, rows: Array) -> Array:
        """(n, k) raw features → clipped z-scores; unknown values count as the mean."""
        clipped = np.clip(rows, self.low, self.high)
        z = (clipped - np.array(self.mean)) / np.array(self.scale)
        return np.asarray(np.where(np.isnan(z), 0.0, z))

    def odds(self, rows: Array) -> Array:
        """Calibrated log odds per row."""
        raw = self.standardise(rows) @ np.array(self.coefficients) + self.intercept
        return np.asarray(self.slope * raw + self.shift)

    def probability(self, rows: Array) -> Array:
        """Likelihood of renewal per row."""
        return expit(self.odds(rows))

    def interval(self, rows: Array) -> tuple[Array, Array]:
        """90 % interval of the likelihood from the uncertainty of the coefficients (Laplace approximation)."""
        z = np.column_stack([np.ones(len(rows)), self.standardise(rows)])
        error = np.sqrt(np.einsum("ij,jk,ik->i", z, np.array(self.covariance), z)) * abs(self.slope)
        odds = self.odds(rows)
        return expit(odds - 1.645 * error), expit(odds + 1.645 * error)

    def drivers(self, row: Array, limit: int = 3) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """What pushes this contract up and down against the average one, strongest first.

        Each: {feature, msgid, args{value as shown}, value as measured, effect in log odds}. Unknown values drive
        nothing.
        """
        effects = self.standardise(row[None, :])[0] * np.array(self.coefficients) * self.slope
        found: list[dict[str, Any]] = [
            {
                "feature": name,
                "msgid": _msgid(name, float(row[number])),
                "args": {"value": _shown(name, float(row[number]))},
                "value": round(float(row[number]), 4),
                "effect": round(float(effects[number]), 3),
            }
            for number, name in enumerate(self.features)
            if name not in NOT_A_DRIVER and not np.isnan(row[number]) and abs(effects[number]) >= 0.05
        ]
        found.sort(key=lambda driver: -abs(float(driver["effect"])))
        up = [driver for driver in found if driver["effect"] > 0][:limit]
        return up, [driver for driver in found if driver["effect"] < 0][:limit]


class SegmentModel(BaseModel):
    """Too little data: the base rate of the customer's tier, shrunk towards the overall rate."""

    model_config = ConfigDict(extra="forbid")

    kind: str = "segment"
    base_rate: float
    rates: dict[str, float]

    def rate(self, segment: str) -> float:
        """The shrunken rate of `segment`, the overall rate when it was never seen."""
        return self.rates.get(segment, self.base_rate)


def _msgid(name: str, value: float) -> str:
    absent = name == "auto_renew" and value < 0.5
    return f"renewal.driver.{'no_' if absent else ''}{name}"


def _shown(name: str, value: float) -> str:
    if name in SHARES:
        return f"{value:+.0%}" if name in CHANGES else f"{value:.0%}"
    return f"{value:.1f}" if name == "tenure_years" else f"{value:.0f}"


def fit_logistic(rows: Array, renewed: Array) -> LogisticModel:
    """Fit on (n, k) raw features and 0/1; clipping at the 1st and 99th percentile."""
    clean = np.where(np.isnan(rows).all(axis=0), 0.0, rows)
    low, high = np.nanquantile(clean, 0.01, axis=0), np.nanquantile(clean, 0.99, axis=0)
    clipped = np.clip(clean, low, high)
    mean, scale = np.nanmean(clipped, axis=0), np.nanstd(clipped, axis=0)
    scale = np.where(scale < 1e-9, 1.0, scale)
    z = np.where(np.isnan(clipped), 0.0, (clipped - mean) / scale)
    fitted = LogisticRegression(C=STRENGTH, max_iter=2000).fit(z, renewed)
    probability = fitted.predict_proba(z)[:, 1]
    ones = np.column_stack([np.ones(len(z)), z])
    ridge = np.diag([1e-6] + [1 / STRENGTH] * z.shape[1])
    covariance = np.linalg.inv((ones * (probability * (1 - probability))[:, None]).T @ ones + ridge)
    return LogisticModel(
        features=list(FEATURES),
        low=low.tolist(),
        high=high.tolist(),
        mean=mean.tolist(),
        scale=scale.tolist(),
        coefficients=fitted.coef_[0].tolist(),
        intercept=float(fitted.intercept_[0]),
        covariance=covariance.tolist(),
        base_rate=float(renewed.mean()),
    )


def calibrated(model: LogisticModel, forecast: Array, renewed: Array) -> LogisticModel:
    """`model` with the sigmoid that maps out-of-sample `forecast` to what happened."""
    adjust: Predict = calibrator("sigmoid", forecast, renewed)
    ends = np.array([expit(np.array([0.0]))[0], expit(np.array([1.0]))[0]])
    mapped = adjust(ends)
    odds = np.log(mapped / (1 - mapped))
    return model.model_copy(update={"slope": float(odds[1] - odds[0]), "shift": float(odds[0])})


def fit_segments(segments: list[str], renewed: Array) -> SegmentModel:
    """Rates per segment, each shrunk towards the overall rate by the weight of 20 contracts."""
    base = float((renewed.sum() + 1) / (len(renewed) + 2))
    names = np.array(segments)
    rates = {}
    for name in sorted(set(segments)):
        inside = renewed[names == name]
        rates[name] = float((inside.sum() + SHRINK * base) / (len(inside) + SHRINK))
    return SegmentModel(base_rate=base, rates=rates)
