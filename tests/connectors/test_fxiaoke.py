"""纷享销客's own traps, and what its documents become."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl

from data import sim
from data.sim.access import Call, Reply
from data.sim.vendors import fxiaoke
from model import conform, staging
from tests.connectors.conformance import Conformance
from tests.connectors.harness import Harness

Vendor = sim.load("fxiaoke")
QUERY = "/data/query"


class TestConformance(Conformance):
    """What every connector must do."""

    connector = "fxiaoke"


def asked(life: Harness, end: str = QUERY) -> list[Call]:
    """The calls whose path ends so."""
    return [call for call in life.vendor.calls if call.path.endswith(end)]


def infos(life: Harness) -> list[dict[str, Any]]:
    """What the queries asked for."""
    return [call.body["data"]["search_query_info"] for call in asked(life)]


def rows(life: Harness, sql: str) -> list[tuple[object, ...]]:
    """The rows of one question to the warehouse."""
    with staging.open_warehouse(life.instance) as con:
        return pl.DataFrame(con.sql(sql).to_arrow_table()).rows()


def account(number: int) -> str:
    """The id of a customer."""
    return fxiaoke.key("AccountObj", number)


def test_http_200_means_nothing_and_error_code_tells(connect: Callable[..., Harness]) -> None:
    class Strict(Vendor):  # type: ignore[misc,valid-type]
        """Every query is called wrong."""

        def handle(self, call: Call) -> Reply:
            reply: Reply = super().handle(call)
            return fxiaoke.no(10006, "the parameter data is illegal") if call.path.endswith(QUERY) else reply

    life = connect("fxiaoke", Strict())
    result = life.results("AccountObj")[0]
    assert result.state == "failed"
    assert "'10006', the parameter data is illegal" in (result.error or "")


def test_an_ended_token_is_renewed_and_goes_into_the_body_of_the_same_call(connect: Callable[..., Harness]) -> None:
    life = connect("fxiaoke")

    def between(call: Call) -> None:
        if call.path.endswith(QUERY) and len(asked(life)) == 3:
            life.vendor.auth.expire()

    life.vendor.between = between
    life.sync("AccountObj")
    assert life.missing("AccountObj") == (set(), set())
    assert len(asked(life, "/get/V2")) == 2
    assert len({call.body["corpAccessToken"] for call in asked(life)}) == 2


def test_the_employee_to_read_as_is_found_by_mobile_or_named(connect: Callable[..., Harness]) -> None:
    life = connect("fxiaoke")
    life.sync("users")
    assert asked(life, "/user/list")[0].body["currentOpenUserId"] == fxiaoke.ADMIN
    named = connect("fxiaoke", mobile="", open_user_id="FSUID_B")
    named.sync("users")
    assert asked(named, "/user/list")[0].body["currentOpenUserId"] == "FSUID_B"
    assert asked(named, "/getByMobile") == []
    for settings in ({"mobile": "13900000000"}, {"mobile": ""}, {"mobile": "", "auth": "bearer"}):
        result = connect("fxiaoke", **settings).results("users")[0]
        assert result.state == "failed"
        assert "open_user_id" in (result.remedy or "")


def test_a_narrow_employee_loses_rows_and_none_of_them_is_taken_for_deleted(connect: Callable[..., Harness]) -> None:
    life = connect("fxiaoke")
    life.sync("AccountObj")
    life.vendor.hidden = {account(number) for number in range(12)}  # type: ignore[attr-defined]
    for _ in range(3):
        result = life.sync("AccountObj", days=1)["AccountObj"]
    assert any("rights" in warning for warning in result.warnings)
    assert len(life.documents("AccountObj")) == 23
    blind = connect("fxiaoke")
    blind.vendor.hidden = {account(number) for number in range(23)}  # type: ignore[attr-defined]
    assert "permission" in (blind.results("AccountObj")[0].remedy or "")


def test_an_object_that_may_not_be_listed_is_left_out_with_a_warning(connect: Callable[..., Harness]) -> None:
    life = connect("fxiaoke")
    life.vendor.closed = {"ProductObj", "AccountObj"}  # type: ignore[attr-defined]
    results = {result.stream: result for result in life.results()}
    assert "administrator" in (results["AccountObj"].remedy or "")
    assert results["ProductObj"].error is None
    assert any("ProductObj" in warning for warning in results["ProductObj"].warnings)
    assert life.missing("ContactObj") == (set(), set())


def test_pages_go_by_id_and_never_meet_the_cap_of_offsets(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    vendor.cap = 10  # type: ignore[attr-defined]
    life = connect("fxiaoke", vendor)
    life.sync("NewOpportunityObj")
    assert life.missing("NewOpportunityObj") == (set(), set())
    assert {info["offset"] for info in infos(life)} == {0}
    assert all(
        isinstance(value, str) for info in infos(life) for one in info["filters"] for value in one["field_values"]
    )


def test_equal_stamps_across_a_page_border_lose_nothing(connect: Callable[..., Harness]) -> None:
    life = connect("fxiaoke")
    life.sync("AccountObj")
    life.vendor.clock.advance(hours=2)
    for number in range(23):
        life.vendor.tables["AccountObj"].edit(account(number))
    assert life.sync("AccountObj", minutes=1)["AccountObj"].rows_landed == 23


def test_changes_are_asked_for_in_milliseconds_as_text(connect: Callable[..., Harness]) -> None:
    life = connect("fxiaoke")
    life.sync("AccountObj")
    before = life.vendor.clock.now
    life.vendor.calls.clear()
    life.sync("AccountObj", hours=1)
    since = {"field_name": "last_modified_time", "operator": "GTE"}
    wanted = str(int(before.timestamp()) * 1000 - 600_000)
    assert infos(life)[0]["filters"][1] == {**since, "field_values": [wanted]}


def test_an_ignored_filter_of_changes_ends_the_run(connect: Callable[..., Harness]) -> None:
    class Deaf(Vendor):  # type: ignore[misc,valid-type]
        """Only the id is filtered."""

        def handle(self, call: Call) -> Reply:
            if call.path.endswith(QUERY):
                filters = call.body["data"]["search_query_info"]["filters"]
                filters[:] = [one for one in filters if one["field_name"] == "_id"]
            return super().handle(call)  # type: ignore[no-any-return]

    life = connect("fxiaoke", Deaf())
    life.sync("AccountObj")
    assert "the source ignores the filter" in (life.results("AccountObj", days=9)[0].remedy or "")


def test_a_field_that_the_company_lacks_is_not_asked_for_and_own_ones_are(connect: Callable[..., Harness]) -> None:
    life = connect("fxiaoke")
    life.vendor.lacking = {"account_level", "tel"}  # type: ignore[attr-defined]
    life.sync("AccountObj")
    names = infos(life)[0]["fieldProjection"]
    assert not {"account_level", "tel"} & set(names)
    assert {"_id", "url", "erp_code__c", "UDSText7__c"} <= set(names)
    assert "remaining_time" not in life.documents("AccountObj")[account(1)]


def test_the_credit_code_is_the_field_whose_label_says_so(connect: Callable[..., Harness]) -> None:
    life = connect("fxiaoke")
    life.sync("AccountObj")
    assert life.documents("AccountObj")[account(1)]["credit_code"] == "91310115MA4JURQ203"
    assert "credit_code" not in life.documents("AccountObj")[account(2)]


def test_an_object_that_is_not_described_is_read_whole(connect: Callable[..., Harness]) -> None:
    class Silent(Vendor):  # type: ignore[misc,valid-type]
        """Nobody may ask for fields."""

        def handle(self, call: Call) -> Reply:
            reply: Reply = super().handle(call)
            return fxiaoke.no(32000, "无此操作的数据权限") if call.path.endswith("/describe") else reply

    for life in (connect("fxiaoke", Silent()), connect("fxiaoke", describe=False)):
        life.sync("NewOpportunityObj")
        assert "fieldProjection" not in infos(life)[0]
        assert life.documents("NewOpportunityObj")[fxiaoke.key("NewOpportunityObj", 2)]["sales_stage"] == "s2"


def test_void_is_seen_and_taken_back_and_a_deletion_leaves_nothing(connect: Callable[..., Harness]) -> None:
    life = connect("fxiaoke")
    life.sync("AccountObj")
    conform.stage(life.instance)
    state = f"SELECT is_deleted FROM staging.customer WHERE source_id = '{account(1)}' AND seen_to IS NULL"
    for status, deleted in (("invalid", True), ("normal", False)):
        life.vendor.clock.advance(hours=1)
        life.vendor.tables["AccountObj"].edit(account(1), life_status=status)
        life.sync("AccountObj", minutes=1)
        conform.stage(life.instance)
        assert rows(life, state) == [(deleted,)]
    life.vendor.void("AccountObj", account(1))  # type: ignore[attr-defined]
    life.vendor.remove("AccountObj", account(1))
    life.sync("AccountObj", days=1)
    life.sync("AccountObj", days=1)
    assert account(1) not in life.documents("AccountObj")


def test_only_normal_and_in_change_count_as_money(connect: Callable[..., Harness]) -> None:
    life = connect("fxiaoke", money=True)
    table = life.vendor.tables["PaymentObj"]
    states = ["normal", "in_change", "under_review", "ineffective", "invalid", "something_new"]
    for row_id, state in zip(sorted(table.rows), states, strict=False):
        table.quietly(row_id, life_status=state)
    payments = life.vendor.tables["OrderPaymentObj"]
    payments.quietly(min(payments.rows), life_status="invalid")
    life.sync("PaymentObj")
    life.sync("OrderPaymentObj")
    assert conform.stage(life.instance).counts.rejected == 0
    sql = "SELECT document_status, is_void FROM staging.receipt WHERE number LIKE 'R-%' ORDER BY source_id LIMIT 6"
    assert rows(life, sql) == [
        ("approved", False),
        ("approved", False),
        ("submitted", False),
        ("draft", False),
        ("approved", True),
        ("draft", False),
    ]
    first = "SELECT is_deleted FROM staging.allocation ORDER BY source_id LIMIT 2"
    assert rows(life, first) == [(True,), (False,)]


def test_too_many_calls_are_waited_for_and_a_used_up_day_ends_the_run(
    connect: Callable[..., Harness], waits: list[float]
) -> None:
    class Busy(Vendor):  # type: ignore[misc,valid-type]
        """Two answers with `code` before the good ones."""

        code, left = 30004, 2

        def handle(self, call: Call) -> Reply:
            if call.path.endswith("/user/list") and self.left:
                self.left -= 1
                return fxiaoke.no(self.code, "超限")
            return super().handle(call)  # type: ignore[no-any-return]

    life = connect("fxiaoke", Busy())
    life.sync("users")
    assert len(waits) == 2
    used = Busy()
    used.code = 30002
    result = connect("fxiaoke", used).results("users")[0]
    assert "midnight" in (result.remedy or "")
    assert len(waits) == 2


def test_the_newer_headers_are_an_option(connect: Callable[..., Harness]) -> None:
    life = connect("fxiaoke", auth="bearer", open_user_id="1000", mobile="")
    life.sync("AccountObj")
    assert life.missing("AccountObj") == (set(), set())
    call = asked(life)[0]
    assert (call.headers["x-fs-ea"], call.headers["x-fs-userid"]) == (fxiaoke.ENTERPRISE, "1000")
    assert "corpAccessToken" not in call.body
    assert call.body["convertUserId"] is True
    numbers = [call.query["thirdTraceId"] for call in life.vendor.calls]
    assert len(set(numbers)) == len(numbers)


def test_the_older_opportunity_object_is_an_option(connect: Callable[..., Harness]) -> None:
    life = connect("fxiaoke", opportunity_object="OpportunityObj")
    old = life.vendor.tables["NewOpportunityObj"]
    fxiaoke.KINDS["OpportunityObj"] = fxiaoke.KINDS["NewOpportunityObj"]
    life.vendor.tables["OpportunityObj"] = old
    try:
        life.sync("NewOpportunityObj")
    finally:
        del fxiaoke.KINDS["OpportunityObj"]
    assert {call.body["data"]["dataObjectApiName"] for call in asked(life)} == {"OpportunityObj"}
    assert len(life.documents("NewOpportunityObj")) == 27


def test_a_time_is_an_instant_and_a_date_the_day_in_china(connect: Callable[..., Harness]) -> None:
    life = connect("fxiaoke", money=True)
    table = life.vendor.tables["PaymentObj"]
    last = datetime(2026, 5, 31, 15, 59, 59, 999_000, tzinfo=UTC)
    table.quietly(min(table.rows), payment_time=fxiaoke.epoch_ms(last))
    life.sync("PaymentObj")
    conform.stage(life.instance)
    sql = "SELECT received_on FROM staging.receipt ORDER BY source_id LIMIT 1"
    assert rows(life, sql) == [(date(2026, 5, 31),)]


def test_money_is_read_on_request_and_a_return_is_no_invoice(connect: Callable[..., Harness]) -> None:
    life = connect("fxiaoke", money=True, contract_object="ContractObj", cases=True, activities=True)
    life.sync()
    assert {stream.name for stream in life.streams()} == set(life.vendor.tables)
    assert conform.stage(life.instance).counts.rejected == 0
    order = fxiaoke.key("SalesOrderObj", 2)
    first = "SELECT customer_id, order_on, document_status, currency, gross_amount FROM staging.sales_order "
    assert rows(life, first + f"WHERE source_id = '{order}'") == [
        (account(2), date(2026, 1, 11), "approved", "EUR", Decimal("1925.42"))
    ]
    owed = f"SELECT number, order_id, kind, due_on, gross_amount FROM staging.invoice WHERE source_id = '{order}'"
    assert rows(life, owed) == [("SO-2026002", order, None, None, Decimal("1925.42"))]
    line = "SELECT order_id, product_name, quantity, unit_price, gross_amount FROM staging.sales_order_line "
    assert rows(life, line + f"WHERE source_id = '{fxiaoke.key('SalesOrderProductObj', 0)}'") == [
        (fxiaoke.key("SalesOrderObj", 0), "Wärmepumpe 热泵 0", Decimal(1), Decimal("100.50"), Decimal("100.50"))
    ]
    settled = "SELECT kind, receipt_id, invoice_id, amount = (SELECT amount FROM staging.receipt AS r "
    settled += "WHERE r.source_id = receipt_id) FROM staging.allocation ORDER BY source_id LIMIT 1"
    assert rows(life, settled) == [("receipt", fxiaoke.key("PaymentObj", 0), fxiaoke.key("SalesOrderObj", 0), True)]
    refund = "SELECT purpose, amount, received_on FROM staging.receipt WHERE number = 'TK-1'"
    assert rows(life, refund) == [("refund", Decimal("-50.00"), date(2026, 5, 20))]
    returned = "SELECT kind, original_invoice_id, gross_amount, reason FROM staging.credit_note"
    assert rows(life, returned) == [("return", order, Decimal("113.00"), "质量")]
    agreed = "SELECT customer_id, number, name, status, amount, start_on, end_on, signed_on FROM staging.contract"
    days = (date(2026, 1, 1), date(2026, 12, 31), date(2025, 12, 20))
    assert rows(life, agreed) == [(account(1), "HT-1", "年度框架", "in_force", Decimal("120000.00"), *days)]
    ticket = "SELECT customer_id, contact_id, subject, status, priority FROM staging.ticket WHERE number = 'GD-00002'"
    assert rows(life, ticket) == [
        (account(2), fxiaoke.key("ContactObj", 2), "Anzeige ohne Wert 压力表 2", "solved", "high")
    ]
    note = "SELECT customer_id, employee_id, kind, body, happened_at FROM staging.interaction "
    assert rows(life, note + f"WHERE source_id = '{fxiaoke.key('ActiveRecordObj', 3)}'") == [
        (account(3), "FSUID_0003", "note", "Nach dem Einschalten 3", datetime(2026, 5, 4, 8, 0, tzinfo=UTC))
    ]


def test_documents_become_rows(connect: Callable[..., Harness]) -> None:
    life = connect("fxiaoke")
    life.sync()
    assert conform.stage(life.instance).counts.rejected == 0
    customer = (
        "SELECT code, name, uscc, tax_number, status, tier, phone, website, city, erp_code, owner_id, created_at "
        f"FROM staging.customer WHERE source_id = '{account(1)}'"
    )
    numbers = ("91310115MA4JURQ203", "91310115MA4JURQ203")
    rest = ("上海", "C-1001", "FSUID_0001", datetime(2026, 5, 4, 8, 0, tzinfo=UTC))
    assert rows(life, customer) == [
        ("C-1001", "云岚Handel Example 1", *numbers, "active", "普通客户", "+862150000001", "kunde1.example.com", *rest)
    ]
    contact = "SELECT customer_id, name, title, mobile, email FROM staging.contact WHERE source_id LIKE '%0001e'"
    assert rows(life, contact) == [
        (account(7), "NoraMuster30", "Einkauf", "+8613900000030", "person30@kunde7.example.com")
    ]
    deal = (
        "SELECT customer_id, owner_id, stage, amount, currency, probability_percent, close_on, is_closed, is_won "
        f"FROM staging.opportunity WHERE source_id = '{fxiaoke.key('NewOpportunityObj', 2)}'"
    )
    won = ("赢单", Decimal("2462.02"), "USD", Decimal(30), date(2026, 1, 19), True, True)
    assert rows(life, deal) == [(account(2), "FSUID_0002", *won)]
    product = "SELECT code, name, unit, is_active FROM staging.product WHERE code IN ('P-002', 'P-003') ORDER BY code"
    assert rows(life, product) == [
        ("P-002", "Wärmepumpe 热泵 2", "pcs", True),
        ("P-003", "Wärmepumpe 热泵 3", "pcs", False),
    ]
    people = "SELECT code, name, email, is_active FROM staging.employee WHERE code IN ('E000', 'E005') ORDER BY code"
    assert rows(life, people) == [
        ("E000", "Mara Muster0", "staff0@example.com", True),
        ("E005", "Emil Muster5", "staff5@example.com", False),
    ]
