"""Draining the outbox: retries with backoff, dead letters, and a ledger that says what is not known.

Delivery is at least once. A row is set to `sending` and committed before the server sees the mail; a process killed
before it recorded the answer leaves that state behind, the next run reports it as uncertain and sends the same mail
with the same Message-ID again.
"""

from __future__ import annotations

import smtplib
from dataclasses import asdict, dataclass
from datetime import timedelta
from email import message_from_string
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, update

from model.alerts.engine import PublishedBuild
from model.alerts.rule import load
from model.delivery import smtp
from model.delivery.digest import compose
from model.delivery.outbox import pending, write_digests
from model.delivery.people import Person, people
from model.publish import current
from ops import clock
from ops.errors import FatalError
from ops.instance import Instance
from ops.leases import lease
from ops.store import Store, stamp
from ops.tables import deliveries, outbox

ATTEMPTS = 8
BACKOFF = timedelta(minutes=1)
BACKOFF_CAP = timedelta(hours=6)


@dataclass
class Delivered:
    """What one run did: digests composed, mails sent, refused for now, given up, and of unknown fate."""

    composed: int = 0
    sent: int = 0
    failed: int = 0
    dead: int = 0
    uncertain: int = 0
    waiting: int = 0


def deliver(instance: Instance, *, dry_run: bool = False, published: PublishedBuild | None = None) -> dict[str, int]:
    """Compose today's digests and send what the outbox holds. Returns the counts of Delivered.

    `dry_run` stores and sends nothing: `composed` then counts the people who would be told.

    A demo instance without mail settings keeps its digests in the outbox. FatalError on wrong credentials.
    """
    build = _build(instance, published)
    result = Delivered()
    if dry_run:
        day = clock.today(instance.config.zone)
        rules = {rule.id: rule for rule in load(instance.config_dir)}
        result.composed = len(pending(instance, rules, people(instance, build), day))
        result.waiting = _waiting(instance.store)
        return asdict(result)
    with lease(instance.store, "delivery"):
        result.uncertain += _report_interrupted(instance.store)
        result.composed = len(write_digests(instance, build))
        if instance.config.mail is not None:
            _drain(instance, result)
        result.waiting = _waiting(instance.store)
    return asdict(result)


def preview(instance: Instance, person: str | None = None, *, published: PublishedBuild | None = None) -> EmailMessage:
    """The digest of `person` (employee key, name or mail; default: who has most to read), as it would be sent.

    Nothing is stored or sent. FatalError when that person has nothing to be told.
    """
    build = _build(instance, published)
    day = clock.today(instance.config.zone)
    rules = {rule.id: rule for rule in load(instance.config_dir)}
    known = people(instance, build)
    found = pending(instance, rules, known, day, everything=True)
    key = _recipient(person, known, found)
    return compose(instance, known[key], found[key], rules, day)


def demo_recipient(instance: Instance, *, published: PublishedBuild | None = None) -> str | None:
    """The employee key of who has most to be told, None when nobody has."""
    rules = {rule.id: rule for rule in load(instance.config_dir)}
    known = people(instance, _build(instance, published))
    found = pending(instance, rules, known, clock.today(instance.config.zone), everything=True)
    return _recipient(None, known, found) if found else None


def _recipient(person: str | None, known: dict[str, Person], found: dict[str, list[dict[str, Any]]]) -> str:
    if person is None and found:
        return max(sorted(found), key=lambda key: len(found[key]))
    for key in found:
        if person in {key, known[key].name, known[key].email}:
            return key
    names = ", ".join(f"{known[key].name} ({key})" for key in sorted(found)[:10])
    raise FatalError(
        f"there is nothing to tell {person or 'anybody'}",
        valid=names or None,
        remedy="run `c360 alerts list` to see what is open",
    )


def _build(instance: Instance, published: PublishedBuild | None) -> Path:
    return (published or current(instance)).path


def _waiting(store: Store) -> int:
    with store.read() as connection:
        return len(connection.execute(select(outbox.c.message_id).where(outbox.c.state == "waiting")).all())


def _report_interrupted(store: Store) -> int:
    """Rows left in `sending` by a killed process: nobody knows whether the server has them."""
    with store.begin() as connection:
        left = connection.execute(select(outbox.c.message_id).where(outbox.c.state == "sending")).scalars().all()
        for identifier in left:
            _record(connection, identifier, "uncertain", "the sender was stopped before it recorded the answer")
            connection.execute(
                update(outbox)
                .where(outbox.c.message_id == identifier)
                .values(state="waiting", next_try_at=stamp(), last_error="uncertain: sent again, same Message-ID")
            )
    return len(left)


def _drain(instance: Instance, result: Delivered) -> None:
    mail = instance.config.mail
    if mail is None:
        return
    for row in _ready(instance.store):
        _claim(instance.store, row.message_id)
        try:
            with smtp.connection(mail, instance.secrets) as server:
                answer = _hand_over(server, row.body)
        except smtp.Uncertain as error:
            result.uncertain += 1
            _put_back(instance.store, row, "uncertain", str(error))
        except smtp.Refused as error:
            if error.permanent or row.attempts + 1 >= ATTEMPTS:
                result.dead += 1
                _finish(instance.store, row.message_id, "dead", str(error))
            else:
                result.failed += 1
                _put_back(instance.store, row, "failed", str(error))
        except FatalError as error:
            _put_back(instance.store, row, "failed", str(error))
            raise
        else:
            result.sent += 1
            _finish(instance.store, row.message_id, "sent", answer)


def _hand_over(server: smtplib.SMTP, body: str) -> str:
    message = message_from_string(body, policy=SMTP)
    return smtp.send(server, message)


def _ready(store: Store) -> list[Any]:
    query = select(outbox).where(
        outbox.c.state == "waiting", outbox.c.next_try_at <= stamp(), outbox.c.channel == "mail"
    )
    with store.read() as connection:
        return list(connection.execute(query.order_by(outbox.c.created_at, outbox.c.message_id)).all())


def _claim(store: Store, identifier: str) -> None:
    with store.begin() as connection:
        connection.execute(
            update(outbox)
            .where(outbox.c.message_id == identifier)
            .values(state="sending", attempts=outbox.c.attempts + 1)
        )


def _put_back(store: Store, row: Any, outcome: str, reason: str) -> None:
    wait = min(BACKOFF * 2**row.attempts, BACKOFF_CAP)
    with store.begin() as connection:
        _record(connection, row.message_id, outcome, reason)
        connection.execute(
            update(outbox)
            .where(outbox.c.message_id == row.message_id)
            .values(state="waiting", next_try_at=stamp(clock.now() + wait), last_error=reason)
        )


def _finish(store: Store, identifier: str, outcome: str, detail: str) -> None:
    with store.begin() as connection:
        _record(connection, identifier, outcome, detail)
        error = None if outcome == "sent" else detail
        connection.execute(
            update(outbox).where(outbox.c.message_id == identifier).values(state=outcome, last_error=error)
        )


def _record(connection: Any, identifier: str, outcome: str, detail: str) -> None:
    connection.execute(
        insert(deliveries).values(message_id=identifier, at=stamp(), outcome=outcome, detail=detail[:2000])
    )
