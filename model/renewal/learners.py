"""Learners and calibrators behind the figures: small functions over sklearn, fixed seeds, never class weights.

`class_weight="balanced"` wrecks probabilities that people read (ECE .141 on churn), hence it has no switch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
)

Array = npt.NDArray[Any]
Predict = Callable[[Array], Array]
SEED = 20260101
CALIBRATORS = ("none", "sigmoid", "isotonic")
ISOTONIC_SHARE = 0.75
SMALL = 2000


@dataclass(frozen=True)
class Shape:
    """How many leading columns of the matrix are numbers (the rest are category codes), and which of them
    have more than twelve values and so deserve a curve."""

    numbers: int
    curved: tuple[int, ...]

    @classmethod
    def of(cls, matrix: Array, numbers: int) -> Shape:
        """Measured on the training rows alone."""
        curved = [n for n in range(numbers) if len(np.unique(matrix[~np.isnan(matrix[:, n]), n])) > 12]
        return cls(numbers, tuple(curved))


def _signed_log(values: Array) -> Array:
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)))


def logistic(matrix: Array, label: Array, numbers: int) -> Predict:
    """Logistic regression over standardised numbers, cubic splines of their quantiles and one-hot categories."""
    shape = Shape.of(matrix, numbers)
    every, codes = list(range(numbers)), list(range(numbers, matrix.shape[1]))
    impute = {"strategy": "median", "keep_empty_features": True}
    parts: list[tuple[str, Any, list[int]]] = []
    if every:
        line = make_pipeline(
            SimpleImputer(add_indicator=True, **impute), FunctionTransformer(_signed_log), StandardScaler()
        )
        parts.append(("line", line, every))
    if shape.curved:
        quantiles = QuantileTransformer(n_quantiles=min(200, len(matrix)), subsample=50_000, random_state=SEED)
        curve = SplineTransformer(n_knots=5, degree=3, knots="uniform", extrapolation="constant")
        parts.append(
            (
                "curve",
                make_pipeline(SimpleImputer(**impute), quantiles, curve, StandardScaler()),
                list(shape.curved),
            )
        )
    if codes:
        levels = OneHotEncoder(min_frequency=10, handle_unknown="infrequent_if_exist", sparse_output=False)
        parts.append(("levels", levels, codes))
    strength = 0.3 if len(label) >= 1000 else 0.05
    model = make_pipeline(ColumnTransformer(parts), LogisticRegression(C=strength, max_iter=3000))
    model.fit(matrix, label)
    return lambda rows: np.asarray(model.predict_proba(rows)[:, 1])


def boosting(matrix: Array, label: Array, numbers: int) -> Predict:
    """Histogram gradient boosting with shallow trees; categories are split as categories."""
    codes = list(range(numbers, matrix.shape[1]))
    small = len(label) < SMALL
    model = HistGradientBoostingClassifier(
        learning_rate=0.06 if small else 0.03,
        max_iter=80 if small else 200,
        max_leaf_nodes=6,
        min_samples_leaf=int(np.clip(len(label) // 100, 10, 40)),
        l2_regularization=1.0,
        categorical_features=codes or None,
        early_stopping=False,
        random_state=SEED,
    )

    def shift(rows: Array) -> Array:
        moved = rows.copy()
        moved[:, numbers:] += 1
        return moved

    model.fit(shift(matrix), label)
    return lambda rows: np.asarray(model.predict_proba(shift(rows))[:, 1])


LEARNERS: dict[str, Callable[[Array, Array, int], Predict]] = {"logistic": logistic, "boosting": boosting}


def logit(probability: Array) -> Array:
    """Log odds, clipped away from 0 and 1."""
    inside = np.clip(probability, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(inside / (1 - inside)))


def expit(odds: Array) -> Array:
    """The probability of log odds."""
    return np.asarray(1 / (1 + np.exp(-odds)))


def blend(forecasts: dict[str, Array]) -> dict[str, Array]:
    """The learners' forecasts and, beside them, the mean of their log odds."""
    return {**forecasts, "blend": expit(np.mean([logit(values) for values in forecasts.values()], axis=0))}


def calibrator(kind: str, forecast: Array, label: Array) -> Predict:
    """Fit a map from forecast to probability: "none", "sigmoid" (Platt, on log odds) or "isotonic".

    The steps of isotonic regression are mixed with a quarter of the sigmoid, which keeps ties in order."""
    if kind == "none" or len(np.unique(label)) < 2:
        return lambda values: values
    platt = LogisticRegression(C=1e6).fit(logit(forecast)[:, None], label)

    def sigmoid(values: Array) -> Array:
        return np.asarray(platt.predict_proba(logit(values)[:, None])[:, 1])

    if kind == "sigmoid":
        return sigmoid
    steps = IsotonicRegression(y_min=0.001, y_max=0.999, out_of_bounds="clip").fit(forecast, label)
    return lambda values: np.asarray(ISOTONIC_SHARE * steps.predict(values) + (1 - ISOTONIC_SHARE) * sigmoid(values))
