"""Ways in which vendors page and filter, each a few lines, for simulators to choose from."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from data.sim.access import Call
from data.sim.table import Record

COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
    "eq": operator.eq, "ne": operator.ne, "gt": operator.gt, "ge": operator.ge, "lt": operator.lt, "le": operator.le,
}  # fmt: skip


def numbered(rows: Sequence[Record], number: int, size: int, first: int = 1) -> tuple[list[Record], bool]:
    """Page `number` of `size` rows, and whether more follow."""
    start = (number - first) * size
    return list(rows[start : start + size]), start + size < len(rows)


def offset(rows: Sequence[Record], start: int, size: int) -> tuple[list[Record], bool]:
    """`size` rows from `start` on, and whether more follow."""
    return list(rows[start : start + size]), start + size < len(rows)


def after(rows: Sequence[Record], key: Callable[[Record], Any], last: Any, size: int) -> tuple[list[Record], bool]:
    """`size` rows whose key is beyond `last` (None: from the start), and whether more follow. Rows ascend by key."""
    rest = [row for row in rows if last is None or key(row) > last]
    return rest[:size], size < len(rest)


def link(url: str, call: Call, **changes: Any) -> str:
    """A Link header to the next page: this call with other parameters."""
    return f'<{url}{call.path}?{urlencode({**call.query, **changes})}>; rel="next"'


def instant(text: str) -> datetime:
    """An ISO instant; without an offset it is UTC. ValueError when it is none."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
