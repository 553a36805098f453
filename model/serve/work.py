"""Work state joined to what the build says: promises, disputes, stages, calls, notes; read fresh at each question."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from model.receivables.holding import covered
from model.receivables.received import received_days
from model.serve import promising, work_rows
from model.serve.connection import Served
from model.serve.work_rows import Written

ZERO = Decimal(0)


def state_of(db: Served, keys: Iterable[str], day: date | None = None) -> dict[str, dict[str, Any]]:
    """Item key → its state at the end of `day` (default: now); only items that have any.

    promise (the latest that stands, judged: promising.shown), promises (all that stand), dispute (amount, reason,
    owner_key, opened_on, days, count), disputes, snoozed_until, acknowledge, escalate, note, assigned, call, stage
    (stage, on), stages (all).
    """
    wanted = sorted(set(keys))
    written = work_rows.read(db, wanted, day)
    as_of = day or db.today()
    standing = [row for rows in written.promises.values() for row in rows if written.stands(row.withdrawn_at)]
    verdicts = promising.judged(db, standing, as_of)
    zone = ZoneInfo(db.instance.config.zone)
    found: dict[str, dict[str, Any]] = {}
    for key in wanted:
        entry: dict[str, Any] = {}
        if key in verdicts:
            entry["promises"] = [promising.shown(item) for item in verdicts[key]]
            entry["promise"] = max(entry["promises"], key=lambda item: item["promise_id"])
        _disputes(entry, written.disputes.get(key, []), written, zone, as_of)
        for row in written.notes.get(key, ()):
            _note(entry, row)
        for row in written.events.get(key, ()):
            _event(entry, row)
        if entry:
            found[key] = entry
    return found


def recorded_receipts(db: Served) -> dict[str, date]:
    """Invoice key → the day the customer received the invoice, as recorded here: terms from receipt start there."""
    return received_days(db.instance.store)


def _disputes(entry: dict[str, Any], rows: list[Any], written: Written, zone: ZoneInfo, day: date) -> None:
    standing = [
        {"dispute_id": row.dispute_id, "amount": Decimal(row.amount), "reason": row.reason, "owner_key": row.owner_key,
         "opened_on": (opened := work_rows.local_day(row.opened_at, zone)), "days": (day - opened).days,
         "note": row.note}
        for row in rows
        if written.stands(row.closed_at)
    ]  # fmt: skip
    if standing:
        oldest = max(standing, key=lambda item: item["days"])
        entry["disputes"] = standing
        entry["dispute"] = {
            **{name: oldest[name] for name in ("reason", "owner_key", "opened_on", "days")},
            "amount": sum((item["amount"] for item in standing), ZERO),
            "count": len(standing),
        }


def _note(entry: dict[str, Any], row: Any) -> None:
    if row.kind == "snooze":
        entry["snoozed_until"] = row.until
    elif row.kind in {"acknowledge", "escalate"}:
        entry[row.kind] = row.made_at
    if row.body:
        entry["note"] = row.body


def _event(entry: dict[str, Any], row: Any) -> None:
    if row.action == "assign":
        who = {"employee_key": row.person, "until": _date(row.until_on), "by": row.actor, "note": row.body}
        entry["deputy" if row.code == "deputy" else "assigned"] = who if row.person else None
    elif row.action == "call":
        entry["call"] = {"on": _date(row.happened_on), "contact": row.person, "result": row.code, "by": row.actor,
                         "next_on": _date(row.until_on), "note": row.body}  # fmt: skip
    elif row.action == "stage":
        stage = {"stage": row.code, "on": _date(row.happened_on), "by": row.actor}
        entry.setdefault("stages", []).append(stage)
        entry["stage"] = max(entry["stages"], key=lambda item: item["on"])


def _date(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def is_late(item: Mapping[str, Any]) -> bool:
    """Whether an open item is overdue."""
    return (item.get("days_past_due") or 0) > 0


def status_of(item: Mapping[str, Any], state: Mapping[str, Any], day: date, *, is_covered: bool = False) -> str:
    """One word for an open item: what people see beside the amount. `is_covered`: by its customer's waiting money."""
    promise = state.get("promise")
    if state.get("dispute") is not None and state["dispute"]["amount"] >= item["open_amount"]:
        return "dispute"
    if is_covered and is_late(item):
        return "paid_check"
    if state.get("dispute") is not None:
        return "dispute"
    if promise is not None:
        return {"kept": "promise_kept", "broken": "promise_broken", "paid_check": "paid_check"}.get(
            promise["state"], "promise"
        )
    return _untouched(item, state, day)


def _untouched(item: Mapping[str, Any], state: Mapping[str, Any], day: date) -> str:
    """The word for an item without promise and dispute."""
    if item["bucket"] in {"no_due_date", "term_not_started"}:
        return str(item["bucket"])
    if item["bucket"] == "not_due":
        return "retention" if item["is_retention"] else "not_due"
    if state.get("snoozed_until") and state["snoozed_until"] > day.isoformat():
        return "snoozed"
    if state.get("escalate"):
        return "escalated"
    return "acknowledged" if state.get("acknowledge") else "not_contacted"


_SHOWN = ("promise", "promises", "dispute", "disputes", "note", "assigned", "deputy", "call", "stage", "snoozed_until")


def with_state(db: Served, owed: dict[str, Any], day: date) -> dict[str, Any]:
    """The receivables of a card with each item's status and work state, and the disputed amount per currency."""
    states = state_of(db, (item["record_key"] for item in owed["items"]), day)
    cash = {row["currency"]: row["unallocated"] for row in owed["by_currency"]}
    items = []
    disputed: dict[str, Decimal] = defaultdict(Decimal)
    waiting = {
        key
        for currency, amount in cash.items()
        for key in covered([i for i in owed["items"] if i["currency"] == currency and is_late(i)], states, day, amount)
    }
    for item in owed["items"]:
        state = states.get(item["record_key"], {})
        if "dispute" in state:
            disputed[item["currency"]] += min(state["dispute"]["amount"], item["open_amount"])
        status = status_of(item, state, day, is_covered=item["record_key"] in waiting)
        items.append({**item, "status": status, **{name: state.get(name) for name in _SHOWN}})
    return {**owed, "items": items, "disputed": dict(disputed)}
