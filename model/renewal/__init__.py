"""Renewal likelihood: features known at the time, time-split validation, calibration, grades and drivers.

table.py      any table of features → numbers, categories, labels, times
learners.py   logistic regression, gradient boosting, their blend; calibrators
splits.py     rolling origins and stratified folds
figures.py    AUC, PR-AUC, Brier skill, calibration error, bootstrap and grade
evaluate.py   the pipeline over one table
features.py   what is known of a contract on a day, with the SQL below sql/
snapshots.py  contract × as-of snapshots out of a published build
model.py      the model that is stored: a logistic model as JSON, with drivers
rolling.py    the backtest over snapshots
watch.py      contracts of today against those trained on
service.py    train, score, backtest
cards.py      the current model's card, the newest scores and their history

The learners are imported when they are first needed: most commands never train anything.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.renewal.cards import card, latest_scores

if TYPE_CHECKING:
    import polars as pl

    from ops.instance import Instance

__all__ = ["backtest", "card", "drift", "evaluate_file", "evaluate_table", "latest_scores", "score", "train"]


def evaluate_table(
    frame: pl.DataFrame,
    label: str,
    id_column: str | None = None,
    date_column: str | None = None,
    notes: list[str] | None = None,
) -> dict[str, Any]:
    """`{model_version, n, base_rate, auc, pr_auc, brier, brier_skill, ece, grade, baseline{…}}` of a table.

    Grain of `frame`: one row per case (customer × as-of date). `n` and the figures count out-of-sample rows. What
    was found out about the columns is appended to `notes`; where one looks like a leak, the document says so too,
    under `warnings`. FatalError when a named column is missing or the label does not have two values.
    """
    from model.renewal.evaluate import evaluate
    from model.renewal.table import LEAK, prepare

    found = evaluate(prepare(frame, label, id_column, date_column))
    if notes is not None:
        notes.extend(found.notes)
    warnings = [note for note in found.notes if LEAK in note]
    return {**found.figures, "warnings": warnings} if warnings else found.figures


def evaluate_file(
    path: Path,
    *,
    label: str,
    id_column: str | None = None,
    date_column: str | None = None,
    notes: list[str] | None = None,
) -> dict[str, Any]:
    """`evaluate_table` of a CSV, Excel or Parquet file."""
    from model.renewal.table import read

    return evaluate_table(read(path), label, id_column, date_column, notes)


def train(instance: Instance) -> dict[str, Any]:
    """Train on the published build and store a version; returns its card (see service.train)."""
    from model.renewal import service

    return service.train(instance)


def score(instance: Instance) -> int:
    """Score the contracts that are due with the current version; returns the number of new scores."""
    from model.renewal import service

    return service.score(instance)


def backtest(instance: Instance) -> dict[str, Any]:
    """Rolling-origin backtest figures over the published build (see service.backtest)."""
    from model.renewal import service

    return service.backtest(instance)


def drift(instance: Instance) -> dict[str, Any]:
    """Whether the contracts due now still look like those the model was trained on (see watch.compare)."""
    from model.renewal import service

    return service.drift(instance)
