"""The stored side of alerts: episodes read in one go, changes gathered and written in three statements."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, bindparam, func, insert, select, update

from model.alerts.machine import Episode, Finding, Verdict
from model.alerts.rule import Rule
from ops.store import stamp, unstamp
from ops.tables import alert_events, alerts

_CHUNK = 500
_ASKED_AGAIN = frozenset({"stepped", "resumed", "reopen"})
_VOLATILE = ("days",)


class Existing(NamedTuple):
    """A stored episode: its row's key, its position in the state machine, when it last began to wait, its details."""

    alert_id: str
    rule: str
    subject: str
    anchor: str
    episode: Episode
    waiting_since: str
    owner_key: str | None
    severity: str
    details: dict[str, Any]

    @classmethod
    def of(cls, row: Any, zone: str) -> Existing:
        """From a row of ops.tables.alerts."""
        details = json.loads(row.details)
        since = str(details.get("waiting_since", row.fired_at))
        episode = Episode(
            number=row.episode,
            step=row.step,
            state=row.state,
            level=int(details.get("level", 0)),
            waiting_since=unstamp(since).astimezone(ZoneInfo(zone)).date(),
            snoozed_until=row.snoozed_until,
            was_told=bool(details.get("told")),
        )
        return cls(
            row.alert_id, row.rule, row.subject, row.anchor, episode, since, row.owner_key, row.severity, details
        )

    def as_ended(self, on: date) -> tuple[Any, ...]:
        """This episode as a row of work_cured, ended on a business day."""
        amount = self.details.get("amount")
        decimal = None if amount is None else Decimal(amount)
        customer, currency = self.details.get("customer_key"), self.details.get("currency")
        return (self.rule, self.subject, self.anchor, customer, self.owner_key, currency, decimal, on)


def living(connection: Connection, zone: str) -> dict[str, dict[str, Existing]]:
    """Rule → subject → the episode that has not ended."""
    found: dict[str, dict[str, Existing]] = {}
    for row in connection.execute(select(alerts).where(alerts.c.state != "cured")):
        found.setdefault(row.rule, {})[row.subject] = Existing.of(row, zone)
    return found


def last_numbers(connection: Connection, rule: str, subjects: Iterable[str]) -> dict[str, int]:
    """Subject → number of its last episode under `rule`, for those of `subjects` that ever had one."""
    wanted = list(subjects)
    found: dict[str, int] = {}
    for start in range(0, len(wanted), _CHUNK):
        query = (
            select(alerts.c.subject, func.max(alerts.c.episode))
            .where(alerts.c.rule == rule, alerts.c.subject.in_(wanted[start : start + _CHUNK]))
            .group_by(alerts.c.subject)
        )
        found |= {row[0]: int(row[1]) for row in connection.execute(query)}
    return found


def ended_since(connection: Connection, since: date, zone: str) -> list[tuple[Any, ...]]:
    """Episodes that ended on or after the business day `since`, in the column order of work_cured."""
    before = (since - timedelta(days=1)).isoformat()
    rows = connection.execute(select(alerts).where(alerts.c.state == "cured", alerts.c.updated_at >= before))
    found = []
    for row in rows:
        cured_on = unstamp(row.updated_at).astimezone(ZoneInfo(zone)).date()
        existing = Existing.of(row, zone)
        if cured_on >= since and existing.details.get("ended") != "rule removed":
            found.append(existing.as_ended(cured_on))
    return found


def alert_id(rule: str, subject: str, episode: int) -> str:
    """The key of an episode: the same for the same (rule, subject, episode), always."""
    return hashlib.blake2b(f"{rule}|{subject}|{episode}".encode(), digest_size=12).hexdigest()


@dataclass
class Changes:
    """What one evaluation writes, gathered row by row and written at once."""

    version: str
    now: str = field(default_factory=stamp)
    fresh: list[dict[str, Any]] = field(default_factory=list)
    moved: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    def fire(self, rule: Rule, finding: Finding, number: int) -> None:
        """Open an episode in state new."""
        key = alert_id(rule.id, finding.subject, number)
        details = {**finding.details, "hold": finding.hold, "waiting_since": self.now, "level": 0}
        self.fresh.append(
            {
                "alert_id": key, "rule": rule.id, "subject": finding.subject, "anchor": finding.anchor,
                "episode": number, "step": finding.step, "state": "new", "severity": rule.severity_of(finding.step),
                "owner_key": finding.owner_key, "fired_at": self.now, "updated_at": self.now, "version": self.version,
                "details": json.dumps(details, ensure_ascii=False),
            }
        )  # fmt: skip
        self._event(key, "fired", {"step": finding.step})

    def carry(self, rule: Rule, finding: Finding, existing: Existing, verdict: Verdict) -> None:
        """Keep the present facts of a living episode; an event when its state, step or level moved."""
        before = existing.episode
        details = {**existing.details, **finding.details, "hold": finding.hold, "level": verdict.level}
        details["waiting_since"] = self.now if verdict.event in _ASKED_AGAIN else existing.waiting_since
        moved = (verdict.state, verdict.step, verdict.level) != (before.state, before.step, before.level)
        same = _lasting(details) == _lasting(existing.details) and finding.owner_key == existing.owner_key
        if not moved and same and verdict.snoozed_until == before.snoozed_until:
            return
        self._move(
            existing,
            state=verdict.state,
            step=verdict.step,
            severity=rule.severity_of(verdict.step),
            owner_key=finding.owner_key,
            snoozed_until=verdict.snoozed_until,
            details=details,
        )
        if moved:
            self._event(
                existing.alert_id, verdict.event, {"step": verdict.step, "state": verdict.state, "level": verdict.level}
            )

    def end(self, existing: Existing, reason: str = "cured") -> None:
        """End an episode."""
        details = {**existing.details, "ended": reason}
        self._move(
            existing,
            state="cured",
            step=existing.episode.step,
            severity=existing.severity,
            owner_key=existing.owner_key,
            snoozed_until=None,
            details=details,
        )
        self._event(existing.alert_id, reason, {"state": "cured"})

    def _move(self, existing: Existing, *, details: dict[str, Any], **values: Any) -> None:
        written = json.dumps(details, ensure_ascii=False)
        self.moved.append({"key": existing.alert_id, **values, "details": written, "version": self.version})

    def _event(self, key: str, event: str, details: dict[str, Any]) -> None:
        written = json.dumps(details, ensure_ascii=False)
        self.events.append({"alert_id": key, "at": self.now, "actor": "c360", "event": event, "details": written})

    def write(self, connection: Connection) -> None:
        """Write everything gathered: one statement for each kind."""
        if self.fresh:
            connection.execute(insert(alerts), self.fresh)
        if self.moved:
            names = ("state", "step", "severity", "owner_key", "snoozed_until", "details", "version")
            values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
            statement = update(alerts).where(alerts.c.alert_id == bindparam("key"))
            connection.execute(
                statement.values(**values, updated_at=self.now),
                [{"key": row["key"], **{f"new_{name}": row[name] for name in names}} for row in self.moved],
            )
        if self.events:
            connection.execute(insert(alert_events), self.events)


def _lasting(details: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in details.items() if name not in _VOLATILE}


def record(connection: Connection, key: str, event: str, details: dict[str, Any], *, actor: str = "c360") -> None:
    """Append to an alert's history."""
    written = json.dumps(details, ensure_ascii=False)
    connection.execute(insert(alert_events).values(alert_id=key, at=stamp(), actor=actor, event=event, details=written))
