"""Single records by their id: read alone, then by the increment, nothing twice and nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ingest import landing
from ingest.cursor import read_cursor
from ingest.targets import Cause, TargetResult, read_customer, read_records
from tests.connectors.harness import Harness

STREAMS = [
    ("freshdesk", "tickets"),
    ("hubspot", "companies"),
    ("hubspot", "deals"),
    ("freshdesk", "companies"),
    ("freshdesk", "contacts"),
    ("odoo", "res.partner"),
    ("odoo", "account.move"),
    ("erpnext", "Sales_Invoice"),
    ("shopify", "customers"),
    ("shopify", "orders"),
]
CAUSE = Cause("webhook")


def good(results: list[TargetResult]) -> dict[str, TargetResult]:
    assert [f"{one.stream}: {one.error}" for one in results if one.state == "failed"] == []
    return {one.stream: one for one in results if one.state == "done"}


def rows(harness: Harness, stream: str) -> list[tuple[Any, ...]]:
    """(id, hash) of all that has ever landed."""
    frames = landing.read(harness.instance.landing, "src", stream)
    return [row for frame in frames for row in frame.select("id", "hash", "deleted").rows()]


@pytest.mark.parametrize(("connector", "stream"), STREAMS)
def test_a_record_read_by_its_id_and_then_by_the_increment_lands_once(
    connect: Callable[..., Harness], waits: list[float], connector: str, stream: str
) -> None:
    harness = connect(connector)
    harness.sync()
    whole = harness.documents(stream)
    row_id = max(whole)
    position = read_cursor(harness.instance.store, "src", stream)
    known = len(rows(harness, stream))

    good(read_records(harness.instance, "src", {stream: [row_id]}, CAUSE))
    assert len(rows(harness, stream)) == known, "a single record has another shape than in the list"

    harness.vendor.clock.advance(seconds=30)
    harness.vendor.tables[stream].edit(row_id)
    done = good(read_records(harness.instance, "src", {stream: [row_id]}, CAUSE))
    assert done[stream].rows_landed == 1
    changed = harness.documents(stream)
    assert {key for key in whole if changed[key] != whole[key]} == {row_id}
    after = read_cursor(harness.instance.store, "src", stream)
    assert after.pop("run_id") == done[stream].run_id
    assert after == {key: value for key, value in position.items() if key != "run_id"}

    assert harness.sync(minutes=5)[stream].rows_landed == 0
    assert harness.documents(stream) == changed
    assert harness.missing(stream) == (set(), set())


def test_what_belongs_to_a_customer_is_read_and_nothing_else(
    connect: Callable[..., Harness], waits: list[float]
) -> None:
    harness = connect("freshdesk")
    harness.sync()
    tables = harness.vendor.tables
    company = next(str(row["company_id"]) for row in tables["tickets"].rows.values())
    mine = [row_id for row_id, row in tables["tickets"].rows.items() if str(row["company_id"]) == company]
    other = next(row_id for row_id, row in tables["tickets"].rows.items() if str(row["company_id"]) != company)
    harness.vendor.clock.advance(seconds=30)
    for row_id in [*mine, other]:
        tables["tickets"].edit(row_id)
    tables["companies"].edit(company)
    results = read_customer(harness.instance, "src", [company], Cause("customer"))
    done = good(results)
    assert done["tickets"].rows_landed == len(mine)
    assert done["companies"].rows_landed == 1
    assert {one.stream for one in results if one.state == "skipped"} == {"agents"}
    later = harness.sync(minutes=5)
    assert later["tickets"].rows_landed == 1  # the other customer's
    assert harness.missing("tickets") == (set(), set())


def test_children_of_a_record_are_read_with_it(connect: Callable[..., Harness], waits: list[float]) -> None:
    harness = connect("freshdesk", conversations=True)
    harness.sync()
    ticket = next(iter(harness.vendor.tables["tickets"].rows))
    before = len(harness.vendor.calls)
    done = good(read_records(harness.instance, "src", {"tickets": [ticket]}, CAUSE))
    asked = [call.path for call in harness.vendor.calls[before:]]
    assert asked == [f"/api/v2/tickets/{ticket}", f"/api/v2/tickets/{ticket}/conversations"]
    assert set(done) == {"tickets", "conversations"}


def test_a_record_that_is_not_there_deletes_nothing(connect: Callable[..., Harness], waits: list[float]) -> None:
    harness = connect("freshdesk")
    harness.sync()
    known = harness.documents("contacts")
    row_id = min(known)
    harness.vendor.tables["contacts"].remove(row_id)
    done = good(read_records(harness.instance, "src", {"contacts": [row_id]}, CAUSE))
    assert "404" in str(done["contacts"].error)
    assert harness.documents("contacts") == known
    harness.sync(minutes=5)
    assert harness.missing("contacts") == (set(), set())


def test_a_stream_that_was_never_collected_is_collected_whole(
    connect: Callable[..., Harness], waits: list[float]
) -> None:
    harness = connect("freshdesk")
    harness.monkeypatch.setenv("C360_NOW", harness.vendor.clock.now.isoformat())
    row_id = next(iter(harness.vendor.tables["contacts"].rows))
    good(read_records(harness.instance, "src", {"contacts": [row_id]}, CAUSE))
    assert harness.missing("contacts") == (set(), set())


@pytest.mark.parametrize("row_id", ["1 or 1=1", "../agents/400", "1'", 'a"b', "1,2", "1/x", "", "x" * 101])
def test_an_id_that_could_be_more_than_an_id_is_never_put_into_a_call(
    connect: Callable[..., Harness], waits: list[float], row_id: str
) -> None:
    """The stream is read instead, as its schedule does."""
    harness = connect("freshdesk")
    harness.sync("contacts")
    before = len(harness.vendor.calls)
    good(read_records(harness.instance, "src", {"contacts": [row_id]}, CAUSE))
    assert {call.path for call in harness.vendor.calls[before:]} == {"/api/v2/contacts"}
