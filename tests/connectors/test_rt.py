"""Request Tracker's own traps, and what its documents become."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from data import sim
from data.sim.access import Basic, Reply
from data.sim.table import START
from model import conform, staging
from tests.connectors.conformance import Conformance
from tests.connectors.harness import Harness

Vendor: Any = sim.load("rt")


class TestConformance(Conformance):
    """What every connector must do."""

    connector = "rt"


def rows(life: Harness, sql: str) -> list[tuple[object, ...]]:
    with staging.open_warehouse(life.instance) as con:
        return pl.DataFrame(con.sql(sql).to_arrow_table()).rows()


def test_a_page_past_the_end_that_is_the_last_page_again_ends(connect: Callable[..., Harness]) -> None:
    for clamps in (True, False):
        vendor = Vendor()
        vendor.clamps = clamps
        life = connect("rt", vendor, history=False)
        life.sync()
        assert life.missing("tickets") == (set(), set())
        assert sum("/user/" not in call.path for call in vendor.calls) < 20


def test_totals_that_are_null_and_a_next_page_that_is_missing_hide_nothing(connect: Callable[..., Harness]) -> None:
    """Rights are checked row by row: short pages, no total, no next_page."""
    vendor = Vendor()
    vendor.hidden = {"103", "110", "111", "125"}
    life = connect("rt", vendor)
    life.sync("tickets")
    assert set(life.documents("tickets")) == set(vendor.tables["tickets"].rows) - vendor.hidden


def test_more_rows_a_page_than_a_hundred_are_clamped(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    vendor.most = 10
    life = connect("rt", vendor, page_size=1000)
    life.sync("tickets")
    assert life.missing("tickets") == (set(), set())


def test_stubs_are_never_landed(connect: Callable[..., Harness]) -> None:
    life = connect("rt")
    life.sync("tickets")
    assert all({"Subject", "Queue", "LastUpdated"} <= set(row) for row in life.documents("tickets").values())


def test_times_in_a_query_are_read_in_the_users_zone(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    vendor.zone_hours = 8
    life = connect("rt", vendor, user_zone="Asia/Shanghai")
    life.sync("tickets")
    vendor.tables["tickets"].edit("104", late_s=4 * 3600)
    assert life.sync("tickets", minutes=1)["tickets"].rows_landed == 0
    vendor.tables["tickets"].edit("105")
    assert life.sync("tickets", minutes=1)["tickets"].rows_landed == 1


@pytest.mark.parametrize("hours", [-5, 8])
def test_a_zone_that_is_not_the_users_is_noticed_before_a_change_is_lost(
    connect: Callable[..., Harness], hours: int
) -> None:
    vendor = Vendor()
    vendor.zone_hours = hours
    (result,) = connect("rt", vendor).results("tickets")
    assert result.state == "failed"
    assert "user_zone" in (result.remedy or "")


def test_a_ticket_that_is_edited_while_the_zone_is_tried_proves_nothing(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    life = connect("rt", vendor, history=False)

    def between(_call: Any) -> None:
        vendor.clock.advance(seconds=1)
        vendor.tables["tickets"].edit("129")

    vendor.between = between
    life.sync("tickets")
    assert life.missing("tickets") == (set(), set())


def test_a_deleted_ticket_drops_out_of_the_search_and_is_found(connect: Callable[..., Harness]) -> None:
    life = connect("rt")
    life.sync("tickets")
    life.vendor.remove("tickets", "107")
    for _ in range(3):
        life.sync("tickets", days=1)
    assert "107" not in life.documents("tickets")


def test_a_merged_ticket_names_its_survivor_and_its_history_is_not_doubled(connect: Callable[..., Harness]) -> None:
    life = connect("rt")
    life.sync()
    life.vendor.clock.advance(hours=1)
    life.vendor.merge("tickets", "105", "104")
    asked = len(life.vendor.calls)
    landed = life.sync(minutes=1)
    assert (landed["tickets"].rows_landed, landed["tickets"].rows_deleted) == (2, 1)
    assert life.merges("tickets") == [["105", "104"]]
    assert not any("ticket/105/" in call.path for call in life.vendor.calls[asked:])
    assert life.missing("history") == (set(), set())
    conform.stage(life.instance)
    told = "SELECT DISTINCT ticket_id FROM staging.interaction WHERE source_id LIKE '105%' AND seen_to IS NULL"
    assert rows(life, told) == [("104",)], "what was said in the merged ticket belongs to the survivor"


def test_a_merge_moves_the_survivors_stamp_only(connect: Callable[..., Harness]) -> None:
    """Seen at a real server: the loser keeps its LastUpdated, but has a new transaction."""
    life = connect("rt", history=False)
    life.sync("tickets")
    before = life.vendor.tables["tickets"].rows["104"]["LastUpdated"]
    life.vendor.clock.advance(hours=1)
    life.vendor.merge("tickets", "104", "105")
    assert life.vendor.tables["tickets"].rows["104"]["LastUpdated"] == before
    life.sync("tickets", minutes=1)
    assert "104" not in life.documents("tickets")


def test_keys_and_custom_fields_in_another_order_are_no_change(connect: Callable[..., Harness]) -> None:
    """Perl writes them in another order each time."""
    life = connect("rt")
    life.sync()
    for _ in range(2):
        life.vendor.calls.append(life.vendor.calls[0])
        again = life.sync(full=True, minutes=1)
        assert {name: result.rows_landed for name, result in again.items()} == dict.fromkeys(again, 0)


def test_a_list_of_users_has_neither_privileged_nor_disabled(connect: Callable[..., Harness]) -> None:
    """They are read from each changed user, by number: a user's name may be digits."""
    vendor = Vendor()
    vendor.tables["users"].quietly("13", Name="4711")
    life = connect("rt", vendor)
    life.sync("users")
    life.sync("user")
    assert not any("Privileged" in row for row in life.documents("users").values())
    assert life.documents("user")["13"]["Privileged"] == 1
    asked = len(vendor.calls)
    vendor.tables["users"].edit("19")
    life.sync("users", minutes=1)
    life.sync("user", minutes=1)
    assert [call.path for call in vendor.calls[asked:] if "/user/" in call.path] == ["/REST/2.0/user/19"]


def test_a_history_without_total_and_next_page_is_read_to_its_end(connect: Callable[..., Harness]) -> None:
    life = connect("rt", page_size=1)
    life.sync()
    assert life.missing("history") == (set(), set())


def test_the_servers_own_address_is_not_followed(connect: Callable[..., Harness]) -> None:
    """A default server names itself by its configured host, not by the one it is reached by."""
    life = connect("rt")
    life.sync()
    assert not any("_url" in row for name in ("users", "user", "tickets") for row in life.documents(name).values())


def test_a_requestor_without_an_organization_is_neither_contact_nor_error(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    vendor.tables["users"].quietly("49", Organization="")
    life = connect("rt", vendor)
    life.sync("users")
    life.sync("user")
    assert conform.stage(life.instance).counts.rejected == 0
    assert rows(life, "SELECT count(*) FROM staging.contact") == [(30,)]
    assert rows(life, "SELECT count(*), count(DISTINCT source_id) FROM staging.customer") == [(23, 23)]


def test_disabled_users_are_read_and_are_not_active(connect: Callable[..., Harness]) -> None:
    life = connect("rt")
    life.sync("users")
    life.sync("user")
    conform.stage(life.instance)
    assert rows(life, "SELECT is_active FROM staging.employee WHERE code = 'E005'") == [(False,)]


def test_no_call_looks_like_a_browser(connect: Callable[..., Harness]) -> None:
    """A cookie or the word Mozilla would turn a refusal into a redirect to the login page."""
    life = connect("rt")
    life.sync("tickets")
    assert not any("cookie" in c.headers or "Mozilla" in c.headers.get("user-agent", "") for c in life.vendor.calls)


def test_name_and_password_instead_of_a_token(connect: Callable[..., Harness]) -> None:
    class Password(Vendor):  # type: ignore[misc]
        """Signs in by Basic."""

        def setup(self) -> None:
            super().setup()
            self.auth = Basic("c360", "demo-password")

        def settings(self) -> dict[str, object]:
            known = {key: value for key, value in super().settings().items() if key != "token"}
            return {**known, "auth": "basic", "user": "c360", "password": "demo-password"}

    life = connect("rt", Password())
    life.sync("tickets")
    told = "Basic " + base64.b64encode(b"c360:demo-password").decode()
    assert {call.headers["authorization"] for call in life.vendor.calls} == {told}


def test_documents_become_rows_and_the_epoch_is_nothing(connect: Callable[..., Harness]) -> None:
    life = connect("rt", customer_field="Customer")
    life.sync()
    assert conform.stage(life.instance).counts.rejected == 0
    ticket = (
        "SELECT customer_id, contact_id, assignee_id, status, priority, kind, created_at, solved_at, resolution_due_at "
        "FROM staging.ticket WHERE number = '{}'"
    )
    who = "person2@kunde2.example.com"
    day = START + timedelta(days=1)
    solved = ("C-1002", who, "E002", "solved", "high", "Support", START, day, None)
    assert rows(life, ticket.format(103)) == [solved]
    nobody = ("C-1006", "person6@kunde6.example.com", None, "solved", "low", "Support", START, day, None)
    assert rows(life, ticket.format(107)) == [nobody]
    open_ = "SELECT status, solved_at FROM staging.ticket WHERE number = '101'"
    assert rows(life, open_) == [("open", None)]
    event = "SELECT field, from_value, to_value, author_id FROM staging.ticket_event WHERE ticket_id = '101'"
    assert rows(life, event) == [("status", "new", "open", "E001")]
    said = "SELECT kind, employee_id, happened_at FROM staging.interaction WHERE ticket_id = '101'"
    assert rows(life, said) == [("mail", "E001", START)]
    contact = f"SELECT customer_id, email FROM staging.contact WHERE source_id = '{who}'"
    assert rows(life, contact) == [("C-1002", who)]


def test_a_code_that_only_tickets_name_is_a_customer_as_long_as_one_does(connect: Callable[..., Harness]) -> None:
    life = connect("rt", customer_field="Customer", history=False)
    tickets = life.vendor.tables["tickets"]
    before = {number: tickets.rows[number]["CustomFields"] for number in ("103", "107")}
    for number, fields in before.items():
        named = [{**field, "values": ["C-9999"]} if field["name"] == "Customer" else field for field in fields]
        tickets.edit(number, CustomFields=named)
    asked = (
        "SELECT name, erp_code FROM staging.customer WHERE source_id = 'C-9999' AND seen_to IS NULL AND NOT is_deleted"
    )

    def said() -> list[tuple[object, ...]]:
        life.sync()
        assert conform.stage(life.instance).counts.rejected == 0
        return rows(life, asked)

    assert said() == [("C-9999", "C-9999")]
    tickets.edit("103", CustomFields=before["103"])
    assert said() == [("C-9999", "C-9999")]
    tickets.edit("107", CustomFields=before["107"])
    assert said() == []


@pytest.mark.parametrize("status", [400, 404, 412])
def test_an_error_is_told_in_its_own_words(connect: Callable[..., Harness], status: int) -> None:
    life = connect("rt")
    life.vendor.handle = lambda _call: Reply(status, {"message": "said in words"})  # type: ignore[method-assign,assignment]
    (result,) = life.results("tickets")
    assert result.state == "failed"
    assert (result.error or "").endswith("said in words")


@pytest.mark.usefixtures("waits")
def test_a_redirect_to_the_login_page_is_a_refused_sign_in(connect: Callable[..., Harness]) -> None:
    """What a server says to a failed sign-in that it takes for a browser's."""
    life = connect("rt")
    life.sync("tickets")
    page = Reply(302, "", {"location": f"{life.vendor.url}/NoAuth/Login.html"})
    life.vendor.handle = lambda _call: page  # type: ignore[method-assign,assignment]
    (result,) = life.results("tickets", days=1)
    assert result.state == "failed"
    assert "redirected" in (result.error or "")
    assert "credentials" in (result.remedy or "")
    assert life.missing("tickets") == (set(), set())
