"""HubSpot's own traps, and what its documents become."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from data import sim
from data.sim.access import Call, OAuth, Reply
from data.sim.engine import Fault, Simulator
from ingest.collect import sync
from model import conform, staging
from tests.connectors.answering import answering
from tests.connectors.conformance import Conformance
from tests.connectors.harness import Harness
from tests.ingest.fake import reply

Vendor = sim.load("hubspot")


class TestConformance(Conformance):
    """What every connector must do."""

    connector = "hubspot"


def rows(life: Harness, sql: str) -> list[tuple[object, ...]]:
    with staging.open_warehouse(life.instance) as con:
        return pl.DataFrame(con.sql(sql).to_arrow_table()).rows()


def test_the_cap_of_a_search_is_never_met(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    vendor.cap = 20  # type: ignore[attr-defined]
    life = connect("hubspot", vendor)
    life.sync("deals")
    assert life.missing("deals") == (set(), set())
    assert len(life.documents("deals")) > 20
    assert not any("after" in call.body for call in vendor.calls if call.path.endswith("/search"))


def test_an_index_that_lags_is_waited_for_by_the_overlap(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    life = connect("hubspot", vendor)
    life.sync("companies")
    vendor.lag = timedelta(minutes=10)  # type: ignore[attr-defined]
    vendor.tables["companies"].edit("3004")
    assert life.sync("companies", minutes=1)["companies"].rows_landed == 0
    assert life.sync("companies", minutes=11)["companies"].rows_landed == 1


def test_contacts_move_another_stamp_than_the_rest(connect: Callable[..., Harness]) -> None:
    life = connect("hubspot")
    life.sync()
    stamps = {
        call.path.split("/")[4]: call.body["filterGroups"][0]["filters"][1]["propertyName"]
        for call in life.vendor.calls
        if call.path.endswith("/search")
    }
    assert stamps.pop("contacts") == "lastmodifieddate"
    assert set(stamps.values()) == {"hs_lastmodifieddate"}


def test_an_association_that_changes_is_found_by_the_weekly_reading(connect: Callable[..., Harness]) -> None:
    life = connect("hubspot")
    life.sync("deals")
    life.vendor.links["deals", "21000", "companies"] = ["3009"]  # type: ignore[attr-defined]
    assert life.sync("deals", hours=2)["deals"].rows_landed == 0
    assert life.sync("deals", days=7)["deals"].rows_landed == 1
    assert life.documents("deals")["21000"]["associations"] == {"companies": ["3009"]}


def test_a_record_without_associations_is_no_error(connect: Callable[..., Harness]) -> None:
    life = connect("hubspot")
    del life.vendor.links["deals", "21001", "companies"]  # type: ignore[attr-defined]
    life.sync("deals")
    assert life.documents("deals")["21001"]["associations"] == {"companies": []}


def test_many_associations_come_in_pages_and_the_primary_one_first(connect: Callable[..., Harness]) -> None:
    class Crowded(Vendor):  # type: ignore[misc,valid-type]
        """One association a page; the last one is the primary one."""

        def handle(self, call: Call) -> Reply:
            reply: Reply = super().handle(call)
            if "/associations/" in call.path:
                wanted = {one["id"]: int(one.get("after", 0)) for one in call.body["inputs"]}
                for row in reply.body["results"]:
                    place = wanted[row["from"]["id"]]
                    kinds = [{"label": "Primary company" if place == 2 else None}]
                    row["to"] = [{"toObjectId": 3005 - place, "associationTypes": kinds}]
                    if place < 2:
                        row["paging"] = {"next": {"after": str(place + 1)}}
            return reply

    vendor: Simulator = Crowded()
    life = connect("hubspot", vendor)
    life.sync("deals")
    assert life.documents("deals")["21000"]["associations"] == {"companies": ["3003", "3004", "3005"]}


def test_daily_calls_that_are_used_up_end_the_run(connect: Callable[..., Harness], waits: list[float]) -> None:
    class Used(Vendor):  # type: ignore[misc,valid-type]
        """Nothing is left of the day's calls."""

        def handle(self, call: Call) -> Reply:
            return Reply(
                429, {"status": "error", "message": "You have reached your daily limit.", "policyName": "DAILY"}
            )

    life = connect("hubspot", Used())
    result = life.results("owners")[0]
    assert "daily limit" in (result.error or "")
    assert "midnight" in (result.remedy or "")
    assert waits == []


def test_an_access_token_that_lives_half_an_hour_is_renewed(connect: Callable[..., Harness]) -> None:
    class Installed(Vendor):  # type: ignore[misc,valid-type]
        """An OAuth app: every fifth call meets an expired token."""

        def setup(self) -> None:
            super().setup()
            self.auth = OAuth("/oauth/v1/token", {"grant_type": "refresh_token", "refresh_token": "demo-refresh"})
            self.between = lambda _call: self.auth.expire() if len(self.calls) % 5 == 0 else None

        def settings(self) -> dict[str, object]:
            known = super().settings()
            del known["token"]
            secret = {"client_secret": "demo-secret", "refresh_token": "demo-refresh"}
            return {**known, "auth": "refresh", "client_id": "demo", **secret}

    life = connect("hubspot", Installed())
    life.sync("companies")
    assert life.missing("companies") == (set(), set())


def test_own_properties_are_read_and_those_not_named_are_not(connect: Callable[..., Harness]) -> None:
    life = connect("hubspot")
    life.sync("companies")
    assert life.documents("companies")["3001"]["properties"]["erp_code"] == "C-1001"
    without = connect("hubspot", custom_properties=False, page_size=100)
    without.sync("companies")
    assert "erp_code" not in without.documents("companies")["3001"]["properties"]


def test_a_merged_company_ends_with_its_survivor_in_staging(connect: Callable[..., Harness]) -> None:
    life = connect("hubspot")
    life.sync("companies")
    conform.stage(life.instance)
    life.vendor.clock.advance(hours=1)
    life.vendor.merge("companies", "3001", "3000")
    life.sync("companies", minutes=1)
    conform.stage(life.instance)
    sql = "SELECT is_deleted, merged_into_id, name FROM staging.customer WHERE source_id = '3001' AND seen_to IS NULL"
    assert rows(life, sql) == [(True, "3000", "云岚Handel Example 1")]


def test_documents_become_rows(connect: Callable[..., Harness]) -> None:
    life = connect("hubspot", activities=True)
    life.sync()
    assert conform.stage(life.instance).counts.rejected == 0
    deal = (
        "SELECT customer_id, owner_id, stage, amount, currency, probability_percent, close_on, is_closed, is_won "
        "FROM staging.opportunity WHERE source_id = '21002'"
    )
    close = date(2026, 1, 19)
    won = ("3002", "802", "Gewonnen 赢单", Decimal("2462.02"), "USD", Decimal(100), close, True, True)
    assert rows(life, deal) == [won]
    ticket = "SELECT customer_id, contact_id, status, priority, channel FROM staging.ticket WHERE number = '77003'"
    assert rows(life, ticket) == [("3003", "503", "closed", None, "mail")]
    contact = (
        "SELECT customer_id, name, title FROM staging.contact WHERE source_id IN ('500', '501') ORDER BY source_id"
    )
    assert rows(life, contact) == [("3000", "Muster0", "Einkauf"), ("3001", "Jonas Beispiel1", "财务")]
    company = "SELECT name, website, city, erp_code, owner_id, status FROM staging.customer WHERE source_id = '3001'"
    assert rows(life, company) == [("云岚Handel Example 1", "kunde1.example.com", "上海", "C-1001", "801", "active")]
    assert rows(life, "SELECT code, name FROM staging.product WHERE source_id = '90'") == [
        ("P-000", "Wärmepumpe 热泵 0")
    ]
    call = "SELECT kind, direction, customer_id, happened_at FROM staging.interaction WHERE source_id = '88000'"
    assert rows(life, call) == [("call", "out", "3000", datetime(2026, 5, 4, 8, 0, tzinfo=UTC))]
    assert rows(life, "SELECT name, email FROM staging.employee WHERE source_id = '800'") == [
        ("Mara Muster0", "staff0@example.com")
    ]


def test_a_malformed_token_is_no_outage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway answers 530 to it: nothing to wait for."""
    waits: list[float] = []
    monkeypatch.setattr("ops.clock.sleep", waits.append)
    given = {"base_url": "{url}", "token": "pat-broken"}
    with answering(tmp_path, "hubspot", lambda _: reply(530, "error code: 1001"), **given) as (instance, _):
        (result,) = sync(instance, "src", "owners")
    assert "check the credentials" in (result.remedy or "")
    assert waits == []


def test_a_limit_without_retry_after_is_waited_for(connect: Callable[..., Harness], waits: list[float]) -> None:
    life = connect("hubspot")
    life.vendor.faults = [Fault("status", status=429, times=2, path="companies")]
    life.sync("companies")
    assert len(waits) >= 2
    assert life.missing("companies") == (set(), set())


def test_a_page_says_its_size_because_ten_rows_come_unasked(connect: Callable[..., Harness]) -> None:
    life = connect("hubspot")
    life.sync()
    lists = [call for call in life.vendor.calls if call.path.endswith("/owners") or "objects" in call.path]
    assert {str((call.body or call.query)["limit"]) for call in lists} == {"10"}
    wide = connect("hubspot", page_size=100)
    wide.sync("owners")
    assert [call.query["limit"] for call in wide.vendor.calls] == ["100"]


def test_an_owner_is_named_by_its_id_and_not_by_its_user_id(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    for place, row in enumerate(vendor.tables["owners"].rows.values()):
        row["userId"] = 801 + place
    life = connect("hubspot", vendor)
    life.sync()
    conform.stage(life.instance)
    sql = "SELECT e.email FROM staging.customer c JOIN staging.employee e ON e.source_id = c.owner_id"
    assert rows(life, f"{sql} WHERE c.source_id = '3001'") == [("staff1@example.com",)]


def test_a_queue_owns_records_and_is_no_employee(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    vendor.tables["owners"].edit("801", type="QUEUE")
    life = connect("hubspot", vendor)
    life.sync("owners")
    conform.stage(life.instance)
    found = {one[0] for one in rows(life, "SELECT source_id FROM staging.employee")}
    assert found == set(vendor.tables["owners"].rows) - {"801"}


def test_archived_records_are_in_no_search_and_are_told_by_a_list_of_their_own(connect: Callable[..., Harness]) -> None:
    life = connect("hubspot")
    life.sync("companies")
    life.vendor.clock.advance(hours=7)
    life.vendor.remove("companies", "3007")
    asked = len(life.vendor.calls)
    assert life.sync("companies", minutes=1)["companies"].rows_deleted == 1
    assert "3007" not in life.documents("companies")
    assert "true" in {call.query.get("archived") for call in life.vendor.calls[asked:]}


def test_a_record_erased_for_good_leaves_nothing_and_is_found_by_comparing_ids(connect: Callable[..., Harness]) -> None:
    """An erasure on request of the person is in no list, not even among the archived."""
    life = connect("hubspot")
    life.sync("contacts")
    del life.vendor.tables["contacts"].rows["507"]
    for _ in range(3):
        life.sync("contacts", days=1)
    assert life.missing("contacts") == (set(), set())


def test_every_id_that_a_survivor_absorbed_is_ended_with_it(connect: Callable[..., Harness]) -> None:
    """They stand in one text with semicolons between them."""
    life = connect("hubspot")
    life.sync("companies")
    life.vendor.clock.advance(hours=1)
    for loser in ("3004", "3005"):
        life.vendor.merge("companies", loser, "3003")
    life.sync("companies", minutes=1)
    assert sorted(life.merges("companies")) == [["3004", "3003"], ["3005", "3003"]]
    assert not {"3004", "3005"} & set(life.documents("companies"))


@pytest.mark.parametrize(("text", "amount"), [("12400.10", Decimal("12400.10")), ("", None), (None, None)])
def test_every_property_is_text_and_empty_text_is_nothing(
    connect: Callable[..., Harness], text: str | None, amount: Decimal | None
) -> None:
    vendor = Vendor()
    vendor.tables["deals"].edit("21002", properties__amount=text, properties__closedate=text and "2026-01-19T10:00:00Z")
    life = connect("hubspot", vendor)
    life.sync("deals")
    assert conform.stage(life.instance).counts.rejected == 0
    sql = "SELECT amount, close_on, is_won FROM staging.opportunity WHERE source_id = '21002'"
    assert rows(life, sql) == [(amount, date(2026, 1, 19) if text else None, True)]


def test_an_instant_is_read_with_and_without_its_milliseconds(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    vendor.tables["companies"].quietly("3001", properties__createdate="2026-05-04T08:00:00Z")
    life = connect("hubspot", vendor)
    life.sync("companies")
    conform.stage(life.instance)
    found = {one[0] for one in rows(life, "SELECT created_at FROM staging.customer")}
    assert found == {datetime(2026, 5, 4, 8, 0, tzinfo=UTC)}


def test_many_properties_stand_in_the_body_because_an_address_overflows(connect: Callable[..., Harness]) -> None:
    life = connect("hubspot")
    life.sync()
    assert {call.method for call in life.vendor.calls if "properties" in (call.body or {})} == {"POST"}
    assert not any("properties" in call.query for call in life.vendor.calls)


def test_an_error_among_the_associations_is_not_taken_for_none(connect: Callable[..., Harness]) -> None:
    class Denied(Vendor):  # type: ignore[misc,valid-type]
        """A batch of which one record failed, inside a good answer."""

        def handle(self, call: Call) -> Reply:
            reply: Reply = super().handle(call)
            if "/associations/" in call.path:
                lost = reply.body["results"].pop()["from"]["id"]
                error = {"message": "said in words", "category": "FORBIDDEN", "context": {"fromObjectId": [lost]}}
                reply.body |= {"numErrors": 1, "errors": [error]}
            return reply

    life = connect("hubspot", Denied())
    (result,) = life.results("deals")
    assert result.state == "failed"
    assert "said in words" in (result.error or "")


def test_an_error_is_told_in_its_own_words(connect: Callable[..., Harness]) -> None:
    life = connect("hubspot", page_size=150)
    assert "limit must be at most 100" in (life.results("owners")[0].error or "")


def test_searches_have_a_budget_of_their_own(connect: Callable[..., Harness], monkeypatch: pytest.MonkeyPatch) -> None:
    """Five a second, however many other calls the plan allows."""
    now = [1000.0]
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        now[0] += seconds

    monkeypatch.setattr("ops.clock.monotonic", lambda: now[0])
    monkeypatch.setattr("ops.clock.sleep", sleep)
    life = connect("hubspot", searches_per_second=2)
    life.sync("owners")
    assert waited == []
    life.sync("deals")
    assert waited
    assert life.missing("deals") == (set(), set())
