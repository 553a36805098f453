"""Contracts that come up for renewal, with their likelihood and its reasons; and the model's card."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from model.policy import Viewer
from model.renewal.cards import score_history
from model.serve.card import scores_of
from model.serve.connection import Served
from ops.tables import model_versions

HORIZON_DAYS = 180
APART_POINTS = 25


def renewals(viewer: Viewer, db: Served, days: int = HORIZON_DAYS) -> list[dict[str, Any]]:
    """Recurring contracts in force that end within `days`, earliest first, of customers this viewer may see."""
    day = db.today()
    rule, named = viewer.named_rows()
    parameters: dict[str, Any] = {"today": day, "until": day + timedelta(days=days), **named}
    rows = db.rows(
        f"""select contract.customer_key, customer.name, contract.record_key, contract.number as contract_number,
                   contract.end_on, contract.amount, contract.currency, customer.owner_name as owner,
                   contract.owner_forecast_percent as owner_forecast, contract.kind
            from core.fct_contract as contract
            join core.dim_customer as customer on customer.customer_key = contract.customer_key
            where contract.is_recurring and contract.end_on between $today and $until
              and coalesce(contract.status, 'in_force') = 'in_force' and {rule}
              and not exists (select 1 from core.fct_contract as successor
                              where successor.customer_key = contract.customer_key
                                and successor.renewal_of_key = contract.record_key
                                and successor.status in ('in_force', 'expired'))
            order by contract.end_on, contract.record_key""",
        parameters,
    )
    newest = scores_of(db)
    grade = renewal_card(viewer, db).get("grade")
    return [_with_score(row, newest.get(row["record_key"]), grade) for row in rows]


def _with_score(row: dict[str, Any], score: dict[str, Any] | None, grade: str | None) -> dict[str, Any]:
    score = score or {}
    low, high = score.get("low"), score.get("high")
    return {
        **row,
        "likelihood": score.get("likelihood"),
        "disagreement": _disagreement(score.get("likelihood"), row.get("owner_forecast")),
        "interval": None if low is None else [low, high],
        "base_rate": score.get("base_rate"),
        "drivers_up": json.loads(score.get("drivers_up") or "[]"),
        "drivers_down": json.loads(score.get("drivers_down") or "[]"),
        "grade": grade,
    }


def _disagreement(likelihood: float | None, owner_forecast: Any) -> int | None:
    """Percent points by which the owner is above (+) or below (−) the model; None within 25 or when one is absent."""
    if likelihood is None or owner_forecast is None:
        return None
    apart = round(float(owner_forecast) - 100 * likelihood)
    return apart if abs(apart) > APART_POINTS else None


def renewal_history(viewer: Viewer, db: Served, record_key: str) -> list[dict[str, Any]]:
    """Scores of one contract of a visible customer, oldest first, one row per change of likelihood or version.

    `{as_of, likelihood, low, high, base_rate, model_version}`; empty for a contract that this viewer may not see.
    """
    rule, named = viewer.named_rows()
    seen = db.rows(
        f"""select 1 as found from core.fct_contract as contract
            join core.dim_customer as customer on customer.customer_key = contract.customer_key
            where contract.record_key = $record_key and {rule}""",
        {"record_key": record_key, **named},
    )
    return score_history(db.instance.store, record_key) if seen else []


def renewal_card(_viewer: Viewer, db: Served) -> dict[str, Any]:
    """The current renewal model's figures and grade; {grade: None} while none is trained."""
    statement = select(model_versions.c.card).where(
        model_versions.c.model == "renewal", model_versions.c.is_current.is_(True)
    )
    with db.instance.store.read() as connection:
        card = connection.execute(statement).scalar()
    return json.loads(card) if card else {"grade": None, "model_version": None, "n": 0}
