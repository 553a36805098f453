"""Connectors against the simulator of their vendor, over a real socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from data.demo.simulators import serve
from data.sim.engine import Simulator

pytest.register_assert_rewrite("tests.connectors.conformance", "tests.connectors.harness")

from tests.connectors.demo import DemoVendor, company  # noqa: E402 - after the line above
from tests.connectors.harness import Harness, connected  # noqa: E402


@pytest.fixture
def connect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Harness]]:
    """(connector, simulator?, settings…) → harness; served until the test ends."""
    with ExitStack() as stack:

        def make(connector: str, vendor: Simulator | None = None, **settings: Any) -> Harness:
            home = tmp_path / f"home{len(list(tmp_path.iterdir()))}"
            return stack.enter_context(connected(connector, home, monkeypatch, vendor, **settings))

        yield make


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Harness]]:
    """(connector, settings…) → harness of a vendor of the demo company; served until the test ends."""
    with ExitStack() as stack:

        def make(connector: str, **settings: Any) -> Harness:
            vendor: Any = DemoVendor(stack.enter_context(serve(company())), connector)
            home = tmp_path / f"home{len(list(tmp_path.iterdir()))}"
            return Harness(home, vendor, monkeypatch, **settings)

        yield make
