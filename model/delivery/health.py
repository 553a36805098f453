"""What is wrong with alerts and their delivery, and what is worth knowing, as sentences for `c360 doctor`."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from model.alerts.calendar import Calendar
from model.alerts.rule import load
from model.delivery.holding import held
from model.delivery.people import Directory
from model.publish import current
from ops import clock
from ops.errors import C360Error
from ops.instance import Instance
from ops.secrets import resolve
from ops.store import stamp
from ops.tables import deliveries, outbox

RECENT = timedelta(days=7)
AHEAD = timedelta(days=30)


def problems(instance: Instance) -> list[str]:
    """Every problem: rules that do not load, secrets that are missing, people nobody knows, messages given up."""
    found: list[str] = []
    try:
        load(instance.config_dir)
    except C360Error as error:
        found.append(str(error))
    for channel in instance.config.channels:
        for reference in (channel.address, channel.secret):
            try:
                if reference:
                    resolve(reference, instance.secrets)
            except C360Error as error:
                found.append(f"channel {channel.name}: {error}")
    today = clock.today(instance.config.zone)
    try:
        Directory.load(instance, _build(instance), today)
    except C360Error as error:
        found.append(str(error))
    calendar = Calendar.load(instance.config_dir)
    if not calendar.covers(today):
        found.append(_uncovered(calendar, today.year))
    if stopped := held(instance.store):
        found.append(
            f"nothing is sent since {stopped.since}: {stopped.why}; {stopped.messages} message(s) wait. "
            "To do: stop the old instance, then `c360 alerts release`, or `c360 alerts release --drop`."
        )
    if given_up := _given_up(instance):
        found.append(
            f"{given_up} message(s) were given up in the last {RECENT.days} days; their alerts are due again. "
            "To do: see `c360 alerts deliveries --outcome dead`."
        )
    return found


def notes(instance: Instance) -> list[str]:
    """What is not wrong and worth knowing: the coming year's calendar, a missing way to send."""
    found = [gap] if (gap := calendar_gap(instance)) else []
    if instance.config.mail is None and not instance.config.channels:
        found.append("alerts are judged and nothing is sent: neither [mail] nor [[channel]] is in c360.toml")
    return found


def calendar_gap(instance: Instance) -> str | None:
    """What to do when the coming year begins in at most 30 days and its holidays are not known here; None otherwise."""
    today = clock.today(instance.config.zone)
    calendar = Calendar.load(instance.config_dir)
    coming = date(today.year + 1, 1, 1)
    return None if calendar.covers(coming) or coming - today > AHEAD else _uncovered(calendar, coming.year)


def ledger(instance: Instance, outcome: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
    """Attempts to deliver, newest first: at, outcome, channel, message_id, recipient, attempts, detail."""
    columns = (
        deliveries.c.at, deliveries.c.outcome, outbox.c.channel, deliveries.c.message_id, outbox.c.recipient,
        outbox.c.attempts, deliveries.c.detail,
    )  # fmt: skip
    query = select(*columns).join(outbox, outbox.c.message_id == deliveries.c.message_id)
    query = query.order_by(deliveries.c.delivery_id.desc()).limit(limit)
    if outcome:
        query = query.where(deliveries.c.outcome == outcome)
    with instance.store.read() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def _build(instance: Instance) -> Path:
    return current(instance).path


def _uncovered(calendar: Calendar, year: int) -> str:
    years = ", ".join(map(str, sorted(calendar.years))) or "no year"
    return (
        f"the company calendar covers {years}, not {year}: Monday to Friday count as business days then. "
        f"To do: write config/calendar/{year}.toml from the official notice."
    )


def _given_up(instance: Instance) -> int:
    query = select(func.count()).where(deliveries.c.outcome == "dead", deliveries.c.at >= stamp(clock.now() - RECENT))
    with instance.store.read() as connection:
        return int(connection.execute(query).scalar_one())
