"""Train, score and judge renewal likelihood for one instance.

`train` and `score` read the published build; models are versioned inputs: only `train` makes one, `build` never.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from pydantic import ValidationError
from sqlalchemy import insert, select, update

from model.publish import current
from model.renewal.cards import MODEL, card
from model.renewal.features import COLUMNS, FEATURES
from model.renewal.figures import NO_SIGNAL, TOO_LITTLE, calibration_curve
from model.renewal.model import LogisticModel, SegmentModel, fit_logistic, fit_segments
from model.renewal.rolling import Judgement, judge, one_each
from model.renewal.snapshots import GRACE_DAYS, Snapshots, due, history
from model.renewal.watch import compare
from ops import clock
from ops.errors import FatalError
from ops.instance import Instance
from ops.store import stamp
from ops.tables import model_versions, scores

_OLD = "trained by another version of the product, on other features"
_RETRAIN = "run `c360 renewal train` again"


@contextmanager
def _published(instance: Instance) -> Iterator[duckdb.DuckDBPyConnection]:
    con = duckdb.connect(str(current(instance).path), read_only=True)
    try:
        yield con
    finally:
        con.close()


def backtest(instance: Instance) -> dict[str, Any]:
    """Figures of a rolling-origin backtest over the published build; stores nothing.

    `{model_version, n, base_rate, auc, pr_auc, brier, brier_skill, ece, grade, baseline{…}, horizons[…], drift{…}}`;
    n counts out-of-sample snapshots (contract × 180, 90, 30 days before its end).
    """
    today = clock.today(instance.config.zone)
    with _published(instance) as con:
        present, cases = due(con, today), history(con, today)
    return {**judge(cases).document, "drift": compare(cases, present)}


def drift(instance: Instance) -> dict[str, Any]:
    """The contracts due now against those the current model was trained on (see watch.compare).

    Without a trained model, against every decided contract.
    """
    today = clock.today(instance.config.zone)
    trained = card(instance.store)
    until = date.fromisoformat(trained["trained_on"]) if trained else today
    with _published(instance) as con:
        present, decided = due(con, today), history(con, today)
    known = (until - date(1970, 1, 1)).days
    return compare(decided, present, known_before=known)


def train(instance: Instance) -> dict[str, Any]:
    """Fit on every decided contract, store a version (file below `models/`, row in model_versions), return its card.

    A model without proven skill is not published: the shrunken base rate takes its place, and the card says so.
    """
    today = clock.today(instance.config.zone)
    with _published(instance) as con:
        present, cases = due(con, today), history(con, today)
    found = judge(cases)
    fitted = _fit(cases, found)
    document, forecast = found.document, found.forecast
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
        "drift": compare(cases, present),
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


def _fit(cases: Snapshots, found: Judgement) -> LogisticModel | SegmentModel:
    if found.document["grade"] in {NO_SIGNAL, TOO_LITTLE}:
        return fit_segments(cases.segments, cases.renewed)
    every = np.arange(len(cases.renewed))
    fitted = fit_logistic(cases.features, cases.renewed, one_each(cases, every))
    return fitted.model_copy(update={"slope": found.slope, "shift": found.shift})


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
    try:
        fitted: LogisticModel | SegmentModel = kind.model_validate_json(text)
    except ValidationError as error:
        raise FatalError(f"the renewal model {row.version} was {_OLD}", remedy=_RETRAIN) from error
    if isinstance(fitted, LogisticModel) and fitted.columns != list(COLUMNS):
        raise FatalError(f"the renewal model {row.version} was {_OLD}", remedy=_RETRAIN)
    return fitted, row.version


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
