"""The only place that reads the clock, so that demo, tests and screenshots can fix it with C360_NOW."""

from __future__ import annotations

import os
import time
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo


def now() -> datetime:
    """The current instant, aware, in UTC.

    C360_NOW (ISO 8601; without an offset it is read as UTC) fixes it for the whole process.
    """
    fixed = os.environ.get("C360_NOW")
    if not fixed:
        return datetime.now(UTC)
    instant = datetime.fromisoformat(fixed)
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def today(zone: str) -> date:
    """The business date in `zone` (an IANA name such as Asia/Shanghai)."""
    return now().astimezone(ZoneInfo(zone)).date()


def monotonic() -> float:
    """Seconds from an arbitrary start; for durations, never fixed by C360_NOW."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Block this thread for `seconds`; values below zero return at once."""
    time.sleep(max(0.0, seconds))


def wall() -> datetime:
    """The machine's real time in UTC, whatever C360_NOW says: for leases between living processes only."""
    return datetime.now(UTC)
