"""Work state joined to what the build says: promises, disputes, snoozes and notes, read fresh at every question."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from model.serve.connection import Served
from ops.tables import disputes, notes, promises

ZERO = Decimal(0)


def state_of(db: Served, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Item key → {promise, dispute, snoozed_until, acknowledged, escalated, note}, only items that have any."""
    wanted = set(keys)
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    with db.instance.store.read() as connection:
        for row in connection.execute(
            select(promises).where(promises.c.withdrawn_at.is_(None)).order_by(promises.c.promise_id)
        ):
            if row.item_key in wanted:
                found[row.item_key]["promise"] = {
                    "on": date.fromisoformat(row.promised_on),
                    "amount": Decimal(row.amount),
                }
        for row in connection.execute(select(disputes).where(disputes.c.closed_at.is_(None))):
            if row.item_key in wanted:
                entry = found[row.item_key].setdefault("dispute", {"amount": ZERO, "reason": row.reason})
                entry["amount"] += Decimal(row.amount)
        for row in connection.execute(select(notes).order_by(notes.c.note_id)):
            if row.anchor in wanted:
                _note(found[row.anchor], row)
    return dict(found)


def _note(entry: dict[str, Any], row: Any) -> None:
    if row.kind == "snooze":
        entry["snoozed_until"] = row.until
    elif row.kind in {"acknowledge", "escalate"}:
        entry[row.kind] = row.made_at
    if row.body:
        entry["note"] = row.body


def status_of(item: dict[str, Any], state: dict[str, Any], day: date) -> str:
    """One word for an open item: what people see beside the amount."""
    promise, dispute = state.get("promise"), state.get("dispute")
    if dispute is not None:
        return "dispute"
    if promise is not None:
        return "promise" if promise["on"] >= day else "promise_broken"
    if item["bucket"] in {"no_due_date", "term_not_started"}:
        return str(item["bucket"])
    if item["bucket"] == "not_due":
        return "retention" if item["is_retention"] else "not_due"
    if state.get("snoozed_until") and state["snoozed_until"] > day.isoformat():
        return "snoozed"
    if state.get("escalate"):
        return "escalated"
    return "acknowledged" if state.get("acknowledge") else "not_contacted"


def with_state(db: Served, owed: dict[str, Any], day: date) -> dict[str, Any]:
    """The receivables of a card with each item's status, and the disputed amount."""
    states = state_of(db, (item["record_key"] for item in owed["items"]))
    items = []
    disputed: dict[str, Decimal] = defaultdict(Decimal)
    for item in owed["items"]:
        state = states.get(item["record_key"], {})
        if "dispute" in state:
            disputed[item["currency"]] += min(state["dispute"]["amount"], item["open_amount"])
        items.append(
            {
                **item,
                "status": status_of(item, state, day),
                "promise": state.get("promise"),
                "dispute": state.get("dispute"),
                "note": state.get("note"),
            }
        )
    return {**owed, "items": items, "disputed": dict(disputed)}
