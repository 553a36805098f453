"""Draining the outbox: retries with backoff, dead letters, and a ledger that says what is not known.

Delivery is at least once. A row is set to `sending` and committed before the other side sees the message; a process
killed before it recorded the answer leaves that state behind, the next run reports it as uncertain and sends the same
message with the same id again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, update

from model.alerts.engine import PublishedBuild
from model.alerts.rule import load
from model.delivery import holding, letters, mail
from model.delivery.carriers import Carrier, carriers
from model.delivery.digest import compose
from model.delivery.faults import Refused, Throttled, Uncertain
from model.delivery.outbox import forget_told, moment, write_messages
from model.delivery.pending import pending
from model.delivery.people import Directory, Target
from model.delivery.report import write_report
from model.publish import current
from ops import clock
from ops.errors import FatalError
from ops.instance import Instance
from ops.leases import lease
from ops.store import Store, stamp, unstamp
from ops.tables import deliveries, outbox

BACKOFF = timedelta(minutes=1)
BACKOFF_CAP = timedelta(hours=1)
GIVE_UP_AFTER = timedelta(days=3)
TRIPS = 3  # failures in a row after which a channel is left alone for this run


@dataclass
class Delivered:
    """What one run did: messages composed, sent, refused for now, given up, of unknown fate, and held back since a
    restore (then nothing else was done)."""

    composed: int = 0
    sent: int = 0
    failed: int = 0
    dead: int = 0
    uncertain: int = 0
    waiting: int = 0
    held: int = 0


def is_configured(instance: Instance) -> bool:
    """Whether there is any way to send: a mail server or a channel."""
    return instance.config.mail is not None or bool(instance.config.channels)


def deliver(instance: Instance, *, dry_run: bool = False, published: PublishedBuild | None = None) -> dict[str, int]:
    """Compose what has to be told now and send what the outbox holds. Returns the counts of Delivered.

    `dry_run` stores and sends nothing: `composed` then counts the recipients that would be told.

    An instance without mail settings keeps its mails in the outbox; one whose outbox is held (holding.py) composes and
    sends nothing. FatalError on wrong credentials, after the other channels were served.
    """
    build = _build(instance, published)
    result = Delivered()
    if (stopped := holding.held(instance.store)) is not None:
        result.held = result.waiting = stopped.messages
        return asdict(result)
    if dry_run:
        now = moment(instance)
        directory = Directory.load(instance, build, now.day)
        result.composed = len(pending(instance.store, directory, load(instance.config_dir), now, now.day))
        result.waiting = _waiting(instance.store)
        return asdict(result)
    with lease(instance.store, "delivery"):
        result.uncertain += _report_interrupted(instance.store)
        day = clock.today(instance.config.zone)
        reports = write_report(instance, Directory.load(instance, build, day), day)
        result.composed = len(write_messages(instance, build)) + len(reports)
        problems = []
        for name, carrier in carriers(instance).items():
            try:
                _drain(instance.store, name, carrier, result)
            except FatalError as error:
                problems.append(error)
        result.waiting = _waiting(instance.store)
    if problems:
        raise problems[0]
    return asdict(result)


def preview(instance: Instance, person: str | None = None, *, published: PublishedBuild | None = None) -> EmailMessage:
    """The digest of `person` (employee key, name or mail; default: who has most to read), as a mail.

    Nothing is stored or sent. FatalError when that person has nothing to be told.
    """
    day = clock.today(instance.config.zone)
    rules = {rule.id: rule for rule in load(instance.config_dir)}
    found = _everything(instance, published)
    target = _recipient(person, found)
    return mail.render(instance, target, compose(instance, target, found[target], rules, day))


def demo_recipient(instance: Instance, *, published: PublishedBuild | None = None) -> str | None:
    """The employee key of who has most to be told, None when nobody has."""
    found = _everything(instance, published)
    return _recipient(None, found).key if found else None


def _everything(instance: Instance, published: PublishedBuild | None) -> dict[Target, list[dict[str, Any]]]:
    day = clock.today(instance.config.zone)
    directory = Directory.load(instance, _build(instance, published), day)
    piles = pending(instance.store, directory, load(instance.config_dir), None, day)
    return {target: pile.digest for target, pile in piles.items() if target.key in directory.persons}


def _recipient(person: str | None, found: dict[Target, list[dict[str, Any]]]) -> Target:
    if person is None and found:
        return max(sorted(found, key=lambda target: target.key), key=lambda target: len(found[target]))
    for target in found:
        if person in {target.key, target.name, target.address}:
            return target
    names = ", ".join(f"{target.name} ({target.key})" for target in list(found)[:10])
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
    """Rows left in `sending` by a killed process: nobody knows whether the other side has them."""
    with store.begin() as connection:
        left = connection.execute(select(outbox.c.message_id).where(outbox.c.state == "sending")).scalars().all()
        for identifier in left:
            _record(connection, identifier, "uncertain", "the sender was stopped before it recorded the answer")
            connection.execute(
                update(outbox)
                .where(outbox.c.message_id == identifier)
                .values(state="waiting", next_try_at=stamp(), last_error="uncertain: sent again under the same id")
            )
    return len(left)


def _drain(store: Store, channel: str, carrier: Carrier, result: Delivered) -> None:
    """Send what is ready on one channel, within its rate, until it fails several times in a row or asks for a pause."""
    trips = 0
    for row in _ready(store, channel):
        wait_until = carrier.wait_until(store)
        if wait_until is not None:
            _pause(store, channel, wait_until)
            return
        _claim(store, row.message_id)
        try:
            answer = carrier.send(row.body)
        except Uncertain as error:
            result.uncertain += 1
            trips += 1
            _put_back(store, row, "uncertain", str(error))
        except Refused as error:
            trips += not error.permanent
            _refused(store, row, error, result)
            if isinstance(error, Throttled):
                _pause(store, channel, clock.now() + timedelta(seconds=error.retry_after or 0))
                return
        except FatalError as error:
            _put_back(store, row, "failed", str(error))
            raise
        else:
            trips = 0
            result.sent += 1
            _finish(store, row.message_id, "sent", answer)
        if trips >= TRIPS:
            return


def _refused(store: Store, row: Any, error: Refused, result: Delivered) -> None:
    if error.permanent or clock.now() - unstamp(row.created_at) >= GIVE_UP_AFTER:
        result.dead += 1
        _finish(store, row.message_id, "dead", str(error))
    else:
        result.failed += 1
        _put_back(store, row, "failed", str(error))


def _ready(store: Store, channel: str) -> list[Any]:
    query = select(outbox).where(
        outbox.c.state == "waiting", outbox.c.next_try_at <= stamp(), outbox.c.channel == channel
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


def _pause(store: Store, channel: str, until: datetime) -> None:
    """Nothing waiting on this channel is tried before `until`."""
    with store.begin() as connection:
        connection.execute(
            update(outbox)
            .where(outbox.c.channel == channel, outbox.c.state == "waiting", outbox.c.next_try_at < stamp(until))
            .values(next_try_at=stamp(until))
        )


def _put_back(store: Store, row: Any, outcome: str, reason: str) -> None:
    wait = min(BACKOFF * 2 ** min(row.attempts, 12), BACKOFF_CAP)
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
        letters.settle(connection, identifier, outcome)
        if outcome == "dead":
            forget_told(connection, identifier)


def _record(connection: Any, identifier: str, outcome: str, detail: str) -> None:
    connection.execute(
        insert(deliveries).values(message_id=identifier, at=stamp(), outcome=outcome, detail=detail[:2000])
    )
