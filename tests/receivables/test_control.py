"""Shown + quarantined + excluded by class equals the ERP's own control balance, per currency and day."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ingest.collect import sync
from model import build, conform, serve
from model.policy import Viewer
from ops.instance import Instance, InstanceConfig, SourceConfig
from run.cli import app

FILES = {
    "customer": "code,name\nC1,示例仪器有限公司\nC2,示例测控有限公司\n",
    "invoice": "customer_id,number,kind,document_status,invoice_on,due_on,currency,gross_amount\n"
    "C1,A1,,,2026-09-01,2026-10-01,CNY,1000\n"
    "C2,A2,,,2026-09-10,2026-10-10,CNY,500\n"
    "C1,A3,,,2026-09-12,2026-10-12,EUR,80\n"
    "C1,DRAFT,,draft,2026-09-15,,CNY,70\n"
    "C1,GOODS,provisional,,2026-09-20,,CNY,300\n"
    "C1,LATER,,,2026-11-05,,CNY,40\n"
    "C1,BROKEN,,,the first of September,,CNY,60\n",
    "receipt": "customer_id,number,received_on,currency,amount\nC1,R1,2026-10-05,CNY,400\n,R2,2026-10-06,CNY,25\n",
    "credit_note": "customer_id,number,credit_on,currency,gross_amount\nC2,N1,2026-10-07,CNY,30\n",
    "allocation": "kind,receipt_id,invoice_id,amount,allocated_on\nreceipt,R1,A1,350,2026-10-06\n"
    "write_off,,A2,10,2026-10-20\n",
}
# 1000 + 500 − 400 − 25 − 30 − 10, and the 60 that the books know and this product refused
BALANCE = Decimal(1035 + 60)
CONTROL = "account,currency,balance_on,amount,includes\n"


def _made(root: Path, control: str) -> Instance:
    folder = root / "books"
    folder.mkdir(parents=True)
    for name, text in {**FILES, "control_balance": CONTROL + control}.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    source = SourceConfig(name="books", connector="template", role="erp", settings={"folder": str(folder)})
    made = Instance.create(root / "i", InstanceConfig(source=[source]))
    assert [result.error for result in sync(made, "books") if result.error] == []
    assert conform.stage(made).counts.rejected == 1
    build.build(made)
    return made


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    made = _made(
        tmp_path_factory.mktemp("control"),
        f"1122,CNY,2026-10-31,{BALANCE},\n"
        "1122,EUR,2026-10-31,80,\n"
        "1122,CNY,2026-09-30,1560,\n"
        "1122,CNY,2026-10-30,1000,provisional not_approved\n"
        "1123,CNY,2026-10-30,465,\n",
    )
    yield made
    made.store.close()


@pytest.fixture
def rows(instance: Instance) -> dict[tuple[str, str], dict[str, Any]]:
    found = serve.control_balances(Viewer.operator(), serve.open_published(instance), date(2026, 11, 21))
    return {(str(row["balance_on"]), row["currency"]): row for row in found}


def test_shown_and_quarantined_are_the_erp_s_balance(rows: dict[tuple[str, str], dict[str, Any]]) -> None:
    row = rows["2026-10-31", "CNY"]
    assert (row["open_amount"], row["unallocated_amount"], row["credits_amount"]) == (1140, 75, 30)
    assert (row["shown_amount"], row["quarantined_amount"], row["quarantined"]) == (1035, 60, 1)
    assert (row["difference"], row["agrees"], row["unreadable"]) == (0, True, 0)
    assert row["excluded"] == {"not_approved": 70, "void": 0, "deleted": 0, "later": 40, "provisional": 300}
    euro = rows["2026-10-31", "EUR"]
    assert (euro["shown_amount"], euro["quarantined"], euro["agrees"]) == (80, 0, True)


def test_a_balance_of_another_day_and_what_it_counts_beside(rows: dict[tuple[str, str], dict[str, Any]]) -> None:
    assert rows["2026-09-30", "CNY"]["agrees"], "nothing was paid yet"
    both = rows["2026-10-30", "CNY"]
    assert (both["erp_amount"], both["includes"]) == (1465, ["provisional", "not_approved"])
    assert both["agrees"], "1035 + 60 + 300 + 70 − 0: accounts of one day are added up"


def test_a_balance_that_differs_is_said_and_the_command_fails(tmp_path: Path) -> None:
    made = _made(tmp_path, "1122,CNY,2026-10-31,1094.99,\n")
    result = CliRunner().invoke(app, ["--home", str(made.home), "control", "--as-of", "2026-11-21", "--json"])
    (row,) = json.loads(result.output)
    assert (result.exit_code, row["difference"], row["agrees"]) == (1, "-0.01", False)

    (tmp_path / "books" / "control_balance.csv").write_text(
        f"{CONTROL}1122,CNY,2026-10-31,{BALANCE},\n", encoding="utf-8"
    )
    assert [one.error for one in sync(made, "books") if one.error] == []
    conform.stage(made)
    build.build(made)
    (row,) = serve.control_balances(Viewer.operator(), serve.open_published(made), date(2026, 11, 21))
    assert row["agrees"], "a corrected balance arrives with the next increment"
    made.store.close()


def test_who_does_not_see_all_rows_gets_none(instance: Instance) -> None:
    some = Viewer(user="x", name="x", role="account_manager", scope="own", employee_key="E1")
    assert serve.control_balances(some, serve.open_published(instance), date(2026, 11, 21)) == []
