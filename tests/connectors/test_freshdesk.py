"""Freshdesk's own traps, and what its documents become."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from data import sim
from data.sim.access import Call, Reply
from data.sim.engine import Fault
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


def test_the_key_is_the_user_and_its_password_is_any_letter(connect: Callable[..., Harness]) -> None:
    life = connect("freshdesk")
    life.sync("agents")
    given = life.vendor.calls[0].headers["authorization"].removeprefix("Basic ")
    assert base64.b64decode(given).decode() == f"{life.clear['api_key']}:X"


def test_a_full_page_without_a_link_is_the_last(connect: Callable[..., Harness]) -> None:
    """The bare array tells nothing: only the Link header says whether more follows."""
    vendor = Vendor()
    life = connect("freshdesk", vendor, per_page=len(vendor.tables["companies"].rows))
    life.sync("companies")
    assert len(vendor.calls) == 1
    assert life.missing("companies") == (set(), set())


def test_companies_and_agents_have_no_filter_of_changes_and_are_read_whole(connect: Callable[..., Harness]) -> None:
    life = connect("freshdesk")
    for name in ("companies", "agents"):
        life.sync(name)
        life.vendor.clock.advance(hours=1)
        life.vendor.tables[name].quietly(next(iter(life.vendor.tables[name].rows)), created_at="2020-01-01T00:00:00Z")
        assert life.sync(name, hours=1)[name].rows_landed == 1, "a change that moves no stamp comes too"
    assert not any("updated_since" in key for call in life.vendor.calls for key in call.query)


def test_a_deleted_contact_is_in_a_list_of_its_own_and_comes_back(connect: Callable[..., Harness]) -> None:
    life = connect("freshdesk")
    life.sync("contacts")
    life.vendor.clock.advance(hours=1)
    life.vendor.remove("contacts", "7003")
    assert life.sync("contacts", minutes=1)["contacts"].rows_deleted == 1
    assert "7003" not in life.documents("contacts")
    life.vendor.restore("contacts", "7003")
    life.sync("contacts", minutes=1)
    assert "7003" in life.documents("contacts")


def test_a_merged_ticket_is_closed_and_no_deletion(connect: Callable[..., Harness]) -> None:
    """The second of the two keeps its number; nothing but its status and a note says that it was merged."""
    life = connect("freshdesk")
    life.sync("tickets")
    life.vendor.clock.advance(hours=1)
    life.vendor.tables["tickets"].edit("41000", status=5)
    landed = life.sync("tickets", minutes=1)["tickets"]
    assert (landed.rows_landed, landed.rows_deleted) == (1, 0)
    conform.stage(life.instance)
    with staging.open_warehouse(life.instance) as con:
        sql = "SELECT status, is_deleted FROM staging.ticket WHERE number = '41000' AND seen_to IS NULL"
        assert con.execute(sql).fetchall() == [("closed", False)]


def test_a_status_that_the_company_made_itself_is_a_ticket_all_the_same(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    vendor.tables["tickets"].edit("41001", status=23)
    life = connect("freshdesk", vendor)
    life.sync("tickets")
    assert conform.stage(life.instance).counts.rejected == 0
    with staging.open_warehouse(life.instance) as con:
        assert con.execute("SELECT status FROM staging.ticket WHERE number = '41001'").fetchall() == [("open",)]


def test_a_limit_of_calls_a_minute_is_waited_for_as_long_as_it_says(
    connect: Callable[..., Harness], waits: list[float]
) -> None:
    life = connect("freshdesk")
    life.vendor.faults = [Fault("status", status=429, retry_after=41, after=1)]
    life.sync("tickets")
    assert waits == [41.0]
    assert life.missing("tickets") == (set(), set())


@pytest.mark.parametrize(
    "body",
    [
        {"code": "access_denied", "message": "said in words"},
        {"description": "Validation failed", "errors": [{"field": "page", "message": "said in words"}]},
        {"description": "said in words"},
    ],
    ids=["message", "list", "description"],
)
def test_an_error_has_three_shapes_and_is_told_in_its_own_words(
    connect: Callable[..., Harness], monkeypatch: pytest.MonkeyPatch, body: dict[str, object]
) -> None:
    life = connect("freshdesk")
    monkeypatch.setattr(life.vendor, "handle", lambda _call: Reply(400, body))
    assert (life.results("tickets")[0].error or "").endswith("said in words")


@pytest.mark.parametrize("status", [200, 302, 403])
@pytest.mark.usefixtures("waits")
def test_a_suspended_account_answers_with_a_web_page_and_loses_nothing(
    connect: Callable[..., Harness], monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    life = connect("freshdesk")
    life.sync()
    headers = {"content-type": "text/html", "location": "https://www.example.com/suspended"}
    page = "<html><body>This account is suspended</body></html>"
    monkeypatch.setattr(life.vendor, "handle", lambda _call: Reply(status, page, headers))
    for _ in range(3):
        results = life.results(days=1)
        assert {result.state for result in results} == {"failed"}
        assert all(result.remedy for result in results)
    assert all(life.missing(name) == (set(), set()) for name in life.vendor.tables)


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
