"""Whoever has a simulator has a connector, a page that says which rights to grant, and runs the conformance suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from data import sim
from ingest.spec import discover

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("connector", sim.discover())
def test_a_simulator_belongs_to_a_connector_that_is_described_and_tested(connector: str) -> None:
    assert connector in discover()
    assert sim.load(connector).connector == connector
    assert (ROOT / "model" / "conform" / f"{connector}.toml").is_file()
    page = ROOT / "docs" / "connectors" / f"{connector}.md"
    assert "## Rights to grant" in page.read_text(encoding="utf-8")
    tests = ROOT / "tests" / "connectors" / f"test_{connector}.py"
    assert "(Conformance)" in tests.read_text(encoding="utf-8")
