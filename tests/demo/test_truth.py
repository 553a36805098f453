"""The expected totals, recomputed from what the ERP simulator answers instead of the generator's ledger."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

import httpx
import pytest

from data.demo.company import Company
from data.demo.simulators import Simulators
from tests.demo.conftest import TODAY, kingdee_all

CURRENCY = {"PRE001": "CNY", "PRE007": "USD", "PRE004": "EUR"}
BILL = "FID,FDocumentStatus,FCancelStatus,FSetAccountType,FCURRENCYID.FNumber,FALLAMOUNTFOR"
PLAN = BILL + ",FEntityPlan_FSeq,FENDDATE,FPAYAMOUNTFOR,F_PAEZ_Retention"


def amount(value: Any) -> Decimal:
    return Decimal(str(value)).quantize(Decimal("0.01"))


def number(value: Any) -> bool:
    return isinstance(value, int | float)


@pytest.fixture(scope="module")
def matches(demo: Simulators, http: httpx.Client) -> list[dict[str, Any]]:
    keys = "FID,FMATCHTYPE,FARBILLID,FPLANSEQ,FRECBILLID,FREFUNDBILLID,FAMOUNTFOR,FREVERSEDATE,FDATE"
    return [
        m
        for m in kingdee_all(demo, http, "AR_Match", keys)
        if m["FREVERSEDATE"] is None or m["FREVERSEDATE"][:10] > TODAY.isoformat()
    ]


def live(row: dict[str, Any]) -> bool:
    return row["FDocumentStatus"] == "C" and row["FCancelStatus"] == "A"


def test_open_receivables_follow_from_the_vendor_rows(
    company: Company, demo: Simulators, http: httpx.Client, matches: list[dict[str, Any]]
) -> None:
    used: dict[tuple[int, int], Decimal] = defaultdict(Decimal)
    for match in matches:
        if match["FARBILLID"]:
            used[match["FARBILLID"], match["FPLANSEQ"]] += amount(match["FAMOUNTFOR"])
    opened: dict[str, Decimal] = defaultdict(Decimal)
    no_due: dict[str, Decimal] = defaultdict(Decimal)
    overdue: dict[str, Decimal] = defaultdict(Decimal)
    for row in kingdee_all(demo, http, "AR_receivable", PLAN):
        if (
            not live(row)
            or row["FSetAccountType"] == "2"
            or not number(row["FPAYAMOUNTFOR"])
            or row["FPAYAMOUNTFOR"] < 0
        ):
            continue
        left = amount(row["FPAYAMOUNTFOR"]) - used[row["FID"], row["FEntityPlan_FSeq"]]
        assert left >= 0
        code = CURRENCY[row["FCURRENCYID.FNumber"]]
        opened[code] += left
        if row["FENDDATE"] is None:
            no_due[code] += left
        elif row["FENDDATE"][:10] < TODAY.isoformat():
            overdue[code] += left
    truth = company.truth
    assert {k: str(v) for k, v in opened.items() if v} == truth["open_ar"]
    assert {k: str(v) for k, v in overdue.items() if v} == truth["overdue"]
    assert str(no_due["CNY"]) == truth["aging"]["CNY"]["no_due_date"]


def test_unallocated_receipts_follow_from_the_vendor_rows(
    company: Company, demo: Simulators, http: httpx.Client, matches: list[dict[str, Any]]
) -> None:
    used: dict[int, Decimal] = defaultdict(Decimal)
    for match in matches:
        if match["FMATCHTYPE"] in {"1", "8"}:
            used[match["FRECBILLID"]] += amount(match["FAMOUNTFOR"])
    left: dict[str, Decimal] = defaultdict(Decimal)
    keys = "FID,FDocumentStatus,FCancelStatus,FCURRENCYID.FNumber,FREALRECAMOUNTFOR,FREALRECAMOUNTFOR_D,FCONTACTUNIT"
    for row in kingdee_all(demo, http, "AR_RECEIVEBILL", keys):
        assert row["FREALRECAMOUNTFOR"] == row["FREALRECAMOUNTFOR_D"]
        if live(row):
            rest = amount(row["FREALRECAMOUNTFOR"]) - used[row["FID"]]
            assert rest >= 0, row
            left[CURRENCY[row["FCURRENCYID.FNumber"]]] += rest
    assert {k: str(v) for k, v in left.items() if v} == company.truth["unallocated_receipts"]


def test_aging_adds_up(company: Company) -> None:
    truth = company.truth
    for code, places in truth["aging"].items():
        assert sum(map(Decimal, places.values())) == Decimal(truth["open_ar"][code])
        late = sum(Decimal(v) for k, v in places.items() if k not in {"not_due", "no_due_date"})
        assert late == Decimal(truth["overdue"].get(code, "0"))
    per_customer: dict[str, Decimal] = defaultdict(Decimal)
    for values in truth["open_ar_by_customer"].values():
        for code, value in values.items():
            per_customer[code] += Decimal(value)
    assert {k: str(v) for k, v in per_customer.items() if v} == truth["open_ar"]


def test_plan_rows_add_up_to_their_bill(demo: Simulators, http: httpx.Client) -> None:
    plan: dict[int, Decimal] = defaultdict(Decimal)
    gross: dict[int, Decimal] = {}
    for row in kingdee_all(demo, http, "AR_receivable", PLAN):
        if number(row["FPAYAMOUNTFOR"]):
            plan[row["FID"]] += amount(row["FPAYAMOUNTFOR"])
            gross[row["FID"]] = amount(row["FALLAMOUNTFOR"])
    assert plan == gross


def test_the_anchor_fills_the_customer_screen(company: Company) -> None:
    truth = company.truth
    anchor = next(c for c in truth["clusters"] if c["name"] == "北辰精密仪器（苏州）有限公司")
    assert anchor["records"]["kingdee"] == ["C-01187", "C-02214"]
    assert anchor["records"]["zendesk"] == ["58812"]
    assert "BCSZ" in anchor["records"]["jira"]
    assert len([c for c in truth["clusters"] if c["group"] == "北辰控股"]) == 4
    assert truth["open_ar_by_customer"][anchor["truth_id"]] == {"CNY": "984200.00"}
    tickets = [t for t in company.zendesk["tickets"] if t["organization_id"] == 58812]
    assert len(tickets) == 37
    assert {t["id"] for t in tickets if t["status"] not in {"solved", "closed"}} == {
        48213,
        48102,
        48240,
        47988,
        47951,
    }


def test_unparsable_records_are_few_and_listed(company: Company) -> None:
    listed = company.truth["unparsable"]
    assert {item["system"] for item in listed} == {"salesforce", "kingdee", "zendesk", "jira"}
    rows = sum(count for tables in company.truth["records"].values() for count in tables.values())
    assert len(listed) / rows < 0.003
