"""A small demo company, collected and published once, and the app serving it."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from browser import chromium
from playwright.sync_api import Browser

from model import serve
from ops import clock
from ops.instance import Instance
from tests.ports import free_port

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a published demo instance of 60 customers (C360_TEST_HOME reuses one that exists)."""
    if given := os.environ.get("C360_TEST_HOME"):
        return Path(given)
    # imported late: tests of mere texts need no company
    from tests import demo_instance

    return demo_instance.of_today(tmp_path_factory, tmp_path_factory.mktemp("views") / "demo")


@pytest.fixture
def home(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages run in this process show the demo instance, and nothing that another test left in the cache."""
    monkeypatch.setenv("C360_HOME", str(demo))
    import streamlit as st

    st.cache_resource.clear()


@pytest.fixture(scope="session")
def people(demo: Path) -> dict[str, str]:
    """Role → user id of the demo personas."""
    return {one["role"]: one["user"] for one in serve.personas(Instance.load(demo))}


@pytest.fixture
def finance(people: dict[str, str], demo: Path) -> tuple[Any, Any]:
    """(viewer, served build) of finance."""
    instance = Instance.load(demo)
    return serve.sign_in(instance, people["finance"]), serve.open_published(instance)


@pytest.fixture(scope="session")
def debtor(demo: Path) -> dict[str, Any]:
    """The first customer of the operator's worklist."""
    instance = Instance.load(demo)
    return serve.worklist(serve.sign_in(instance, "operator"), serve.open_published(instance))[0]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for the module's tests; not longer, for it keeps an event loop in this thread."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def url(demo: Path) -> Iterator[str]:
    """The address of the app showing the demo instance."""
    with serving(demo) as address:
        yield address


@contextmanager
def serving(home: Path, now: datetime | None = None) -> Iterator[str]:
    """The app in a process of its own, at the instant `now` (None: the machine's clock); yields its address."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "app:app", "--host", "127.0.0.1", "--port", str(port)]
    fixed = {} if now is None else {"C360_NOW": now.isoformat()}
    process = subprocess.Popen(
        [*command, "--log-level", "warning"],
        cwd=ROOT,
        env={**os.environ, "C360_HOME": str(home), "C360_STRICT_TEXTS": "1", **fixed},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(address, process)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = clock.monotonic() + 180
    while clock.monotonic() < deadline:
        assert process.poll() is None, "the app ended while starting"
        try:
            with urllib.request.urlopen(f"{address}/healthz", timeout=30):
                return
        except OSError:  # no answer yet, or one that takes its time
            clock.sleep(0.2)
    pytest.fail("the app did not answer within 180 s")
