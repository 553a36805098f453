"""The smallest demo company: forms it has no document of are known and empty, and nothing warns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from data.demo.company import Company, generate
from data.demo.simulators import Simulators, billforms, serve
from ops import tables
from ops.instance import Instance
from run.cli import app
from tests.demo.conftest import TODAY, kingdee, kingdee_all

SEED = 3  # a company of ten without a return and without a refund


@pytest.fixture(scope="module")
def small() -> Iterator[Simulators]:
    with serve(generate(10, seed=SEED, today=TODAY)) as running:
        yield running


def test_a_form_without_documents_is_known_and_empty(small: Simulators, http: httpx.Client) -> None:
    for form, field in (("SAL_RETURNSTOCK", "FReturnReason"), ("AR_REFUNDBILL", "FREFUNDTOTALAMOUNTFOR")):
        assert form not in small.company.kingdee
        query = {"FormId": form, "FieldKeys": f"FID,{field}", "FilterString": "FID > 0", "OrderString": "FID ASC"}
        assert kingdee(small, http, "ExecuteBillQuery", **query) == []
        told = kingdee(small, http, "QueryBusinessInfo", FormId=form)["Result"]["NeedReturnData"]
        assert field in {f["Key"] for entry in told["Entrys"] for f in entry["Fields"]}


def test_the_catalogue_of_possibly_empty_forms_is_what_documents_have(company: Company) -> None:
    headers, entries = billforms.catalogue({})
    for form, fields in headers.items():
        row = company.kingdee[form][0]
        assert set(fields) == {key for key, value in row.items() if not isinstance(value, list)}, form
        assert {entry: set(names) for entry, names in entries[form].items()} == {
            entry: set(lines[0]) for entry, lines in row.items() if isinstance(lines, list)
        }
    declared = billforms.catalogue({"AR_RECEIVEBILL": [{"FID": 1}]})[1]["AR_RECEIVEBILL"]["FRECEIVEBILLSRCENTRY"]
    lines = [line for row in company.kingdee["AR_RECEIVEBILL"] for line in row["FRECEIVEBILLSRCENTRY"]]
    assert set(declared) == set(lines[0])


def test_every_tax_invoice_belongs_to_the_bill_that_carries_its_number(demo: Simulators, http: httpx.Client) -> None:
    keys = "FID,FBillNo,F_PAEZ_InvoiceNo,FALLAMOUNTFOR"
    bills = {row["FBillNo"]: row for row in kingdee_all(demo, http, "AR_receivable", keys) if row["F_PAEZ_InvoiceNo"]}
    invoices = kingdee_all(demo, http, "IV_SALESIC", "FID,FINVOICENO,F_PAEZ_ArBillNo,FALLAMOUNTFOR,FCUSTOMERID.FNumber")
    assert len(invoices) == len(bills) > 500
    assert {row["F_PAEZ_ArBillNo"]: row["FINVOICENO"] for row in invoices} == {
        number: row["F_PAEZ_InvoiceNo"] for number, row in bills.items()
    }
    assert all(row["FCUSTOMERID.FNumber"] for row in invoices)


def test_a_receipt_names_the_bills_it_was_made_for(demo: Simulators, http: httpx.Client) -> None:
    keys = "FID,FRECTOTALAMOUNTFOR,FRECEIVEBILLSRCENTRY_FEntryID,FSRCBILLTYPEID.FNumber,FSRCBILLID,FREALRECAMOUNTFOR_S"
    rows = kingdee_all(demo, http, "AR_RECEIVEBILL", keys)
    named = [row for row in rows if row["FRECEIVEBILLSRCENTRY_FEntryID"]]
    without = [row for row in rows if not row["FRECEIVEBILLSRCENTRY_FEntryID"]]
    assert without  # one row each, its line fields empty
    assert {row["FSRCBILLID"] for row in without} == {None}
    assert {row["FID"] for row in rows} == {row["FID"] for row in demo.company.kingdee["AR_RECEIVEBILL"]}
    assert {row["FSRCBILLTYPEID.FNumber"] for row in named} == {"AR_receivable"}
    matches = kingdee_all(demo, http, "AR_Match", "FID,FARBILLID,FRECBILLID,FMATCHTYPE")
    pairs = {(row["FRECBILLID"], row["FARBILLID"]) for row in matches if row["FMATCHTYPE"] == "1"}
    assert {(row["FID"], row["FSRCBILLID"]) for row in named} <= pairs


def test_ten_customers_are_collected_built_and_published_without_a_warning(tmp_path: Path) -> None:
    arguments = ["--home", str(tmp_path / "i"), "demo", "--customers", "10", "--seed", str(SEED), "--no-serve"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "Collected, built and published" in done.output
    instance = Instance.load(tmp_path / "i")
    try:
        with instance.store.begin() as connection:
            runs = connection.execute(select(tables.runs)).mappings().all()
    finally:
        instance.store.close()
    erp = {run["stream"]: run for run in runs if run["source"] == "erp"}
    assert {run["state"] for run in runs} == {"done"}
    assert {run["warnings"] for run in runs} <= {None, "", "[]"}
    assert erp["IV_SALESIC"]["rows_landed"]
    assert erp["AR_RECEIVEBILL.FRECEIVEBILLSRCENTRY"]["rows_landed"]
    assert erp["SAL_RETURNSTOCK"]["rows_landed"] == 0
    assert CliRunner().invoke(app, ["--home", str(tmp_path / "i"), "customer", "C-01187", "--json"]).exit_code == 0


def test_fewer_than_ten_are_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["--home", str(tmp_path / "i"), "demo", "--customers", "9", "--no-serve"])
    assert done.exit_code == 2
    assert not (tmp_path / "i").exists()
