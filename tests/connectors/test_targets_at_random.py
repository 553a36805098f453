"""Single reads and increments in any order, with collections that break off: nothing doubled, nothing lost."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from data.sim.engine import Fault
from ingest import landing
from ingest.targets import Cause, read_customer, read_records
from tests.connectors.harness import Harness

STREAMS = ("tickets", "contacts", "companies")


def repeated(harness: Harness, stream: str) -> list[str]:
    """Ids of records that landed in the state that was known already."""
    newest: dict[str, tuple[Any, ...]] = {}
    found = []
    for frame in landing.read(harness.instance.landing, "src", stream):
        for row_id, mark, gone in frame.select("id", "hash", "deleted").rows():
            if newest.get(row_id) == (mark, gone):
                found.append(row_id)
            newest[row_id] = (mark, gone)
    return found


@pytest.mark.parametrize("seed", range(6))
def test_any_order_of_targets_and_increments(connect: Callable[..., Harness], waits: list[float], seed: int) -> None:
    dice = random.Random(seed)
    harness = connect("freshdesk")
    tables = harness.vendor.tables
    if dice.random() < 0.7:
        harness.sync()
    for _ in range(14):
        stream = dice.choice(STREAMS)
        rows = sorted(tables[stream].rows)
        match dice.choice(["edit", "edit", "add", "remove", "target", "target", "customer", "sync", "break"]):
            case "edit":
                tables[stream].edit(dice.choice(rows))
            case "add":
                harness.vendor.add(stream)
            case "remove" if len(rows) > 20:
                harness.vendor.remove(stream, dice.choice(rows))
            case "target":
                wanted = [dice.choice(rows), *tables[stream].gone][:3]
                read_records(harness.instance, "src", {stream: wanted}, Cause("webhook"))
            case "customer":
                read_customer(
                    harness.instance, "src", [dice.choice(sorted(tables["companies"].rows))], Cause("customer")
                )
            case "sync":
                harness.sync(minutes=dice.choice([1, 300]))
            case "break":
                harness.vendor.faults = [Fault("status", times=9, path=stream, after=dice.randint(0, 2))]
                harness.results(minutes=2)
                harness.vendor.faults = []
        harness.vendor.clock.advance(seconds=dice.choice([1, 40]))
        harness.monkeypatch.setenv("C360_NOW", harness.vendor.clock.now.isoformat())
    for _ in range(3):  # what is missing must be missed twice
        harness.sync(hours=26)
    for stream in STREAMS:
        assert harness.missing(stream) == (set(), set()), stream
        assert repeated(harness, stream) == []
        label = tables[stream].label
        assert {row_id: row.get(label) for row_id, row in harness.documents(stream).items()} == {
            row_id: row.get(label) for row_id, row in tables[stream].rows.items()
        }
