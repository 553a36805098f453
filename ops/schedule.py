"""Schedules as people write them: five cron fields, or "every 15m"; read in the company's zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from apscheduler.triggers.cron import CronTrigger

from ops import clock
from ops.errors import FatalError

_INTERVAL = re.compile(r"^every\s+(\d+)\s*(s|m|h|d)$")
_DIGITS = 9
_FIELDS = 5
_SUNDAY = 7
_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_DAYS = re.compile(r"^(?:(\d)(?:-(\d))?|\*(?=/))(?:/(\d+))?$")
LONGEST = timedelta(days=366)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def next_after(schedule: str | None, last_started: datetime | None, zone: str) -> datetime | None:
    """When a run is due next (UTC); now when it never ran, in the past when it was missed, None without a schedule.

    FatalError when the schedule is not understood.
    """
    if schedule is None:
        return None
    match = _INTERVAL.match(schedule)
    if match is None:
        trigger = _cron(schedule, zone)
    if last_started is None:
        return clock.now()
    if match is not None:
        return last_started + timedelta(**{_UNITS[match.group(2)]: int(match.group(1))})
    due = trigger.get_next_fire_time(None, last_started + timedelta(seconds=1))
    return None if due is None else due.astimezone(UTC)


def upcoming(schedule: str | None, last_started: datetime | None, zone: str, count: int = 3) -> list[datetime]:
    """The next `count` instants (UTC) at which a run is due from now on; none without a schedule.

    One that was missed is due now. FatalError when the schedule is not understood or never comes.
    """
    if schedule is None:
        return []
    match = _INTERVAL.match(schedule)
    if match is not None and len(match.group(1)) > _DIGITS:
        raise FatalError(f"schedule {schedule!r} is not understood", valid="every 1s up to every 366d")
    first = next_after(schedule, last_started, zone)
    if match is not None:
        step = timedelta(**{_UNITS[match.group(2)]: int(match.group(1))})
        if not step or step > LONGEST:
            raise FatalError(f"schedule {schedule!r} is not understood", valid="every 1s up to every 366d")
        start = max(first or clock.now(), clock.now())
        return [start + step * number for number in range(count)]
    trigger = _cron(schedule, zone)
    found: list[datetime] = []
    after = clock.now()
    while len(found) < count:
        due = trigger.get_next_fire_time(None, after)
        if due is None:
            break
        found.append(due.astimezone(UTC))
        after = due + timedelta(seconds=1)
    if not found:
        raise FatalError(f"schedule {schedule!r} never comes", valid="five cron fields such as '*/15 8-20 * * 1-5'")
    return found


def _cron(schedule: str, zone: str) -> CronTrigger:
    fields = schedule.split()
    try:
        if len(fields) == _FIELDS:
            fields[-1] = ",".join(map(_weekdays, fields[-1].split(",")))
        return CronTrigger.from_crontab(" ".join(fields), timezone=zone)
    except ValueError as error:
        raise FatalError(
            f"schedule {schedule!r} is not understood ({error})",
            valid="five cron fields such as '*/15 8-20 * * 1-5', or 'every 15m'",
            remedy="correct it in c360.toml",
        ) from error


def _weekdays(part: str) -> str:
    """A part of cron's last field by names: APScheduler's numbers begin with Monday, cron's with Sunday (0 and 7)."""
    found = _DAYS.match(part)
    if found is None:  # names, or *
        return part
    first, last, step = (int(one) if one else None for one in found.groups())
    if first is None:
        first, last = 0, 6
    elif last is None:
        last = first if step is None else 6
    if not first <= last <= _SUNDAY or step == 0:
        raise ValueError(f"weekday {part}: 0 to 7, the smaller one first")
    return ",".join(dict.fromkeys(_NAMES[day % 7] for day in range(first, last + 1, step or 1)))
