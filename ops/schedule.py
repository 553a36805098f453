"""Schedules as people write them: five cron fields, or "every 15m"; read in the company's zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from apscheduler.triggers.cron import CronTrigger

from ops import clock
from ops.errors import FatalError

_INTERVAL = re.compile(r"^every\s+(\d+)\s*(s|m|h|d)$")
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


def _cron(schedule: str, zone: str) -> CronTrigger:
    try:
        return CronTrigger.from_crontab(schedule, timezone=zone)
    except ValueError as error:
        raise FatalError(
            f"schedule {schedule!r} is not understood ({error})",
            valid="five cron fields such as '*/15 8-20 * * 1-5', or 'every 15m'",
            remedy="correct it in c360.toml",
        ) from error
