"""The card on a day gone by: what existed then, with the state it had then where the history tells it.

Each panel says how it came about: "as_of" when everything in it stood so on that day, "current" when part of it (a
stage, a plan, progress, an owner) is only known as it is today.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

Rows = list[dict[str, Any]]
PANELS = (
    "identity", "contacts", "receivables", "tickets", "projects", "opportunities", "contracts", "orders", "renewal",
    "timeline", "assets",
)  # fmt: skip
CURRENT, AS_OF = "current", "as_of"
_ENDED = ("solved", "closed")


def present() -> dict[str, str]:
    """Panel → basis of a card as of today."""
    return dict.fromkeys(PANELS, AS_OF)


def past(lists: dict[str, Rows], day: date, end: datetime) -> tuple[dict[str, Rows], dict[str, str]]:
    """The documents of a customer as of `day`, which ended at the instant `end`, and the basis of each panel."""
    tickets, tickets_basis = _tickets(lists["tickets"], lists["ticket_events"], end)
    contracts, contracts_basis = _contracts(lists["contracts"], day)
    then = {
        **lists,
        "tickets": tickets,
        "projects": [_project(row, day) for row in lists["projects"] if _began(row["start_on"], day)],
        "milestones": [_milestone(row, day) for row in lists["milestones"]],
        "opportunities": [
            _opportunity(row, day, end) for row in lists["opportunities"] if _began(row["created_at"], end)
        ],
        "contracts": contracts,
        "orders": [row for row in lists["orders"] if _began(row["order_on"], day)],
    }
    basis = dict.fromkeys(PANELS, CURRENT) | {"receivables": AS_OF, "timeline": AS_OF, "renewal": contracts_basis}
    basis |= {"tickets": tickets_basis, "contracts": contracts_basis}
    return then, {name: AS_OF if name in then and not then[name] else value for name, value in basis.items()}


def _began(value: Any, limit: Any) -> bool:
    return value is None or value <= limit


def _tickets(rows: Rows, events: Rows, end: datetime) -> tuple[Rows, str]:
    """Tickets opened by then with the status of that instant: from their history, else from their dates.

    Priority, assignee and due times are today's; they seldom change, so the status alone decides the basis.
    """
    history: dict[str, Rows] = {}
    # events of one instant in the order of their numbers
    for event in sorted(events, key=lambda item: (item["happened_at"], len(item["record_key"]), item["record_key"])):
        history.setdefault(event["ticket_key"], []).append(event)
    found, basis = [], AS_OF
    for row in rows:
        if not _began(row["created_at"], end):
            continue
        status = _status_then(row, history.get(row["record_key"], []), end)
        if status is None:
            basis = CURRENT
            found.append(row)
            continue
        is_open = status not in _ENDED
        solved = None if is_open or not _began(row["solved_at"], end) else row["solved_at"]
        # a source's verdict on the resolution is about the whole life of the ticket
        verdict = None if is_open else row["resolution_sla"]
        rating = None if is_open else row["satisfaction"]
        changed = {"status": status, "is_open": is_open, "solved_at": solved, "resolution_sla": verdict}
        found.append({**row, **changed, "satisfaction": rating})
    return found, basis


def _status_then(row: dict[str, Any], events: Rows, end: datetime) -> str | None:
    """The status at `end`, or None where nothing tells it."""
    before = [event for event in events if event["happened_at"] < end]
    if before:
        return str(before[-1]["to_value"] or row["status"])
    if events:
        return str(events[0]["from_value"] or "new")
    for ended in (row["solved_at"], row["closed_at"]):
        if ended is not None:
            return "open" if ended >= end else str(row["status"])
    return "open" if row["is_open"] and row["status"] == "open" else None


def _project(row: dict[str, Any], day: date) -> dict[str, Any]:
    ended = row["actual_end_on"]
    return {**row, "status": "active"} if ended is not None and ended > day and row["status"] == "done" else row


def _milestone(row: dict[str, Any], day: date) -> dict[str, Any]:
    done = row["done_on"]
    return {**row, "done_on": None, "status": "open"} if done is not None and done > day else row


def _opportunity(row: dict[str, Any], day: date, end: datetime) -> dict[str, Any]:
    closed = row["closed_at"]
    later = closed >= end if closed is not None else row["close_on"] is not None and row["close_on"] > day
    return {**row, "is_closed": False, "is_won": None} if row["is_closed"] and later else row


def _contracts(rows: Rows, day: date) -> tuple[Rows, str]:
    """Contracts signed or begun by then; one that has expired since was in force. A termination has no date."""
    found, basis = [], AS_OF
    for row in rows:
        if not _began(row["signed_on"] or row["start_on"], day):
            continue
        if row["status"] in {"terminated", "cancelled", "draft"}:
            basis = CURRENT
        was = row["status"] == "expired" and row["end_on"] is not None and row["end_on"] >= day
        found.append({**row, "status": "in_force"} if was else row)
    return found, basis
