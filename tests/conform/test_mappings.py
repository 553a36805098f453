"""The shipped mappings on documents in the vendors' shapes: what each kind of document becomes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from model import conform, staging
from ops.instance import Instance, InstanceConfig, SourceConfig

RUN = "20260101T000000000000Z-0000-aaaaaa"


@pytest.fixture
def staged(tmp_path: Path, land_run: Any) -> Any:
    """(connector, stream, documents, sql) → rows of the query after staging the documents."""

    def stage(connector: str, stream: str, documents: list[tuple[str, Any]], sql: str) -> list[tuple[Any, ...]]:
        source = SourceConfig(name="s", connector=connector, role="erp")
        instance = Instance.create(tmp_path / "home", InstanceConfig(source=[source]))
        land_run(instance, "s", stream, RUN, documents)
        result = conform.stage(instance)
        assert result.errors == {}
        assert result.counts.rejected == 0
        with staging.open_warehouse(instance) as con:
            return pl.DataFrame(con.sql(sql).to_arrow_table()).rows()

    return stage


def receivable(number: int, **changes: Any) -> tuple[str, dict[str, Any]]:
    document = {
        "FID": number,
        "FBillNo": f"AR{number}",
        "FDocumentStatus": "C",
        "FCancelStatus": "A",
        "FCreateDate": "2026-10-01T01:14:22.187",
        "FModifyDate": "2026-10-01T09:14:22.187",
        "FBillTypeID.FNumber": "YSD01_SYS",
        "FDATE": "2026-09-28T00:00:00",
        "FENDDATE_H": "2026-10-31T00:00:00",
        "FCUSTOMERID": 102884,
        "FCURRENCYID.FNumber": "PRE001",
        "FALLAMOUNTFOR": 13560.0,
        "FSetAccountType": "3",
        "FISINIT": False,
    }
    return str(number), {**document, **changes}


def test_kingdee_receivables_are_each_what_they_are(staged: Any) -> None:
    documents = [
        receivable(1),
        receivable(2, FSetAccountType="2"),
        receivable(3, FISINIT=True, FENDDATE_H=None),
        receivable(4, **{"FBillTypeID.FNumber": "YSD_RED", "FALLAMOUNTFOR": -2260}),
        receivable(5, FCancelStatus="B", FDocumentStatus="D"),
        receivable(6, **{"FCURRENCYID.FNumber": "PRE007", "FALLAMOUNTFOR": "1000.505"}),
        receivable(7, **{"FBillTypeID.FNumber": "YSD_CN", "FALLAMOUNTFOR": -500, "F_PAEZ_Reason": "季度返利"}),
    ]
    sql = (
        "SELECT source_id, kind, document_status, is_void, currency, gross_amount, due_on, customer_id "
        "FROM staging.invoice ORDER BY 1"
    )
    due = date(2026, 10, 31)
    assert staged("kingdee", "AR_receivable", documents, sql) == [
        ("1", "invoice", "approved", False, "CNY", Decimal("13560.00"), due, "102884"),
        ("2", "provisional", "approved", False, "CNY", Decimal("13560.00"), due, "102884"),
        ("3", "opening", "approved", False, "CNY", Decimal("13560.00"), None, "102884"),
        ("4", "red", "approved", False, "CNY", Decimal("-2260.00"), due, "102884"),
        ("5", "invoice", "reopened", True, "CNY", Decimal("13560.00"), due, "102884"),
        ("6", "invoice", "approved", False, "USD", Decimal("1000.51"), due, "102884"),
    ]


def test_kingdee_credit_notes_are_positive_and_times_are_shanghai_wall_clock(staged: Any) -> None:
    note = receivable(7, **{"FBillTypeID.FNumber": "YSD_CN", "FALLAMOUNTFOR": -500, "F_PAEZ_Reason": "季度返利"})
    sql = "SELECT kind, gross_amount, credit_on, entered_at FROM staging.credit_note"
    entered = datetime(2026, 9, 30, 17, 14, 22, 187000, tzinfo=UTC)
    assert staged("kingdee", "AR_receivable", [note], sql) == [
        ("rebate", Decimal("500.00"), date(2026, 9, 28), entered)
    ]


def test_kingdee_receipts_come_once_per_bill(staged: Any) -> None:
    head = {
        "FID": 9,
        "FBillNo": "SK9",
        "FDocumentStatus": "C",
        "FCancelStatus": "A",
        "FDATE": "2026-11-27T00:00:00",
        "FCONTACTUNIT": None,
        "FCURRENCYID.FNumber": "PRE001",
        "FREALRECAMOUNTFOR": 40000,
        "FSETTLETYPEID.FNumber": "JSFS07_SYS",
        "FPURPOSEID.FNumber": "SFKYT02_SYS",
        "F_PAEZ_BillState": "待提示",
        "F_PAEZ_BillDueDate": "2027-05-27T00:00:00",
    }
    documents = [(f"9:{entry}", {**head, "FRECEIVEBILLENTRY_FEntryID": entry}) for entry in (1, 2)]
    sql = "SELECT source_id, customer_id, amount, method, purpose, bill_state, bill_matures_on FROM staging.receipt"
    assert staged("kingdee", "AR_RECEIVEBILL.FRECEIVEBILLENTRY", documents, sql) == [
        ("9", None, Decimal("40000.00"), "bank_bill", "prepayment", "pending", date(2027, 5, 27))
    ]


@pytest.mark.parametrize(
    ("stream", "document", "sql", "expected"),
    [
        (
            "AR_REFUNDBILL",
            {"FCONTACTUNIT": 5, "FREFUNDTOTALAMOUNTFOR": 100, "FCURRENCYID.FNumber": "PRE004"},
            "SELECT source_id, amount, purpose, currency FROM staging.receipt",
            ("refund:1", Decimal("-100.00"), "refund", "EUR"),
        ),
        (
            "SAL_RETURNSTOCK",
            {"FRetcustId": 5, "FBillAllAmount": 100, "FSettleCurrID.FNumber": "PRE001"},
            "SELECT source_id, gross_amount, is_return, customer_id FROM staging.shipment",
            ("return:1", Decimal("-100.00"), True, "5"),
        ),
        (
            "AR_Match",
            {"FMATCHTYPE": "5", "FARBILLID": 7, "FAMOUNTFOR": 1000, "FPLANSEQ": 2, "FCURRENCYID.FNumber": "PRE001"},
            "SELECT kind, invoice_id, amount, plan_row_number FROM staging.allocation",
            ("write_off", "7", Decimal("1000.00"), 2),
        ),
    ],
)
def test_kingdee_other_documents(
    staged: Any, stream: str, document: dict[str, Any], sql: str, expected: tuple[Any, ...]
) -> None:
    head = {"FID": 1, "FBillNo": "X1", "FDocumentStatus": "C", "FCancelStatus": "A", "FDATE": "2026-11-01T00:00:00"}
    head["FDate"] = head["FDATE"]
    assert staged("kingdee", stream, [("1", {**head, **document})], sql) == [expected]


def test_salesforce_merge_loser_names_its_survivor(staged: Any) -> None:
    loser = {
        "Id": "001A",
        "IsDeleted": True,
        "MasterRecordId": "001B",
        "Name": "北辰",
        "SystemModstamp": "2026-08-01T09:15:22.000+0000",
    }
    sql = "SELECT is_deleted, merged_into_id, source_updated_at FROM staging.customer"
    stamp = datetime(2026, 8, 1, 9, 15, 22, tzinfo=UTC)
    assert staged("salesforce", "Account", [("001A", loser)], sql) == [(True, "001B", stamp)]


def test_zendesk_ticket_reads_custom_fields_and_sla(staged: Any) -> None:
    ticket = {
        "id": 35436,
        "subject": "压力表",
        "status": "open",
        "priority": "urgent",
        "organization_id": 5,
        "via": {"channel": "voice"},
        "custom_fields": [{"id": 360002, "value": None}, {"id": 360001, "value": "pt-100"}],
        "created_at": "2026-07-30T08:02:11Z",
        "satisfaction_rating": {"score": "unoffered"},
        "slas": {
            "policy_metrics": [
                {"metric": "first_reply_time", "breach_at": "2026-07-30T09:02:11Z", "stage": "breached"},
                {"metric": "requester_wait_time", "breach_at": "2026-07-31T08:02:11Z", "stage": "active"},
            ]
        },
    }
    sql = (
        "SELECT number, channel, product_code, response_sla, resolution_sla, resolution_due_at, satisfaction, "
        "closed_at FROM staging.ticket"
    )
    due = datetime(2026, 7, 31, 8, 2, 11, tzinfo=UTC)
    assert staged("zendesk", "tickets", [("35436", ticket)], sql) == [
        ("35436", "phone", "PT-100", "missed", "active", due, None, None)
    ]


def test_jira_milestone_keeps_its_first_plan(staged: Any) -> None:
    fields = {
        "summary": "现场安装",
        "issuetype": {"name": "里程碑"},
        "status": {"name": "已完成"},
        "project": {"id": "10001"},
        "duedate": "2026-10-15",
        "resolutiondate": "2026-10-19T23:30:00.000+0800",
        "customfield_10050": "2026-09-30",
    }
    sql = "SELECT project_id, kind, status, original_planned_on, planned_on, done_on FROM staging.milestone"
    assert staged("jira", "issues", [("10417", {"id": "10417", "fields": fields})], sql) == [
        ("10001", "milestone", "done", date(2026, 9, 30), date(2026, 10, 15), date(2026, 10, 19))
    ]
