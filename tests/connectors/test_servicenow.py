"""ServiceNow's own traps, and what its documents become."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from data import sim
from data.sim.access import Call, OAuth, Reply
from data.sim.engine import Fault
from data.sim.table import START
from data.sim.vendors.servicenow import sys_id
from model import conform, staging
from tests.connectors.conformance import Conformance
from tests.connectors.harness import Harness

Vendor: Any = sim.load("servicenow")


class TestConformance(Conformance):
    """What every connector must do."""

    connector = "servicenow"


def rows(life: Harness, sql: str) -> list[tuple[object, ...]]:
    with staging.open_warehouse(life.instance) as con:
        return pl.DataFrame(con.sql(sql).to_arrow_table()).rows()


def test_a_short_or_empty_page_is_not_the_end(connect: Callable[..., Harness]) -> None:
    """Rights hide a part of the first page and the whole of the second."""
    vendor = Vendor()
    vendor.hidden = {sys_id("incident", place) for place in [2, 5, *range(8, 22)]}
    life = connect("servicenow", vendor, page_size=6)
    life.sync("incident")
    assert set(life.documents("incident")) == set(vendor.tables["incident"].rows) - vendor.hidden


def test_more_than_a_page_of_one_stamp_is_read(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    crowd = [vendor.tables["incident"].like(sys_id("incident", 5000 + place)) for place in range(40)]
    life = connect("servicenow", vendor, page_size=5)
    life.sync("incident")
    assert set(crowd) <= set(life.documents("incident"))
    assert life.missing("incident") == (set(), set())


def test_a_query_that_is_silently_ignored_is_noticed(connect: Callable[..., Harness]) -> None:
    life = connect("servicenow")
    life.sync("incident")
    life.vendor._chosen = lambda table, _query: table.ordered()  # type: ignore[attr-defined]
    result = life.results("incident", days=2)[0]
    assert result.state == "failed"
    assert "ignores the filter" in (result.remedy or "")


def test_times_in_a_query_are_read_in_the_users_zone(connect: Callable[..., Harness]) -> None:
    """A user in another zone is refused before rows are lost; one whose zone nobody checked is caught by its rows."""
    vendor = Vendor()
    vendor.zone_hours, vendor.zone_name = -5, "US/Eastern"
    life = connect("servicenow", vendor)
    result = life.results("incident")[0]
    assert "US/Eastern" in (result.error or "")
    assert "GMT" in (result.remedy or "")
    assert life.documents("incident") == {}
    vendor.zone_name = ""
    assert "not set" in (life.results("incident")[0].error or "")


def test_an_unchecked_zone_east_of_greenwich_is_caught_by_the_lower_bound(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    life = connect("servicenow", vendor, check_zone=False)
    vendor.tables["incident"].edit(sys_id("incident", 3), late_s=4 * 3600)
    life.sync("incident")
    vendor.zone_hours = 8
    assert life.results("incident", hours=2)[0].state == "failed"


def test_an_empty_result_is_no_error_with_version_2(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    vendor.tables["incident"].rows.clear()
    life = connect("servicenow", vendor)
    assert life.sync("incident")["incident"].rows_landed == 0
    assert all(call.path.startswith("/api/now/v2/") for call in vendor.calls)


def test_references_come_flat_and_an_empty_one_is_nothing(connect: Callable[..., Harness]) -> None:
    life = connect("servicenow")
    life.sync("incident")
    assert life.documents("incident")[sys_id("incident", 0)]["company"] == sys_id("customer_account", 0)
    assert life.documents("incident")[sys_id("incident", 6)]["assigned_to"] == ""
    conform.stage(life.instance)
    assert rows(life, "SELECT assignee_id FROM staging.ticket WHERE number = 'INC0010006'") == [(None,)]


def test_a_change_that_moves_no_stamp_is_found_by_the_weekly_reading(connect: Callable[..., Harness]) -> None:
    life = connect("servicenow")
    life.sync("incident")
    life.vendor.tables["incident"].quietly(sys_id("incident", 4), state="7")
    assert life.sync("incident", hours=2)["incident"].rows_landed == 0
    assert life.sync("incident", days=7)["incident"].rows_landed == 1


def test_a_deletion_in_a_table_that_is_not_audited_is_found_by_comparing_ids(connect: Callable[..., Harness]) -> None:
    life = connect("servicenow")
    life.sync("customer_account")
    life.vendor.remove("customer_account", sys_id("customer_account", 2))
    for _ in range(3):
        life.sync("customer_account", days=1)
    assert life.missing("customer_account") == (set(), set())
    assert not any("sys_audit_delete" in call.path for call in life.vendor.calls)


def test_a_limit_without_retry_after_is_waited_for(connect: Callable[..., Harness], waits: list[float]) -> None:
    life = connect("servicenow")
    life.vendor.faults = [Fault("status", status=429, after=1)]
    life.sync("incident")
    assert waits
    assert life.missing("incident") == (set(), set())


@pytest.mark.usefixtures("waits")
def test_a_call_cancelled_by_the_transaction_quota_is_asked_again(connect: Callable[..., Harness]) -> None:
    class Slow(Vendor):  # type: ignore[misc]
        """The second call is cut off in the middle, with a good status."""

        def handle(self, call: Call) -> Reply:
            reply: Reply = super().handle(call)
            if len(self.calls) == 3:
                error = {"message": "Transaction cancelled: maximum execution time exceeded", "detail": ""}
                return Reply(200, {"result": reply.body["result"][:2], "error": error, "status": "failure"})
            return reply

    life = connect("servicenow", Slow())
    life.sync("incident")
    assert life.missing("incident") == (set(), set())


@pytest.mark.usefixtures("waits")
def test_a_hibernating_instance_answers_with_a_web_page(connect: Callable[..., Harness]) -> None:
    life = connect("servicenow")
    life.vendor.faults = [Fault("page", times=1000)]
    result = life.results("incident")[0]
    assert result.state == "failed"
    assert life.documents("incident") == {}


def test_an_access_token_that_ends_is_renewed(connect: Callable[..., Harness]) -> None:
    class Application(Vendor):  # type: ignore[misc]
        """An OAuth application; every fifth call meets an expired token."""

        def setup(self) -> None:
            super().setup()
            self.auth = OAuth("/oauth_token.do", {"grant_type": "client_credentials", "client_secret": "demo-secret"})
            self.between = lambda _call: self.auth.expire() if len(self.calls) % 5 == 0 else None

        def settings(self) -> dict[str, object]:
            known = {key: value for key, value in super().settings().items() if key not in {"user", "password"}}
            return {**known, "auth": "client", "client_id": "demo", "client_secret": "demo-secret"}

    life = connect("servicenow", Application())
    life.sync("incident")
    assert life.missing("incident") == (set(), set())


def test_history_that_may_not_be_read_is_a_warning(connect: Callable[..., Harness]) -> None:
    life = connect("servicenow")
    life.vendor.faults = [Fault("status", status=403, times=10, path="/sys_audit")]
    assert all(result.error is None or result.stream == "sys_audit" for result in life.results())
    assert life.missing("incident") == (set(), set())


def test_documents_become_rows(connect: Callable[..., Harness]) -> None:
    life = connect("servicenow")
    life.sync()
    assert conform.stage(life.instance).counts.rejected == 0
    ticket = (
        "SELECT customer_id, contact_id, assignee_id, status, priority, channel, created_at, solved_at, closed_at "
        "FROM staging.ticket WHERE number = '{}'"
    )
    ids = (sys_id("customer_account", 2), sys_id("customer_contact", 2), sys_id("sys_user", 2))
    day = START + timedelta(days=1)
    assert rows(life, ticket.format("INC0010002")) == [(*ids, "solved", "normal", "web", START, day, None)]
    ids = (sys_id("customer_account", 3), sys_id("customer_contact", 3), sys_id("sys_user", 3))
    closed = START + timedelta(days=2)
    assert rows(life, ticket.format("CS0010003")) == [(*ids, "closed", "low", "phone", START, day, closed)]
    customer = "SELECT name, website, crm_code, erp_code FROM staging.customer WHERE crm_code = 'ACCT0000001'"
    assert rows(life, customer) == [("云岚Handel Example 1", "kunde1.example.com", "ACCT0000001", "C-1001")]
    contact = (
        f"SELECT customer_id, name, title FROM staging.contact WHERE source_id = '{sys_id('customer_contact', 1)}'"
    )
    assert rows(life, contact) == [(sys_id("customer_account", 1), "Jonas Beispiel1", "财务")]
    assert rows(life, "SELECT name, is_active FROM staging.employee WHERE code = 'E005'") == [("Emil Muster5", False)]
    event = (
        "SELECT field, from_value, to_value, author_id, happened_at FROM staging.ticket_event "
        f"WHERE ticket_id = '{sys_id('incident', 0)}'"
    )
    assert rows(life, event) == [("status", "new", "open", "E001", datetime(2026, 5, 4, 8, 0, tzinfo=UTC))]
    said = "SELECT kind, employee_id, body FROM staging.interaction WHERE ticket_id = '{}'"
    assert rows(life, said.format(sys_id("incident", 0))) == [("mail", "E002", "Bitte prüfen 请检查 0")]
    assert rows(life, said.format(sys_id("incident", 1))) == [("note", "E002", "Bitte prüfen 请检查 1")]


def test_values_of_the_database_are_read_and_never_those_shown_in_the_users_zone(
    connect: Callable[..., Harness],
) -> None:
    life = connect("servicenow")
    life.sync()
    assert not any("sysparm_display_value" in call.query for call in life.vendor.calls)
    conform.stage(life.instance)
    assert rows(life, "SELECT DISTINCT created_at FROM staging.ticket") == [(START,)]


def test_every_value_is_text_and_true_and_numbers_are_understood(connect: Callable[..., Harness]) -> None:
    life = connect("servicenow")
    life.sync()
    assert all(isinstance(value, str) for row in life.documents("incident").values() for value in row.values())
    conform.stage(life.instance)
    assert set(rows(life, "SELECT is_active FROM staging.employee")) == {(True,), (False,)}


def test_a_state_that_the_company_made_itself_is_a_ticket_all_the_same(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    vendor.tables["incident"].edit(sys_id("incident", 3), state="-17")
    life = connect("servicenow", vendor)
    life.sync("incident")
    assert conform.stage(life.instance).counts.rejected == 0
    assert rows(life, "SELECT status FROM staging.ticket WHERE number = 'INC0010003'") == [("open",)]


def test_an_error_is_told_by_its_detail(connect: Callable[..., Harness]) -> None:
    life = connect("servicenow", account_table="no_such_table")
    assert "Invalid table no_such_table" in (life.results("customer_account")[0].error or "")


def test_a_query_is_never_paged_deep_but_begun_anew_at_the_last_stamp(connect: Callable[..., Harness]) -> None:
    life = connect("servicenow", page_size=3)
    life.sync("incident")
    assert life.missing("incident") == (set(), set())
    reading = [call for call in life.vendor.calls if "ORDERBYsys_updated_on" in call.query.get("sysparm_query", "")]
    assert len(reading) > 5
    assert max(call.number("sysparm_offset", 0) for call in reading) <= 3


def test_a_limit_that_ends_at_a_unix_instant_is_waited_for(
    connect: Callable[..., Harness], waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    life = connect("servicenow")
    whole, now = life.vendor.handle, life.vendor.clock.now
    reset = {"x-ratelimit-reset": str(int(now.timestamp()) + 60), "x-ratelimit-rule": "all users"}
    refused = iter([Reply(429, {"error": {"message": "Rate limit exceeded"}}, reset)])
    life.vendor.handle = lambda call: next(refused, None) or whole(call)  # type: ignore[method-assign]
    monkeypatch.setattr("ops.clock.wall", lambda: now)
    life.sync("incident", seconds=0)
    assert waits == [60.0]
    assert life.missing("incident") == (set(), set())
