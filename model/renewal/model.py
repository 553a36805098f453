"""The model that scores contracts: a logistic model kept as JSON, so that a score can be explained and replayed.

No pickles: a stored model is numbers, readable in ten years and harmless when it comes from a backup.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from sklearn.linear_model import LogisticRegression

from model.renewal.features import BY_NAME, COLUMNS, EVIDENCE, FEATURES
from model.renewal.learners import expit

Array = npt.NDArray[Any]

STRENGTH = 0.3
SHRINK = 20.0
PRIOR = (5.0, 20.0)
NOT_A_DRIVER = frozenset({"days_left"})
DRIVES = 0.05


class LogisticModel(BaseModel):
    """Sparse logistic regression over standardised features; `covariance` (k+1, k+1) is that of intercept and
    coefficients. `columns` names what a row holds (features, then the evidence they rest on); `slope` and `shift`
    correct the log odds by what happened to earlier forecasts (1 and 0 when there were none).
    """

    model_config = ConfigDict(extra="forbid")

    kind: str = "logistic"
    columns: list[str]
    features: list[str]
    logged: list[bool]
    rows_needed: list[float]
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
        """(n, columns) → (n, features) clipped z-scores, drawn to the mean where little evidence is behind them."""
        values = _measured(rows, self.logged)
        clipped = np.clip(values, self.low, self.high)
        z = (clipped - np.array(self.mean)) / np.array(self.scale)
        return np.asarray(np.where(np.isnan(z), 0.0, z) * self._trust(rows))

    def odds(self, rows: Array) -> Array:
        """Corrected log odds per row."""
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

        Each: {feature, msgid, args{value as shown}, value as measured, effect in log odds}. Features that say the
        same thing (three measures of late payment) are one driver: their effects are added, and the one that
        pulls hardest in the direction of the sum is named. Unknown values drive nothing.
        """
        effects = self.standardise(row[None, :])[0] * np.array(self.coefficients) * self.slope
        groups: dict[str, list[int]] = {}
        for number, name in enumerate(self.features):
            if name not in NOT_A_DRIVER and not np.isnan(row[number]):
                groups.setdefault(BY_NAME[name].group, []).append(number)
        found: list[dict[str, Any]] = []
        for members in groups.values():
            total = float(effects[members].sum())
            named = max(members, key=lambda number: effects[number] * np.sign(total))
            if abs(total) >= DRIVES:
                found.append(_driver(self.features[named], float(row[named]), total))
        found.sort(key=lambda driver: -abs(float(driver["effect"])))
        up = [driver for driver in found if driver["effect"] > 0][:limit]
        return up, [driver for driver in found if driver["effect"] < 0][:limit]

    def _trust(self, rows: Array) -> Array:
        trust = np.ones((len(rows), len(self.features)))
        for number, (name, needed) in enumerate(zip(self.features, self.rows_needed, strict=True)):
            if needed:
                evidence = np.nan_to_num(rows[:, self.columns.index(f"{name}{EVIDENCE}")])
                trust[:, number] = evidence / (evidence + needed)
        return trust


class SegmentModel(BaseModel):
    """Too little data: the base rate of the customer's tier, shrunk towards the overall rate."""

    model_config = ConfigDict(extra="forbid")

    kind: str = "segment"
    base_rate: float
    rates: dict[str, float]

    def rate(self, segment: str) -> float:
        """The shrunken rate of `segment`, the overall rate when it was never seen."""
        return self.rates.get(segment, self.base_rate)


def _measured(rows: Array, logged: list[bool]) -> Array:
    values = rows[:, : len(logged)]
    return np.asarray(np.where(logged, np.sign(values) * np.log1p(np.abs(values)), values))


def _driver(name: str, value: float, effect: float) -> dict[str, Any]:
    absent = name == "auto_renew" and value < 0.5
    return {
        "feature": name,
        "msgid": f"renewal.driver.{'no_' if absent else ''}{name}",
        "args": {"value": _shown(name, value)},
        "value": round(value, 4),
        "effect": round(effect, 3),
    }


def _shown(name: str, value: float) -> str:
    shown = BY_NAME[name].shown
    if shown == "change":
        return f"{value:+.0%}"
    if shown == "share":
        return f"{value:.0%}"
    return f"{value:.1f}" if shown == "years" else f"{value:.0f}"


def fit_logistic(rows: Array, renewed: Array, weight: Array | None = None) -> LogisticModel:
    """Fit on (n, len(COLUMNS)) rows and 0/1; clipping at the 1st and 99th percentile.

    `weight` (default 1) makes the snapshots of one contract count as one contract.
    """
    weight = np.ones(len(rows)) if weight is None else weight
    logged = [BY_NAME[name].is_logged for name in FEATURES]
    values = _measured(rows, logged)
    values = np.where(np.isnan(values).all(axis=0), 0.0, values)
    low, high = np.nanquantile(values, 0.01, axis=0), np.nanquantile(values, 0.99, axis=0)
    clipped = np.clip(values, low, high)
    mean, scale = np.nanmean(clipped, axis=0), np.nanstd(clipped, axis=0)
    model = LogisticModel(
        columns=list(COLUMNS),
        features=list(FEATURES),
        logged=logged,
        rows_needed=[BY_NAME[name].rows_needed for name in FEATURES],
        low=low.tolist(),
        high=high.tolist(),
        mean=mean.tolist(),
        scale=np.where(scale < 1e-9, 1.0, scale).tolist(),
        coefficients=[0.0] * len(FEATURES),
        intercept=0.0,
        covariance=[],
        base_rate=float(np.average(renewed, weights=weight)),
    )
    z = model.standardise(rows)
    # a lasso: most of a company's features say nothing, and a wide ridge lets them blur the few that do
    lasso = LogisticRegression(C=STRENGTH, l1_ratio=1.0, solver="liblinear", intercept_scaling=10, max_iter=2000)
    fitted = lasso.fit(z, renewed, sample_weight=weight)
    coefficients = fitted.coef_[0]
    probability = expit(z @ coefficients + fitted.intercept_[0])
    update = {
        "coefficients": coefficients.tolist(),
        "intercept": float(fitted.intercept_[0]),
        "covariance": _covariance(z, coefficients, probability, weight).tolist(),
    }
    return model.model_copy(update=update)


def correction(odds: Array, renewed: Array, weight: Array) -> tuple[float, float]:
    """Slope and shift of the log odds that fit what happened to past forecasts, held near 1 and 0 by a prior.

    This is how a drifting base rate reaches the forecasts: the shift follows the errors of the last ones.
    """
    ones = np.column_stack([np.ones(len(odds)), odds])
    neutral, prior = np.array([0.0, 1.0]), np.array(PRIOR)
    found = neutral.copy()
    for _ in range(25):
        probability = expit(ones @ found)
        pull = ones.T @ (weight * (renewed - probability)) - prior * (found - neutral)
        curve = (ones * (weight * probability * (1 - probability))[:, None]).T @ ones + np.diag(prior)
        found = found + np.linalg.solve(curve, pull)
    return float(found[1]), float(found[0])


def _covariance(z: Array, coefficients: Array, probability: Array, weight: Array) -> Array:
    """Of intercept and the coefficients in use; the others are certain to be 0."""
    used = np.concatenate([[True], coefficients != 0])
    ones = np.column_stack([np.ones(len(z)), z])[:, used]
    information = (ones * (weight * probability * (1 - probability))[:, None]).T @ ones
    ridge = np.diag([1e-6] + [1.0] * (ones.shape[1] - 1))
    covariance = np.zeros((len(used), len(used)))
    covariance[np.ix_(used, used)] = np.linalg.inv(information + ridge)
    return covariance


def fit_segments(segments: list[str], renewed: Array) -> SegmentModel:
    """Rates per segment, each shrunk towards the overall rate by the weight of 20 contracts."""
    base = float((renewed.sum() + 1) / (len(renewed) + 2))
    names = np.array(segments)
    rates = {}
    for name in sorted(set(segments)):
        inside = renewed[names == name]
        rates[name] = float((inside.sum() + SHRINK * base) / (len(inside) + SHRINK))
    return SegmentModel(base_rate=base, rates=rates)
