"""Freshdesk's own traps, and what its documents become."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import polars as pl

from data import sim
from data.sim.access import Call
from data.sim.table import START, iso
from model import conform, staging
from tests.connectors.conformance import Conformance
from tests.connectors.harness import Harness

Vendor = sim.load("freshdesk")


class TestConformance(Conformance):
    """What every connector must do."""

    connector = "freshdesk"


def test_page_301_is_never_asked_for(connect: Callable[..., Harness]) -> None:
    """More tickets than a list shows, of which some pages share one stamp."""
    vendor = Vendor()
    vendor.last_page = 12  # type: ignore[attr-defined]
    table = vendor.tables["tickets"]
    crowd = [table.like(60_000 + number) for number in range(40)]
    life = connect("freshdesk", vendor, per_page=5)
    life.sync("tickets")
    assert life.missing("tickets") == (set(), set())
    assert set(crowd) <= set(life.documents("tickets"))
    assert max(call.number("page", 1) for call in vendor.calls) <= 12


def test_tickets_older_than_thirty_days_are_read(connect: Callable[..., Harness]) -> None:
    life = connect("freshdesk")
    table = life.vendor.tables["tickets"]
    assert all(row["created_at"] < iso(life.vendor.clock.now - timedelta(days=30)) for row in table.rows.values())
    life.sync("tickets")
    assert len(life.documents("tickets")) == len(table.rows)
    assert all("updated_since" in call.query for call in life.vendor.calls)


def test_spam_and_deleted_are_two_further_lists(connect: Callable[..., Harness]) -> None:
    life = connect("freshdesk")
    life.sync("tickets")
    life.vendor.clock.advance(hours=1)
    life.vendor.remove("tickets", "41003")
    life.vendor.mark_spam("41004")  # type: ignore[attr-defined]
    life.sync("tickets", minutes=1)
    assert not {"41003", "41004"} & set(life.documents("tickets"))


def _remove_meanwhile(life: Harness, row_id: str) -> None:
    """Collect contacts, of whom one is deleted before the second page is read."""
    asked: list[Call] = []

    def between(_call: Call) -> None:
        asked.append(_call)
        if len(asked) == 2:
            life.vendor.clock.advance(seconds=1)
            life.vendor.remove("contacts", row_id)

    life.vendor.between = between
    life.sync("contacts", minutes=1)
    life.vendor.between = lambda _call: None


def _old(life: Harness) -> set[str]:
    """Contacts that are not here as the vendor has them."""
    found, rows = life.documents("contacts"), life.vendor.tables["contacts"].rows
    return {row_id for row_id, row in rows.items() if found.get(row_id, {}).get("name") != row["name"]}


def test_a_contact_that_a_deletion_moved_onto_a_page_read_before_is_read_by_the_next_runs(
    connect: Callable[..., Harness],
) -> None:
    life = connect("freshdesk", per_page=10)
    _remove_meanwhile(life, "7002")
    missed = {str(row_id) for row_id in life.vendor.tables["contacts"].rows} - set(life.documents("contacts"))
    assert len(missed) == 1
    for _ in range(2):
        life.vendor.clock.advance(minutes=30)
        life.sync("contacts", minutes=1)
    assert set(life.documents("contacts")) == set(life.vendor.tables["contacts"].rows)


def test_a_window_that_a_deletion_shifted_is_read_again_once(connect: Callable[..., Harness]) -> None:
    life = connect("freshdesk", per_page=10)
    life.sync("contacts")
    for one in list(life.vendor.tables["contacts"].rows)[:25]:
        life.vendor.clock.advance(seconds=1)
        life.vendor.tables["contacts"].edit(one)
    life.vendor.clock.advance(hours=2)
    _remove_meanwhile(life, next(iter(life.vendor.tables["contacts"].rows)))
    first = life.vendor.calls[-1].query["_updated_since"]
    assert _old(life)
    starts = []
    for _ in range(4):
        life.vendor.clock.advance(hours=2)
        asked = len(life.vendor.calls)
        life.sync("contacts", minutes=1)
        starts.append(life.vendor.calls[asked].query["_updated_since"])
        assert not _old(life)
    assert starts[0] <= first < starts[1]
    assert starts == sorted(set(starts))


def test_contacts_are_filtered_with_the_underscore(connect: Callable[..., Harness]) -> None:
    life = connect("freshdesk")
    life.sync("contacts")
    asked = len(life.vendor.calls)
    life.sync("contacts", hours=1)
    lists = [call.query for call in life.vendor.calls[asked:]]
    before = life.vendor.clock.now - timedelta(hours=1, seconds=1)
    assert {query["_updated_since"] for query in lists} == {iso(before - timedelta(minutes=10))}
    assert [query.get("state") for query in lists] == [None, "deleted"]


def test_more_rows_a_page_than_allowed_is_said(connect: Callable[..., Harness]) -> None:
    life = connect("freshdesk", per_page=500)
    assert "per_page must be at most 100" in (life.results("tickets")[0].error or "")


def test_conversations_follow_changed_tickets(connect: Callable[..., Harness]) -> None:
    life = connect("freshdesk", conversations=True)
    life.sync()
    assert len(life.documents("conversations")) == len(life.vendor.tables["tickets"].rows)
    life.vendor.clock.advance(hours=1)
    life.vendor.tables["tickets"].edit("41005")
    asked = len(life.vendor.calls)
    life.sync(minutes=1)
    assert [call.path for call in life.vendor.calls[asked:] if "conversations" in call.path] == [
        "/api/v2/tickets/41005/conversations"
    ]


def test_documents_become_rows(connect: Callable[..., Harness]) -> None:
    life = connect("freshdesk", conversations=True)
    life.sync()
    assert conform.stage(life.instance).counts.rejected == 0

    def rows(sql: str) -> list[tuple[object, ...]]:
        with staging.open_warehouse(life.instance) as con:
            return pl.DataFrame(con.sql(sql).to_arrow_table()).rows()

    day = datetime(2026, 5, 5, 8, 0, tzinfo=UTC)
    ticket = (
        "SELECT customer_id, contact_id, assignee_id, status, priority, channel, response_sla, resolution_sla, "
        "solved_at, closed_at FROM staging.ticket WHERE number = '41002'"
    )
    assert rows(ticket) == [("9002", "7002", "402", "solved", "high", "phone", "met", "met", day, None)]
    assert rows("SELECT response_sla, status, priority FROM staging.ticket WHERE number = '41000'") == [
        ("missed", "open", "low")
    ]
    assert rows("SELECT name, website, erp_code FROM staging.customer WHERE source_id = '9001'") == [
        ("云岚Handel Example 1", "kunde1.example.com", "C-1001")
    ]
    assert rows("SELECT customer_id, name, is_active FROM staging.contact WHERE source_id = '7001'") == [
        ("9001", "Jonas Beispiel1", True)
    ]
    assert rows("SELECT name, is_active FROM staging.employee ORDER BY source_id DESC LIMIT 1") == [
        ("Emil Muster5", False)
    ]
    interaction = (
        "SELECT ticket_id, employee_id, kind, direction, body, happened_at FROM staging.interaction "
        "WHERE ticket_id = '41001'"
    )
    assert rows(interaction) == [("41001", "401", "mail", "out", "Danke", START)]
