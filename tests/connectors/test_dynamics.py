"""Dataverse's own traps, and what its documents become."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from data import sim
from data.sim.access import Call
from data.sim.engine import Fault
from data.sim.vendors.dynamics import guid
from model import conform, staging
from tests.connectors.conformance import Conformance
from tests.connectors.harness import Harness

Vendor: Any = sim.load("dynamics")


class TestConformance(Conformance):
    """What every connector must do."""

    connector = "dynamics"


def rows(life: Harness, sql: str) -> list[tuple[object, ...]]:
    with staging.open_warehouse(life.instance) as con:
        return pl.DataFrame(con.sql(sql).to_arrow_table()).rows()


def asked(life: Harness, name: str, since: int = 0) -> list[Call]:
    return [call for call in life.vendor.calls[since:] if call.path.endswith(f"/{name}")]


def test_a_delta_link_brings_what_has_changed_and_nothing_is_added_to_it(connect: Callable[..., Harness]) -> None:
    life = connect("dynamics")
    life.sync("contacts")
    first, *pages = asked(life, "contacts")
    assert first.query.keys() == {"$select"}, "filter, order, expand and top are refused with change tracking"
    assert "odata.track-changes" in first.headers["prefer"]
    assert [page.query.keys() for page in pages] == [{"$select", "$skiptoken"}] * 3
    since = len(life.vendor.calls)
    life.vendor.tables["contacts"].edit(guid("contact", 3), jobtitle="Neu")
    assert life.sync("contacts", minutes=1)["contacts"].rows_landed == 1
    (delta,) = asked(life, "contacts", since)
    assert delta.query.keys() == {"$select", "$deltatoken"}
    assert "odata.track-changes" not in delta.headers["prefer"]
    assert life.documents("contacts")[guid("contact", 3)]["jobtitle"] == "Neu"


def test_the_size_of_a_page_is_a_preference_of_every_call(connect: Callable[..., Harness]) -> None:
    life = connect("dynamics")
    life.sync("accounts")
    assert {"odata.maxpagesize=10" in call.headers["prefer"] for call in asked(life, "accounts")} == {True}
    assert len(asked(life, "accounts")) == 3


def test_many_changes_come_in_pages_and_the_link_with_the_last(connect: Callable[..., Harness]) -> None:
    life = connect("dynamics")
    life.sync("contacts")
    life.vendor.clock.advance(minutes=1)
    for n in range(14):
        life.vendor.tables["contacts"].edit(guid("contact", n))
    life.vendor.remove("contacts", guid("contact", 20))
    since = len(life.vendor.calls)
    result = life.sync("contacts", minutes=1)["contacts"]
    assert (result.rows_landed, result.rows_deleted) == (15, 1)
    assert len(asked(life, "contacts", since)) == 2
    assert life.sync("contacts", minutes=1)["contacts"].rows_landed == 0


def test_a_deletion_is_a_stub_and_may_be_all_that_is_seen_of_a_record(connect: Callable[..., Harness]) -> None:
    """What was made and deleted between two runs; a record that was known keeps what it last held."""
    life = connect("dynamics")
    life.sync("accounts")
    conform.stage(life.instance)
    life.vendor.clock.advance(minutes=1)
    made, gone = life.vendor.add("accounts"), guid("account", 1)
    for row_id in (made, gone):
        life.vendor.remove("accounts", row_id)
    life.sync("accounts", minutes=1)
    assert not {made, gone} & life.documents("accounts").keys()
    assert conform.stage(life.instance).counts.rejected == 0
    sql = f"SELECT is_deleted, name FROM staging.customer WHERE source_id = '{gone}' AND seen_to IS NULL"
    assert rows(life, sql) == [(True, "云岚Handel Example 1")]
    assert rows(life, f"SELECT count(*) FROM staging.customer WHERE source_id = '{made}' AND NOT is_deleted") == [(0,)]


def test_an_expired_delta_link_means_reading_everything_once(connect: Callable[..., Harness]) -> None:
    """Seven days; what was deleted meanwhile left its stub behind the lost link and shows only as missing."""
    life = connect("dynamics")
    life.vendor.keep_days = 3  # type: ignore[attr-defined]
    life.sync("accounts")
    life.vendor.remove("accounts", guid("account", 7))
    life.vendor.tables["accounts"].edit(guid("account", 8), name="Anders")
    expired = life.sync("accounts", days=4)["accounts"]
    assert "cursor has expired" in expired.warnings[0]
    assert life.documents("accounts")[guid("account", 8)]["name"] == "Anders"
    assert life.sync("accounts", hours=1)["accounts"].rows_deleted == 1
    assert life.missing("accounts") == (set(), set())
    since = len(life.vendor.calls)
    life.sync("accounts", hours=1)
    assert [call.query.keys() for call in asked(life, "accounts", since)] == [{"$select", "$deltatoken"}]


@pytest.mark.parametrize("full", [True, False])
def test_a_deletion_just_before_everything_is_read_again_is_not_lost(
    connect: Callable[..., Harness], *, full: bool
) -> None:
    """Its stub stands behind the old link, which a full reading does not follow."""
    life = connect("dynamics")
    life.sync("accounts")
    life.vendor.merge("accounts", guid("account", 9), guid("account", 10))
    life.sync("accounts", minutes=1)
    life.vendor.remove("accounts", guid("account", 7))
    life.sync("accounts", full=full, days=0 if full else 7)
    life.sync("accounts", hours=1)
    assert guid("account", 7) not in life.documents("accounts")
    since = len(life.vendor.calls)
    life.sync("accounts", hours=1)
    assert [call.query.keys() for call in asked(life, "accounts", since)] == [{"$select", "$deltatoken"}]


def test_a_column_that_moves_no_stamp_comes_with_the_weekly_reading(connect: Callable[..., Harness]) -> None:
    life = connect("dynamics")
    life.sync("accounts")
    life.vendor.tables["accounts"].quietly(guid("account", 3), creditlimit=75.5)
    assert life.sync("accounts", hours=1)["accounts"].rows_landed == 0
    assert life.sync("accounts", days=7)["accounts"].rows_landed == 1
    assert life.documents("accounts")[guid("account", 3)]["creditlimit"] == Decimal("75.5")


def test_a_new_column_comes_with_the_next_full_reading(connect: Callable[..., Harness]) -> None:
    """A delta link answers with the columns that were asked for when it was made."""
    life = connect("dynamics")
    life.sync("products")
    for row_id in list(life.vendor.tables["products"].rows):
        life.vendor.tables["products"].quietly(row_id, new_line="Wärme")
    life.vendor.tables["products"].edit(guid("product", 2))
    life.sync("products", minutes=1)
    assert "new_line" not in life.documents("products")[guid("product", 2)]
    life.sync("products", full=True)
    assert life.documents("products")[guid("product", 2)]["new_line"] == "Wärme"


def test_columns_that_do_not_exist_are_not_asked_for_and_own_ones_are(connect: Callable[..., Harness]) -> None:
    life = connect("dynamics")
    life.sync("accounts")
    chosen = asked(life, "accounts")[0].query["$select"].split(",")
    assert "new_erpcode" in chosen
    assert "address1_line1" not in chosen, "this environment lacks it"
    assert "statuscodename" not in chosen, "virtual columns cannot be selected"


def test_without_the_right_to_read_descriptions_columns_are_asked_for_as_written(
    connect: Callable[..., Harness],
) -> None:
    vendor = Vendor()
    vendor.describes = False
    life = connect("dynamics", vendor)
    (result,) = life.results("accounts")
    assert "address1_line1" in asked(life, "accounts")[0].query["$select"]
    assert "Could not find a property" in (result.error or ""), "one unknown column refuses the whole call"


def test_a_delta_link_needs_read_access_to_the_whole_organisation(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    vendor.is_wide = False
    life = connect("dynamics", vendor)
    (result,) = life.results("accounts")
    assert "organization level" in (result.error or "")
    assert "organisation level" in (result.remedy or "")


def test_a_table_without_change_tracking_is_asked_by_its_stamp(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    vendor.untracked = {"contacts"}
    life = connect("dynamics", vendor)
    life.sync("contacts")
    assert life.missing("contacts") == (set(), set())
    assert {"odata.track-changes" in call.headers["prefer"] for call in asked(life, "contacts")} == {False}
    since = len(vendor.calls)
    vendor.tables["contacts"].edit(guid("contact", 3), late_s=300)
    assert life.sync("contacts", minutes=1)["contacts"].rows_landed == 1
    (call,) = asked(life, "contacts", since)
    assert call.query["$filter"] == "modifiedon ge 2026-06-15T08:50:01Z", "ten minutes earlier"
    assert call.query["$orderby"] == "modifiedon asc,contactid asc"


def test_a_deletion_in_a_table_without_change_tracking_shows_in_the_weekly_reading(
    connect: Callable[..., Harness],
) -> None:
    life = connect("dynamics", changes="stamp")
    life.sync("contacts")
    life.vendor.remove("contacts", guid("contact", 3))
    assert life.sync("contacts", days=1)["contacts"].rows_deleted == 0
    life.sync("contacts", days=7)
    assert life.sync("contacts", hours=1)["contacts"].rows_deleted == 1
    assert life.missing("contacts") == (set(), set())


def test_a_filter_on_the_stamp_that_is_ignored_fails_the_run(connect: Callable[..., Harness]) -> None:
    life = connect("dynamics", changes="stamp")
    life.sync("contacts")
    life.vendor.ignores_filters = True  # type: ignore[attr-defined]
    (result,) = life.results("contacts", days=1)
    assert "ignores the filter" in (result.remedy or "")


def test_rows_edited_while_a_table_without_tracking_is_read_are_not_lost(connect: Callable[..., Harness]) -> None:
    life = connect("dynamics", changes="stamp")

    def between(call: Call) -> None:
        if call.path.endswith("/contacts"):
            life.vendor.clock.advance(seconds=1)
            life.vendor.tables["contacts"].edit(guid("contact", len(life.vendor.calls) % 31))

    life.vendor.between = between
    life.sync("contacts")
    life.vendor.between = lambda _call: None
    life.sync("contacts", minutes=5)
    table = life.vendor.tables["contacts"]
    found = {row_id: row["jobtitle"] for row_id, row in life.documents("contacts").items()}
    assert found == {row_id: row["jobtitle"] for row_id, row in table.rows.items()}


def test_a_limit_of_five_minutes_is_waited_for(connect: Callable[..., Harness], waits: list[float]) -> None:
    life = connect("dynamics")
    life.vendor.faults = [Fault("status", status=429, retry_after=290, path="/accounts")]
    life.sync("accounts")
    assert waits == [290.0]


def test_a_customer_may_be_an_account_or_a_contact(connect: Callable[..., Harness]) -> None:
    life = connect("dynamics")
    for name in ("contacts", "opportunities", "incidents"):
        life.sync(name)
    conform.stage(life.instance)
    assert life.documents("opportunities")[guid("opportunity", 8)]["links"]["customerid"] == {
        "contact": guid("contact", 8)
    }
    sql = f"SELECT customer_id FROM staging.opportunity WHERE source_id = '{guid('opportunity', 8)}'"
    assert rows(life, sql) == [(guid("account", 4),)], "the account beside it"
    sql = "SELECT customer_id, contact_id FROM staging.ticket WHERE number = 'CAS-00004'"
    assert rows(life, sql) == [(None, guid("contact", 4))]
    assert rows(life, f"SELECT count(*) FROM staging.contact WHERE source_id = '{guid('contact', 30)}'") == [(0,)]


def test_an_owner_may_be_a_team(connect: Callable[..., Harness]) -> None:
    life = connect("dynamics")
    life.sync("accounts")
    conform.stage(life.instance)
    sql = "SELECT code, owner_id FROM staging.customer WHERE code IN ('C-1004', 'C-1005') ORDER BY code"
    assert rows(life, sql) == [("C-1004", guid("systemuser", 4)), ("C-1005", None)]


def test_applications_are_no_employees(connect: Callable[..., Harness]) -> None:
    life = connect("dynamics")
    life.sync("systemusers")
    conform.stage(life.instance)
    assert len(life.documents("systemusers")) == 7
    sql = "SELECT name, email, code, department, is_active FROM staging.employee ORDER BY code"
    found = rows(life, sql)
    assert found[0] == ("Mara Muster0", "staff0@example.com", "E000", "team 7", True)
    assert (len(found), found[-1][-1]) == (6, False)


def test_a_table_that_the_environment_lacks_is_a_warning(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    vendor.missing = {"contracts"}
    life = connect("dynamics", vendor, contracts=True)
    result = life.sync("contracts")["contracts"]
    assert "Could not find an entity" in result.warnings[0]


def test_documents_become_rows(connect: Callable[..., Harness]) -> None:
    life = connect("dynamics", page_size=100, contracts=True)
    life.sync()
    assert conform.stage(life.instance).counts.rejected == 0
    sql = (
        "SELECT name, status, phone, website, city, erp_code, currency, payment_terms, credit_limit_amount, is_on_hold "
        "FROM staging.customer WHERE code = 'C-1002'"
    )
    limit = ("USD", "Netto 30", Decimal("5000.00"), True)
    assert rows(life, sql) == [
        ("Nordlicht物流 Example 2", "active", "+49305550002", "kunde2.example.com", "Wien", "EC-1002", *limit)
    ]
    sql = (
        "SELECT customer_id, owner_id, stage, amount, currency, probability_percent, close_on, is_closed, is_won, "
        "lost_reason FROM staging.opportunity WHERE source_id IN ('{}', '{}', '{}') ORDER BY source_id"
    ).format(*(guid("opportunity", n) for n in (1, 2, 3)))
    one, two, three = rows(life, sql)
    assert one[3:] == (Decimal("1731.01"), "CNY", Decimal(40), date(2026, 1, 12), False, False, None)
    assert two[2:5] == ("Gewonnen", Decimal("7.25"), "USD"), "what it was won for"
    assert three[3:4] + three[7:] == (Decimal("3193.03"), True, False, "Vom Mitbewerber")
    sql = "SELECT status, priority, channel, kind, contact_id, response_sla, resolution_sla FROM staging.ticket"
    ticket = ("pending", "normal", "mail", "Störung", guid("contact", 1), "met", "active")
    assert rows(life, f"{sql} WHERE number = 'CAS-00001'") == [ticket]
    assert rows(life, "SELECT code, name, unit FROM staging.product WHERE code >= 'P-007' ORDER BY code") == [
        ("P-007", "Wärmepumpe 热泵 7", "team 8")
    ]
    sql = "SELECT customer_id, status, amount, currency, start_on, end_on FROM staging.contract ORDER BY number"
    contract = (guid("account", 0), "in_force", Decimal("1200.50"), "EUR", date(2026, 1, 1), date(2026, 12, 31))
    assert rows(life, sql)[0] == contract


def test_activities_and_their_subjects_become_interactions(connect: Callable[..., Harness]) -> None:
    life = connect("dynamics", activities=True)
    life.sync("activitypointers")
    conform.stage(life.instance)
    sql = "SELECT kind, customer_id, ticket_id, opportunity_id, contact_id, happened_at FROM staging.interaction"
    at = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
    assert rows(life, f"{sql} ORDER BY source_id") == [
        ("call", guid("account", 1), None, None, None, at),
        ("mail", None, guid("incident", 1), None, None, at),
        ("meeting", None, None, guid("opportunity", 1), None, at),
        ("note", None, None, None, guid("contact", 1), at),
    ], "a record that closes an opportunity is none"


def test_orders_and_invoices_are_read_only_when_no_erp_has_them(connect: Callable[..., Harness]) -> None:
    life = connect("dynamics")
    assert not {"salesorders", "salesorderdetails", "invoices"} & {stream.name for stream in life.streams()}
    life = connect("dynamics", sales=True, page_size=100)
    for name in ("salesorders", "salesorderdetails", "invoices"):
        life.sync(name)
    assert conform.stage(life.instance).counts.rejected == 0
    sql = "SELECT customer_id, order_on, currency, gross_amount, payment_terms, is_void, exchange_rate FROM"
    order = (guid("account", 4), date(2026, 1, 17), "EUR", Decimal("975.20"), "Netto 60", True, None)
    assert rows(life, f"{sql} staging.sales_order WHERE number = 'SO-2026004'") == [order]
    sql = "SELECT line_number, quantity, gross_amount FROM staging.sales_order_line WHERE order_id = '{}' ORDER BY 1"
    assert [line[0] for line in rows(life, sql.format(guid("salesorder", 4)))] == [1, 2]
    sql = "SELECT order_id, invoice_on, due_on, is_void FROM staging.invoice WHERE number = 'INV-2026004'"
    assert rows(life, sql) == [(guid("salesorder", 4), date(2026, 5, 4), date(2026, 2, 21), True)]


def test_a_token_has_no_refresh_token_and_is_asked_for_again_with_the_scope_of_the_environment(
    connect: Callable[..., Harness],
) -> None:
    life = connect("dynamics")
    life.sync("accounts")
    life.vendor.auth.expire()
    life.sync("accounts", minutes=5)
    forms = [call.body for call in life.vendor.calls if call.path.endswith("/token")]
    assert [(form["grant_type"], form["scope"]) for form in forms] == [
        ("client_credentials", f"{life.vendor.url}/.default")
    ] * 2


def test_a_choice_is_a_number_whose_words_stand_beside_it(connect: Callable[..., Harness]) -> None:
    life = connect("dynamics")
    life.sync("accounts")
    document = life.documents("accounts")[guid("account", 1)]
    assert (document["statecode"], document["paymenttermscode"]) == (0, 1)
    assert document["labels"]["paymenttermscode"] == "Netto 30"
    assert not any("@" in name for name in document)


def test_amounts_in_the_currency_of_the_organisation_are_not_taken_for_those_of_the_deal(
    connect: Callable[..., Harness],
) -> None:
    vendor = Vendor()
    for row in vendor.tables["opportunities"].rows.values():
        row["estimatedvalue_base"] = row["estimatedvalue"] * 7
    life = connect("dynamics", vendor)
    life.sync("opportunities")
    conform.stage(life.instance)
    sql = f"SELECT amount, currency FROM staging.opportunity WHERE source_id = '{guid('opportunity', 1)}'"
    assert rows(life, sql) == [(Decimal("1731.01"), "CNY")]


def test_a_merged_account_stays_inactive_and_is_deleted_here_with_its_survivor(connect: Callable[..., Harness]) -> None:
    life = connect("dynamics")
    life.sync("accounts")
    life.vendor.clock.advance(hours=1)
    life.vendor.merge("accounts", guid("account", 2), guid("account", 3))
    life.sync("accounts", minutes=1)
    assert life.merges("accounts") == [[guid("account", 2), guid("account", 3)]]
    assert guid("account", 2) in life.vendor.tables["accounts"].rows
    assert guid("account", 2) not in life.documents("accounts")
