"""Whoever has a simulator has a connector, a page that says which rights to grant, and runs the conformance suite."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from data import sim
from ingest.spec import discover
from tests.connectors.harness import Harness

ROOT = Path(__file__).parents[2]
WALL_CLOCKS = [("yonbip", "merchant"), ("wukong", "crmCustomer"), ("u8", "customer"), ("fxiaoke", "AccountObj")]


@pytest.mark.parametrize("connector", sim.discover())
def test_a_simulator_belongs_to_a_connector_that_is_described_and_tested(connector: str) -> None:
    assert connector in discover()
    assert sim.load(connector).connector == connector
    assert (ROOT / "model" / "conform" / f"{connector}.toml").is_file()
    page = ROOT / "docs" / "connectors" / f"{connector}.md"
    assert "## Rights to grant" in page.read_text(encoding="utf-8")
    tests = ROOT / "tests" / "connectors" / f"test_{connector}.py"
    assert "(Conformance)" in tests.read_text(encoding="utf-8")


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Shanghai"])
def process_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The zone that this process lives in."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("process_zone", "waits")
@pytest.mark.parametrize(("connector", "stream"), WALL_CLOCKS)
def test_the_zone_of_the_collecting_machine_changes_nothing(
    connector: str, stream: str, connect: Callable[..., Harness]
) -> None:
    """These vendors write the wall clock of China without a zone, or a bare number."""
    life = connect(connector)
    life.sync(stream)
    table = life.vendor.tables[stream]
    changed = next(iter(table.rows))
    table.edit(changed)
    assert life.sync(stream, minutes=5)[stream].rows_landed == 1
    assert life.missing(stream) == (set(), set())
