"""Days as ordinals and instants as epoch seconds, spelled the way each vendor spells them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import lru_cache

EPOCH_DAY = date(1970, 1, 1).toordinal()
ZONE_OFFSET = 8 * 3600


@lru_cache(maxsize=8192)
def iso(day: int) -> str:
    """Ordinal day -> `2026-08-01`."""
    return date.fromordinal(day).isoformat()


@lru_cache(maxsize=8192)
def midnight(day: int) -> str:
    """Ordinal day -> `2026-08-01T00:00:00` (Kingdee dates)."""
    return iso(day) + "T00:00:00"


def at(day: int, second: int) -> int:
    """Epoch second of a Shanghai wall-clock moment."""
    return (day - EPOCH_DAY) * 86400 - ZONE_OFFSET + second


def day_of(moment: int) -> int:
    """The Shanghai calendar day of an instant, as an ordinal."""
    return (moment + ZONE_OFFSET) // 86400 + EPOCH_DAY


@lru_cache(maxsize=86400)
def _clock(second: int) -> str:
    minutes, rest = divmod(second, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest:02d}"


def _split(moment: int) -> tuple[str, str]:
    days, rest = divmod(moment, 86400)
    return iso(days + EPOCH_DAY), _clock(rest)


def utc(moment: int) -> str:
    """`2026-08-01T09:15:22Z` (Zendesk)."""
    day, clock = _split(moment)
    return f"{day}T{clock}Z"


def salesforce(moment: int) -> str:
    """`2026-08-01T09:15:22.000+0000` (Salesforce)."""
    day, clock = _split(moment)
    return f"{day}T{clock}.000+0000"


def wall(moment: int) -> str:
    """`2026-08-01T17:15:22.187`: Shanghai wall clock without a zone (Kingdee); milliseconds follow the second."""
    day, clock = _split(moment + ZONE_OFFSET)
    return f"{day}T{clock}.{moment * 7 % 1000:03d}"


def jira(moment: int) -> str:
    """`2026-08-01T17:15:22.431+0800` (Jira)."""
    day, clock = _split(moment + ZONE_OFFSET)
    return f"{day}T{clock}.{moment * 3 % 1000:03d}+0800"


def parse_utc(text: str) -> int:
    """An ISO instant with `Z` or an offset (with or without colon) -> epoch second."""
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp())


def add_months(day: int, months: int) -> int:
    """The same day of another month, or the month's last day where it is shorter."""
    origin = date.fromordinal(day)
    total = origin.year * 12 + origin.month - 1 + months
    year, month = divmod(total, 12)
    following = date(year + (month == 11), (month + 1) % 12 + 1, 1).toordinal()
    return min(date(year, month + 1, 1).toordinal() + origin.day - 1, following - 1)


def month_end(day: int) -> int:
    """Last day of the month that holds `day`."""
    origin = date.fromordinal(day)
    return add_months(date(origin.year, origin.month, 1).toordinal(), 1) - 1
