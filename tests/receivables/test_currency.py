"""Three currencies by rates with source and date; due dates against terms; what was entered late."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ingest.collect import sync
from model import build, conform, serve
from model.policy import Viewer
from ops.instance import Instance
from run.cli import app
from tests.receivables import books

DAY = date(2026, 11, 21)
OPERATOR = Viewer.operator()
FILES = {
    "invoice": "customer_id,number,invoice_on,due_on,payment_terms,currency,exchange_rate,gross_amount\n"
    "C1,CNY1,2026-10-01,2026-10-31,net 30,CNY,,1000\n"
    "C1,EUR1,2026-10-01,2026-11-15,net 30,EUR,7.5,100\n"  # the ERP gives 15 days more than the terms
    "C1,EUR2,2026-10-05,,net 30,EUR,,50\n"  # no document rate: the table's of its day; due by its terms
    "C1,JPY1,2026-10-05,,票到60天,JPY,,9000\n",  # no rate at all; the terms have not started
    "exchange_rate": "from_currency,to_currency,valid_on,rate\n"
    "EUR,CNY,2026-10-01,7.6\nEUR,CNY,2026-11-01,8\nEUR,CNY,2026-12-01,9\nUSD,CNY,2026-11-01,7.2\n",
}


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    made = books.instance(tmp_path_factory.mktemp("currency"), FILES, base_currency="CNY", group_currency="USD")
    yield made
    made.store.close()


def test_three_currencies_and_the_unrealised_difference(instance: Instance) -> None:
    report = serve.currency_report(OPERATOR, serve.open_published(instance), DAY)
    rows = {row["currency"]: row for row in report["rows"]}
    eur, cny, jpy = rows["EUR"], rows["CNY"], rows["JPY"]
    assert (eur["open"], eur["rate"], eur["rate_on"], eur["rate_source"]) == (150, 8, date(2026, 11, 1), "books")
    assert (eur["company_amount"], eur["carried_amount"]) == (1200, 750 + 380)
    assert (eur["unrealised"], eur["by_table_amount"], eur["unrated_amount"]) == (70, 50, 0)
    # USD is known from the opposite direction only
    assert eur["group_amount"] == Decimal("166.67")
    assert (cny["company_amount"], cny["unrealised"], cny["group_amount"]) == (1000, 0, Decimal("138.89"))
    assert (jpy["company_amount"], jpy["unrealised"], jpy["unrated_amount"]) == (None, None, 9000)
    assert jpy["carried_amount"] is None, "no document and no table names a rate: not zero"
    assert report["missing_rates"] == {"company": ["JPY"], "group": []}
    assert report["totals"] == {
        "company_amount": 2200,
        "carried_amount": 2130,
        "unrealised": 70,
        "group_amount": Decimal("305.56"),
    }
    assert [(rate["from"], rate["to"], rate["is_inverse"]) for rate in report["rates"]] == [
        ("EUR", "CNY", False), ("CNY", "USD", True)]  # fmt: skip


def test_a_past_day_takes_the_rate_of_that_day(instance: Instance) -> None:
    report = serve.currency_report(OPERATOR, serve.open_published(instance), date(2026, 10, 31))
    (eur,) = [row for row in report["rows"] if row["currency"] == "EUR"]
    assert (eur["rate"], eur["unrealised"]) == (Decimal("7.6"), 10)
    assert report["missing_rates"]["group"] == ["CNY"]


def test_due_dates_against_the_terms(instance: Instance) -> None:
    report = serve.terms_report(OPERATOR, serve.open_published(instance), DAY)
    assert [(row["invoice_number"], row["days"], row["open_amount"]) for row in report["differs"]] == [
        ("EUR1", 15, 100)]  # fmt: skip
    assert [(row["invoice_number"], row["due_on"]) for row in report["derived"]] == [("EUR2", date(2026, 11, 4))]
    assert [row["invoice_number"] for row in report["not_started"]] == ["JPY1"]


@pytest.mark.parametrize(
    ("flags", "key"),
    [(["--company"], "unrealised"), (["--terms"], "not_started"), (["--late", "--as-of", "2026-10-31"], "documents"),
     (["--faults"], "due_differs"), (["--control"], "shown")],
)  # fmt: skip
def test_the_command_line_prints_every_report(instance: Instance, flags: list[str], key: str) -> None:
    for form in ([], ["--json"]):
        result = CliRunner().invoke(app, ["--home", str(instance.home), "aging", *flags, *form])
        assert result.exit_code == 0, result.output
    json.loads(result.output)
    assert key in result.output


def test_own_buckets_netting_and_one_customer(instance: Instance) -> None:
    given = ["aging", "--as-of", DAY.isoformat(), "--buckets", "15,45", "--net", "credits,unallocated"]
    result = CliRunner().invoke(app, ["--home", str(instance.home), *given, "--customer", "C1", "--json"])
    assert result.exit_code == 0, result.output
    answer = json.loads(result.output)
    assert answer["buckets"] == ["not_due", "1-15", "16-45", "over_45", "term_not_started", "no_due_date"]
    assert answer["net"] == ["credits", "unallocated"]
    for basis, by in (("business", "group"), ("recognition", "product_line")):
        found = CliRunner().invoke(app, ["--home", str(instance.home), "aging", "--basis", basis, "--by", by])
        assert found.exit_code == 0, found.output


def test_what_was_entered_late_explains_the_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C360_NOW", "2026-10-05T08:00:00+00:00")
    files = {
        "invoice": "customer_id,number,invoice_on,due_on,currency,gross_amount\nC1,A1,2026-09-01,2026-09-30,CNY,1000\n"
        "C1,A0,2026-09-01,2026-09-30,CNY,10\n",
        "receipt": "customer_id,number,received_on,currency,amount\nC1,R0,2026-09-02,CNY,10\n",
        "allocation": "kind,receipt_id,invoice_id,amount,allocated_on\nreceipt,R0,A0,10,2026-09-02\n",
    }
    made = books.instance(tmp_path, files)
    monkeypatch.setenv("C360_NOW", "2026-10-20T08:00:00+00:00")
    folder = tmp_path / "books"
    (folder / "receipt.csv").write_text(files["receipt"] + "C1,R1,2026-10-02,CNY,600\n", encoding="utf-8")
    (folder / "allocation.csv").write_text(files["allocation"] + "receipt,R1,A1,400,2026-10-03\n", encoding="utf-8")
    assert [result.error for result in sync(made, "books") if result.error] == []
    conform.stage(made)
    build.build(made)
    found = serve.entered_late(OPERATOR, serve.open_published(made), date(2026, 10, 5))
    (row,) = found["currencies"]
    assert row["open"] == {"then": 1000, "now": 600, "difference": -400}
    assert row["unallocated"] == {"then": 0, "now": 200, "difference": 200}
    assert [(item["entity"], item["amount"]) for item in found["documents"]] == [("receipt", 600), ("allocation", 400)]
    again = serve.entered_late(OPERATOR, serve.open_published(made), date(2026, 10, 20))
    assert again["documents"] == []
    assert again["currencies"][0]["open"]["difference"] == 0
    made.store.close()
