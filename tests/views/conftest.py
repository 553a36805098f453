"""A small demo company, collected and published once, and the app serving it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from ops import clock

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a published demo instance of 60 customers (C360_TEST_HOME reuses one that exists)."""
    if given := os.environ.get("C360_TEST_HOME"):
        return Path(given)
    from run import demo as company

    home = tmp_path_factory.mktemp("views") / "demo"
    company.prepare(home, customers=60)
    return home


@pytest.fixture(scope="session")
def url(demo: Path) -> Iterator[str]:
    """The address of the app showing the demo instance."""
    with serving(demo) as address:
        yield address


@contextmanager
def serving(home: Path, now: datetime | None = None) -> Iterator[str]:
    """The app in a process of its own, at the instant `now` (None: the machine's clock); yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
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
        process.wait(20)


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = clock.monotonic() + 60
    while clock.monotonic() < deadline:
        assert process.poll() is None, "the app ended while starting"
        try:
            with urllib.request.urlopen(f"{address}/healthz", timeout=5):
                return
        except urllib.error.URLError:
            clock.sleep(0.2)
    pytest.fail("the app did not answer within 60 s")
