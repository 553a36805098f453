"""SAP's own traps, and what its documents become."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from data import sim
from data.sim.access import Call, Key, OAuth
from data.sim.vendors._sap_journal import day
from model import conform, staging
from tests.connectors.conformance import Conformance
from tests.connectors.harness import Harness, connected

Vendor: Any = sim.load("sap_s4")
CUBE = "A_OperationalAcctgDocItemCube"


class TestConformance(Conformance):
    """What every connector must do."""

    connector = "sap_s4"


def rows(life: Harness, sql: str) -> list[tuple[object, ...]]:
    with staging.open_warehouse(life.instance) as con:
        return pl.DataFrame(con.sql(sql).to_arrow_table()).rows()


def asked(life: Harness, name: str, since: int = 0) -> list[Call]:
    return [call for call in life.vendor.calls[since:] if call.path.endswith(f"/{name}")]


def line(document: int, item: int = 1) -> str:
    return f"1000-2026-{document:010}-{item:03}"


def booked(life: Harness) -> Harness:
    """Billing documents and the journal, staged."""
    life.sync("A_BillingDocument")
    life.sync(CUBE)
    assert conform.stage(life.instance).counts.rejected == 0
    return life


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    """One that tests only look at."""
    with (
        pytest.MonkeyPatch.context() as patch,
        connected("sap_s4", tmp_path_factory.mktemp("s4") / "home", patch) as life,
    ):
        yield booked(life)


def settled(life: Harness, invoice: str) -> list[tuple[object, ...]]:
    sql = "SELECT kind, receipt_id, credit_note_id, amount FROM staging.allocation"
    current = "AND seen_to IS NULL AND NOT is_deleted ORDER BY amount, kind"
    return rows(life, f"{sql} WHERE invoice_id = '{invoice}' {current}")


def test_every_page_says_its_size_order_format_and_client(connect: Callable[..., Harness]) -> None:
    """Without an order pages overlap, without a size everything comes at once, without a format XML."""
    life = connect("sap_s4", products=True, deliveries=True, returns=True)
    life.sync()
    calls = life.vendor.calls
    assert all({"$top", "$skip", "$orderby"} <= call.query.keys() for call in calls)
    assert {(call.query["$format"], call.query["sap-client"]) for call in calls} == {("json", "100")}
    assert {call.method for call in calls} == {"GET"}, "tokens against forgery are for writing"


@pytest.mark.parametrize("counts", [True, False])
def test_a_page_that_the_server_cuts_short_is_not_the_last(connect: Callable[..., Harness], *, counts: bool) -> None:
    vendor = Vendor()
    vendor.counts = counts
    life = connect("sap_s4", vendor)
    life.sync("A_BillingDocument")
    assert life.missing("A_BillingDocument") == (set(), set())
    assert len(asked(life, "A_BillingDocument")) > 1


def test_the_lines_of_one_clearing_may_come_in_pages_too(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    vendor.most[CUBE], vendor.counts = 2, False
    for key in list(vendor.tables[CUBE].rows):
        if vendor.tables[CUBE].rows[key]["ClearingAccountingDocument"] != "0100000001":
            vendor.tables[CUBE].remove(key)
    life = connect("sap_s4", vendor)
    life.sync(CUBE)
    shares = life.documents(CUBE)[line(9400000008)]["settled_by"]
    assert sorted(share["kind"] for share in shares) == ["credit_note", "receipt"]


def test_a_day_of_change_is_read_again_and_is_one_of_the_systems_zone(connect: Callable[..., Harness]) -> None:
    life = connect("sap_s4", products=True)
    life.vendor.clock.now = datetime(2026, 6, 15, 22, 30, tzinfo=UTC)  # 00:30 of the 16th in Berlin
    life.sync("A_Product")
    since = len(life.vendor.calls)
    life.sync("A_Product", hours=1)
    before = "datetime'2026-06-15T00:00:00'"  # 22:30 UTC of the 14th is the 15th there
    assert asked(life, "A_Product", since)[0].query["$filter"] == (
        f"LastChangeDate ge {before} or CreationDate ge {before}"
    )


def test_an_instant_and_a_day_are_different_literals(connect: Callable[..., Harness]) -> None:
    life = connect("sap_s4")
    life.sync("A_BillingDocument")
    since = len(life.vendor.calls)
    life.sync("A_BillingDocument", minutes=30)
    assert asked(life, "A_BillingDocument", since)[0].query["$filter"] == (
        "(LastChangeDateTime ge datetimeoffset'2026-06-15T08:45:01Z' or CreationDate ge datetime'2026-06-14T00:00:00')"
    )


def test_a_document_that_was_never_changed_has_no_stamp_and_is_found(connect: Callable[..., Harness]) -> None:
    life = connect("sap_s4", deliveries=True)
    life.sync("A_OutbDeliveryHeader")
    life.vendor.clock.advance(hours=3)
    made = life.vendor.add("A_OutbDeliveryHeader")
    assert life.vendor.tables["A_OutbDeliveryHeader"].rows[made]["LastChangeDate"] is None
    life.sync("A_OutbDeliveryHeader", minutes=1)
    assert made in life.documents("A_OutbDeliveryHeader")


def test_a_partner_changed_in_its_address_only_comes_with_the_weekly_reading(connect: Callable[..., Harness]) -> None:
    life = connect("sap_s4")
    life.sync("A_BusinessPartner")
    table = life.vendor.tables["A_BusinessPartner"]
    address = table.rows["0010100003"]["to_BusinessPartnerAddress"][0]
    table.quietly("0010100003", to_BusinessPartnerAddress=[{**address, "CityName": "Linz"}])
    life.vendor.clock.advance(days=2)
    assert life.sync("A_BusinessPartner")["A_BusinessPartner"].rows_landed == 0
    assert life.sync("A_BusinessPartner", days=7)["A_BusinessPartner"].rows_landed == 1


def test_a_status_that_moves_without_the_orders_stamp_is_read_again(connect: Callable[..., Harness]) -> None:
    life = connect("sap_s4")
    life.sync("A_SalesOrder")
    life.vendor.tables["A_SalesOrder"].quietly("0000004711", OverallDeliveryStatus="B")
    assert life.sync("A_SalesOrder", days=3)["A_SalesOrder"].rows_landed == 1
    assert life.documents("A_SalesOrder")["0000004711"]["OverallDeliveryStatus"] == "B"


def test_a_filter_that_is_ignored_fails_the_run(connect: Callable[..., Harness]) -> None:
    life = connect("sap_s4")
    life.sync("A_BillingDocument")
    life.vendor.ignores_filters = True  # type: ignore[attr-defined]
    life.vendor.clock.advance(days=60)
    life.vendor.tables["A_BillingDocument"].edit("0090000001")
    life.sync("A_BillingDocument", full=True)
    (result,) = life.results("A_BillingDocument", days=1)
    assert "ignores the filter" in (result.remedy or "")


def test_wrappers_and_metadata_are_gone_and_dates_are_plain(connect: Callable[..., Harness]) -> None:
    """A day is a calendar day without a zone, an instant keeps its milliseconds, amounts and keys stay text."""
    life = connect("sap_s4")
    life.sync("A_SalesOrder")
    life.sync("A_BusinessPartner")
    order = life.documents("A_SalesOrder")["0000004711"]
    assert "__metadata" not in order
    assert (order["SalesOrderDate"], order["CreationDate"]) == ("2026-01-05", "2026-05-04")
    assert order["LastChangeDateTime"] == "2026-05-04T08:00:00.000Z"
    assert (order["TotalNetAmount"], order["SoldToParty"]) == ("100.50", "0010001000")
    assert [one["SalesOrderItem"] for one in order["to_Item"]] == ["10"]
    address = life.documents("A_BusinessPartner")["0010100000"]["to_BusinessPartnerAddress"][0]
    assert address["to_PhoneNumber"] == [{"InternationalPhoneNumber": "+49 30 555 0000"}]


def test_what_was_not_expanded_is_left_out(connect: Callable[..., Harness]) -> None:
    life = connect("sap_s4", partner_expand="to_BusinessPartnerTax")
    life.sync("A_BusinessPartner")
    partner = life.documents("A_BusinessPartner")["0010100000"]
    assert {name for name in partner if name.startswith("to_")} == {"to_BusinessPartnerTax"}


def test_flags_of_master_data_are_no_deletion(connect: Callable[..., Harness]) -> None:
    life = connect("sap_s4")
    life.sync("A_BusinessPartner")
    conform.stage(life.instance)
    sql = "SELECT code, status, is_forbidden, is_on_hold, is_deleted FROM staging.customer"
    assert rows(life, f"{sql} WHERE code BETWEEN '0010001003' AND '0010001007' ORDER BY code") == [
        ("0010001003", "active", False, False, False),
        ("0010001004", "blocked", True, False, False),
        ("0010001005", "inactive", True, False, False),
        ("0010001006", "inactive", True, False, False),
        ("0010001007", "active", False, True, False),
    ]


def test_a_contact_is_a_relationship_of_two_partners(connect: Callable[..., Harness]) -> None:
    """The person is a partner of its own, and the customer is known by another number than its partner."""
    life = connect("sap_s4")
    life.sync("A_BusinessPartnerContact")
    life.sync("A_BusinessPartner")
    conform.stage(life.instance)
    sql = "SELECT customer_id, name, email, is_primary FROM staging.contact ORDER BY source_id LIMIT 2"
    assert rows(life, sql) == [
        ("0010001000", "Mara Muster0", "person0@kunde0.example.com", True),
        ("0010001001", "Jonas Beispiel1", "person1@kunde1.example.com", False),
    ]
    assert rows(life, "SELECT count(*) FROM staging.customer") == [(23,)], "suppliers and persons are none"


def test_the_sandbox_has_a_key_and_the_cloud_also_tokens(connect: Callable[..., Harness]) -> None:
    class Sandbox(Vendor):  # type: ignore[misc,valid-type]
        """A key in a header."""

        def setup(self) -> None:
            super().setup()
            self.auth = Key("demo-key", "apikey")

    class Tokens(Vendor):  # type: ignore[misc,valid-type]
        """OAuth client credentials."""

        def setup(self) -> None:
            super().setup()
            form = {"grant_type": "client_credentials", "client_id": "demo", "client_secret": "demo-secret"}
            self.auth = OAuth("/oauth/token", form)
            self.between = lambda _call: self.auth.expire() if len(self.calls) == 2 else None

        def settings(self) -> dict[str, Any]:
            known = super().settings()
            return {**known, "token_url": f"{self.url}/oauth/token"}

    life = connect("sap_s4", Sandbox(), auth="apikey", api_key="demo-key", products=True)
    life.sync("A_Product")
    assert life.missing("A_Product") == (set(), set())
    life = connect("sap_s4", Tokens(), auth="client", client_id="demo", client_secret="demo-secret", products=True)
    life.sync("A_BusinessPartner")
    assert life.missing("A_BusinessPartner") == (set(), set())


def test_a_service_that_is_not_active_says_so(connect: Callable[..., Harness]) -> None:
    life = connect("sap_s4", delivery_service="API_OUTBOUND_DELIVERY_SRV", deliveries=True)
    assert "No service found" in life.sync("A_OutbDeliveryHeader")["A_OutbDeliveryHeader"].warnings[0]
    life.vendor.refused = {"A_SalesOrder"}  # type: ignore[attr-defined]
    (result,) = life.results("A_SalesOrder")
    assert "communication scenario" in (result.remedy or "")


def test_only_the_chosen_company_codes_are_read(connect: Callable[..., Harness]) -> None:
    life = connect("sap_s4", companies=["2000", "3000"])
    life.sync(CUBE)
    life.sync("A_BillingDocument")
    assert life.documents(CUBE) == life.documents("A_BillingDocument") == {}
    since = len(life.vendor.calls)
    life.sync("A_BillingDocument", minutes=1)
    chosen = asked(life, "A_BillingDocument", since)[0].query["$filter"]
    assert chosen.startswith("(CompanyCode eq '2000' or CompanyCode eq '3000') and (LastChangeDateTime ge ")


def test_only_lines_of_customers_are_read(ledger: Harness) -> None:
    assert {row["FinancialAccountType"] for row in ledger.documents(CUBE).values()} == {"D"}
    assert ledger.missing(CUBE) == (set(), set())


def test_billing_documents_are_told_apart_by_their_category(ledger: Harness) -> None:
    """Credit memos are positive; cancellations and pro forma invoices are nothing; what was cancelled is void."""
    sql = "SELECT number, gross_amount, is_void, document_status FROM staging.invoice"
    found = rows(ledger, f"{sql} WHERE number IN ('0090000003', '0090000004', '0090000930') ORDER BY number")
    assert [row[2:] for row in found] == [(False, "approved"), (True, "approved"), (False, "submitted")]
    assert rows(ledger, "SELECT number FROM staging.invoice WHERE number LIKE '00900009%'") == [("0090000930",)]
    sql = "SELECT number, gross_amount, customer_id FROM staging.credit_note ORDER BY number"
    assert rows(ledger, sql) == [
        ("0090000910", Decimal("60.00"), "0010001008"),
        (line(1600000001), Decimal("20.00"), "0010001003"),
    ]


def test_an_invoices_line_in_the_journal_is_its_plan(ledger: Harness) -> None:
    sql = "SELECT invoice_id, row_number, due_on, amount FROM staging.invoice_plan WHERE invoice_id = '0090000001'"
    assert rows(ledger, sql) == [("0090000001", 1, date(2026, 2, 12), Decimal("950.21"))]
    sql = "SELECT p.invoice_id FROM staging.invoice_plan AS p JOIN staging.invoice AS i ON i.number = p.invoice_id"
    assert len(rows(ledger, f"{sql} WHERE p.amount <> i.gross_amount")) == 0
    assert len(rows(ledger, sql)) == 18, "all but the cancelled one, and one that is not posted"


def test_lines_of_one_clearing_form_a_group(ledger: Harness) -> None:
    (paid,) = settled(ledger, "0090000000")
    assert (paid[0], paid[1]) == ("receipt", line(1400000000))
    gross = Decimal(str(rows(ledger, "SELECT gross_amount FROM staging.invoice WHERE number = '0090000008'")[0][0]))
    assert settled(ledger, "0090000008") == [
        ("credit_note", None, "0090000910", Decimal("60.00")),
        ("receipt", line(1400000902), None, gross - 60),
    ]
    sql = "SELECT DISTINCT allocated_on FROM staging.allocation WHERE invoice_id = '0090000008'"
    assert rows(ledger, sql) == [(date(2026, 3, 31),)]


def test_a_payment_in_part_is_open_and_names_its_invoice(ledger: Harness) -> None:
    sql = "SELECT gross_amount FROM staging.invoice WHERE number = '0090000005'"
    half = Decimal(str(rows(ledger, sql)[0][0])) / 2
    (part,) = settled(ledger, "0090000005")
    assert part[:3] == ("receipt", line(1400000002), None)
    assert abs(Decimal(str(part[3])) - half) < 1


def test_a_payment_in_part_that_is_cleared_later_settles_once(connect: Callable[..., Harness]) -> None:
    ledger = booked(connect("sap_s4"))
    (part,) = settled(ledger, "0090000005")
    bill, paid = line(9400000005), line(1400000002)
    table = ledger.vendor.tables[CUBE]
    ledger.vendor.clock.advance(days=3)
    cleared = {"ClearingAccountingDocument": "0100000077", "ClearingDocFiscalYear": "2026", "IsCleared": True}
    days = {"ClearingDate": day("2026-02-28"), "ClearingCreationDate": day(ledger.vendor.clock.now.date())}
    for key in (bill, paid):
        table.quietly(key, **cleared, **days)
    ledger.sync(CUBE, minutes=1)
    conform.stage(ledger.instance)
    found = settled(ledger, "0090000005")
    assert part in found, "the payment, found by the day on which the clearing was entered, not the day it is dated"
    assert sorted(str(row[0]) for row in found) == ["offset", "receipt"]
    ledger.vendor.clock.advance(days=3)
    open_again = {"ClearingAccountingDocument": "", "ClearingDocFiscalYear": "0000", "IsCleared": False}
    for key in (bill, paid):
        table.quietly(key, **open_again, ClearingDate=None, ClearingCreationDate=None)
    ledger.sync(CUBE, minutes=1)
    conform.stage(ledger.instance)
    assert settled(ledger, "0090000005") == [part], "a clearing that was undone: open items are read every run"


def test_what_settles_without_a_receipt_is_said(ledger: Harness) -> None:
    assert [row[:3] for row in settled(ledger, "0090000013")] == [("write_off", None, None)]
    assert [row[:3] for row in settled(ledger, "0090000016")] == [("offset", None, None)], "a supplier's line"


def test_what_was_paid_in_another_currency_is_settled_by_its_worth(ledger: Harness) -> None:
    sql = "SELECT invoice_id, receipt_id, amount, settling_amount, currency FROM staging.allocation"
    found = rows(ledger, f"{sql} WHERE settling_amount IS NOT NULL ORDER BY receipt_id, invoice_id")
    gross = rows(ledger, "SELECT gross_amount FROM staging.invoice WHERE number = '0090000017'")[0][0]
    small, large = line(1800000011), line(1800000010)
    assert found == [
        ("0090000017", line(1400000903), gross, Decimal("77.00"), "CNY"),
        (large, line(1400000905), Decimal("48.00"), Decimal("6.00"), "CNY"),
        (large, line(1400000906), Decimal("32.00"), Decimal("4.00"), "CNY"),
        (small, line(1400000906), Decimal("40.00"), Decimal("5.00"), "CNY"),
    ]


def test_the_balance_is_that_of_the_journals_open_items(ledger: Harness) -> None:
    """Invoices less what settled them, less what is left of receipts and credit notes."""
    sql = """
        SELECT currency, CAST(sum(amount) AS VARCHAR) FROM (
            SELECT currency, gross_amount AS amount FROM staging.invoice
            WHERE NOT coalesce(is_void, false) AND coalesce(document_status, 'approved') = 'approved'
            UNION ALL SELECT currency, -amount FROM staging.allocation
            UNION ALL SELECT currency, -amount FROM staging.receipt
            UNION ALL SELECT r.currency, coalesce(a.settling_amount, a.amount)
            FROM staging.allocation AS a JOIN staging.receipt AS r ON r.number = a.receipt_id
            UNION ALL SELECT currency, -gross_amount FROM staging.credit_note
            UNION ALL SELECT a.currency, a.amount
            FROM staging.allocation AS a JOIN staging.credit_note AS c ON c.number = a.credit_note_id
        ) GROUP BY currency ORDER BY currency"""
    is_open = [row for row in ledger.documents(CUBE).values() if not row["ClearingAccountingDocument"]]
    wanted = {
        code: sum(
            Decimal(row["AmountInTransactionCurrency"])
            for row in is_open
            if row["role"] != "none" and row["TransactionCurrency"] == code
        )
        for code in ("CNY", "EUR")
    }
    assert {code: Decimal(str(amount)) for code, amount in rows(ledger, sql)} == wanted


def test_a_cancelled_invoice_is_settled_by_nothing(ledger: Harness) -> None:
    assert settled(ledger, "0090000004") == []
    assert ledger.documents(CUBE)[line(9400000900)]["role"] == "none"


def test_what_is_left_of_an_invoice_paid_short_is_an_item_of_its_own(ledger: Harness) -> None:
    assert [row[:2] for row in settled(ledger, "0090000014")] == [("receipt", line(1400000901))]
    sql = "SELECT kind, gross_amount FROM staging.invoice WHERE number = '{}'"
    assert rows(ledger, sql.format(line(1400000901, 2))) == [("other", Decimal("30.00"))]


def test_items_that_are_no_booking_make_no_row(ledger: Harness) -> None:
    """A request for a down payment is noted only, a reversed document is as if it had never been."""
    roles = {key: row["role"] for key, row in ledger.documents(CUBE).items()}
    assert roles[line(1700000001)] == roles[line(1800000002)] == "none"
    sql = "SELECT number, kind, due_on, customer_id FROM staging.invoice WHERE number LIKE '1000-%' ORDER BY number"
    assert rows(ledger, sql)[1:2] == [(line(1800000001), "other", date(2026, 3, 15), "0010001003")]


def test_receipts_are_payments_advances_and_refunds(ledger: Harness) -> None:
    sql = "SELECT purpose, amount, received_on FROM staging.receipt WHERE number IN ('{}', '{}') ORDER BY number"
    on = date(2026, 2, 2)
    assert rows(ledger, sql.format(line(1400000900), line(1400000904))) == [
        ("prepayment", Decimal("500.00"), on),
        ("refund", Decimal("-15.00"), on),
    ]


def test_an_open_item_that_changes_without_a_stamp_is_read_again(connect: Callable[..., Harness]) -> None:
    ledger = connect("sap_s4")
    ledger.sync(CUBE)
    ledger.vendor.tables[CUBE].quietly(line(9400000001), NetDueDate=day("2026-12-31"))
    assert ledger.sync(CUBE, days=3)[CUBE].rows_landed == 1


def test_without_a_day_of_clearing_entered_the_dated_one_is_asked_for(connect: Callable[..., Harness]) -> None:
    life = connect("sap_s4", clearing_day="ClearingDate")
    life.sync(CUBE)
    since = len(life.vendor.calls)
    life.sync(CUBE, minutes=1)
    chosen = asked(life, CUBE, since)[0].query
    assert "ClearingCreationDate" not in chosen["$filter"] + chosen["$select"]
    assert " or ClearingDate ge datetime'2026-06-14T00:00:00')" in chosen["$filter"]


def test_without_the_right_to_read_billing_documents_the_journal_still_comes(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    vendor.refused = {"A_BillingDocument"}
    life = connect("sap_s4", vendor)
    life.sync(CUBE)
    assert life.documents(CUBE)[line(9400000001)]["role"] == "billed"


def test_orders_their_lines_and_deliveries_become_rows(connect: Callable[..., Harness]) -> None:
    life = connect("sap_s4", products=True, deliveries=True)
    for name in ("A_SalesOrder", "A_OutbDeliveryHeader", "A_Product"):
        life.sync(name)
    assert conform.stage(life.instance).counts.rejected == 0
    sql = "SELECT customer_id, owner_id, order_on, currency, net_amount, tax_amount, gross_amount, is_closed, is_void"
    first = ("0010001000", "00000000", date(2026, 1, 5), "EUR", Decimal("100.50"), Decimal("1.00"), Decimal("101.50"))
    assert rows(life, f"{sql} FROM staging.sales_order ORDER BY number LIMIT 1") == [(*first, False, False)]
    assert rows(life, f"{sql} FROM staging.sales_order ORDER BY number LIMIT 1 OFFSET 6")[0][7:] == (False, True)
    sql = "SELECT line_number, product_code, quantity, unit FROM staging.sales_order_line WHERE order_id = '0000004713'"
    assert rows(life, f"{sql} ORDER BY line_number") == [
        (10, "P-002", Decimal(3), "ST"),
        (30, "P-004", Decimal(1), "ST"),
    ], "the second line was rejected"
    sql = "SELECT number, order_id, shipped_on, document_status FROM staging.shipment ORDER BY number LIMIT 2 OFFSET 2"
    assert rows(life, sql) == [
        ("0080000002", "0000004713", date(2026, 1, 11), "approved"),
        ("0080000003", "0000004714", None, "submitted"),
    ]
    assert rows(life, "SELECT code, name, is_active FROM staging.product ORDER BY code DESC LIMIT 1") == [
        ("P-008", "Heat pump 8", False)
    ]


def test_returns_are_a_service_of_their_own(connect: Callable[..., Harness]) -> None:
    life = connect("sap_s4", returns=True)
    life.sync("A_CustomerReturn")
    assert "API_CUSTOMER_RETURN_SRV" in life.vendor.calls[0].path
    conform.stage(life.instance)
    sql = "SELECT number, is_return, order_id, shipped_on FROM staging.shipment"
    assert rows(life, sql) == [("0060000000", True, "0000004729", date(2026, 2, 20))]
