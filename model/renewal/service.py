"""Train, score and judge renewal likelihood for one instance.

`train` and `score` read the published build; models are versioned inputs: only `train` makes one, `build` never.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
from sqlalchemy import insert, select, update

from model.publish import current
from model.renewal.cards import MODEL
from model.renewal.figures import (
    NO_SIGNAL,
    TOO_LITTLE,
    Forecast,
    calibration_curve,
    enough,
    figures,
    grade,
)
from model.renewal.model import LogisticModel, SegmentModel, calibrated, fit_logistic, fit_segments
from model.renewal.snapshots import FEATURES, GRACE_DAYS, Snapshots, due, history
from ops import clock
from ops.errors import FatalError
from ops.instance import Instance
from ops.store import stamp
from ops.tables import model_versions, scores

Array = npt.NDArray[Any]
ORIGINS = 5


@contextmanager
def _published(instance: Instance) -> Iterator[duckdb.DuckDBPyConnection]:
    con = duckdb.connect(str(current(instance).path), read_only=True)
    try:
        yield con
    finally:
        con.close()


def backtest(instance: Instance) -> dict[str, Any]:
    """Figures of a rolling-origin backtest over the published build; stores nothing.

    `{model_version, n, base_rate, auc, pr_auc, brier, brier_skill, ece, grade, baseline{…}}`; n counts
    out-of-sample snapshots (contract × 180, 90, 30 days before its end).
    """
    with _published(instance) as con:
        return judge(history(con, clock.today(instance.config.zone)))[0]


def train(instance: Instance) -> dict[str, Any]:
    """Fit on every decided contract, store a version (file below `models/`, row in model_versions), return its card.

    A model without proven skill is not published: the shrunken base rate takes its place, and the card says so.
    """
    today = clock.today(instance.config.zone)
    with _published(instance) as con:
        cases = history(con, today)
    document, forecast = judge(cases)
    fitted = _fit(cases, document["grade"], forecast)
    card_document = {
        **document,
        "kind": fitted.kind,
        "features": list(FEATURES),
        "contracts": len(set(cases.record_keys)),
        "renewed": len({k for k, y in zip(cases.record_keys, cases.renewed, strict=True) if y == 1}),
        "lost": len({k for k, y in zip(cases.record_keys, cases.renewed, strict=True) if y == 0}),
        "grace_days": GRACE_DAYS,
        "trained_on": today.isoformat(),
        "calibration": calibration_curve(forecast.outcome, forecast.probability) if forecast else [],
    }
    _store(instance, document["model_version"], fitted, card_document)
    return card_document


def score(instance: Instance) -> int:
    """Score the contracts that are due, with the current model version; returns how many rows were appended.

    Without a trained model nothing is scored.
    A contract whose score did not change since the last run of the same day and version gets no second row.
    """
    found = _current(instance)
    if found is None:
        return 0
    fitted, version = found
    today = clock.today(instance.config.zone)
    with _published(instance) as con:
        cases = due(con, today)
    rows = [_score_row(fitted, cases, number) for number in range(len(cases.record_keys))]
    fixed = {"model": MODEL, "model_version": version, "scored_at": stamp(), "as_of": today.isoformat()}
    with instance.store.begin() as connection:
        latest = _latest(connection, version, today)
        fresh = [row for row in rows if latest.get(row["record_key"]) != row["likelihood"]]
        if fresh:
            connection.execute(insert(scores), [{**fixed, **row} for row in fresh])
    return len(fresh)


def judge(cases: Snapshots) -> tuple[dict[str, Any], Forecast | None]:
    """The backtest document and its out-of-sample forecasts (None when there is too little data).

    At each origin only contracts whose outcome was known by then are trained on.
    """
    single = {key: int(y) for key, y in zip(cases.record_keys, cases.renewed, strict=True)}
    outcomes = np.array(list(single.values()), dtype=np.int64)
    version = _version(cases)
    if not enough(outcomes):
        return _too_little(version, outcomes), None
    _, unit = np.unique(cases.record_keys, return_inverse=True)
    pieces = []
    for number, (train_rows, test_rows) in enumerate(_origins(cases)):
        fitted = fit_logistic(cases.features[train_rows], cases.renewed[train_rows])
        base = float(cases.renewed[train_rows].mean())
        pieces.append(
            (
                cases.renewed[test_rows],
                fitted.probability(cases.features[test_rows]),
                np.full(len(test_rows), base),
                np.full(len(test_rows), number),
                unit[test_rows],
            )
        )
    if not pieces:
        return _too_little(version, outcomes), None
    forecast = Forecast(*(np.concatenate(column) for column in zip(*pieces, strict=True)))
    return _document(version, forecast), forecast


def _origins(cases: Snapshots) -> Iterator[tuple[Array, Array]]:
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
    return f"{MODEL}-1-{latest:%Y%m%d}-{digest}"


def _fit(cases: Snapshots, verdict: str, forecast: Forecast | None) -> LogisticModel | SegmentModel:
    if forecast is None or verdict in {NO_SIGNAL, TOO_LITTLE}:
        return fit_segments(cases.segments, cases.renewed)
    fitted = fit_logistic(cases.features, cases.renewed)
    adjusted = calibrated(fitted, forecast.probability, forecast.outcome)
    # a sigmoid far from the identity is worth having; one near it only adds the noise of two more numbers
    return adjusted if abs(adjusted.slope - 1) > 0.15 or abs(adjusted.shift) > 0.15 else fitted


def _store(instance: Instance, version: str, fitted: LogisticModel | SegmentModel, document: dict[str, Any]) -> None:
    instance.models.mkdir(parents=True, exist_ok=True)
    path = instance.models / f"{version}.json"
    temporary = path.with_suffix(".tmp")
    temporary.write_text(fitted.model_dump_json(indent=1), encoding="utf-8")
    temporary.replace(path)
    row = {
        "model": MODEL,
        "version": version,
        "trained_at": stamp(),
        "is_current": True,
        "card": json.dumps(document, ensure_ascii=False),
        "path": path.name,
    }
    with instance.store.begin() as connection:
        connection.execute(update(model_versions).where(model_versions.c.model == MODEL).values(is_current=False))
        instance.store.upsert(connection, model_versions, row, ["model", "version"])


def _current(instance: Instance) -> tuple[LogisticModel | SegmentModel, str] | None:
    with instance.store.read() as connection:
        row = connection.execute(
            select(model_versions).where(model_versions.c.model == MODEL, model_versions.c.is_current)
        ).first()
    if row is None:
        return None
    path: Path = instance.models / str(row.path)
    if not path.is_file():
        raise FatalError(f"the renewal model file {path} is missing", remedy="run `c360 renewal train` again")
    text = path.read_text(encoding="utf-8")
    kind = LogisticModel if json.loads(text)["kind"] == "logistic" else SegmentModel
    return kind.model_validate_json(text), row.version


def _latest(connection: Any, version: str, today: date) -> dict[str, float | None]:
    rows = connection.execute(
        select(scores.c.record_key, scores.c.likelihood)
        .where(scores.c.model_version == version, scores.c.as_of == today.isoformat())
        .order_by(scores.c.score_id)
    )
    return {row.record_key: row.likelihood for row in rows}


def _score_row(fitted: LogisticModel | SegmentModel, cases: Snapshots, number: int) -> dict[str, Any]:
    row: dict[str, Any] = {"record_key": cases.record_keys[number], "base_rate": round(fitted.base_rate, 4)}
    if isinstance(fitted, SegmentModel):
        rate = round(fitted.rate(cases.segments[number]), 4)
        return {
            **row,
            "likelihood": rate,
            "low": None,
            "high": None,
            "drivers_up": "[]",
            "drivers_down": "[]",
        }
    features = cases.features[number : number + 1]
    low, high = fitted.interval(features)
    up, down = fitted.drivers(features[0])
    return {
        **row,
        "likelihood": round(float(fitted.probability(features)[0]), 4),
        "low": round(float(low[0]), 4),
        "high": round(float(high[0]), 4),
        "drivers_up": json.dumps(up),
        "drivers_down": json.dumps(down),
    }
