"""Business days with holidays and make-up days, and quiet hours."""

from __future__ import annotations

import logging
import tomllib
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from ops.errors import FatalError, unknown_keys

log = logging.getLogger("c360.alerts")
_SHIPPED = Path(__file__).with_name("calendar.toml")
_KEYS = ("years", "holidays", "make_up_days")


@dataclass(frozen=True)
class Calendar:
    """Which days the company works: weekdays without holidays, plus make-up days. `years` are the ones it covers."""

    holidays: frozenset[date]
    make_up_days: frozenset[date]
    years: frozenset[int] = frozenset()

    @classmethod
    def load(cls, config_dir: Path | None = None) -> Calendar:
        """The instance's config/calendar.toml, else the shipped one."""
        own = config_dir / "calendar.toml" if config_dir else None
        path = own if own is not None and own.is_file() else _SHIPPED
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        if wrong := unknown_keys(raw, _KEYS, str(path)):
            raise wrong
        try:
            days = {key: frozenset(date.fromisoformat(str(day)) for day in raw.get(key, [])) for key in _KEYS[1:]}
            given = raw.get("years")
            years = {day.year for found in days.values() for day in found} if given is None else set(map(int, given))
        except (ValueError, TypeError) as error:
            raise FatalError(f"{path}: {error}", valid="ISO dates such as 2026-10-01, and years as numbers") from error
        return cls(days["holidays"], days["make_up_days"], frozenset(years))

    def covers(self, day: date) -> bool:
        """Whether holidays of the year of `day` are known here; otherwise weekdays count as business days."""
        return day.year in self.years

    def is_business_day(self, day: date) -> bool:
        """Whether the company works on `day`. A year that is not covered is said once in the log, not guessed."""
        if not self.covers(day):
            _say_missing(day.year)
        return day in self.make_up_days or (day.weekday() < 5 and day not in self.holidays)

    def business_days(self, start: date, end: date) -> int:
        """Business days after `start` up to and including `end`; 0 when `end` is not later."""
        return sum(self.is_business_day(start + timedelta(days=n + 1)) for n in range(max(0, (end - start).days)))


@cache
def _say_missing(year: int) -> None:
    log.warning("the company calendar does not cover %s: Monday to Friday count as business days", year)


def is_quiet(instant: datetime, zone: str, quiet_hours: str) -> bool:
    """Whether `instant` falls into `quiet_hours` ("20:00-08:00", local to `zone`; "" is never)."""
    if not quiet_hours:
        return False
    begin, end = (time.fromisoformat(part) for part in quiet_hours.split("-"))
    local = instant.astimezone(ZoneInfo(zone)).time()
    return begin <= local < end if begin <= end else local >= begin or local < end
