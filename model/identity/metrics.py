"""How well clusters agree with the truth: pairs, whole clusters, B³; and how well scores part pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl


def f1(precision: float, recall: float) -> float:
    """Harmonic mean; 0 where both are 0."""
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _measures(precision: float, recall: float) -> dict[str, float]:
    return {"precision": precision, "recall": recall, "f1": f1(precision, recall)}


def agreement(found: npt.ArrayLike, truth: npt.ArrayLike) -> dict[str, dict[str, float]]:
    """pair, cluster and b_cubed, each with precision, recall, f1, from a cluster label per record in both.

    pair: pairs of records in one cluster; cluster: clusters that are equal member for member, singletons included;
    b_cubed: mean over records of the share of their cluster that belongs there (Bagga and Baldwin 1998). A measure
    over nothing (no pair in any cluster) is 1.
    """
    frame = pl.DataFrame({"found": np.asarray(found), "truth": np.asarray(truth)})
    cells = frame.group_by("found", "truth").agg(n=pl.len().cast(pl.Float64))
    cells = cells.with_columns(in_found=pl.col("n").sum().over("found"), in_truth=pl.col("n").sum().over("truth"))
    both = _pairs(cells["n"])
    predicted = _pairs(frame.group_by("found").agg(n=pl.len().cast(pl.Float64))["n"])
    actual = _pairs(frame.group_by("truth").agg(n=pl.len().cast(pl.Float64))["n"])
    exact = len(cells.filter((pl.col("n") == pl.col("in_found")) & (pl.col("n") == pl.col("in_truth"))))
    records = max(len(frame), 1)
    square = cells.select(
        precision=(pl.col("n") ** 2 / pl.col("in_found")).sum(), recall=(pl.col("n") ** 2 / pl.col("in_truth")).sum()
    ).row(0)
    return {
        "pair": _measures(_share(both, predicted), _share(both, actual)),
        "cluster": _measures(_share(exact, frame["found"].n_unique()), _share(exact, frame["truth"].n_unique())),
        "b_cubed": _measures(square[0] / records, square[1] / records) if len(frame) else _measures(1.0, 1.0),
    }


def _pairs(sizes: pl.Series) -> float:
    return float((sizes * (sizes - 1) / 2).sum() or 0)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 1.0


def ranking(scores: npt.ArrayLike, truth: npt.ArrayLike) -> dict[str, Any]:
    """auc, best_f1 and the threshold that gives it, for scores of pairs and whether they match.

    `auc` is null where only one class is there.
    """
    values, labels = np.asarray(scores, dtype=np.float64), np.asarray(truth, dtype=bool)
    positives, negatives = int(labels.sum()), int((~labels).sum())
    ranks = pl.Series(values).rank("average").to_numpy()
    auc = None
    if positives and negatives:
        auc = float((ranks[labels].sum() - positives * (positives + 1) / 2) / (positives * negatives))
    order = np.argsort(-values, kind="stable")
    hits = np.cumsum(labels[order])
    last = np.append(values[order][1:] != values[order][:-1], True) if len(values) else np.zeros(0, dtype=bool)
    measure = 2 * hits / (np.arange(1, len(values) + 1) + max(positives, 1))
    measure = np.where(last, measure, -1)
    best = int(np.argmax(measure)) if len(values) else -1
    return {
        "auc": auc,
        "best_f1": float(measure[best]) if best >= 0 else 0.0,
        "threshold": float(values[order][best]) if best >= 0 else None,
    }
