"""Trust cases 3 (its ledger), 4 and 5 through the template source: exactly the credit controller's figures."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ingest.collect import sync
from model import build, serve
from model.policy import Viewer
from ops.instance import Instance, InstanceConfig, SourceConfig

Files = dict[str, str]
Make = Callable[[Files], Instance]
CUSTOMER = "code,name\nC1,示例仪器有限公司\n"


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """An instance over a folder of templates."""

    def _make(files: Files) -> Instance:
        folder = tmp_path / "books"
        folder.mkdir(exist_ok=True)
        for name, text in {"customer": CUSTOMER, **files}.items():
            (folder / f"{name}.csv").write_text(text, encoding="utf-8")
        source = SourceConfig(name="books", connector="template", role="erp", settings={"folder": str(folder)})
        instance = Instance.create(tmp_path / "i", InstanceConfig(source=[source]))
        assert [result.error for result in sync(instance, "books") if result.error] == []
        staged = build.build(instance).staged
        assert staged is not None
        assert staged.counts.rejected == 0
        return instance

    return _make


def total(instance: Instance, day: date, **options: Any) -> dict[str, Any]:
    (row,) = serve.aging(Viewer.operator(), serve.open_published(instance), as_of=day, **options)["totals"]
    return dict(row)


def items(instance: Instance, day: date) -> list[dict[str, Any]]:
    card = serve.customer(Viewer.operator(), serve.open_published(instance), "C1", as_of=day)
    return list(card["receivables"]["items"])


PROMISED: Files = {
    "invoice": "customer_id,number,invoice_on,due_on,currency,gross_amount\nC1,A1,2026-09-20,2026-10-20,CNY,100000\n",
    "receipt": "customer_id,number,received_on,method,currency,amount,bill_state,bill_matures_on,bill_state_on\n"
    "C1,R1,2026-11-17,transfer,CNY,40000,,,\n"
    "C1,R2,2026-11-27,bank_bill,CNY,40000,dishonoured,2027-05-27,2027-05-28\n",
    "credit_note": "customer_id,number,kind,credit_on,currency,gross_amount\nC1,N1,credit,2026-11-20,CNY,20000\n",
    "allocation": "kind,receipt_id,credit_note_id,invoice_id,amount,allocated_on\n"
    "receipt,R1,,A1,40000,2026-11-19\ncredit_note,,N1,A1,20000,2026-11-20\nreceipt,R2,,A1,40000,2026-11-27\n",
}


def test_trust_case_3_ledger(make: Make) -> None:
    instance = make(PROMISED)
    expected = {
        date(2026, 11, 18): (100000, 40000),
        date(2026, 11, 19): (60000, 0),
        date(2026, 11, 20): (40000, 0),
        date(2026, 11, 27): (0, 0),
        date(2027, 5, 28): (40000, 0),
    }
    for day, wanted in expected.items():
        totals = serve.aging(Viewer.operator(), serve.open_published(instance), as_of=day)["totals"]
        found = (totals[0]["open"], totals[0]["unallocated"]) if totals else (0, 0)
        assert found == wanted, day
    (item,) = items(instance, date(2027, 5, 28))
    assert (item["due_on"], item["days_past_due"], item["open_amount"]) == (date(2026, 10, 20), 220, 40000)


PROVISIONAL: Files = {
    "invoice": "customer_id,number,kind,order_number,original_invoice_id,invoice_on,due_on,payment_terms,currency,"
    "gross_amount\n"
    "C1,P1,provisional,SO1,,2026-09-28,,,CNY,113000\n"
    "C1,A1,invoice,SO1,,2026-10-15,,net 30,CNY,67800\n"
    "C1,A2,red,SO1,A1,2026-11-05,,,CNY,-67800\n"
    "C1,A3,invoice,SO1,A2,2026-11-06,,net 30,CNY,67800\n",
}


def test_trust_case_4(make: Make) -> None:
    instance = make(PROVISIONAL)
    october = total(instance, date(2026, 10, 31))
    assert (october["open"], october["provisional"]) == (67800, 45200)
    november = total(instance, date(2026, 11, 21))
    assert (november["open"], november["buckets"]["not_due"], november["provisional"]) == (67800, 67800, 45200)
    assert (november["credits"], november["unallocated"]) == (0, 0)
    (item,) = [row for row in items(instance, date(2026, 11, 21)) if row["kind"] != "provisional"]
    assert (item["due_on"], item["original_due_on"]) == (date(2026, 12, 6), date(2026, 11, 14))
    assert item["is_due_derived"]
    assert (date(2026, 11, 21) - item["original_due_on"]).days == 7
    assert (date(2026, 11, 21) - item["recognised_on"]).days == 37
    by_age = total(instance, date(2026, 11, 21), basis="recognition")
    assert by_age["buckets"]["within_1y"] == 67800
    sales = serve.open_published(instance).rows(
        "select sum(sales_amount) as sales, sum(received_amount) as received from marts.mart_sales_month"
        " where month_on between date '2026-10-01' and date '2026-11-01'"
    )[0]
    assert (sales["sales"], sales["received"]) == (67800, 0)


TERMS = [
    ("月结30天，25日截止", "2026-01-26", "", date(2026, 3, 27)),
    ("月结30天", "2026-01-31", "", date(2026, 3, 2)),
    ("次月结60天", "2026-01-15", "", date(2026, 4, 29)),
    ("票到60天", "2026-01-15", "2026-01-22", date(2026, 3, 23)),
    ("Net 30", "2026-01-15", "", date(2026, 2, 14)),
    ("NET_30", "2026-01-15", "", date(2026, 2, 14)),
    ("30 days EOM", "2026-01-15", "", date(2026, 3, 2)),
    ("货到付款", "2026-01-15", "", date(2026, 1, 15)),
]


@pytest.mark.parametrize(("terms", "invoiced", "received", "due"), TERMS)
def test_trust_case_5(make: Make, terms: str, invoiced: str, received: str, due: date) -> None:
    instance = make(
        {
            "invoice": "customer_id,number,invoice_on,payment_terms,received_on,currency,gross_amount\n"
            f"C1,A1,{invoiced},{terms},{received},CNY,100\n"
        }
    )
    (item,) = items(instance, date(2026, 6, 30))
    assert (item["due_on"], item["is_due_derived"]) == (due, True)


def test_terms_from_receipt_of_the_invoice_wait_for_it(make: Make) -> None:
    files = {
        "invoice": "customer_id,number,invoice_on,payment_terms,currency,gross_amount\n"
        "C1,A1,2026-01-15,票到60天,CNY,100\nC1,A2,2026-01-15,验收后付款,CNY,50\nC1,A3,2026-01-15,,CNY,7\n"
    }
    instance = make(files)
    found = total(instance, date(2026, 6, 30))["buckets"]
    assert (found["term_not_started"], found["no_due_date"]) == (150, 7)
    serve.record_invoice_received(
        Viewer(user="chen.li", name="陈立", role="finance"),
        serve.open_published(instance),
        "books:A1",
        date(2026, 1, 22),
    )
    found = total(instance, date(2026, 6, 30))["buckets"]
    assert (found["term_not_started"], found["91-180"]) == (50, 100)
    (item,) = [row for row in items(instance, date(2026, 6, 30)) if row["invoice_number"] == "A1"]
    assert item["due_on"] == date(2026, 3, 23)


def test_own_buckets_and_netting_are_printed(make: Make) -> None:
    instance = make({name: text for name, text in PROMISED.items() if name != "allocation"} | {
        "allocation": "kind,receipt_id,invoice_id,amount,allocated_on\nreceipt,R1,A1,10000,2026-11-19\n"})  # fmt: skip
    found = total(instance, date(2026, 11, 21), edges=[15, 31, 60])
    assert found["buckets"]["32-60"] == Decimal(90000)
    netted = total(instance, date(2026, 11, 21), net=["unallocated", "credits"])
    assert (netted["open"], netted["netted"], netted["unallocated"], netted["credits"]) == (40000, 50000, 0, 0)


def test_without_recorded_allocations_the_oldest_is_taken_as_paid_and_labelled(make: Make) -> None:
    files = {
        "invoice": "customer_id,number,invoice_on,due_on,currency,gross_amount\n"
        "C1,A1,2026-01-10,2026-02-10,CNY,100\nC1,A2,2026-02-10,2026-03-10,CNY,200\n"
        "C1,A3,2026-03-10,2026-04-10,CNY,300\n",
        "receipt": "customer_id,number,received_on,currency,amount\nC1,R1,2026-02-15,CNY,150\n"
        "C1,R2,2026-03-20,CNY,500\n",
    }
    instance = make(files)
    early = total(instance, date(2026, 2, 20))
    assert (early["open"], early["unallocated"], early["estimated"]) == (150, 0, 150)
    later = total(instance, date(2026, 3, 31))
    assert (later["open"], later["unallocated"]) == (0, 50)
