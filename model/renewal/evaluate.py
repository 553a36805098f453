"""Any table of features through the renewal pipeline: honest out-of-sample figures and a grade.

Outer folds give the figures. Inside each training side, inner folds (rolling where there is time) choose learner
and calibrator, the base rate included, so that no choice ever saw the rows it is judged on.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from model.renewal import learners
from model.renewal.figures import (
    TOO_LITTLE,
    Forecast,
    calibration_curve,
    enough,
    figures,
    grade,
)
from model.renewal.learners import LEARNERS, SEED, Predict, blend, calibrator
from model.renewal.splits import Split, apart, rolling_origins, stratified, usable
from model.renewal.table import LEAK, Table

Array = npt.NDArray[Any]
PIPELINE = "renewal-1"
BASE = "base rate"
MARGIN = 0.0005
CLOSE = 0.001
ISOTONIC_NEEDS = 2000
# learners stop improving long before; beyond, rows cost time and memory only
CHOICE_ROWS = 12_000
FIT_ROWS = 40_000
MANY_ROWS = 50_000
TOO_GOOD = 0.99


@dataclass(frozen=True)
class Evaluation:
    """Figures of one table, the notes on its columns, what was chosen per fold and the calibration curve."""

    figures: dict[str, Any]
    notes: tuple[str, ...]
    choices: tuple[str, ...]
    curve: list[dict[str, float]]
    forecast: Forecast


def evaluate(table: Table) -> Evaluation:
    """Evaluate a prepared table; deterministic.

    One thread: sums in one order on every machine, and no spinning where other work shares the cores.
    """
    with threadpool_limits(limits=1):
        return _evaluate(table)


def _evaluate(table: Table) -> Evaluation:
    if not enough(table.label) or not table.matrix.shape[1]:
        return _base_rate_only(table)
    pieces, choices = [], []
    for number, (train, test) in enumerate(usable(_outer(table), table.label)):
        fitted, choice = fit(table, train)
        pieces.append(_piece(table, train, test, fitted(table.matrix[test]), number))
        choices.append(choice)
    if not pieces:
        return _base_rate_only(table)
    forecast = _join(pieces)
    quality = figures(forecast)
    return Evaluation(
        figures=_document(table, forecast, quality, grade(forecast)),
        notes=(*table.notes, *_too_good(quality)),
        choices=tuple(choices),
        curve=calibration_curve(forecast.outcome, forecast.probability),
        forecast=forecast,
    )


def fit(table: Table, train: Array) -> tuple[Predict, str]:
    """Choose learner and calibrator on inner folds of `train`, refit on all of it. Returns forecast and choice.

    Of large tables a fixed sample of rows is used, smaller for the choice than for the fit.
    """
    numbers = table.numbers.shape[1]
    base = float(table.label[train].mean())
    chosen, name, kind, adjust = _chosen(table, _sample(train, CHOICE_ROWS), numbers)
    if not chosen:
        return lambda rows: np.full(len(rows), base), BASE
    final_rows = _sample(train, FIT_ROWS)
    matrix, label = table.matrix[final_rows], table.label[final_rows]
    wanted = LEARNERS if name == "blend" else {name: LEARNERS[name]}
    final = {key: learn(matrix, label, numbers) for key, learn in wanted.items()}
    return lambda rows: adjust(blend({key: model(rows) for key, model in final.items()})[name]), f"{name}+{kind}"


def _sample(rows: Array, most: int) -> Array:
    if len(rows) <= most:
        return rows
    return np.asarray(np.sort(np.random.default_rng(SEED).choice(rows, most, replace=False)))


def _chosen(table: Table, train: Array, numbers: int) -> tuple[bool, str, str, Predict]:
    """Whether anything beats the base rate on inner folds of `train`; learner, calibrator's kind and calibrator."""
    matrix, label = table.matrix[train], table.label[train]
    nothing: tuple[bool, str, str, Predict] = (False, BASE, "none", lambda values: values)
    inner = list(usable(_inner(table, train), label))
    if not inner:
        return nothing
    outs: dict[str, list[Array]] = {name: [] for name in [*LEARNERS, "blend"]}
    for fit_rows, out_rows in inner:
        models = {name: learn(matrix[fit_rows], label[fit_rows], numbers) for name, learn in LEARNERS.items()}
        for name, values in blend({name: model(matrix[out_rows]) for name, model in models.items()}).items():
            outs[name].append(values)
    labels = [label[rows] for _, rows in inner]
    bases = [float(label[rows].mean()) for rows, _ in inner]
    if len(inner) == 1:
        outs = {name: [values[0][::2], values[0][1::2]] for name, values in outs.items()}
        labels, bases = [labels[0][::2], labels[0][1::2]], bases * 2
    name, kind = _choose(outs, labels, bases, periods=len(inner) if table.days is not None else 0)
    if name == BASE:
        return nothing
    return True, name, kind, calibrator(kind, np.concatenate(outs[name]), np.concatenate(labels))


def _choose(outs: dict[str, list[Array]], labels: list[Array], bases: list[float], *, periods: int) -> tuple[str, str]:
    """The learner with the lowest Brier score and its calibrator, every fold calibrated on the others.

    The blend stays unless another learner is better by MARGIN; nothing that loses to the base rate is chosen.
    Where rows have times (`periods` inner test periods), seasons move the base rate: a calibrator replaces "none"
    only if it wins in each of at least three periods. Elsewhere the richest calibrator that costs no more than CLOSE
    is taken, for the sake of the probabilities that people read.
    """
    outcome = np.concatenate(labels)
    flat = sum(float(((base - part) ** 2).sum()) for base, part in zip(bases, labels, strict=True)) / len(outcome)
    kinds = [kind for kind in learners.CALIBRATORS if kind != "isotonic" or len(outcome) >= ISOTONIC_NEEDS]
    crossed = {(name, kind): _crossed(outs[name], labels, kind) for name in outs for kind in kinds}
    brier = {pair: float(((np.concatenate(parts) - outcome) ** 2).mean()) for pair, parts in crossed.items()}
    best = {name: min(brier[name, kind] for kind in kinds) for name in outs}
    winner = min(best, key=lambda name: best[name] - (MARGIN if name == "blend" else 0.0))
    if best[winner] >= flat:
        return BASE, "none"
    if periods:
        kinds = kinds if periods > 2 else ["none"]
        plain = [((part - label) ** 2).mean() for part, label in zip(crossed[winner, "none"], labels, strict=True)]
        kinds = [kind for kind in kinds if kind == "none" or _always(crossed[winner, kind], labels, plain)]
        return winner, min(kinds, key=lambda kind: brier[winner, kind])
    close = [kind for kind in kinds if brier[winner, kind] <= best[winner] + CLOSE]
    return winner, close[-1]


def _always(parts: list[Array], labels: list[Array], plain: list[float]) -> bool:
    scores = [((part - label) ** 2).mean() for part, label in zip(parts, labels, strict=True)]
    return all(score < reference for score, reference in zip(scores, plain, strict=True))


def _crossed(outs: list[Array], labels: list[Array], kind: str) -> list[Array]:
    """The folds' forecasts, each calibrated on the other folds."""
    parts = []
    for number, forecast in enumerate(outs):
        others = [n for n in range(len(outs)) if n != number]
        adjust = calibrator(
            kind, np.concatenate([outs[n] for n in others]), np.concatenate([labels[n] for n in others])
        )
        parts.append(adjust(forecast))
    return parts


def _outer(table: Table) -> list[Split]:
    many = len(table.label) > MANY_ROWS
    if table.days is not None and len(np.unique(table.days)) > 1:
        splits = rolling_origins(table.days, folds=3 if many else 4)
        return apart(splits, table.groups) if table.is_one_outcome and table.groups is not None else splits
    return stratified(table.label, table.groups, 3 if many else 5, SEED)


def _inner(table: Table, train: Array) -> list[Split]:
    if table.days is not None and len(np.unique(table.days[train])) > 1:
        splits = rolling_origins(table.days[train], folds=3, first=0.4)
        return apart(splits, table.groups[train]) if table.is_one_outcome and table.groups is not None else splits
    groups = table.groups[train] if table.groups is not None else None
    return stratified(table.label[train], groups, 3 if len(table.label) > MANY_ROWS else 4, SEED)


def _piece(table: Table, train: Array, test: Array, probability: Array, fold: int) -> Forecast:
    base = float(table.label[train].mean())
    unit = table.groups[test] if table.groups is not None else test
    return Forecast(table.label[test], probability, np.full(len(test), base), np.full(len(test), fold), unit)


def _join(parts: list[Forecast]) -> Forecast:
    names = ("outcome", "probability", "base", "fold", "unit")
    return Forecast(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _too_good(quality: dict[str, float]) -> list[str]:
    if quality["auc"] < TOO_GOOD:
        return []
    return [f"{LEAK}: together the columns rank the rows almost perfectly (AUC {quality['auc']:.3f})"]


def _base_rate_only(table: Table) -> Evaluation:
    """Too few rows for a model: every row is forecast by the base rate of the others, and the grade says so."""
    n, positive = len(table.label), int(table.label.sum())
    base = (positive - table.label + 1) / (n + 1)
    rows = np.arange(n)
    flat = np.full(n, positive / n if n else 0.0)
    forecast = Forecast(table.label, flat, base, np.zeros(n), rows)
    quality = {**figures(forecast), "brier_skill": 0.0}
    return Evaluation(_document(table, forecast, quality, TOO_LITTLE), table.notes, (BASE,), [], forecast)


def _document(table: Table, forecast: Forecast, quality: dict[str, float], verdict: str) -> dict[str, Any]:
    names = "\n".join([*table.number_names, *table.category_names])
    digest = hashlib.blake2b(names.encode() + table.label.tobytes(), digest_size=4).hexdigest()
    rate = float(forecast.outcome.mean())
    baseline = {
        "name": BASE,
        "rate": round(float(forecast.base.mean()), 4),
        "auc": 0.5,
        "pr_auc": round(rate, 4),
        "brier": round(float(((forecast.base - forecast.outcome) ** 2).mean()), 4),
        "brier_skill": 0.0,
        "ece": round(abs(float((forecast.base - forecast.outcome).mean())), 4),
    }
    return {
        "model_version": f"{PIPELINE}-{digest}",
        "n": len(forecast.outcome),
        "base_rate": round(rate, 4),
        **quality,
        "grade": verdict,
        "baseline": baseline,
    }
