"""U8's own traps, and what its documents become."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import polars as pl

from data import sim
from data.sim.access import Call, Reply
from data.sim.vendors import u8
from model import conform, staging
from tests.connectors.conformance import Conformance
from tests.connectors.harness import Harness

Vendor = sim.load("u8")


class TestConformance(Conformance):
    """What every connector must do."""

    connector = "u8"


def asked(life: Harness, end: str) -> list[Call]:
    """The calls whose path ends so."""
    return [call for call in life.vendor.calls if call.path.endswith(end)]


def rows(life: Harness, sql: str) -> list[tuple[object, ...]]:
    """The rows of one question to the warehouse."""
    with staging.open_warehouse(life.instance) as con:
        return pl.DataFrame(con.sql(sql).to_arrow_table()).rows()


def test_nothing_found_is_an_empty_list_but_only_by_its_own_code(connect: Callable[..., Harness]) -> None:
    life = connect("u8")
    life.vendor.tables["returnorderlist"].rows.clear()
    assert life.sync("returnorderlist")["returnorderlist"].rows_landed == 0

    class Strict(Vendor):  # type: ignore[misc,valid-type]
        """Another error."""

        def handle(self, call: Call) -> Reply:
            reply: Reply = super().handle(call)
            return Reply(200, {"errcode": "20003", "errmsg": "查询失败"}) if "/api/" in call.path else reply

    assert "查询失败" in (connect("u8", Strict()).results("returnorderlist")[0].error or "")


def test_nothing_found_where_all_was_there_deletes_nothing(connect: Callable[..., Harness]) -> None:
    life = connect("u8")
    life.sync("customer")
    known, life.vendor.tables["customer"].rows = life.vendor.tables["customer"].rows, {}
    for _ in range(3):
        result = life.sync("customer", days=1)["customer"]
    assert any("rights" in warning for warning in result.warnings)
    assert set(life.documents("customer")) == set(known)
    assert "permission" in (connect("u8", _empty()).results("customer")[0].remedy or "")


def _empty() -> Vendor:  # type: ignore[valid-type]
    vendor = Vendor()
    vendor.tables["customer"].rows.clear()
    return vendor


def test_an_ended_token_is_known_by_its_words_and_asked_for_again(connect: Callable[..., Harness]) -> None:
    life = connect("u8")

    def between(call: Call) -> None:
        if len(asked(life, "/customer/batch_get")) == 2:
            life.vendor.auth.expire()

    life.vendor.between = between
    life.sync("customer")
    assert life.missing("customer") == (set(), set())
    assert len(asked(life, "/system/token")) == 2


def test_a_server_that_is_switched_off_is_waited_for_and_loses_nothing(
    connect: Callable[..., Harness], waits: list[float]
) -> None:
    life = connect("u8")
    life.sync("saleorderlist")
    before = life.documents("saleorderlist")
    life.vendor.is_off = True  # type: ignore[attr-defined]
    for _ in range(3):
        assert life.results("saleorderlist", days=1)[0].error is not None
    assert waits != []
    life.vendor.is_off = False  # type: ignore[attr-defined]
    life.sync("saleorderlist")
    assert life.documents("saleorderlist") == before


def test_the_day_of_a_change_is_asked_for_whole(connect: Callable[..., Harness]) -> None:
    life = connect("u8")
    life.sync("customer")
    life.vendor.calls.clear()
    life.vendor.tables["customer"].edit("0003")
    assert life.sync("customer", minutes=1)["customer"].rows_landed == 1
    assert asked(life, "/batch_get")[0].query["ModifyDate_begin"] == "2026-06-14"
    life.vendor.clock.advance(hours=9)
    life.vendor.tables["customer"].edit("0004")
    assert life.sync("customer", minutes=1)["customer"].rows_landed == 1


def test_an_ignored_filter_of_changes_ends_the_run(connect: Callable[..., Harness]) -> None:
    class Deaf(Vendor):  # type: ignore[misc,valid-type]
        """Every list is the whole list."""

        def handle(self, call: Call) -> Reply:
            call.query = {name: value for name, value in call.query.items() if not name.endswith("_begin")}
            return super().handle(call)  # type: ignore[no-any-return]

    life = connect("u8", Deaf(), page_size=100)
    life.sync("customer")
    assert "the source ignores the filter" in (life.results("customer", days=3)[0].remedy or "")


def test_documents_of_ninety_days_are_read_in_every_run_and_all_of_them_daily(connect: Callable[..., Harness]) -> None:
    life = connect("u8")
    old, young = u8.key("SO0000"), u8.key("SO0023")
    table = life.vendor.tables["saleorderlist"]
    table.quietly(old, date="2025-11-03")
    life.sync("saleorderlist")
    life.vendor.calls.clear()
    table.quietly(old, closer="周宁")
    table.quietly(young, closer="周宁")
    assert life.sync("saleorderlist", hours=1)["saleorderlist"].rows_landed == 1
    assert asked(life, "/batch_get")[0].query["date_begin"] == "2026-03-17"
    assert life.documents("saleorderlist")[old]["closer"] == ""
    assert life.sync("saleorderlist", days=1)["saleorderlist"].rows_landed == 1
    assert life.documents("saleorderlist")[old]["closer"] == "周宁"


def test_a_number_is_unique_within_account_set_and_year(connect: Callable[..., Harness]) -> None:
    class Years(Vendor):  # type: ignore[misc,valid-type]
        """Two years that number alike."""

        def handle(self, call: Call) -> Reply:
            if call.query.get("ds_sequence") == "2":
                call.query["ds_sequence"] = "1"
            return super().handle(call)  # type: ignore[no-any-return]

    first, second = connect("u8", Years()), connect("u8", Years(), ds_sequence=2)
    first.sync("saleorderlist")
    second.sync("saleorderlist")
    assert min(first.documents("saleorderlist")) == "demo-company-1-SO0000"
    assert min(second.documents("saleorderlist")) == "demo-company-2-SO0000"


def test_details_cost_a_call_for_each_changed_document_and_all_of_them_weekly(connect: Callable[..., Harness]) -> None:
    life = connect("u8", order_lines=True)

    def landed(hours: float = 0) -> int:
        life.sync("saleorderlist", hours=hours)
        return life.sync("saleorder")["saleorder"].rows_landed

    assert landed() == 24
    life.vendor.calls.clear()
    life.vendor.tables["saleorderlist"].edit(u8.key("SO0001"))
    assert landed(hours=1) == 1
    assert [call.query["id"] for call in asked(life, "/saleorder/get")] == ["SO0001"]
    life.vendor.calls.clear()
    entry = [
        {**line, "deliveredquantity": 1} for line in life.vendor.tables["saleorderlist"].rows[u8.key("SO0003")]["entry"]
    ]
    life.vendor.tables["saleorderlist"].quietly(u8.key("SO0003"), entry=entry)
    assert landed(hours=1) == 0
    assert landed(hours=168) == 1


def test_a_document_that_vanished_before_its_detail_was_read_has_none(connect: Callable[..., Harness]) -> None:
    life = connect("u8")

    def between(call: Call) -> None:
        if call.path.endswith("/saleinvoice/get") and u8.key("XS0004") in life.vendor.tables["saleinvoicelist"].rows:
            life.vendor.remove("saleinvoicelist", u8.key("XS0004"))

    life.vendor.between = between
    life.sync("saleinvoicelist")
    life.sync("saleinvoice")
    assert u8.key("XS0004") not in life.documents("saleinvoice")
    assert len(life.documents("saleinvoice")) == 23


def test_the_parameter_that_asks_for_one_document_is_a_setting(connect: Callable[..., Harness]) -> None:
    class Other(Vendor):  # type: ignore[misc,valid-type]
        """Wants `code`."""

        def handle(self, call: Call) -> Reply:
            call.query["id"] = call.query.get("code", "")
            return super().handle(call)  # type: ignore[no-any-return]

    life = connect("u8", Other(), id_param="code")
    life.sync("saleinvoicelist")
    life.sync("saleinvoice")
    assert len(life.documents("saleinvoice")) == 24


def test_only_a_document_that_opens_a_credit_period_falls_due(connect: Callable[..., Harness]) -> None:
    life = connect("u8")
    life.sync("saleinvoicelist")
    life.sync("saleinvoice")
    assert conform.stage(life.instance).counts.rejected == 0
    codes = "('XS0000', 'XS0001', 'XS0003', 'XS0005')"
    sql = f"SELECT number, kind, due_on, gross_amount < 0 FROM staging.invoice WHERE number IN {codes} ORDER BY number"
    assert rows(life, sql) == [
        ("XS0000", "invoice", date(2026, 5, 20), False),
        ("XS0001", "opening", date(2026, 5, 21), False),
        ("XS0003", "invoice", None, False),
        ("XS0005", "red", date(2026, 5, 25), True),
    ]
    plan = "SELECT invoice_id, row_number, due_on FROM staging.invoice_plan ORDER BY invoice_id LIMIT 1"
    assert rows(life, plan) == [(u8.key("XS0000"), 1, date(2026, 5, 20))]
    assert rows(life, "SELECT count(*) FROM staging.invoice_plan") == [(23,)]


def test_a_list_that_changes_alone_ends_no_invoice(connect: Callable[..., Harness]) -> None:
    life = connect("u8")
    states = []
    for _ in range(2):
        life.sync("saleinvoicelist")
        life.sync("saleinvoice")
        conform.stage(life.instance)
        states.append(
            rows(life, "SELECT count(*), count(*) FILTER (is_deleted) FROM staging.invoice WHERE seen_to IS NULL")
        )
        life.vendor.tables["saleinvoicelist"].edit(u8.key("XS0002"))
        life.sync("saleinvoicelist")
        conform.stage(life.instance)
    assert states == [[(24, 0)], [(24, 0)]]


def test_invoices_without_details_are_what_the_list_says(connect: Callable[..., Harness]) -> None:
    life = connect("u8", invoice_details=False)
    life.sync("saleinvoicelist")
    assert asked(life, "/saleinvoice/get") == []
    assert conform.stage(life.instance).counts.rejected == 0
    sql = (
        "SELECT number, kind, due_on, gross_amount, net_amount, tax_amount FROM staging.invoice WHERE number = 'XS0002'"
    )
    amounts = (Decimal("1828.34"), Decimal("1618.00"), Decimal("210.34"))
    assert rows(life, sql) == [("XS0002", "invoice", None, *amounts)]


def test_documents_become_rows(connect: Callable[..., Harness]) -> None:
    life = connect("u8", order_lines=True)
    life.sync()
    assert conform.stage(life.instance).counts.rejected == 0
    customer = "SELECT code, name, short_name, uscc, phone, owner_id, status, is_forbidden FROM staging.customer "
    assert rows(life, customer + "WHERE code IN ('0001', '0004') ORDER BY code") == [
        ("0001", "云岚Handel Example 1", "云岚", "91310115MA4JURQ203", "+862150000001", "E001", "active", False),
        ("0004", "Rosenau食品 Example 4", "Ro", None, "+862150000004", "E004", "inactive", True),
    ]
    contact = "SELECT customer_id, name, title, mobile, is_primary FROM staging.contact WHERE source_id = 'CT0000'"
    assert rows(life, contact) == [("0000", "MaraMuster0", "Einkauf", "+8613900000000", True)]
    order = "SELECT customer_id, owner_id, order_on, document_status, is_closed, currency, net_amount, gross_amount "
    order += "FROM staging.sales_order WHERE number IN ('SO0002', 'SO0006') ORDER BY number"
    assert [row[:6] for row in rows(life, order)] == [
        ("0002", "E002", date(2026, 4, 22), "approved", True, "EUR"),
        ("0006", "E001", date(2026, 4, 26), "draft", False, "EUR"),
    ]
    assert rows(life, order)[0][6:] == (Decimal("1618.00"), Decimal("1828.34"))
    line = "SELECT line_number, product_id, tax_rate_percent, gross_amount - net_amount FROM staging.sales_order_line "
    found = rows(life, line + f"WHERE order_id = '{u8.key('SO0002')}' ORDER BY line_number")
    assert [(row[0], row[1], row[2]) for row in found] == [(n, f"P-{n + 1:03}", Decimal(13)) for n in (1, 2, 3)]
    assert sum(Decimal(str(row[3])) for row in found) == Decimal("210.34")
    sent = "SELECT number, order_number, is_return, gross_amount < 0 FROM staging.shipment "
    assert rows(life, sent + "WHERE number IN ('FH0002', 'TH0001') ORDER BY number") == [
        ("FH0002", "SO0002", False, False),
        ("TH0001", "SO0001", True, True),
    ]
    paid = "SELECT number, purpose, amount < 0, received_on FROM staging.receipt ORDER BY number LIMIT 3"
    assert rows(life, paid) == [
        ("SK0000", "sale", False, date(2026, 4, 20)),
        ("SK0001", "refund", True, date(2026, 4, 21)),
        ("SK0002", "sale", False, date(2026, 4, 22)),
    ]
    goods = "SELECT code, name, specification, unit, is_active FROM staging.product WHERE code = 'P-003'"
    assert rows(life, goods) == [("P-003", "Wärmepumpe 热泵 3", "WP 3", "台", False)]
    people = (
        "SELECT code, name, department, is_active FROM staging.employee WHERE code IN ('E000', 'E005') ORDER BY code"
    )
    assert rows(life, people) == [("E000", "Mara Muster0", "销售部", True), ("E005", "Emil Muster5", "销售部", False)]
