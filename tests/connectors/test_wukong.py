"""悟空CRM's own traps, and what its documents become."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl

from data import sim
from data.sim.access import Call, Reply
from data.sim.vendors import wukong
from model import conform, staging
from tests.connectors.conformance import Conformance
from tests.connectors.harness import Harness

Vendor = sim.load("wukong")


class TestConformance(Conformance):
    """What every connector must do."""

    connector = "wukong"


def asked(life: Harness, end: str = "/queryPageList") -> list[Call]:
    """The calls whose path ends so."""
    return [call for call in life.vendor.calls if call.path.endswith(end)]


def rows(life: Harness, sql: str) -> list[tuple[object, ...]]:
    """The rows of one question to the warehouse."""
    with staging.open_warehouse(life.instance) as con:
        return pl.DataFrame(con.sql(sql).to_arrow_table()).rows()


def test_not_signed_in_comes_as_http_200_or_as_401(connect: Callable[..., Harness]) -> None:
    class Gateway(Vendor):  # type: ignore[misc,valid-type]
        """One end of the session is told by the gateway."""

        def refuse(self, status: int, reason: str, **headers: str) -> Reply:
            reply = super().refuse(status, reason, **headers)
            reply.status = status if self.auth.issued == 1 else reply.status
            return reply  # type: ignore[no-any-return]

    life = connect("wukong", Gateway())

    def between(call: Call) -> None:
        if len(asked(life)) in {2, 5}:
            life.vendor.auth.expire()

    life.vendor.between = between
    life.sync("crmCustomer")
    assert life.missing("crmCustomer") == (set(), set())
    assert len(asked(life, "/login")) > 2


def test_no_right_leaves_a_list_out_and_a_busy_server_is_waited_for(
    connect: Callable[..., Harness], waits: list[float]
) -> None:
    class Strict(Vendor):  # type: ignore[misc,valid-type]
        """Products are closed; the first call of contacts comes too fast."""

        left = 1

        def handle(self, call: Call) -> Reply:
            reply: Reply = super().handle(call)
            if call.path.startswith("/crmProduct"):
                return Reply(200, {"code": 401, "msg": "无权操作"})
            if call.path.startswith("/crmContacts") and self.left:
                self.left -= 1
                return Reply(200, {"code": 403, "msg": "请求频率过快,请稍后再试"})
            return reply

    life = connect("wukong", Strict())
    results = life.sync()
    assert any("无权操作" in warning for warning in results["crmProduct"].warnings)
    assert life.missing("crmContacts") == (set(), set())
    assert len(waits) == 1


def test_a_page_is_cut_at_a_hundred_whatever_is_asked_for(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    for number in range(120):
        vendor.tables["crmContacts"].like(5000 + number)
        vendor.clock.advance(seconds=1)
    life = connect("wukong", vendor, page_size=500)
    life.sync("crmContacts")
    assert life.missing("crmContacts") == (set(), set())
    assert {call.body["limit"] for call in asked(life)} == {100}


def test_lists_begin_anew_long_before_page_100(connect: Callable[..., Harness]) -> None:
    life = connect("wukong", page_size=5)
    life.sync("crmBusiness")
    assert life.missing("crmBusiness") == (set(), set())
    assert {call.body["page"] for call in asked(life)} == {1}
    since = [call.body["searchList"][0]["values"][0] for call in asked(life)]
    assert since == sorted(since)
    assert len(since) > 5


def test_equal_times_across_a_page_border_lose_nothing(connect: Callable[..., Harness]) -> None:
    life = connect("wukong")
    life.sync("crmContacts")
    life.vendor.clock.advance(hours=2)
    for row_id in list(life.vendor.tables["crmContacts"].rows):
        life.vendor.tables["crmContacts"].edit(row_id)
    life.vendor.calls.clear()
    assert life.sync("crmContacts", minutes=1)["crmContacts"].rows_landed == 31
    assert max(call.body["page"] for call in asked(life)) == 4


def test_page_1_instead_of_the_page_asked_for_is_not_taken_for_the_end(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    vendor.last_page, vendor.redis = 2, False  # type: ignore[attr-defined]
    for row_id in list(vendor.tables["crmContacts"].rows):
        vendor.tables["crmContacts"].edit(row_id)
    life = connect("wukong", vendor)
    assert "asked for page 3, got page 1" in (life.results("crmContacts")[0].error or "")
    vendor.redis = True  # type: ignore[attr-defined]
    life.sync("crmContacts")
    assert life.missing("crmContacts") == (set(), set())


def test_too_many_records_of_one_time_end_the_run(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    for number in range(62):
        vendor.tables["crmContacts"].like(5000 + number)
    for row_id in list(vendor.tables["crmContacts"].rows):
        vendor.tables["crmContacts"].edit(row_id)
    result = connect("wukong", vendor, page_size=1).results("crmContacts")[0]
    assert "pages share the time" in (result.error or "")
    assert "database" in (result.remedy or "")


def test_a_hidden_column_changes_the_order_and_ends_the_run(connect: Callable[..., Harness]) -> None:
    life = connect("wukong")
    life.vendor.hidden = {"updateTime"}  # type: ignore[attr-defined]
    result = life.results("crmCustomer")[0]
    assert result.state == "failed"
    assert "updateTime" in (result.remedy or "")

    class Sorted(Vendor):  # type: ignore[misc,valid-type]
        """Shows the column, but sorts by another."""

        def handle(self, call: Call) -> Reply:
            if isinstance(call.body, dict) and "order" in call.body:
                call.body["order"] = 1
            return super().handle(call)  # type: ignore[no-any-return]

    assert "ascending" in (connect("wukong", Sorted()).results("crmCustomer")[0].error or "")


def test_an_ignored_filter_of_changes_ends_the_run(connect: Callable[..., Harness]) -> None:
    class Deaf(Vendor):  # type: ignore[misc,valid-type]
        """Every list is the whole list."""

        def handle(self, call: Call) -> Reply:
            if isinstance(call.body, dict) and "searchList" in call.body:
                call.body["searchList"] = []
            return super().handle(call)  # type: ignore[no-any-return]

    life = connect("wukong", Deaf(), page_size=100)
    life.sync("crmContacts")
    assert "asked for updateTime from" in (life.results("crmContacts", hours=1)[0].error or "")


def test_customers_in_the_pools_are_read_and_moves_are_no_deletions(connect: Callable[..., Harness]) -> None:
    life = connect("wukong")
    life.sync("crmCustomer")
    assert {"920", "921", "922"} <= set(life.documents("crmCustomer"))
    assert life.documents("crmCustomer")["921"]["poolId"] == 7
    table = life.vendor.tables["crmCustomer"]
    owner = table.rows["903"]["ownerUserId"]
    table.quietly("903", ownerUserId=None, poolId=1)
    table.quietly("921", ownerUserId=owner, poolId=None)
    for _ in range(3):
        life.sync("crmCustomer", days=1)
    assert life.missing("crmCustomer") == (set(), set())
    assert life.documents("crmCustomer")["903"]["poolId"] == 1
    assert life.documents("crmCustomer")["921"]["ownerUserId"] == owner
    without = connect("wukong", pools=False)
    without.sync("crmCustomer")
    assert len(without.documents("crmCustomer")) == 20


def test_a_change_of_owner_and_an_approval_move_no_stamp_and_are_found_daily(connect: Callable[..., Harness]) -> None:
    life = connect("wukong")
    life.sync("crmContract")
    table = life.vendor.tables["crmContract"]
    table.quietly("311", ownerUserId=14777)
    table.quietly("312", checkStatus=8)
    assert life.sync("crmContract", hours=2)["crmContract"].rows_landed == 0
    assert life.sync("crmContract", days=1)["crmContract"].rows_landed == 2
    assert life.documents("crmContract")["311"]["ownerUserId"] == 14777


def test_an_index_that_lags_is_waited_for_by_the_overlap(connect: Callable[..., Harness]) -> None:
    life = connect("wukong")
    life.sync("crmCustomer")
    life.vendor.lag = timedelta(minutes=5)  # type: ignore[attr-defined]
    life.vendor.tables["crmCustomer"].edit("904")
    assert life.sync("crmCustomer", minutes=1)["crmCustomer"].rows_landed == 0
    assert life.sync("crmCustomer", minutes=6)["crmCustomer"].rows_landed == 1


def test_a_user_with_a_narrow_scope_loses_rows_and_none_is_taken_for_deleted(connect: Callable[..., Harness]) -> None:
    class Narrow(Vendor):  # type: ignore[misc,valid-type]
        """Later the user sees his own customers only."""

        scope: int | None = None

        def handle(self, call: Call) -> Reply:
            reply: Reply = super().handle(call)
            if self.scope and call.path == "/crmCustomer/queryPageList":
                found = reply.body["data"]
                found["list"] = [row for row in found["list"] if row["ownerUserId"] == self.scope]
            return reply

    vendor = Narrow()
    life = connect("wukong", vendor, page_size=100)
    life.sync("crmCustomer")
    vendor.scope = 14773
    for _ in range(3):
        result = life.sync("crmCustomer", days=1)["crmCustomer"]
    assert any("rights" in warning for warning in result.warnings)
    assert len(life.documents("crmCustomer")) == 23


def test_times_are_asked_for_on_the_wall_clock_of_the_server(connect: Callable[..., Harness]) -> None:
    life = connect("wukong")
    life.sync("crmProduct")
    before = life.vendor.clock.now
    life.vendor.calls.clear()
    life.sync("crmProduct", hours=1)
    wanted = (before - timedelta(minutes=15) + wukong.CHINA).strftime("%Y-%m-%d %H:%M:%S")
    assert asked(life)[0].body["searchList"][0]["values"] == [wanted]
    elsewhere = connect("wukong", zone="UTC")
    elsewhere.sync("crmProduct")
    elsewhere.vendor.calls.clear()
    elsewhere.sync("crmProduct", hours=1)
    assert asked(elsewhere)[0].body["searchList"][0]["values"][0] < wanted


def test_columns_that_change_by_themselves_are_not_kept(connect: Callable[..., Harness]) -> None:
    life = connect("wukong")
    life.sync("crmCustomer")
    life.sync("adminUser")
    assert not {"poolDay", "lastContent"} & set(life.documents("crmCustomer")["901"])
    assert not {"img", "lastLoginTime"} & set(life.documents("adminUser")["14773"])


def test_a_contract_is_order_and_receivable_on_request(connect: Callable[..., Harness]) -> None:
    without = connect("wukong")
    without.sync("crmContract")
    conform.stage(without.instance)
    assert rows(without, "SELECT count(*) FROM staging.sales_order") == [(0,)]
    assert rows(without, "SELECT count(*) FROM staging.contract") == [(19,)]
    life = connect("wukong", money=True, visits=True)
    table = life.vendor.tables["crmContract"]
    for row_id, status in zip(["314", "315", "316", "317"], [3, 5, 7, 8], strict=True):
        table.quietly(row_id, checkStatus=status)
    life.vendor.tables["crmReceivables"].quietly("61", checkStatus=2)
    life.sync()
    assert {stream.name for stream in life.streams()} == set(life.vendor.tables)
    assert conform.stage(life.instance).counts.rejected == 0
    states = (
        "SELECT source_id, document_status, is_void, is_deleted FROM staging.invoice WHERE source_id BETWEEN '313' "
    )
    assert rows(life, states + "AND '317' ORDER BY source_id") == [
        ("313", "approved", False, False),
        ("314", "submitted", False, False),
        ("315", "draft", False, False),
        ("316", "draft", False, True),
        ("317", "approved", True, False),
    ]
    order = "SELECT customer_id, number, owner_id, order_on, currency, gross_amount FROM staging.sales_order "
    amount = Decimal("1925.42")
    assert rows(life, order + "WHERE source_id = '313'") == [
        ("902", "SO-2026002", "14775", date(2026, 1, 11), "CNY", amount)
    ]
    plan = "SELECT invoice_id, row_number, due_on, amount FROM staging.invoice_plan WHERE source_id = '42'"
    assert rows(life, plan) == [("313", 1, date(2026, 1, 11), amount)]
    receipt = "SELECT number, received_on, method, document_status FROM staging.receipt ORDER BY source_id LIMIT 3"
    assert [(row[0], row[2], row[3]) for row in rows(life, receipt)] == [
        ("R-0000", "transfer", "approved"),
        ("R-0003", "cash", "reopened"),
        ("R-0005", "other", "approved"),
    ]
    settled = (
        "SELECT receipt_id, invoice_id, plan_row_number, is_deleted FROM staging.allocation ORDER BY source_id LIMIT 2"
    )
    assert rows(life, settled) == [("60", "311", 1, False), ("61", "314", None, True)]
    visit = "SELECT customer_id, contact_id, kind, happened_at FROM staging.interaction WHERE source_id = '20'"
    assert rows(life, visit) == [("900", "300", "visit", datetime(2026, 5, 20, 1, 30, tzinfo=UTC))]


def test_documents_become_rows(connect: Callable[..., Harness]) -> None:
    life = connect("wukong")
    life.sync()
    assert conform.stage(life.instance).counts.rejected == 0
    customer = (
        "SELECT name, phone, website, tier, industry, address, status, owner_id, created_at FROM staging.customer "
        "WHERE source_id IN ('901', '922') ORDER BY source_id"
    )
    first, last = (datetime(2026, 5, 4, 8, minute, tzinfo=UTC) for minute in (1, 22))
    kinds = ("A（重点客户）", "IT", "上海")
    assert rows(life, customer) == [
        ("云岚Handel Example 1", "+862150000001", "kunde1.example.com", *kinds, "active", "14774", first),
        ("Talwind食品 Example 22", "+862150000022", "kunde22.example.com", *kinds, "prospect", None, last),
    ]
    contact = "SELECT customer_id, name, title, role, mobile FROM staging.contact WHERE source_id = '300'"
    assert rows(life, contact) == [("900", "MaraMuster0", "Einkauf", "决策人", "+8613900000000")]
    deal = (
        "SELECT customer_id, owner_id, stage, amount, currency, close_on, is_closed, is_won FROM staging.opportunity "
        "WHERE source_id IN ('502', '503') ORDER BY source_id"
    )
    assert rows(life, deal) == [
        ("902", "14775", "验证客户", Decimal("2462.02"), "CNY", date(2026, 1, 19), True, True),
        ("903", "14776", "验证客户", Decimal("3193.03"), "CNY", date(2026, 1, 26), True, False),
    ]
    contract = (
        "SELECT customer_id, number, name, status, amount, start_on, signed_on, opportunity_id FROM staging.contract "
    )
    days = (date(2026, 1, 1), date(2026, 1, 11))
    assert rows(life, contract + "WHERE source_id = '313'") == [
        ("902", "SO-2026002", "框架 2", "in_force", Decimal("1925.42"), *days, "502")
    ]
    product = (
        "SELECT code, name, category, unit, is_active FROM staging.product WHERE source_id IN ('72', '73') ORDER BY 1"
    )
    assert rows(life, product) == [
        ("P-002", "Wärmepumpe 热泵 2", "热泵", "pcs", True),
        ("P-003", "Wärmepumpe 热泵 3", "热泵", "pcs", False),
    ]
    people = (
        "SELECT code, name, department, is_active FROM staging.employee WHERE code IN ('E000', 'E005') ORDER BY code"
    )
    assert rows(life, people) == [
        ("E000", "Mara Muster0", "销售部", True),
        ("E005", "Emil Muster5", "销售部", False),
    ]
