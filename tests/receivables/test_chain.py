"""The chain per contract: contract, order, shipment, invoice, cash; each number is the sum of its documents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from typer.testing import CliRunner

from model import serve
from model.policy import Viewer
from ops.instance import Instance
from run.cli import app
from tests.receivables import books

DAY = date(2026, 11, 21)
OPERATOR = Viewer.operator()
FILES = {
    "contract": "customer_id,number,name,status,amount,currency,signed_on\n"
    "C1,HT1,量具供货,in_force,300000,CNY,2026-08-01\nC1,HT2,草案,draft,900000,CNY,2026-08-01\n"
    "C1,HT3,年度服务,in_force,50000,CNY,2026-08-01\n",
    "sales_order": "customer_id,number,contract_number,order_on,document_status,currency,gross_amount\n"
    "C1,SO1,HT1,2026-09-01,approved,CNY,100000\nC1,SO2,HT1,2026-09-02,approved,CNY,80000\n"
    "C1,SO3,,2026-09-03,approved,CNY,7000\n",
    "shipment": "customer_id,number,order_number,shipped_on,currency,gross_amount\n"
    "C1,D1,SO1,2026-09-20,CNY,100000\nC1,D3,SO3,2026-09-20,CNY,7000\nC1,D9,SO2,2026-12-20,CNY,80000\n",
    "invoice": "customer_id,number,kind,order_number,contract_number,original_invoice_id,invoice_on,due_on,currency,"
    "gross_amount\n"
    "C1,A1,invoice,SO1,,,2026-10-01,2026-11-01,CNY,90000\nC1,A1R,red,SO1,,A1,2026-10-05,,CNY,-10000\n"
    "C1,A3,invoice,SO3,,,2026-10-01,2026-11-01,CNY,7000\nC1,A4,invoice,,HT3,,2026-10-01,2026-11-01,CNY,12500\n"
    "C1,OPEN,opening,,,,2026-07-01,2026-08-01,CNY,4000\nC1,P1,provisional,SO1,,,2026-09-20,,CNY,100000\n",
    "invoice_plan": "invoice_id,row_number,due_on,amount,is_retention,release_on\n"
    "A1,1,2026-11-01,81000,,\nA1,2,2027-10-01,9000,true,2027-10-01\n",
    "receipt": "customer_id,number,received_on,method,currency,amount,bill_state,bill_matures_on\n"
    "C1,R1,2026-11-01,transfer,CNY,30000,,\nC1,R2,2026-11-05,bank_bill,CNY,20000,pending,2027-05-01\n"
    "C1,R3,2026-11-20,transfer,CNY,5000,,\n",
    "allocation": "kind,receipt_id,invoice_id,plan_row_number,amount,allocated_on\n"
    "receipt,R1,A1,1,30000,2026-11-02\nreceipt,R2,A1,1,20000,2026-11-05\nwrite_off,,A1,1,1000,2026-11-06\n"
    "receipt,R3,A3,,5000,2026-11-25\n",
}


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("C360_NOW", "2026-11-21T02:00:00+00:00")
        made = books.instance(tmp_path_factory.mktemp("chain"), FILES)
        yield made
        made.store.close()


def chains(instance: Instance, day: date = DAY) -> dict[str, dict[str, Any]]:
    db = serve.open_published(instance)
    found = serve.chain(OPERATOR, db, serve.resolve(OPERATOR, db, "C1"), day)["chains"]
    return {row["contract_number"] or row["order_number"]: row for row in found}


def test_a_contract_from_order_to_cash(instance: Instance) -> None:
    found = chains(instance)
    assert set(found) == {"HT1", "HT3", "SO3"}
    row = found["HT1"]
    names = ("contract_amount", "ordered", "shipped", "invoiced", "collected", "by_bill", "written_off")
    assert [row[name] for name in names] == [300000, 180000, 100000, 80000, 50000, 20000, 1000]
    assert (row["base"], row["not_yet_ordered"], row["not_yet_invoiced"]) == ("contract", 120000, 220000)
    assert (row["not_yet_paid"], row["retention"]) == (29000, 9000)
    assert [item["number"] for item in row["documents"]["collected"]] == ["R1", "R2"]
    assert [item["number"] for item in row["documents"]["ordered"]] == ["SO1", "SO2"]


def test_orders_and_invoices_without_one(instance: Instance) -> None:
    found = chains(instance)
    order, service = found["SO3"], found["HT3"]
    assert (order["contract"], order["base"], order["not_yet_invoiced"], order["not_yet_paid"]) == (
        None, "ordered", 0, 7000)  # fmt: skip
    assert (service["ordered"], service["invoiced"], service["not_yet_invoiced"]) == (0, 12500, 37500)


def test_cash_counts_from_the_day_it_is_effective(instance: Instance) -> None:
    assert chains(instance)["SO3"]["collected"] == 0
    assert chains(instance, date(2026, 11, 25))["SO3"]["collected"] == 5000
    assert chains(instance, date(2026, 9, 30))["HT1"]["invoiced"] == 0


def test_the_command_line_says_the_same(instance: Instance) -> None:
    given = ["--home", str(instance.home), "chain", "C1", "--as-of", DAY.isoformat(), "--json"]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, result.output
    (row,) = [row for row in json.loads(result.output)["chains"] if row["contract_number"] == "HT1"]
    assert (row["not_yet_invoiced"], row["not_yet_paid"]) == ("220000.00", "29000.00")


def agree(found: dict[str, Any]) -> int:
    count = 0
    for row in found["chains"]:
        for step in ("ordered", "shipped", "invoiced", "collected"):
            listed = sum((item["amount"] for item in row["documents"][step]), Decimal(0))
            assert listed == row[step], (row["contract_number"], step)
        assert row["invoiced"] == row["collected"] + row["written_off"] + row["offset"] + row["open"]
        count += len(row["documents"]["invoiced"])
    return count


def test_every_number_is_the_sum_of_its_documents(instance: Instance) -> None:
    db = serve.open_published(instance)
    assert agree(serve.chain(OPERATOR, db, serve.resolve(OPERATOR, db, "C1"), DAY)) == 4


def test_the_demo_company_s_chains_agree_too(demo_company: Instance) -> None:
    db = serve.open_published(demo_company)
    keys = [row["customer_key"] for row in db.rows("select customer_key from core.dim_customer order by 1")]
    assert sum(agree(serve.chain(OPERATOR, db, key)) for key in keys) > 100
