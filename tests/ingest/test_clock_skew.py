"""A server whose clock is behind ours: the watermark never passes the server's own now, from the first stream on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from fake import Seen, documents, make_instance, reply, serving

from ingest.collect import sync
from ops import clock

STREAM = """
[[stream]]
name = "things"
path = "things"
params = { since = "{window.start}" }
records = "items"
id = "id"
updated = "at"
incremental = { type = "window", overlap_s = 60 }
"""
SERVER = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(0), timedelta(hours=-1)])
def test_rows_stamped_between_the_two_clocks_are_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: timedelta
) -> None:
    """`ahead`: how far our clock is ahead of the server's."""
    now = [SERVER]
    rows = {1: SERVER - timedelta(days=1)}
    monkeypatch.delenv("C360_NOW", raising=False)
    monkeypatch.setattr(clock, "now", lambda: now[0] + ahead)
    monkeypatch.setattr(clock, "wall", lambda: now[0] + ahead)

    def answer(seen: Seen) -> Any:
        since = datetime.fromisoformat(seen.query["since"])
        items = [{"id": key, "at": at.isoformat()} for key, at in rows.items() if at >= since]
        return reply(200, {"items": items}, content_type="application/json", Date=format_datetime(now[0], usegmt=True))

    with serving(answer) as fake:
        instance = make_instance(tmp_path, fake.url, STREAM)
        assert sync(instance, "src")[0].error is None
        for number in range(2, 5):
            now[0] += timedelta(minutes=10)
            rows[number] = now[0] - timedelta(seconds=30)
            assert sync(instance, "src")[0].error is None
        assert set(documents(instance, "things")) == {"1", "2", "3", "4"}
