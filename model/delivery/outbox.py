"""Composing digests into the outbox: one transaction per person writes the mail and marks its alerts as told."""

from __future__ import annotations

import json
from datetime import date
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select, update

from model.alerts import state
from model.alerts.calendar import Calendar, is_quiet
from model.alerts.listing import listing
from model.alerts.rule import Rule, load
from model.delivery.digest import compose, message_id
from model.delivery.people import Person, people
from ops import clock
from ops.instance import Instance
from ops.store import stamp
from ops.tables import alerts, outbox

TOLD = ("new", "notified", "escalated")


def write_digests(instance: Instance, build: Path) -> list[str]:
    """Put today's digests into the outbox; returns the message ids that are new.

    Nobody is written to on a day without business, nor during a rule's quiet hours, nor twice a day.
    """
    day = clock.today(instance.config.zone)
    if not Calendar.load(instance.config_dir).is_business_day(day):
        return []
    rules = {rule.id: rule for rule in load(instance.config_dir) if not _quiet(instance, rule)}
    written = []
    known = people(instance, build)
    for key, found in pending(instance, rules, known, day).items():
        person = known[key]
        message = compose(instance, person, found, rules, day)
        if _commit(instance, person, message, found, day):
            written.append(str(message["Message-ID"]))
    return written


def _quiet(instance: Instance, rule: Rule) -> bool:
    return is_quiet(clock.now(), instance.config.zone, rule.quiet_hours)


def pending(
    instance: Instance,
    rules: dict[str, Rule],
    known: dict[str, Person],
    day: date,
    *,
    everything: bool = False,
) -> dict[str, list[dict[str, Any]]]:
    """Recipient's employee key → alerts to tell: the owner's, and those escalated to the manager.

    Held alerts (paid? check) wait. An alert whose owner is unknown, gone or without mail stays in the unowned
    queue. `everything` ignores the cadence: what a digest would hold if nobody had been told yet.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for row in listing(instance.store, states=set(TOLD)):
        rule = rules.get(row["rule"])
        if rule is None or row.get("hold"):
            continue
        targets = [row["owner_key"]]
        if row["state"] == "escalated":
            targets.append(row.get("manager_key"))
        for target in dict.fromkeys(targets):
            person = known.get(target or "")
            if person and person.is_active and person.email and (everything or _is_due(row, rule, target, day)):
                found.setdefault(person.employee_key, []).append(row)
    return found


def _is_due(row: dict[str, Any], rule: Rule, target: str, day: date) -> bool:
    told = row.get("told", {}).get(target)
    if told is None or told["step"] < row["step"] or (told["state"] != "escalated" and row["state"] == "escalated"):
        return True
    return (day - date.fromisoformat(told["on"])).days >= rule.cadence_days


def _commit(instance: Instance, person: Person, message: EmailMessage, found: list[dict[str, Any]], day: date) -> bool:
    identifier = message_id(person, day, str(message["Message-ID"]).rpartition("@")[2].strip(">"))
    now = stamp()
    with instance.store.begin() as connection:
        if connection.execute(select(outbox.c.message_id).where(outbox.c.message_id == identifier)).first():
            return False
        connection.execute(
            insert(outbox).values(
                message_id=identifier,
                channel="mail",
                recipient=person.email,
                subject=str(message["Subject"]),
                body=message.as_bytes().decode("utf-8"),
                created_at=now,
                state="waiting",
                attempts=0,
                next_try_at=now,
            )
        )
        for row in found:
            _mark_told(connection, row, person, day, identifier)
    return True


def _mark_told(connection: Connection, row: dict[str, Any], person: Person, day: date, identifier: str) -> None:
    current = connection.execute(select(alerts).where(alerts.c.alert_id == row["alert_id"])).one()
    details = json.loads(current.details)
    told = {"on": day.isoformat(), "step": current.step, "state": current.state}
    details["told"] = {**details.get("told", {}), person.employee_key: told}
    values: dict[str, Any] = {"details": json.dumps(details, ensure_ascii=False), "updated_at": stamp()}
    if current.state == "new":
        values["state"] = "notified"
    connection.execute(update(alerts).where(alerts.c.alert_id == row["alert_id"]).values(**values))
    state.record(connection, row["alert_id"], "told", {"message_id": identifier, "to": person.employee_key})
