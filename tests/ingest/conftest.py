"""Waits cost nothing in these tests: the waits asked for are kept instead."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that the collector wanted to wait, in order; none of them is spent."""
    asked: list[float] = []
    monkeypatch.setattr("ops.clock.sleep", asked.append)
    return asked
