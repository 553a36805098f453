"""Composing messages into the outbox: one transaction per recipient writes them and marks their alerts as told."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from model.alerts.calendar import Calendar
from model.alerts.engine import HELD
from model.alerts.rule import Rule, load
from model.delivery import chat, mail, robots, webhooks
from model.delivery.digest import Kind, Message, compose, digest_id, urgent_id
from model.delivery.pending import Moment, Pile, Row, pending
from model.delivery.people import Directory, Target
from ops import clock
from ops.instance import Instance
from ops.store import stamp
from ops.tables import alert_events, alerts, kv, outbox


def moment(instance: Instance) -> Moment:
    """Now, as the rules' quiet hours and calendar see it."""
    zone = instance.config.zone
    return Moment(clock.today(zone), clock.now(), zone, Calendar.load(instance.config_dir))


def write_messages(instance: Instance, build: Path) -> list[str]:
    """Put what has to be told now into the outbox; returns the identifiers of the messages that are new.

    Urgent alerts make a message at once, all others the day's digest, at most one a recipient. Nobody is written to
    during a rule's quiet hours, nor on a day without business unless the rule says so.
    """
    now = moment(instance)
    rules = {rule.id: rule for rule in load(instance.config_dir)}
    directory = Directory.load(instance, build, now.day)
    covered = _covered(instance)
    written: list[str] = []
    for target, pile in pending(instance.store, directory, rules.values(), now, now.day).items():
        written += _write_pile(instance, target, pile, rules, now.day, covered.get(target.key, 0))
    return written


def _write_pile(
    instance: Instance, target: Target, pile: Pile, rules: dict[str, Rule], day: date, covered: int
) -> list[str]:
    written = []
    with instance.store.begin() as connection:
        today = list(pile.digest)
        if pile.urgent:
            if _is_written(connection, instance, urgent_id(target, pile.urgent)):
                today += pile.urgent  # it was given up once: the digest is the second way
            else:
                written.append(_write(connection, instance, target, pile.urgent, rules, day, "urgent", 0))
        if today and not _is_written(connection, instance, digest_id(target, day)):
            written.append(_write(connection, instance, target, today, rules, day, "digest", covered))
    return written


def _write(
    connection: Connection, instance: Instance, target: Target, rows: list[Row], rules: dict[str, Rule], day: date,
    kind: Kind, covered: int,
) -> str:  # fmt: skip
    message = compose(instance, target, rows, rules, day, kind=kind, covered=covered)
    _insert(connection, instance, target, message)
    _mark_told(connection, target, rows, day, message.identifier)
    return message.identifier


def _is_written(connection: Connection, instance: Instance, identifier: str) -> bool:
    keys = [mail.message_id(instance, identifier), part_id(identifier, 1)]
    return connection.execute(select(outbox.c.message_id).where(outbox.c.message_id.in_(keys))).first() is not None


def part_id(identifier: str, number: int) -> str:
    """The key of one part of a robot's message."""
    return f"{identifier}.p{number:02d}"


def identifier_of(message_id: str) -> str:
    """The message that a mail's Message-ID or a part's key belongs to."""
    found = re.fullmatch(r"<(?P<mail>.+)@[^@]+>|(?P<part>.+)\.p\d{2,}", message_id)
    return (found["mail"] or found["part"]) if found else message_id


def _insert(connection: Connection, instance: Instance, target: Target, message: Message) -> None:
    now = stamp()
    fixed = {"created_at": now, "state": "waiting", "attempts": 0, "next_try_at": now, "subject": message.subject}
    fixed |= {"channel": target.channel, "recipient": target.address}
    connection.execute(
        insert(outbox),
        [{**fixed, "message_id": identifier, "body": body} for identifier, body in _bodies(instance, target, message)],
    )


def _bodies(instance: Instance, target: Target, message: Message) -> list[tuple[str, str]]:
    """(message id, body) of every part: a mail is whole, a robot's message is split by size."""
    if target.channel == "mail":
        made = mail.render(instance, target, message)
        return [(str(made["Message-ID"]), made.as_bytes().decode("utf-8"))]
    channel = next(one for one in instance.config.channels if one.name == target.channel)
    subject = f"{channel.keyword} {message.subject}" if channel.keyword else message.subject
    is_robot = channel.type in robots.KINDS
    widest = f"{subject} (99/99)"
    parts = chat.split(chat.lines(message), robots.fits(channel.type, widest) if is_robot else webhooks.fits)
    made_of = []
    for number, part in enumerate(parts, start=1):
        title = subject if len(parts) == 1 else f"{subject} ({number}/{len(parts)})"
        body = robots.payload(channel.type, title, part) if is_robot else webhooks.payload(title, part)
        made_of.append((part_id(message.identifier, number), json.dumps(body, ensure_ascii=False)))
    return made_of


def _mark_told(connection: Connection, target: Target, found: list[Row], day: date, identifier: str) -> None:
    now = stamp()
    told = {"on": day.isoformat(), "at": now, "message_id": identifier}
    marks = {row["alert_id"]: row for row in found}
    changed = []
    for row in _alerts(connection, marks):
        details = json.loads(row.details)
        mark = {**told, "step": row.step, "level": int(details.get("level") or 0)}
        details["told"] = {**details.get("told", {}), target.key: mark}
        state = "notified" if row.state == "new" else row.state
        changed.append({"key": row.alert_id, "new": json.dumps(details, ensure_ascii=False), "state_now": state})
    statement = update(alerts).where(alerts.c.alert_id == bindparam("key"))
    connection.execute(
        statement.values(details=bindparam("new"), state=bindparam("state_now"), updated_at=now), changed
    )
    event = json.dumps({"message_id": identifier, "to": target.key}, ensure_ascii=False)
    connection.execute(
        insert(alert_events),
        [{"alert_id": key, "at": now, "actor": "c360", "event": "told", "details": event} for key in marks],
    )


def forget_told(connection: Connection, message_id: str) -> int:
    """A message that was given up told nobody: its alerts are due again. Returns how many."""
    identifier = identifier_of(message_id)
    changed = []
    for row in connection.execute(select(alerts).where(alerts.c.details.contains(identifier, autoescape=True))):
        details = json.loads(row.details)
        kept = {key: mark for key, mark in details.get("told", {}).items() if mark["message_id"] != identifier}
        changed.append({"key": row.alert_id, "new": json.dumps({**details, "told": kept}, ensure_ascii=False)})
    if changed:
        statement = update(alerts).where(alerts.c.alert_id == bindparam("key")).values(details=bindparam("new"))
        connection.execute(statement, changed)
    return len(changed)


def _alerts(connection: Connection, wanted: Iterable[str]) -> list[Any]:
    keys = list(wanted)
    found: list[Any] = []
    for start in range(0, len(keys), 500):
        found += connection.execute(select(alerts).where(alerts.c.alert_id.in_(keys[start : start + 500]))).all()
    return found


def _covered(instance: Instance) -> dict[str, int]:
    with instance.store.read() as connection:
        value = connection.execute(select(kv.c.value).where(kv.c.key == HELD)).scalar()
    return dict(json.loads(value)) if value else {}
