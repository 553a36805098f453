"""What was trained and scored, read from the operational store; light, for screens."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import func, select

from ops.store import Store
from ops.tables import model_versions, scores

MODEL = "renewal"


def card(store: Store) -> dict[str, Any] | None:
    """The current model's card (figures, grade, features, calibration curve), None when nothing was trained."""
    with store.read() as connection:
        row = connection.execute(
            select(model_versions).where(model_versions.c.model == MODEL, model_versions.c.is_current)
        ).first()
    return None if row is None else {**json.loads(row.card), "trained_at": row.trained_at}


def latest_scores(store: Store) -> dict[str, dict[str, Any]]:
    """Contract record key → its newest score, drivers decoded."""
    with store.read() as connection:
        newest = select(func.max(scores.c.score_id)).where(scores.c.model == MODEL).group_by(scores.c.record_key)
        rows = connection.execute(select(scores).where(scores.c.score_id.in_(newest))).mappings().all()
    return {
        row["record_key"]: {
            **row,
            "drivers_up": json.loads(row["drivers_up"] or "[]"),
            "drivers_down": json.loads(row["drivers_down"] or "[]"),
        }
        for row in rows
    }


def score_history(store: Store, record_key: str) -> list[dict[str, Any]]:
    """Scores of one contract, oldest first; a day on which nothing changed is left out.

    `{as_of, likelihood, low, high, base_rate, model_version}`.
    """
    names = ("as_of", "likelihood", "low", "high", "base_rate", "model_version")
    statement = (
        select(*(scores.c[name] for name in names))
        .where(scores.c.model == MODEL, scores.c.record_key == record_key)
        .order_by(scores.c.score_id)
    )
    with store.read() as connection:
        rows = [dict(row) for row in connection.execute(statement).mappings()]
    told: list[dict[str, Any]] = []
    for row in rows:
        if not told or (row["likelihood"], row["model_version"]) != (told[-1]["likelihood"], told[-1]["model_version"]):
            told.append(row)
    return told
