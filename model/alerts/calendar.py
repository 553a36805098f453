"""Business days with holidays and make-up days, and quiet hours."""

from __future__ import annotations

import logging
import tomllib
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ops.errors import FatalError, unknown_keys

log = logging.getLogger("c360.alerts")
_SHIPPED = Path(__file__).with_name("years")
_DAYS = ("holidays", "make_up_days")
_KEYS = ("years", *_DAYS)
_YEAR_KEYS = ("year", "is_announced", "source", *_DAYS)


@dataclass(frozen=True)
class Calendar:
    """Which days the company works: weekdays without holidays, plus make-up days. `years` are the ones it covers."""

    holidays: frozenset[date]
    make_up_days: frozenset[date]
    years: frozenset[int] = frozenset()

    @classmethod
    def load(cls, config_dir: Path | None = None) -> Calendar:
        """The instance's config/calendar.toml (all years), else the shipped years with those of config/calendar/ in
        place of theirs. A year whose file says is_announced = false is not covered. FatalError for an invalid file."""
        own = config_dir / "calendar.toml" if config_dir else None
        if own is not None and own.is_file():
            return cls._of(own)
        files = {path.stem: path for path in sorted(_SHIPPED.glob("*.toml"))}
        if config_dir is not None:
            files |= {path.stem: path for path in sorted((config_dir / "calendar").glob("*.toml"))}
        found = [_year(path) for _, path in sorted(files.items())]
        return cls(
            frozenset(day for _, holidays, _ in found for day in holidays),
            frozenset(day for _, _, made_up in found for day in made_up),
            frozenset(year for year, _, _ in found if year is not None),
        )

    @classmethod
    def _of(cls, path: Path) -> Calendar:
        raw = _read(path, _KEYS)
        holidays, made_up = (_dates(raw, name, path) for name in _DAYS)
        given = raw.get("years")
        try:
            years = {day.year for day in holidays | made_up} if given is None else set(map(int, given))
        except (ValueError, TypeError) as error:
            raise FatalError(f"{path}: {error}", valid="years as numbers") from error
        return cls(holidays, made_up, frozenset(years))

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


def _year(path: Path) -> tuple[int | None, frozenset[date], frozenset[date]]:
    """(year, None when it is not announced; holidays; make-up days) of one year's file."""
    raw = _read(path, _YEAR_KEYS)
    year, announced = raw.get("year"), raw.get("is_announced", True)
    holidays, made_up = (_dates(raw, name, path) for name in _DAYS)
    if not isinstance(year, int) or not isinstance(announced, bool) or str(year) != path.stem:
        raise FatalError(f"{path}: it is not the file of one year", valid=f"year = {path.stem}, is_announced = true")
    if strange := sorted(day for day in holidays | made_up if day.year != year):
        raise FatalError(f"{path}: {strange[0]} is not a day of {year}", valid=f"days of {year}")
    return (year if announced else None), holidays, made_up


def _read(path: Path, keys: tuple[str, ...]) -> dict[str, Any]:
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise FatalError(f"{path} is not valid TOML: {error}") from error
    if wrong := unknown_keys(raw, keys, str(path)):
        raise wrong
    return raw


def _dates(raw: dict[str, Any], name: str, path: Path) -> frozenset[date]:
    try:
        return frozenset(date.fromisoformat(str(day)) for day in raw.get(name, []))
    except (ValueError, TypeError) as error:
        raise FatalError(f"{path}: {error}", valid="ISO dates such as 2026-10-01") from error


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
