"""Kingdee's own traps, against the demo company's simulator; its signature stands in tests/ingest/test_vendors.py."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import polars as pl
import pytest

from data.demo import timing
from data.demo.documents import goods_return
from data.sim.access import Call, Reply
from model import conform, staging
from ops import secrets
from tests.connectors.harness import Harness

Connect = Callable[..., Harness]


@pytest.fixture
def life(demo: Connect, waits: list[float]) -> Any:
    """The tenant, connected; what its budget would make the collector wait is not spent."""
    return demo("kingdee")


def table(life: Any, form: str = "AR_receivable") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = life.vendor.company.kingdee[form]
    return rows


def ids(life: Any, form: str = "AR_receivable", key: str = "FID") -> set[str]:
    return {str(row[key]) for row in table(life, form)}


def lines(life: Any, form: str, entry: str, key: str) -> set[str]:
    return {f"{row['FID']}:{line[key]}" for row in table(life, form) for line in row[entry]}


def touch(life: Any, row: dict[str, Any], late_s: int = 0, **changes: Any) -> None:
    moment = int(life.vendor.clock.now.timestamp()) - late_s
    quietly(life, row, FModifyDate=timing.wall(moment), **changes)


def quietly(life: Any, row: dict[str, Any], **changes: Any) -> None:
    """A change that moves no stamp."""
    row.update(changes)
    life.vendor.company.world.version += 1


def queries(life: Any, form: str = "") -> list[dict[str, Any]]:
    found = [call.body["data"] for call in life.vendor.asked("ExecuteBillQuery")]
    return [data for data in found if form in data["FormId"]]


def small_pages(monkeypatch: pytest.MonkeyPatch, size: int = 20) -> None:
    """The server is set to give fewer rows a page than are asked for."""
    monkeypatch.setattr("data.demo.simulators.kingdee.LIMIT", size)


def failing(life: Any, body: Any, status: int = 200, times: int = 999, path: str = "ExecuteBillQuery") -> None:
    left = iter(range(times))
    life.vendor.instead = lambda call: (
        Reply(status, body) if path in call.path and next(left, None) is not None else None
    )


def rows(life: Harness, sql: str) -> list[tuple[object, ...]]:
    with staging.open_warehouse(life.instance) as con:
        return pl.DataFrame(con.sql(sql).to_arrow_table()).rows()


def said(message: str) -> dict[str, Any]:
    return {"Result": {"ResponseStatus": {"ErrorCode": 500, "IsSuccess": False, "Errors": [{"Message": message}]}}}


@pytest.mark.parametrize("entry", ["", ".FEntityPlan"])
def test_a_page_that_the_server_cuts_short_is_not_the_last(
    life: Any, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    small_pages(monkeypatch)
    life.sync(f"AR_receivable{entry}")
    wanted = lines(life, "AR_receivable", "FEntityPlan", "FEntityPlan_FENTRYID") if entry else ids(life)
    assert set(life.documents(f"AR_receivable{entry}")) == wanted
    assert len(queries(life)) > 5


def test_a_document_with_more_lines_than_a_page_stays_whole(life: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    small_pages(monkeypatch, 3)
    row = max(table(life, "SAL_SaleOrder"), key=lambda row: len(row["FSaleOrderEntry"]))
    last = max(
        line["FSaleOrderEntry_FEntryID"] for order in table(life, "SAL_SaleOrder") for line in order["FSaleOrderEntry"]
    )
    row["FSaleOrderEntry"] += [
        {**row["FSaleOrderEntry"][0], "FSaleOrderEntry_FEntryID": last + place} for place in range(1, 9)
    ]
    life.sync("SAL_SaleOrder.FSaleOrderEntry")
    wanted = lines(life, "SAL_SaleOrder", "FSaleOrderEntry", "FSaleOrderEntry_FEntryID")
    assert set(life.documents("SAL_SaleOrder.FSaleOrderEntry")) == wanted


def test_top_row_count_is_an_absolute_last_row_and_stays_zero(life: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    small_pages(monkeypatch)
    life.sync()
    assert {(data["TopRowCount"], data["StartRow"]) for data in queries(life)} == {(0, 0)}


def test_rows_that_leave_while_one_reads_shift_no_other(life: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An offset would skip as many rows as were deleted before it."""
    small_pages(monkeypatch)
    calls = iter(range(1000))

    def instead(call: Call) -> None:
        if "ExecuteBillQuery" in call.path and next(calls) in {1, 2, 3}:
            table(life).pop(0)
            life.vendor.company.world.version += 1

    life.vendor.instead = instead
    life.sync("AR_receivable")
    assert ids(life) <= set(life.documents("AR_receivable"))


def test_a_header_on_every_line_is_one_document(life: Any) -> None:
    """Flattened rows repeat the header's amount: added up per line it would count as often as there are lines."""
    life.sync("AR_receivable")
    life.sync("AR_receivable.FEntityPlan")
    heads, plan = life.documents("AR_receivable"), life.documents("AR_receivable.FEntityPlan")
    assert len(plan) > len(heads) == len(table(life))
    assert {str(row["FID"]) for row in plan.values()} == set(heads)


def test_a_document_without_lines_comes_as_a_row_without_an_entry_id_and_ends_no_run(
    life: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most receipts have no source rows; after such a row a filter on the entry id would name none."""
    small_pages(monkeypatch, 3)
    assert any(not row["FRECEIVEBILLSRCENTRY"] for row in table(life, "AR_RECEIVEBILL"))
    life.sync("AR_RECEIVEBILL.FRECEIVEBILLSRCENTRY")
    wanted = lines(life, "AR_RECEIVEBILL", "FRECEIVEBILLSRCENTRY", "FRECEIVEBILLSRCENTRY_FEntryID")
    assert wanted <= set(life.documents("AR_RECEIVEBILL.FRECEIVEBILLSRCENTRY"))


def test_a_line_that_is_removed_leaves_no_trace_and_is_found_by_comparing_ids(life: Any) -> None:
    life.sync("SAL_SaleOrder.FSaleOrderEntry")
    row = max(table(life, "SAL_SaleOrder"), key=lambda row: len(row["FSaleOrderEntry"]))
    row["FSaleOrderEntry"].pop()
    touch(life, row)
    for _ in range(2):
        life.sync("SAL_SaleOrder.FSaleOrderEntry", days=1)
    wanted = lines(life, "SAL_SaleOrder", "FSaleOrderEntry", "FSaleOrderEntry_FEntryID")
    assert set(life.documents("SAL_SaleOrder.FSaleOrderEntry")) == wanted


def test_a_write_off_moves_no_stamp_and_what_is_open_is_read_again(life: Any) -> None:
    """Open ones in every run, and the one that has just closed once more."""
    for stream in ("AR_receivable", "AR_receivable.FEntityPlan"):
        life.sync(stream)
        life.sync(stream, minutes=30)
    row = next(row for row in table(life) if row["FWRITTENOFFSTATUS"] == "A" and len(row["FEntityPlan"]) == 1)
    line = row["FEntityPlan"][0]
    for state, amount in (("B", 1.0), ("C", line["FPAYAMOUNTFOR"])):
        line["FWRITTENOFFAMOUNTFOR"] = amount
        quietly(life, row, FWRITTENOFFSTATUS=state)
        for stream in ("AR_receivable", "AR_receivable.FEntityPlan"):
            assert life.sync(stream, minutes=30)[stream].rows_landed == 1, state
        assert life.documents("AR_receivable")[str(row["FID"])]["FWRITTENOFFSTATUS"] == state


def test_a_write_off_that_is_taken_back_without_a_stamp_is_found(life: Any) -> None:
    life.sync("AR_receivable")
    row = next(row for row in table(life) if row["FWRITTENOFFSTATUS"] == "C")
    quietly(life, row, FWRITTENOFFSTATUS="A")
    assert life.sync("AR_receivable", minutes=30)["AR_receivable"].rows_landed == 1


@pytest.mark.parametrize("form", ["SAL_OUTSTOCK", "AR_receivable", "IV_SALESIC"])
def test_an_approval_that_is_taken_back_without_a_stamp_comes_with_the_weekly_reading(life: Any, form: str) -> None:
    """反审核: the document is a draft again, and its amounts may be others."""
    life.sync(form)
    closed = [row for row in table(life, form) if row.get("FWRITTENOFFSTATUS", "C") == "C"]
    quietly(life, closed[0], FDocumentStatus="D")
    assert life.sync(form, hours=2)[form].rows_landed == 0
    assert life.sync(form, days=7)[form].rows_landed == 1
    assert life.documents(form)[str(closed[0]["FID"])]["FDocumentStatus"] == "D"


def test_a_voided_document_stays_listed_and_is_marked_as_void(life: Any) -> None:
    life.sync("AR_receivable")
    row = next(row for row in table(life) if row["FCancelStatus"] == "A" and row["FSetAccountType"] != "2")
    touch(life, row, FCancelStatus="B")
    life.sync("AR_receivable", minutes=5)
    assert str(row["FID"]) in life.documents("AR_receivable")
    conform.stage(life.instance)
    sql = f"SELECT is_void FROM staging.invoice WHERE source_id = '{row['FID']}' AND seen_to IS NULL"
    sql += f" UNION ALL SELECT is_void FROM staging.credit_note WHERE source_id = '{row['FID']}' AND seen_to IS NULL"
    assert set(rows(life, sql)) == {(True,)}


@pytest.mark.parametrize(("form", "key"), [("AR_receivable", "FID"), ("BD_Customer", "FCUSTID")])
def test_a_deletion_leaves_nothing_and_is_found_by_comparing_ids(life: Any, form: str, key: str) -> None:
    life.sync(form)
    table(life, form).pop(4)
    life.vendor.company.world.version += 1
    for _ in range(2):
        life.sync(form, days=1)
    assert set(life.documents(form)) == ids(life, form, key)


def test_times_are_the_wall_clock_of_china_and_the_overlap_is_ten_minutes(life: Any) -> None:
    life.sync("BD_Customer")
    touch(life, table(life, "BD_Customer")[2], late_s=590, FName="云岚（勿用）")
    assert life.sync("BD_Customer", seconds=2)["BD_Customer"].rows_landed == 1
    windows = [data["FilterString"] for data in queries(life) if "'2026-" in data["FilterString"]]
    assert "FModifyDate >= '2026-01-20 08:50:01' and FModifyDate < '2026-01-20 09:00:03'" in windows[0]


def test_a_change_in_the_last_second_before_the_bound_is_not_between_two_windows(life: Any) -> None:
    """Rows carry milliseconds, the filter seconds."""
    life.sync("BD_Customer")
    row = table(life, "BD_Customer")[2]
    quietly(life, row, FModifyDate="2026-01-20T09:00:02.999", FName="last moment")
    found = life.sync("BD_Customer", seconds=1)["BD_Customer"].rows_landed
    found += life.sync("BD_Customer", seconds=1)["BD_Customer"].rows_landed
    assert found == 1


def test_a_session_that_is_lost_in_mid_list_comes_with_http_200_and_is_opened_again(
    life: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_pages(monkeypatch)
    calls = iter(range(1000))

    def instead(call: Call) -> None:
        if "ExecuteBillQuery" in call.path and next(calls) == 2:
            life.vendor.site.sessions.clear()

    life.vendor.instead = instead
    life.sync("AR_receivable")
    assert life.vendor.site.logins == 2
    assert set(life.documents("AR_receivable")) == ids(life)


@pytest.mark.usefixtures("waits")
def test_a_fresh_session_that_is_refused_too_is_not_opened_in_a_loop(life: Any) -> None:
    failing(life, [{"FieldName": None, "Message": "会话信息已丢失，请重新登录", "DIndex": 0}])
    results = life.results()
    assert {result.state for result in results} <= {"failed", "skipped"}
    assert life.vendor.site.logins <= 2


def test_a_wrong_secret_is_tried_once_because_repeats_lock_the_user(life: Any) -> None:
    secrets.write("app_secret", "wrong", life.instance.secrets)
    results = life.results()
    assert all("credentials" in (result.remedy or "") for result in results)
    assert len(life.vendor.asked("AuthService")) == 1


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize(
    "body",
    [
        [[said("元数据中标识为FCustId的字段不存在")]],
        said("元数据中标识为FCustId的字段不存在"),
        [{"FieldName": None, "Message": "元数据中标识为FCustId的字段不存在", "DIndex": 0}],
    ],
    ids=["in a row", "bare", "list"],
)
def test_an_error_looks_like_a_row_and_is_none(life: Any, body: Any) -> None:
    failing(life, body)
    result = life.results("AR_receivable")[0]
    assert result.state == "failed"
    assert "FCustId的字段不存在" in (result.error or "")
    assert life.documents("AR_receivable") == {}


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize("text", ["response_error:系统繁忙", "ctx == null"])
def test_an_error_may_be_bare_text_with_http_200(life: Any, text: str) -> None:
    failing(life, text, times=1)
    life.sync("AR_receivable")
    assert set(life.documents("AR_receivable")) == ids(life)


def test_a_field_that_the_tenant_lacks_is_not_asked_for_and_its_own_are(life: Any) -> None:
    header = life.vendor.site.headers["AR_receivable"]
    header.pop("fbyverify")
    header["f_demo_mark"] = "F_DEMO_Mark"
    for row in table(life):
        row["F_DEMO_Mark"] = "甲"
    life.sync("AR_receivable")
    asked = queries(life)[0]["FieldKeys"].split(",")
    assert "FByVerify" not in asked
    assert "F_DEMO_Mark" in asked
    assert {row["F_DEMO_Mark"] for row in life.documents("AR_receivable").values()} == {"甲"}


@pytest.mark.parametrize("message", ["业务对象不存在: IV_SALESIC", "没有增值税发票的查看权限"])
def test_a_form_that_the_tenant_lacks_or_hides_is_left_out_and_loses_nothing(life: Any, message: str) -> None:
    life.sync("IV_SALESIC")
    before = set(life.documents("IV_SALESIC"))
    failing(life, [[said(message)]])
    for _ in range(3):
        assert message[:6] in life.sync("IV_SALESIC", days=1)["IV_SALESIC"].warnings[0]
    assert set(life.documents("IV_SALESIC")) == before
    failing(life, [[said(message)]])
    assert life.results("AR_receivable")[0].error, "a form that is needed is an error"


def test_the_address_is_asked_for_because_the_shared_gateway_is_gone(life: Any) -> None:
    assert life.spec.settings["base_url"].required
    assert life.spec.settings["base_url"].default is None


def test_an_estimated_receivable_is_told_apart_because_its_invoice_would_double_it(life: Any) -> None:
    """立账类型 2 暂估应收, at shipment, is replaced by 3 财务应收, at invoicing."""
    life.sync("AR_receivable")
    row = next(row for row in table(life) if row["FSetAccountType"] != "2" and row["FBillTypeID"] != "YSD_CN")
    touch(life, row, FSetAccountType="2")
    life.sync("AR_receivable", minutes=5)
    conform.stage(life.instance)
    sql = f"SELECT kind FROM staging.invoice WHERE source_id = '{row['FID']}' AND seen_to IS NULL"
    assert rows(life, sql) == [("provisional",)]


def test_goods_that_come_back_are_positive_and_get_their_sign(life: Any) -> None:
    world = life.vendor.company.world
    order = next(row for row in table(life, "SAL_SaleOrder") if row["FDocumentStatus"] == "C")
    accounts = ((entity, account) for entity in world.entities for account in entity.erp)
    entity, account = next(both for both in accounts if both[1].id == order["FCustId"])
    goods_return(world, Random(1), entity, account, order, world.today - 5)
    life.sync("SAL_RETURNSTOCK")
    amounts = {number: row["FBillAllAmount"] for number, row in life.documents("SAL_RETURNSTOCK").items()}
    conform.stage(life.instance)
    found = rows(life, "SELECT source_id, gross_amount < 0, is_return FROM staging.shipment")
    assert amounts
    assert all(amount > 0 for amount in amounts.values())
    assert sorted(found) == [(f"return:{number}", True, True) for number in sorted(amounts)]


def test_who_paid_may_be_another_than_whose_account_it_settles(life: Any) -> None:
    """代付: the money counts for the unit of account, the payer is kept beside it."""
    row = next(row for row in table(life, "AR_RECEIVEBILL") if row["FCONTACTUNITTYPE"] == "BD_Customer")
    other = next(one for one in table(life, "BD_Customer") if one["FCUSTID"] != row["FCONTACTUNIT"])
    row["FPAYUNIT"] = other["FCUSTID"]
    life.sync("AR_RECEIVEBILL.FRECEIVEBILLENTRY")
    conform.stage(life.instance)
    sql = f"SELECT customer_id FROM staging.receipt WHERE source_id = '{row['FID']}'"
    assert rows(life, sql) == [(str(row["FCONTACTUNIT"]),)]
    landed = [one for one in life.documents("AR_RECEIVEBILL.FRECEIVEBILLENTRY").values() if one["FID"] == row["FID"]]
    assert {one["FPAYUNIT.FName"] for one in landed} == {other["FName"]}
