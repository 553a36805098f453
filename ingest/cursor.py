"""Where a stream stands, and the window of changes the next run asks for.

The upper bound is taken before the first call; the lower bound is the last one minus an overlap; the cursor is
committed only after the manifest of the run.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from ingest.spec_parts import IncrementalSpec
from ops import clock
from ops.store import Store, stamp
from ops.tables import cursors


@dataclass(frozen=True)
class Window:
    """A half-open span of change stamps, UTC."""

    start: datetime
    end: datetime

    def to_json(self) -> list[str]:
        """The span as two ISO instants."""
        return [self.start.isoformat(), self.end.isoformat()]

    @classmethod
    def from_json(cls, pair: list[str]) -> Window:
        """The span that `to_json` wrote."""
        return cls(datetime.fromisoformat(pair[0]), datetime.fromisoformat(pair[1]))


def read_cursor(store: Store, source: str, stream: str) -> dict[str, Any]:
    """The committed position: watermark, token, parent_run, swept_at, run_id; empty before the first run."""
    with store.read() as connection:
        row = connection.execute(
            select(cursors.c.value, cursors.c.run_id).where(cursors.c.source == source, cursors.c.stream == stream)
        ).first()
    return {**json.loads(row.value), "run_id": row.run_id} if row else {}


def write_cursor(store: Store, source: str, stream: str, value: dict[str, Any], run_id: str) -> None:
    """Commit a position."""
    row = {
        "source": source,
        "stream": stream,
        "value": json.dumps({key: item for key, item in value.items() if key != "run_id"}),
        "run_id": run_id,
        "updated_at": stamp(),
    }
    with store.begin() as connection:
        store.upsert(connection, cursors, row, ["source", "stream"])


def next_window(spec: IncrementalSpec, watermark: str | None, server_offset: timedelta) -> Window:
    """The span to ask for now.

    A server whose clock is behind ours ends the span at its own now, so that nothing is stamped after the bound and
    yet committed before it. A fixed clock (C360_NOW) is taken as the truth.
    """
    end = clock.now() - timedelta(seconds=spec.lag_s) + _behind(server_offset)
    initial = datetime.fromisoformat(spec.initial)
    start = initial
    if watermark:
        start = max(initial, datetime.fromisoformat(watermark) - timedelta(seconds=spec.overlap_s))
    return Window(_floor(start, spec.granularity_s), max(_floor(end, spec.granularity_s), initial))


def settled_until(window: Window, spec: IncrementalSpec, started_at: datetime, server_offset: timedelta) -> datetime:
    """The watermark after a run: the window's end, but not beyond the server's own now when the run began.

    How far the server is behind is known only after its first answer, when the first stream's window is already made.
    """
    now = started_at - timedelta(seconds=spec.lag_s) + _behind(server_offset)
    return min(window.end, max(_floor(now, spec.granularity_s), datetime.fromisoformat(spec.initial)))


def _behind(server_offset: timedelta) -> timedelta:
    return timedelta(0) if os.environ.get("C360_NOW") else min(timedelta(0), server_offset)


def _floor(instant: datetime, granularity_s: int) -> datetime:
    seconds = int(instant.timestamp()) // granularity_s * granularity_s
    return datetime.fromtimestamp(seconds, UTC)


def written(instant: datetime, form: str, zone: str, *, lower: bool = True) -> str | int:
    """`instant` as the vendor wants it: iso, epoch, epoch_ms or a strftime pattern, in `zone`.

    In the hour that a zone lives through twice the text is ambiguous: a lower bound is written as the hour before it,
    an upper bound as the hour after it, which only re-reads.
    """
    if form == "epoch":
        return int(instant.timestamp())
    if form == "epoch_ms":
        return int(instant.timestamp() * 1000)
    local = instant.astimezone(ZoneInfo(zone))
    if local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset():
        hours = (-2 if local.fold else -1) if lower else (1 if local.fold else 2)
        local = (instant + timedelta(hours=hours)).astimezone(ZoneInfo(zone))
    if form == "iso":
        return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return local.strftime(form)
