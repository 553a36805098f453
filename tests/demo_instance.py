"""One small published demo instance per test run, shared by all workers of pytest-xdist."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from data.demo.company import generate
from ops.instance import Instance
from run import demo

CUSTOMERS, SEED, DAY = 60, 20260101, date(2026, 11, 21)
NOW = "2026-11-21T02:00:00+00:00"


@cache
def truth() -> dict[str, Any]:
    """What the generator knows about this company; never changed by a test."""
    return dict(generate(CUSTOMERS, SEED, today=DAY).truth)


def _folder(factory: pytest.TempPathFactory) -> Path:
    """The folder that all workers of the run share."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def _prepared(home: Path) -> None:
    """Make the demo instance `home` unless another worker has, or wait while it does."""
    with Path(f"{home}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = Path(f"{home}.done")
        if not done.exists():
            demo.prepare(home, customers=CUSTOMERS, seed=SEED).store.close()
            done.touch()


def of_today(factory: pytest.TempPathFactory, home: Path) -> Path:
    """A worker's own copy, at `home`, of the demo instance as of the machine's day; it may be changed."""
    original = _folder(factory) / f"today{CUSTOMERS}"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("C360_NOW", raising=False)
        patch.setenv("C360_HOME", str(original))
        _prepared(original)
    shutil.copytree(original, home)
    return home


@contextmanager
def shared(factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """The demo instance as of DAY, built by whichever worker comes first; the clock stays fixed inside.

    It is shared: tests may add work state to it, but not build or publish.
    """
    home = _folder(factory) / f"demo{CUSTOMERS}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("C360_NOW", NOW)
        patch.setenv("C360_HOME", str(home))
        _prepared(home)
        instance = Instance.load(home)
        yield instance
        instance.store.close()
