"""The one place of this package that reads the machine's clock (the package may not import `ops`)."""

from __future__ import annotations

import os
import time
from datetime import UTC, date, datetime, timedelta, timezone

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")


def now() -> datetime:
    """The current instant, aware, UTC; `C360_NOW` (ISO 8601) replaces it, as in the product."""
    pinned = os.environ.get("C360_NOW")
    if pinned:
        moment = datetime.fromisoformat(pinned)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return datetime.now(UTC)


def epoch() -> int:
    """`now()` in whole seconds since 1970."""
    return int(now().timestamp())


def today() -> date:
    """The calendar day in Shanghai."""
    return now().astimezone(SHANGHAI).date()


def tick() -> float:
    """Monotonic seconds, for rate budgets."""
    return time.monotonic()
