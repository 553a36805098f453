"""ERPNext's own traps, and what its documents become."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest

from data import sim
from data.sim.access import Call, Reply
from data.sim.engine import Fault, Simulator
from data.sim.table import START
from ingest.cursor import written
from model import conform, staging
from tests.connectors.conformance import Conformance
from tests.connectors.harness import Harness

Vendor = sim.load("erpnext")


class TestConformance(Conformance):
    """What every connector must do."""

    connector = "erpnext"


def rows(life: Harness, sql: str) -> list[tuple[object, ...]]:
    with staging.open_warehouse(life.instance) as con:
        return pl.DataFrame(con.sql(sql).to_arrow_table()).rows()


def asked(vendor: Simulator, doctype: str, since: int = 0) -> list[dict[str, str]]:
    path = f"/api/resource/{doctype}".replace(" ", "%20")
    return [call.query for call in vendor.calls[since:] if call.path == path]


def name_of(number: int) -> str:
    return f'{["北辰精工", "云岚Handel", "Nordlicht物流"][number]} Example {number} "{number}"'


def test_pages_are_asked_for_with_size_and_order_and_end_with_an_empty_one(connect: Callable[..., Harness]) -> None:
    """Twenty rows unless asked, no total and no word of more."""
    life = connect("erpnext")
    life.sync("Opportunity")
    calls = asked(life.vendor, "Opportunity")
    assert {(query["limit_page_length"], query["order_by"]) for query in calls} == {("10", "name asc")}
    assert len(calls) == 4
    assert life.missing("Opportunity") == (set(), set())


def test_names_with_quotation_marks_can_be_paged_by(connect: Callable[..., Harness]) -> None:
    life = connect("erpnext")
    life.sync("Customer")
    assert life.missing("Customer") == (set(), set())
    after = [json.loads(query["filters"])[-1][2] for query in asked(life.vendor, "Customer")]
    assert all(name.endswith('"') for name in after[1:])


def test_child_tables_are_asked_for_with_their_parent(connect: Callable[..., Harness]) -> None:
    life = connect("erpnext")
    life.sync("Sales_Order")
    found = life.documents("Sales_Order")
    assert [len(found[f"SAL-ORD-{n:05}"]["items"]) for n in range(3)] == [1, 2, 3]
    calls = asked(life.vendor, "Sales Order Item")
    assert {query["parent"] for query in calls} == {"Sales Order"}
    assert len(calls) == 4, "one call a page: two pages, and two of those that are open"


def test_a_removed_line_goes_with_its_order(connect: Callable[..., Harness]) -> None:
    life = connect("erpnext")
    life.sync("Sales_Order")
    life.vendor.clock.advance(hours=1)
    kids = life.vendor.kids["Sales Order Item"]  # type: ignore[attr-defined]
    kids.remove(next(row for row in kids if row["parent"] == "SAL-ORD-00002" and row["idx"] == 2))
    life.vendor.tables["Sales_Order"].edit("SAL-ORD-00002", status="To Deliver")
    life.sync("Sales_Order", minutes=1)
    assert [row["idx"] for row in life.documents("Sales_Order")["SAL-ORD-00002"]["items"]] == [1, 3]


def test_modified_is_in_the_zone_of_the_site(connect: Callable[..., Harness]) -> None:
    life = connect("erpnext")
    life.sync("Customer")
    before, since = life.vendor.clock.now, len(life.vendor.calls)
    life.sync("Customer", hours=1)
    bound = json.loads(asked(life.vendor, "Customer", since)[0]["filters"])[0]
    assert (before.hour, before.minute) == (9, 0)
    assert bound == ["modified", ">=", "2026-06-15 14:15:01.000000"]
    assert life.documents("Customer")[name_of(0)]["modified"] == "2026-05-04T08:00:00Z"


def test_a_zone_that_is_set_is_not_asked_for(connect: Callable[..., Harness]) -> None:
    life = connect("erpnext", time_zone="Asia/Kolkata")
    life.sync("Customer")
    assert not any("time_zone" in call.path for call in life.vendor.calls)


def test_the_hour_that_comes_twice_is_read_from_its_first_time() -> None:
    second = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)  # 02:30 in winter time, after 02:30 in summer time
    assert written(second, "%Y-%m-%d %H:%M:%S.000000", "Europe/Berlin") == "2026-10-25 01:30:00.000000"


def test_an_outstanding_amount_that_moves_no_stamp_is_read_again(connect: Callable[..., Harness]) -> None:
    life = connect("erpnext")
    life.sync("Sales_Invoice")
    table = life.vendor.tables["Sales_Invoice"]
    table.quietly("ACC-SINV-00001", outstanding_amount=0.0, status="Paid")
    assert life.sync("Sales_Invoice", hours=1)["Sales_Invoice"].rows_landed == 1
    assert life.documents("Sales_Invoice")["ACC-SINV-00001"]["status"] == "Paid"
    table.quietly("ACC-SINV-00001", outstanding_amount=7.5, status="Partly Paid")
    assert life.sync("Sales_Invoice", hours=1)["Sales_Invoice"].rows_landed == 1


def test_a_document_that_someone_has_seen_has_not_changed(connect: Callable[..., Harness]) -> None:
    life = connect("erpnext")
    life.sync("Sales_Invoice")
    life.vendor.tables["Sales_Invoice"].quietly("ACC-SINV-00001", _seen='["someone", "another"]')
    assert life.sync("Sales_Invoice", hours=1)["Sales_Invoice"].rows_landed == 0


def test_deleted_documents_are_a_feed_for_a_system_manager(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    vendor.is_manager = True  # type: ignore[attr-defined]
    life = connect("erpnext", vendor, deleted_documents=True)
    life.sync("Item")
    life.vendor.clock.advance(minutes=10)
    life.vendor.remove("Item", "P-003")
    life.sync("Item", hours=2)
    assert "P-003" not in life.documents("Item")
    life.vendor.restore("Item", "P-003")
    life.sync("Item", hours=2)
    assert "P-003" in life.documents("Item")


def test_without_that_right_deleted_documents_are_refused(connect: Callable[..., Harness]) -> None:
    life = connect("erpnext", deleted_documents=True)
    life.sync("Item")
    result = life.results("Item", hours=2)[0]
    assert "PermissionError" in (result.error or "")
    assert "right to read" in (result.remedy or "")


def test_a_renamed_customer_comes_under_its_new_name(connect: Callable[..., Harness]) -> None:
    """No stamp and no tomb: the new name comes with the weekly reading, the old one goes with the ids."""
    life = connect("erpnext")
    life.sync("Customer")
    life.vendor.rename("Customer", name_of(1), "A new name")  # type: ignore[attr-defined]
    for _ in range(8):
        life.sync("Customer", days=1)
    assert life.missing("Customer") == (set(), set())
    assert "A new name" in life.documents("Customer")


def test_a_limit_is_plain_text_with_retry_after(connect: Callable[..., Harness], waits: list[float]) -> None:
    life = connect("erpnext")
    life.vendor.faults = [Fault("status", status=429, retry_after=11, after=2)]
    life.sync("Customer")
    assert 11.0 in waits
    assert life.missing("Customer") == (set(), set())


@pytest.mark.parametrize(("status", "word"), [(403, "PermissionError"), (417, "Unknown column")])
def test_errors_are_told_in_the_words_of_the_server(connect: Callable[..., Harness], status: int, word: str) -> None:
    class Strict(Vendor):  # type: ignore[misc,valid-type]
        """Refuses every list."""

        def handle(self, call: Call) -> Reply:
            found: Reply = (
                self.refuse(status, "Unknown column 'x'") if "resource" in call.path else super().handle(call)
            )
            return found

    result = connect("erpnext", Strict()).results("Customer")[0]
    assert word in (result.error or "")
    assert result.remedy


def test_an_unreadable_field_is_never_named_but_secrets_of_users_are_not_read(connect: Callable[..., Harness]) -> None:
    """fields = * gives what may be read; of users only six fields."""
    life = connect("erpnext")
    life.sync()
    assert {query["fields"] for query in asked(life.vendor, "Customer")} == {'["*"]'}
    user = life.documents("User")["staff0@example.com"]
    assert set(user) == {"name", "full_name", "enabled", "mobile_no", "creation", "modified"}
    assert not any("ZZ-FOREIGN" in life.documents(name) for name in ("User", "Payment_Entry"))


def test_a_filter_that_is_ignored_ends_the_run(connect: Callable[..., Harness]) -> None:
    life = connect("erpnext")
    life.sync("Item")
    right = life.vendor._holds  # type: ignore[attr-defined]
    life.vendor._holds = lambda value, test, bound: test == ">=" or right(value, test, bound)  # type: ignore[attr-defined]
    assert "asked for changes since" in (life.results("Item", days=2)[0].error or "")


def test_an_allocation_that_is_delinked_ends(connect: Callable[..., Harness]) -> None:
    life = connect("erpnext")
    life.sync("Payment_Ledger_Entry")
    conform.stage(life.instance)
    life.vendor.clock.advance(hours=1)
    life.vendor.tables["Payment_Ledger_Entry"].edit("ple00000", delinked=1)
    life.sync("Payment_Ledger_Entry", minutes=1)
    conform.stage(life.instance)
    sql = "SELECT is_deleted FROM staging.allocation WHERE source_id = 'ple00000' AND seen_to IS NULL"
    assert rows(life, sql) == [(True,)]


def test_projects_and_issues_are_read_when_wanted(connect: Callable[..., Harness]) -> None:
    life = connect("erpnext", projects=True, issues=True, page_size=100)
    life.sync()
    assert conform.stage(life.instance).counts.rejected == 0
    assert rows(life, "SELECT customer_id, status FROM staging.project WHERE code = 'PROJ-0001'") == [
        (name_of(1), "active")
    ]
    assert rows(life, "SELECT project_id, kind, status FROM staging.milestone WHERE source_id = 'TASK-00000'") == [
        ("PROJ-0000", "milestone", "done")
    ]
    ticket = (
        "SELECT customer_id, status, priority, solved_at FROM staging.ticket WHERE number IN ('ISS-00001', 'ISS-00003')"
    )
    assert rows(life, ticket + " ORDER BY number")[0] == (name_of(1), "pending", "normal", None)
    assert rows(life, ticket + " ORDER BY number")[1][1:] == ("closed", "urgent", START)


def test_documents_become_rows(connect: Callable[..., Harness]) -> None:
    life = connect("erpnext")
    life.sync()
    assert conform.stage(life.instance).counts.rejected == 0
    customer = "SELECT name, tax_number, kind, status, owner_id FROM staging.customer WHERE source_id = "
    assert rows(life, customer + f"'{name_of(1)}'") == [
        ("云岚Handel Example 1", "DE000000001", "company", "active", "staff1@example.com")
    ]
    assert rows(life, "SELECT count(*) FROM staging.customer WHERE status = 'inactive' AND is_forbidden") == [(1,)]
    contact = "SELECT customer_id, title FROM staging.contact WHERE name = 'Jonas Beispiel1'"
    assert rows(life, contact) == [(name_of(1), "财务")]
    assert rows(life, "SELECT count(*) FROM staging.contact") == [(30,)]
    deal = "SELECT customer_id, is_closed, is_won, amount FROM staging.opportunity WHERE number = 'CRM-OPP-00002'"
    assert rows(life, deal) == [(name_of(2), True, True, Decimal("2462.02"))]
    assert rows(life, "SELECT count(*) FROM staging.opportunity") == [(26,)]
    order = "SELECT document_status, is_void, net_amount FROM staging.sales_order WHERE number = "
    assert rows(life, order + "'SAL-ORD-00000'") == [("approved", False, Decimal("100.50"))]
    assert rows(life, order + "'SAL-ORD-00005'")[0][:2] == ("draft", False)
    assert rows(life, order + "'SAL-ORD-00006'")[0][:2] == ("approved", True)
    line = "SELECT line_number, product_id, quantity FROM staging.sales_order_line WHERE order_id = 'SAL-ORD-00001'"
    assert rows(life, line + " ORDER BY line_number") == [(1, "P-001", Decimal(2)), (2, "P-002", Decimal(3))]
    sent = "SELECT order_id, is_return FROM staging.shipment WHERE number = 'MAT-DN-00003'"
    assert rows(life, sent) == [("SAL-ORD-00003", True)]


def test_money_becomes_rows(connect: Callable[..., Harness]) -> None:
    life = connect("erpnext")
    life.sync()
    conform.stage(life.instance)
    invoice = "SELECT customer_id, gross_amount, currency, order_id, due_on FROM staging.invoice WHERE number = "
    assert rows(life, invoice + "'ACC-SINV-00001'") == [
        (name_of(1), Decimal("1000.00"), "CNY", "SAL-ORD-00001", date(2026, 2, 12))
    ]
    plan = "SELECT row_number, amount FROM staging.invoice_plan WHERE invoice_id = "
    assert rows(life, plan + "'ACC-SINV-00001'") == [(1, Decimal("1000.00"))]
    assert rows(life, plan + "'ACC-SINV-00002' ORDER BY 1") == [(1, Decimal(1)), (2, Decimal(2))]
    credit = "SELECT number, original_invoice_id, gross_amount, kind FROM staging.credit_note"
    assert rows(life, credit) == [("ACC-SINV-RET-1", "ACC-SINV-00001", Decimal("100.50"), "return")]
    receipt = (
        "SELECT source_id, amount, purpose FROM staging.receipt WHERE source_id IN ('ACC-PAY-OUT', 'ple-ple00102')"
    )
    assert rows(life, receipt + " ORDER BY 1") == [
        ("ACC-PAY-OUT", Decimal("-12.50"), "refund"),
        ("ple-ple00102", Decimal("20.00"), "sale"),
    ]
    used = "SELECT kind, receipt_id, credit_note_id, amount FROM staging.allocation WHERE invoice_id = 'ACC-SINV-00001'"
    assert rows(life, used + " ORDER BY source_id") == [
        ("credit_note", None, "ACC-SINV-RET-1", Decimal("100.50")),
        ("receipt", "ple-ple00102", None, Decimal("20.00")),
        ("write_off", None, None, Decimal("3.25")),
    ]
    assert rows(life, "SELECT receipt_id FROM staging.allocation WHERE source_id = 'ple00000'") == [("ACC-PAY-00000",)]


def test_money_taken_with_an_invoice_at_a_point_of_sale_is_a_receipt(connect: Callable[..., Harness]) -> None:
    life = connect("erpnext")
    life.sync("Payment_Ledger_Entry")
    conform.stage(life.instance)
    used = "SELECT kind, receipt_id, invoice_id, amount FROM staging.allocation WHERE source_id = 'ple00104'"
    assert rows(life, used) == [("receipt", "ple-ple00104", "ACC-SINV-00004", Decimal("50.00"))]
    assert rows(life, "SELECT amount FROM staging.receipt WHERE source_id = 'ple-ple00104'") == [(Decimal("50.00"),)]
    assert rows(life, "SELECT count(*) FROM staging.allocation WHERE source_id = 'ple00100'") == [(0,)]


def test_a_cancelled_order_is_void_and_its_amendment_is_a_document_of_its_own(connect: Callable[..., Harness]) -> None:
    life = connect("erpnext")
    life.sync("Sales_Order")
    table = life.vendor.tables["Sales_Order"]
    table.edit("SAL-ORD-00003", docstatus=2)
    amended = {
        **table.rows["SAL-ORD-00003"],
        "name": "SAL-ORD-00003-1",
        "docstatus": 1,
        "amended_from": "SAL-ORD-00003",
    }
    table.add(amended)
    life.sync("Sales_Order", minutes=5)
    conform.stage(life.instance)
    sql = "SELECT number, is_void FROM staging.sales_order WHERE number LIKE 'SAL-ORD-00003%' AND seen_to IS NULL"
    assert sorted(rows(life, sql)) == [("SAL-ORD-00003", True), ("SAL-ORD-00003-1", False)]


def test_a_return_has_negative_totals_and_is_a_credit_note_of_a_positive_amount(
    connect: Callable[..., Harness],
) -> None:
    life = connect("erpnext")
    life.sync("Sales_Invoice")
    conform.stage(life.instance)
    assert life.documents("Sales_Invoice")["ACC-SINV-RET-1"]["grand_total"] == -100.5
    assert rows(life, "SELECT number, gross_amount FROM staging.credit_note") == [("ACC-SINV-RET-1", Decimal("100.50"))]
    assert rows(life, "SELECT count(*) FROM staging.invoice WHERE number = 'ACC-SINV-RET-1'") == [(0,)]


def test_amounts_in_the_currency_of_the_company_are_not_taken_for_those_of_the_invoice(
    connect: Callable[..., Harness],
) -> None:
    vendor = Vendor()
    for row in vendor.tables["Sales_Invoice"].rows.values():
        row |= {"base_grand_total": row["grand_total"] * 7, "base_rounded_total": 7777.0, "conversion_rate": 7.0}
    life = connect("erpnext", vendor)
    life.sync("Sales_Invoice")
    conform.stage(life.instance)
    sql = "SELECT gross_amount, currency, exchange_rate FROM staging.invoice WHERE number = 'ACC-SINV-00001'"
    assert rows(life, sql) == [(Decimal("1000.00"), "CNY", Decimal(7))]


def test_a_contact_is_linked_to_its_customer_by_a_child_row_among_others(connect: Callable[..., Harness]) -> None:
    life = connect("erpnext")
    life.sync("Contact")
    conform.stage(life.instance)
    links = next(row for row in life.documents("Contact").values() if row["full_name"] == "Jonas Beispiel1")["links"]
    assert [link["link_doctype"] for link in links] == ["Supplier", "Customer"]
    assert rows(life, "SELECT customer_id FROM staging.contact WHERE name = 'Jonas Beispiel1'") == [(name_of(1),)]
