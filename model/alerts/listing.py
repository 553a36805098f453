"""Reading alerts and answering them."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from sqlalchemy import select, update

from model.alerts import stored
from model.alerts.machine import STATES
from ops.errors import FatalError
from ops.store import Store, stamp
from ops.tables import alert_events, alerts

_RANK = {"critical": 0, "warning": 1, "info": 2}
UNOWNED = "unowned"
_INSIDE = frozenset({"since", "ended"})


def listing(
    store: Store, *, states: set[str] | None = None, owner_key: str | None = None, today: date | None = None
) -> list[dict[str, Any]]:
    """Alerts, most severe and largest first; grain: one per (rule, subject, episode).

    `states` defaults to every state but cured; `owner_key` "unowned" is the queue of alerts without owner; `days`
    is as of `today` (default: as of when the alert last changed).
    Each: alert_id, rule, subject, anchor, episode, step, state, severity, owner_key, fired_at, updated_at,
    snoozed_until, version and the details (customer_key, customer, document, currency, amount, days, due_on, hold,
    level, told, waiting_since).
    """
    wanted = states or set(STATES) - {"cured"}
    if wrong := wanted - set(STATES):
        raise FatalError(f"there is no alert state {', '.join(sorted(wrong))}", valid=", ".join(STATES))
    query = select(alerts).where(alerts.c.state.in_(wanted))
    if owner_key == UNOWNED:
        query = query.where(alerts.c.owner_key.is_(None))
    elif owner_key is not None:
        query = query.where(alerts.c.owner_key == owner_key)
    with store.read() as connection:
        rows = connection.execute(query).mappings().all()
    return sorted((_row(row, today) for row in rows), key=_order)


def _row(row: Any, today: date | None) -> dict[str, Any]:
    details = json.loads(row["details"])
    since = details.get("since")
    if since and today is not None:
        details["days"] = (today - date.fromisoformat(since)).days
    shown = {name: value for name, value in details.items() if name not in _INSIDE}
    return {**{name: value for name, value in row.items() if name != "details"}, **shown}


def _order(row: dict[str, Any]) -> tuple[int, float, str]:
    return _RANK.get(row["severity"], 9), -float(row["amount"] or 0), row["alert_id"]


def act(store: Store, alert_id: str, action: str, *, actor: str, until: date | None = None) -> None:
    """Answer an alert: `acknowledge`, `snooze` (until a date) or `reopen`. FatalError when it is unknown or cured."""
    targets = {"acknowledge": "acknowledged", "snooze": "snoozed", "reopen": "new"}
    if action not in targets:
        raise FatalError(f"there is no action {action!r} on an alert", valid=", ".join(targets))
    if action == "snooze" and until is None:
        raise FatalError("a snooze needs a date to end on", remedy="say until when")
    with store.begin() as connection:
        row = connection.execute(select(alerts).where(alerts.c.alert_id == alert_id)).first()
        if row is None or row.state == "cured":
            raise FatalError(f"alert {alert_id} is {'cured' if row else 'unknown'}", remedy="list the alerts again")
        details = json.loads(row.details)
        if action == "reopen":
            details |= {"waiting_since": stamp(), "level": 0}
        values = {
            "state": targets[action],
            "snoozed_until": until.isoformat() if action == "snooze" and until else None,
            "updated_at": stamp(),
            "details": json.dumps(details, ensure_ascii=False),
        }
        connection.execute(update(alerts).where(alerts.c.alert_id == alert_id).values(**values))
        stored.record(connection, alert_id, action, {"state": targets[action]}, actor=actor)


def history(store: Store, alert_id: str) -> list[dict[str, Any]]:
    """The alert's events, oldest first: at, actor, event, details."""
    query = select(alert_events).where(alert_events.c.alert_id == alert_id).order_by(alert_events.c.event_id)
    with store.read() as connection:
        rows = connection.execute(query).mappings().all()
    return [
        {
            "at": row["at"],
            "actor": row["actor"],
            "event": row["event"],
            "details": json.loads(row["details"] or "{}"),
        }
        for row in rows
    ]
