"""The stored side of alerts: rows, events and the work state that answers them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb
from sqlalchemy import Connection, func, insert, select, update

from model.alerts.rule import Rule
from ops.store import Store, stamp
from ops.tables import alert_events, alerts, disputes, notes, promises

if TYPE_CHECKING:
    from model.alerts.engine import Finding

STATES = ("new", "notified", "acknowledged", "promised", "disputed", "snoozed", "escalated", "cured")


class Existing(NamedTuple):
    """The latest episode of a subject. `waiting_since` is when it was fired or last reached a higher step."""

    alert_id: str
    episode: int
    step: int
    state: str
    snoozed_until: str | None
    waiting_since: str
    details: dict[str, Any]

    @classmethod
    def of(cls, row: Any) -> Existing:
        """From a row of ops.tables.alerts."""
        details = json.loads(row.details)
        since = str(details.get("waiting_since", row.fired_at))
        return cls(row.alert_id, row.episode, row.step, row.state, row.snoozed_until, since, details)


@dataclass(frozen=True)
class Work:
    """What people recorded: open promises and disputes, and per item the newest acknowledgement and snooze."""

    promises: list[tuple[int, str, Decimal, date, date]]
    disputes: list[tuple[str, Decimal]]
    acknowledged: dict[str, str]
    snoozed: dict[str, tuple[str, str]]

    @classmethod
    def read(cls, store: Store) -> Work:
        """Read fresh from the store."""
        with store.read() as connection:
            promised = connection.execute(select(promises).where(promises.c.withdrawn_at.is_(None))).all()
            disputed = connection.execute(select(disputes).where(disputes.c.closed_at.is_(None))).all()
            written = connection.execute(
                select(notes).where(notes.c.kind.in_(("acknowledge", "snooze"))).order_by(notes.c.note_id)
            ).all()
        return cls(
            promises=[
                (
                    row.promise_id,
                    row.item_key,
                    Decimal(row.amount),
                    date.fromisoformat(row.promised_on),
                    date.fromisoformat(row.made_at[:10]),
                )
                for row in promised
            ],
            disputes=[(row.item_key, Decimal(row.amount)) for row in disputed],
            acknowledged={row.anchor: row.made_at for row in written if row.kind == "acknowledge"},
            snoozed={
                row.anchor: (row.made_at, str(row.until)[:10]) for row in written if row.kind == "snooze" and row.until
            },
        )

    def load(self, con: duckdb.DuckDBPyConnection) -> None:
        """Make temp tables work_promise and work_dispute of this work state."""
        con.execute(
            "create or replace temp table work_promise (promise_id bigint, item_key varchar, "
            "amount decimal(18, 2), promised_on date, made_on date)"
        )
        con.execute("create or replace temp table work_dispute (item_key varchar, amount decimal(18, 2))")
        if self.promises:
            con.executemany("insert into work_promise values (?, ?, ?, ?, ?)", self.promises)
        if self.disputes:
            con.executemany("insert into work_dispute values (?, ?)", self.disputes)

    def answer(self, subject: str, existing: Existing, today: date) -> str | None:
        """`snoozed` or `acknowledged` when somebody answered after this alert last asked; else None."""
        snooze = self.snoozed.get(subject)
        if snooze and snooze[0] >= existing.waiting_since and snooze[1] > today.isoformat():
            return "snoozed"
        if self.acknowledged.get(subject, "") >= existing.waiting_since:
            return "acknowledged"
        return None

    def snoozed_until(self, subject: str) -> str | None:
        """The date up to which the subject is snoozed."""
        found = self.snoozed.get(subject)
        return found[1] if found else None


def latest_episodes(connection: Connection, rule: str) -> dict[str, Existing]:
    """Subject → its latest episode under `rule`."""
    newest = (
        select(alerts.c.subject, func.max(alerts.c.episode).label("episode"))
        .where(alerts.c.rule == rule)
        .group_by(alerts.c.subject)
        .subquery()
    )
    joined = select(alerts).join(
        newest, (alerts.c.subject == newest.c.subject) & (alerts.c.episode == newest.c.episode)
    )
    return {row.subject: Existing.of(row) for row in connection.execute(joined.where(alerts.c.rule == rule))}


def fire(connection: Connection, rule: Rule, finding: Finding, episode: int, version: str) -> None:
    """Open an episode in state new."""
    now = stamp()
    key = hashlib.blake2b(f"{rule.id}|{finding.subject}|{episode}".encode(), digest_size=12).hexdigest()
    details = {**finding.details, "hold": finding.hold, "waiting_since": now}
    connection.execute(
        insert(alerts).values(
            alert_id=key,
            rule=rule.id,
            subject=finding.subject,
            anchor=finding.anchor,
            episode=episode,
            step=finding.step,
            state="new",
            severity=rule.severity_of(finding.step),
            owner_key=finding.owner_key,
            fired_at=now,
            updated_at=now,
            version=version,
            details=json.dumps(details, ensure_ascii=False),
        )
    )
    record(connection, key, "fired", {"step": finding.step})


def carry(
    connection: Connection,
    rule: Rule,
    finding: Finding,
    existing: Existing,
    target: str,
    event: str,
    snoozed_until: str | None,
    version: str,
) -> None:
    """Write the present facts of an active alert, and its event when the state or step moved."""
    now = stamp()
    step = max(existing.step, finding.step)
    details = {
        **existing.details,
        **finding.details,
        "hold": finding.hold,
        "waiting_since": existing.waiting_since,
    }
    if event in {"stepped", "resumed"}:
        details["waiting_since"] = now
    moved = target != existing.state or step != existing.step
    if not moved and details == existing.details:
        return
    values: dict[str, Any] = {
        "step": step,
        "state": target,
        "severity": rule.severity_of(step),
        "owner_key": finding.owner_key,
        "updated_at": now,
        "snoozed_until": snoozed_until if target == "snoozed" else None,
        "version": version,
        "details": json.dumps(details, ensure_ascii=False),
    }
    connection.execute(update(alerts).where(alerts.c.alert_id == existing.alert_id).values(**values))
    if moved:
        record(connection, existing.alert_id, event, {"step": step, "state": target})


def change(
    connection: Connection,
    existing: Existing,
    target: str,
    event: str,
    *,
    actor: str = "c360",
    snoozed_until: str | None = None,
    version: str | None = None,
) -> None:
    """Move an alert to `target` and record the event."""
    values: dict[str, Any] = {"state": target, "updated_at": stamp(), "snoozed_until": snoozed_until}
    if version is not None:
        values["version"] = version
    connection.execute(update(alerts).where(alerts.c.alert_id == existing.alert_id).values(**values))
    record(connection, existing.alert_id, event, {"state": target}, actor=actor)


def record(connection: Connection, alert_id: str, event: str, details: dict[str, Any], *, actor: str = "c360") -> None:
    """Append to the alert's history."""
    connection.execute(
        insert(alert_events).values(
            alert_id=alert_id,
            at=stamp(),
            actor=actor,
            event=event,
            details=json.dumps(details, ensure_ascii=False),
        )
    )
