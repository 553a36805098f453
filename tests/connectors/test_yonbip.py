"""YonBIP's own traps, and what its documents become."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from data import sim
from data.sim.access import Call, Reply
from data.sim.vendors import yonbip
from ingest.hooks import load_hooks
from ingest.spec import SourceSpec
from model import conform, staging
from tests.connectors.conformance import Conformance
from tests.connectors.harness import Harness

Vendor = sim.load("yonbip")


class TestConformance(Conformance):
    """What every connector must do."""

    connector = "yonbip"


def asked(life: Harness, name: str) -> list[Call]:
    """The calls of one list."""
    return [call for call in life.vendor.calls if call.path == f"/list/{name}"]


def rows(life: Harness, sql: str) -> list[tuple[object, ...]]:
    """The rows of one question to the warehouse."""
    with staging.open_warehouse(life.instance) as con:
        return pl.DataFrame(con.sql(sql).to_arrow_table()).rows()


def _hooks() -> dict[str, Any]:
    """What the connector's hooks.py defines."""
    login: Any = load_hooks(SourceSpec.load("yonbip").folder).login
    return login.__globals__  # type: ignore[no-any-return]


def test_the_signature_is_the_vendors_own() -> None:
    known = ("41832a3d2df94989b500da6a22268747", "1767225600000", "demo-secret")
    assert _hooks()["signature"](*known) == "VDhBpmCF0mrcCmglxXQYdi+q4xNPETicVOoQYBzouOc="


def test_where_to_call_is_asked_first_and_a_strange_host_gets_nothing(connect: Callable[..., Harness]) -> None:
    class Moved(Vendor):  # type: ignore[misc,valid-type]
        """The data centre has moved to somebody else's host."""

        def handle(self, call: Call) -> Reply:
            reply: Reply = super().handle(call)
            if call.path.endswith("/getGatewayAddress"):
                reply.body["data"]["gatewayUrl"] = "https://gateway.example.net/iuap-api-gateway"
            return reply

    result = connect("yonbip", Moved()).results("staff")[0]
    assert "gateway.example.net" in (result.error or "")
    assert "credentials go nowhere else" in (result.remedy or "")
    family = _hooks()["_family"]
    assert family("https://c2.yonyoucloud.com/iuap-api-auth") == family("https://apigateway.yonyoucloud.com")
    assert family("https://a.firm.com.cn/x") != family("https://a.other.com.cn/x")
    assert family("http://c2.yonyoucloud.com") != family("https://c2.yonyoucloud.com")
    lost = connect("yonbip", tenant_id="another").results("staff")[0]
    assert "credentials" in (lost.remedy or "")
    assert "tenant_id" in (connect("yonbip", tenant_id="").results("staff")[0].remedy or "")


def test_a_private_installation_names_its_addresses(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    vendor.settings = lambda: {  # type: ignore[method-assign]
        **Vendor.settings(vendor),
        "gateway_url": f"{vendor.url}/iuap-api-gateway",
        "token_url": f"{vendor.url}/iuap-api-auth",
        "token_path": "base/v1/getAccessToken",
    }
    life = connect("yonbip", vendor)
    life.sync("staff")
    assert life.missing("staff") == (set(), set())
    assert not any("getGatewayAddress" in call.path for call in vendor.calls)


def test_an_ended_token_in_mid_list_is_asked_for_again(connect: Callable[..., Harness]) -> None:
    life = connect("yonbip")

    def between(call: Call) -> None:
        if len(asked(life, "merchant")) == 3:
            life.vendor.auth.expire()

    life.vendor.between = between
    life.sync("merchant")
    assert life.missing("merchant") == (set(), set())
    assert len([call for call in life.vendor.calls if call.path.endswith("/getAccessToken")]) == 2


def test_an_api_that_is_not_authorised_is_left_out_or_named(connect: Callable[..., Harness]) -> None:
    life = connect("yonbip")
    life.vendor.unauthorised = {"staff", "merchant"}  # type: ignore[attr-defined]
    found = {result.stream: result for result in life.results()}
    assert "API 授权" in (found["merchant"].remedy or "")
    assert any("未授权" in warning for warning in found["staff"].warnings)
    assert life.missing("voucherorder") == (set(), set())


def test_http_200_means_nothing_and_another_code_ends_the_run(connect: Callable[..., Harness]) -> None:
    class Strict(Vendor):  # type: ignore[misc,valid-type]
        """Every list is called wrong, or knows nothing."""

        code = "999"

        def handle(self, call: Call) -> Reply:
            reply: Reply = super().handle(call)
            return Reply(200, {"code": self.code, "message": "系统异常"}) if call.path.startswith("/list/") else reply

    vendor = Strict()
    assert "系统异常" in (connect("yonbip", vendor).results("staff")[0].error or "")
    vendor.code = "1002"
    assert connect("yonbip", vendor).results("voucherorder")[0].error is None


def test_pages_told_as_text_and_lists_without_a_table_are_read(connect: Callable[..., Harness]) -> None:
    for spelling, bare in ((str, set()), (int, {"merchant", "voucherorder"})):
        life = connect("yonbip")
        life.vendor.spelling, life.vendor.bare = spelling, bare  # type: ignore[attr-defined]
        for name in ("merchant", "voucherorder"):
            life.sync(name)
            assert life.missing(name) == (set(), set())
        life.sync("voucherorder", days=1)
        assert life.missing("voucherorder") == (set(), set())


def test_a_page_is_cut_by_the_vendor_and_is_not_taken_for_the_last(connect: Callable[..., Harness]) -> None:
    life = connect("yonbip", page_size=500)
    life.vendor.most = 7  # type: ignore[attr-defined]
    life.sync("merchant")
    assert life.missing("merchant") == (set(), set())


def test_a_header_on_every_line_is_one_document_whatever_the_pages(connect: Callable[..., Harness]) -> None:
    for size in (2, 3, 500):
        life = connect("yonbip", page_size=size)
        life.sync("voucherorder")
        life.sync("voucherorder", days=1)
        assert life.missing("voucherorder") == (set(), set())
        table = life.vendor.tables["voucherorder"]
        found = {row_id: len(row["lines"]) for row_id, row in life.documents("voucherorder").items()}
        assert found == {row_id: len(row["lines"]) for row_id, row in table.rows.items()}
        for row_id, row in table.rows.items():
            total = sum(Decimal(str(line["oriSum"])) for line in row["lines"])
            assert Decimal(life.documents("voucherorder")[row_id]["grossMoney"]) == total


def test_a_document_that_is_longer_than_a_page_ends_the_run(connect: Callable[..., Harness]) -> None:
    result = connect("yonbip", page_size=1).results("voucherorder")[0]
    assert "more lines than a page" in (result.error or "")
    assert "page_size" in (result.remedy or "")


def test_many_lines_of_one_stamp_across_pages_stay_whole(connect: Callable[..., Harness]) -> None:
    life = connect("yonbip", page_size=4)
    for row_id in list(life.vendor.tables["voucherorder"].rows):
        life.vendor.tables["voucherorder"].edit(row_id)
    life.sync("voucherorder")
    found = {row_id: len(row["lines"]) for row_id, row in life.documents("voucherorder").items()}
    rows_there = life.vendor.tables["voucherorder"].rows
    assert found == {row_id: len(row["lines"]) for row_id, row in rows_there.items()}


def test_changes_are_asked_for_with_between_on_the_wall_clock_of_china(connect: Callable[..., Harness]) -> None:
    life = connect("yonbip")
    life.sync("merchant")
    before = life.vendor.clock.now
    life.vendor.calls.clear()
    life.sync("merchant", hours=1)
    one = asked(life, "merchant")[0].body["simpleVOs"][0]
    assert (one["field"], one["op"]) == ("pubts", "between")
    assert one["value1"] == yonbip.wall(before - timedelta(minutes=10))
    assert one["value2"] > yonbip.wall(life.vendor.clock.now + timedelta(days=1))


def test_fifty_calls_a_minute_stay_below_the_free_quota_and_are_a_setting(
    connect: Callable[..., Harness], waits: list[float]
) -> None:
    """Orders allow sixty calls a minute since 2026-03-31; the first pages use the budget up, then the clock decides."""
    slow = connect("yonbip", page_size=1, calls_per_minute=4)
    slow.sync("merchant")
    calls = len(slow.vendor.calls)
    assert sum(waits) > 60 * ((calls - 2) // 4 - 1)
    waits.clear()
    connect("yonbip", page_size=1).sync("merchant")
    assert not waits


def test_an_ignored_filter_of_changes_ends_the_run(connect: Callable[..., Harness]) -> None:
    class Deaf(Vendor):  # type: ignore[misc,valid-type]
        """Every list is the whole list."""

        def handle(self, call: Call) -> Reply:
            if isinstance(call.body, dict):
                call.body.pop("simpleVOs", None)
            return super().handle(call)  # type: ignore[no-any-return]

    life = connect("yonbip", Deaf(), page_size=500)
    life.sync("merchant")
    assert "the source ignores the filter" in (life.results("merchant", days=3)[0].remedy or "")


def test_ids_of_nineteen_digits_keep_every_digit(connect: Callable[..., Harness]) -> None:
    life = connect("yonbip")
    life.sync("voucherorder")
    conform.stage(life.instance)
    sql = f"SELECT customer_id FROM staging.sales_order WHERE source_id = '{yonbip.key(3, 2)}'"
    assert rows(life, sql) == [(yonbip.merchant(2),)]


def test_both_families_of_receivables_are_never_added_up(connect: Callable[..., Harness]) -> None:
    both = connect("yonbip", fi=True).results("merchant")[0]
    assert "would count twice" in (both.error or "")
    older = connect("yonbip", fi=True, efi=False)
    older.sync("fi_oar")
    older.sync("fi_receivebill")
    assert conform.stage(older.instance).counts.rejected == 0
    owed = f"SELECT number, due_on, gross_amount FROM staging.invoice WHERE source_id = '{yonbip.key(12, 0)}'"
    assert rows(older, owed) == [("YS0000", date(2026, 2, 9), Decimal("119.59"))]
    assert rows(older, "SELECT count(*) FROM staging.invoice") == [(5,)]
    assert rows(older, "SELECT count(*) FROM staging.receipt") == [(1,)]


def test_due_dates_come_from_the_detail_on_request(connect: Callable[..., Harness]) -> None:
    life = connect("yonbip")
    life.sync("EFI_receivable")
    conform.stage(life.instance)
    assert rows(life, "SELECT count(*), count(due_on) FROM staging.invoice") == [(19, 0)]
    more = connect("yonbip", plan_path="EFI/receivable/detail")
    more.sync("EFI_receivable")
    more.sync("receivable_plan")
    assert conform.stage(more.instance).counts.rejected == 0
    plan = f"FROM staging.invoice_plan WHERE invoice_id = '{yonbip.key(6, 0)}' ORDER BY row_number"
    assert rows(more, f"SELECT row_number, due_on, amount {plan}") == [
        (1, date(2026, 7, 30), Decimal("50.50")),
        (2, date(2026, 8, 30), Decimal("50.50")),
    ]


def test_the_states_of_orders_and_receivables(connect: Callable[..., Harness]) -> None:
    life = connect("yonbip")
    table = life.vendor.tables["EFI_receivable"]
    for number, state in enumerate([0, 1, 3, 4]):
        table.quietly(yonbip.key(6, number), verifyState=state)
    for name in ("voucherorder", "EFI_receivable"):
        life.sync(name)
    conform.stage(life.instance)
    first = f"source_id BETWEEN '{yonbip.key(6, 0)}' AND '{yonbip.key(6, 4)}' ORDER BY source_id"
    assert rows(life, f"SELECT document_status, is_void FROM staging.invoice WHERE {first}") == [
        ("draft", False),
        ("submitted", False),
        ("approved", True),
        ("reopened", False),
        ("approved", False),
    ]
    first = f"source_id BETWEEN '{yonbip.key(3, 0)}' AND '{yonbip.key(3, 3)}' ORDER BY source_id"
    assert rows(life, f"SELECT document_status, is_void, is_closed FROM staging.sales_order WHERE {first}") == [
        ("approved", False, False),
        ("draft", False, False),
        ("approved", False, True),
        ("approved", True, False),
    ]
    gone = f"SELECT is_deleted FROM staging.sales_order WHERE source_id = '{yonbip.key(3, 9)}'"
    assert rows(life, gone) == [(True,)]


def test_documents_become_rows(connect: Callable[..., Harness]) -> None:
    life = connect("yonbip", opportunities=True)
    life.sync()
    assert conform.stage(life.instance).counts.rejected == 0
    customer = (
        "SELECT code, name, english_name, uscc, kind, status, parent_id, is_forbidden FROM staging.customer "
        "WHERE code IN ('C-1001', 'C-1004', 'C-1005') ORDER BY code"
    )
    uscc, head = "91310115MA4JURQ203", yonbip.merchant(0)
    assert rows(life, customer) == [
        ("C-1001", "云岚Handel Example 1", "Example 1", uscc, "company", "active", head, False),
        ("C-1004", "Rosenau食品 Example 4", None, None, "company", "inactive", None, True),
        ("C-1005", "松原Bau Example 5", "Example 5", None, "bucket", "active", None, False),
    ]
    line = "SELECT line_number, product_code, quantity, net_amount, gross_amount FROM staging.sales_order_line "
    ours = f"WHERE order_id = '{yonbip.key(3, 2)}' ORDER BY line_number"
    assert [(row[0], row[1]) for row in rows(life, line + ours)] == [(10, "P-002"), (20, "P-003"), (30, "P-004")]
    owed = "SELECT customer_id, kind, currency, gross_amount, due_on FROM staging.invoice WHERE source_id = "
    assert rows(life, owed + f"'{yonbip.key(6, 2)}'") == [
        (yonbip.merchant(2), "invoice", "EUR", Decimal("1925.42"), None)
    ]
    red = rows(life, owed + f"'{yonbip.key(6, 18)}'")[0]
    assert red[1] == "red"
    assert str(red[3]).startswith("-")
    assert rows(life, owed + f"'{yonbip.key(13, 0)}'")[0][1] == "opening"
    receipts = (
        "SELECT number, amount < 0, purpose FROM staging.receipt WHERE number IN ('R-0003', 'TK-0') ORDER BY number"
    )
    assert rows(life, receipts) == [("R-0003", False, "prepayment"), ("TK-0", True, "refund")]
    settled = "SELECT kind, receipt_id, invoice_id, amount > 0 FROM staging.allocation WHERE source_id = "
    assert rows(life, settled + f"'{yonbip.key(11, 0)}'") == [("receipt", yonbip.key(7, 0), yonbip.key(6, 0), True)]
    sent = "SELECT customer_id, order_number, is_return, gross_amount > 0, is_void FROM staging.shipment "
    sent += "WHERE number IN ('OUT0002', 'TH0000', 'TH0001') ORDER BY number"
    assert rows(life, sent) == [
        (yonbip.merchant(2), "SO-2026002", False, True, False),
        (yonbip.merchant(2), None, True, False, False),
        (yonbip.merchant(3), None, True, False, True),
    ]
    deal = "SELECT customer_id, owner_id, stage, currency, close_on, is_closed, is_won FROM staging.opportunity "
    assert rows(life, deal + "WHERE number = 'OPP0002'") == [
        (yonbip.merchant(2), yonbip.key(2, 2), "方案", "USD", date(2026, 1, 19), True, True)
    ]
    people = "SELECT code, name, is_active FROM staging.employee WHERE code IN ('E000', 'E005') ORDER BY code"
    assert rows(life, people) == [("E000", "Mara Muster0", True), ("E005", "Emil Muster5", False)]
