"""Every class of difference from books that hold exactly one of it, and what is no difference."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest

from model import serve
from ops.instance import Instance
from tests.receivables import books
from tests.reconcile.conftest import (
    CONTRACT,
    CREDIT,
    FINANCE,
    INVOICE,
    ORDER,
    SHIPMENT,
    TODAY,
    Files,
    Make,
    found,
    told,
)  # fmt: skip

# a contract and an order that agree, so that both sides have a history
AGREED: Files = {
    "contract": CONTRACT + "C1,HT-0,sales,500,CNY,2026-01-05,2026-01-05,2026-03-31\n",
    "sales_order": ORDER + "C1,SO-0,HT-0,2026-01-08,2026-01-20,CNY,500\n",
}


def with_rows(more: Files) -> Files:
    return {name: AGREED.get(name, "") + more.get(name, "") for name in {*AGREED, *more}}


def test_two_sides_that_agree_are_no_difference(make: Make) -> None:
    instance = make(AGREED)
    assert told(instance, "contract_order") == []
    (summary,) = serve.reconciliation(FINANCE, serve.open_published(instance), rule="contract_order")["rules"]
    assert (summary["is_answerable"], summary["before_history"], summary["open"]) == (True, 0, 0)


CASES = {
    "missing on the right": (
        {"contract": "C1,HT-1,sales,1000,CNY,2026-04-01,2026-04-01,2026-06-30\n"},
        ("HT-1", "missing", Decimal(1000), None, Decimal(1000)),
    ),
    "missing on the left": (
        {"sales_order": "C1,SO-2,HT-9,2026-04-01,,CNY,1000\n"},
        ("SO-2", "missing", None, Decimal(1000), Decimal(-1000)),
    ),
    "amount": (
        {"contract": "C1,HT-3,sales,1000,CNY,2026-04-01,2026-04-01,2026-06-30\n",
         "sales_order": "C1,SO-3,HT-3,2026-04-02,,CNY,900\n"},
        ("HT-3", "amount", Decimal(1000), Decimal(900), Decimal(100)),
    ),
    "currency": (
        {"contract": "C1,HT-4,sales,1000,USD,2026-04-01,2026-04-01,2026-06-30\n",
         "sales_order": "C1,SO-4,HT-4,2026-04-02,,CNY,7000\n"},
        ("HT-4", "currency", Decimal(1000), Decimal(7000), None),
    ),
    "duplicate": (
        {"contract": "C1,HT-5,sales,1000,CNY,2026-04-01,2026-04-01,2026-06-30\n",
         "sales_order": "C1,SO-5,HT-5,2026-04-02,,CNY,1000\nC1,SO-5b,HT-5,2026-04-02,,CNY,1000\n"},
        ("HT-5", "duplicate", Decimal(1000), Decimal(2000), Decimal(-1000)),
    ),
    "a matter of time": (
        {"contract": "C1,HT-6,sales,1000,CNY,2026-11-15,2026-11-15,2027-06-30\n"},
        ("HT-6", "timing", Decimal(1000), None, Decimal(1000)),
    ),
    "within tolerance": (
        {"contract": "C1,HT-7,sales,1000,CNY,2026-04-01,2026-04-01,2026-06-30\n",
         "sales_order": "C1,SO-7,HT-7,2026-04-02,,CNY,990.01\n"},
        None,
    ),
    "part of it later": (
        {"contract": "C1,HT-8,sales,1000,CNY,2026-04-01,2026-04-01,2026-09-30\n",
         "sales_order": "C1,SO-8,HT-8,2026-04-02,,CNY,600\nC1,SO-8b,HT-8,2026-11-05,,CNY,400\n"},
        None,
    ),
    "settled late": (
        {"contract": "C1,HT-10,sales,1000,CNY,2026-02-01,2026-02-01,2026-03-01\n",
         "sales_order": "C1,SO-10,HT-10,2026-06-01,,CNY,1000\n"},
        None,
    ),
    "starts after it was signed": (
        {"contract": "C1,HT-11,sales,1000,CNY,2026-04-01,2026-04-10,2026-06-30\n"},
        ("HT-11", "missing", Decimal(1000), None, Decimal(1000)),
    ),
    "before the other system": (
        {"contract": "C1,HT-12,sales,9,CNY,2024-04-01,2024-04-01,2024-06-30\n"},
        None,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """The rows of every case, each of documents of its own, in one set of books."""
    rows = {name: "".join(more.get(name, "") for more, _ in CASES.values()) for name in ("contract", "sales_order")}
    made = books.instance(tmp_path_factory.mktemp("classes"), with_rows(rows))
    yield made
    made.store.close()


def classes(instance: Instance, number: str, *days: str) -> dict[str, list[str]]:
    """Day → classes of the items of a number."""
    return {day: [row[1] for row in told(instance, "contract_order", date.fromisoformat(day)) if row[0] == number]
            for day in days}  # fmt: skip


def test_each_class_and_nothing_else(together: Instance) -> None:
    wanted = {case: expected for case, (_, expected) in CASES.items() if expected is not None}
    assert told(together, "contract_order") == sorted(wanted.values())
    states = {item["number"]: item["state"] for item in found(together, "contract_order")}
    assert states == {row[0]: "waiting" if row[1] == "timing" else "open" for row in wanted.values()}


def test_timing_becomes_missing_when_its_days_are_over(together: Instance) -> None:
    assert classes(together, "HT-11", "2026-03-31", "2026-04-01", "2026-05-10", "2026-05-11") == {
        "2026-03-31": [], "2026-04-01": ["timing"], "2026-05-10": ["timing"], "2026-05-11": ["missing"],
    }  # fmt: skip
    (item,) = (row for row in found(together, "contract_order", date(2026, 5, 20)) if row["number"] == "HT-11")
    assert (item["due_on"], item["days"], item["period_on"]) == (date(2026, 5, 10), 10, date(2026, 4, 1))


def test_part_of_it_is_a_matter_of_time_until_the_contract_ends(together: Instance) -> None:
    days = ("2026-09-30", "2026-10-30", "2026-10-31", "2026-11-04", "2026-11-05")
    assert classes(together, "HT-8", *days) == {
        "2026-09-30": ["timing"], "2026-10-30": ["timing"], "2026-10-31": ["amount"], "2026-11-04": ["amount"],
        "2026-11-05": [],
    }  # fmt: skip


def test_a_past_day_is_asked_of_the_documents_of_then(together: Instance) -> None:
    """What was settled later was open on the day; what came later is not seen."""
    assert classes(together, "HT-10", "2026-05-31", "2026-11-22") == {"2026-05-31": ["missing"], "2026-11-22": []}


def test_what_began_before_the_other_system_is_counted_apart(together: Instance) -> None:
    (summary,) = serve.reconciliation(FINANCE, serve.open_published(together), rule="contract_order")["rules"]
    assert (summary["before_history"], classes(together, "HT-12", "2026-11-22")) == (1, {"2026-11-22": []})


def test_a_rate_tells_what_two_currencies_differ_by(make: Make) -> None:
    more = {
        "contract": "C1,HT-1,sales,1000,USD,2026-04-01,2026-04-01,2026-06-30\n",
        "sales_order": "C1,SO-1,HT-1,2026-04-02,,CNY,7000\n",
        "exchange_rate": "from_currency,to_currency,valid_on,rate\nCNY,USD,2026-01-01,0.14\n",
    }
    instance = make(with_rows(more))
    assert told(instance, "contract_order") == [("HT-1", "currency", Decimal(1000), Decimal(7000), Decimal(20))]
    (item,) = found(instance, "contract_order")
    assert (item["currency"], item["right_currency"]) == ("USD", "CNY")


def test_a_side_without_any_document_leaves_the_rule_unanswered(make: Make) -> None:
    instance = make({"contract": AGREED["contract"]})
    (summary,) = serve.reconciliation(FINANCE, serve.open_published(instance), rule="contract_order")["rules"]
    assert (summary["is_answerable"], summary["lacks"]) == (False, ["contract_ordered"])
    assert told(instance, "contract_order") == []


def test_one_contract_under_two_customers_is_compared_as_one(make: Make) -> None:
    """Whose customer it is, is a question of identity, not of money."""
    more = {"customer": "code,name\nC1,示例仪器有限公司\nC2,另一家设备有限公司\n",
            "contract": "C1,HT-1,sales,1000,CNY,2026-04-01,2026-04-01,2026-06-30\n",
            "sales_order": "C2,SO-1,HT-1,2026-04-02,,CNY,900\n"}  # fmt: skip
    (item,) = found(make(with_rows(more)), "contract_order")
    assert (item["class"], item["difference"], len(item["other_customers"])) == ("amount", 100, 1)


def test_a_service_contract_needs_an_invoice_and_no_order(make: Make) -> None:
    files = with_rows({"contract": "C1,HT-1,service,1200,CNY,2026-04-01,2026-04-01,2027-03-31\n"}) | {
        "invoice": INVOICE + "C1,A0,invoice,SO-0,,2026-02-01,2026-03-01,CNY,500\n"}  # fmt: skip
    instance = make(files)
    assert told(instance, "contract_order") == []
    assert told(instance, "contract_invoice") == [("HT-1", "missing", Decimal(1200), None, Decimal(1200))]


def test_a_frame_contract_is_only_a_ceiling(make: Make) -> None:
    contract = CONTRACT + "C1,HT-1,frame,1000,CNY,2026-01-01,2026-01-01,2027-12-31\n"
    invoice = INVOICE + "C1,A1,invoice,,HT-1,2026-02-01,2026-03-01,CNY,600\n"
    over = invoice + "C1,A2,invoice,,HT-1,2026-04-01,2026-05-01,CNY,600\n"
    instance = make({"contract": contract, "invoice": over})
    assert told(instance, "frame_invoice", date(2026, 3, 1)) == []
    assert told(instance, "frame_invoice") == [("HT-1", "amount", Decimal(1000), Decimal(1200), Decimal(-200))]
    assert told(instance, "contract_invoice") == []


def test_money_that_waits_and_invoices_nobody_settled(make: Make) -> None:
    instance = make({
        "invoice": INVOICE + "C1,A1,invoice,,,2025-01-10,2025-02-10,CNY,700\n"
        "C1,A2,invoice,,,2026-09-01,2026-10-01,CNY,50\n",
        "receipt": "customer_id,number,received_on,currency,amount,purpose\nC1,R1,2025-03-01,CNY,300,sale\n"
        "C1,R2,2025-03-01,CNY,80,prepayment\n",
        "allocation": "kind,receipt_id,invoice_id,amount,allocated_on\nreceipt,R1,A1,200,2025-03-02\n",
    })  # fmt: skip
    assert told(instance, "receipt_applied") == [("R1", "amount", Decimal(300), Decimal(200), Decimal(100))]
    assert told(instance, "invoice_receipt") == [
        ("A1", "amount", Decimal(700), Decimal(200), Decimal(500)), ("A2", "timing", Decimal(50), None, Decimal(50)),
    ]  # fmt: skip


def test_returns_on_one_side_only(make: Make) -> None:
    files = {
        "customer": "code,name\nC1,示例仪器有限公司\nC2,另一家设备有限公司\nC3,第三家阀门有限公司\n",
        "sales_order": ORDER + "".join(f"C{n},SO-{n},,2026-01-08,,CNY,500\n" for n in (1, 2, 3)),
        "shipment": SHIPMENT + "".join(f"C{n},D{n},SO-{n},2026-01-10,CNY,500,false\n" for n in (1, 2, 3))
        + "C1,RT1,SO-1,2026-02-10,CNY,100,true\nC3,RT3,SO-3,2026-02-10,CNY,40,true\n",
        "invoice": INVOICE + "".join(f"C{n},A{n},invoice,SO-{n},,2026-01-12,2026-02-12,CNY,500\n" for n in (1, 2, 3)),
        "credit_note": CREDIT + "C2,N2,return,2026-02-12,CNY,70\nC3,N3,return,2026-02-12,CNY,40\n",
    }  # fmt: skip
    instance = make(files)
    assert told(instance, "return_credit") == [
        ("N2", "missing", None, Decimal(70), Decimal(-70)), ("RT1", "missing", Decimal(100), None, Decimal(100)),
    ]  # fmt: skip
    assert told(instance, "shipment_invoice") == []


def test_a_red_invoice_of_a_returned_order_is_its_credit(make: Make) -> None:
    files = {
        "sales_order": ORDER + "C1,SO-1,,2026-01-08,,CNY,500\n",
        "shipment": SHIPMENT + "C1,D1,SO-1,2026-01-10,CNY,500,false\nC1,RT1,SO-1,2026-02-10,CNY,100,true\n",
        "invoice": "customer_id,number,kind,order_number,original_invoice_id,invoice_on,due_on,currency,gross_amount\n"
        "C1,A1,invoice,SO-1,,2026-01-12,2026-02-12,CNY,500\nC1,A2,red,,A1,2026-02-14,,CNY,-100\n",
    }
    instance = make(files)
    assert told(instance, "return_credit") == []
    assert told(instance, "shipment_invoice") == []


def test_shipped_and_invoiced_as_trust_case_4_has_it(make: Make) -> None:
    """Provisional, red-letter and reissue: 113,000 shipped and 67,800 invoiced once; the rest is due after 45 days."""
    files = {
        "sales_order": ORDER + "C1,SO1,,2026-09-20,2026-09-28,CNY,113000\n",
        "shipment": SHIPMENT + "C1,D1,SO1,2026-09-28,CNY,113000,false\n",
        "invoice": "customer_id,number,kind,order_number,original_invoice_id,invoice_on,due_on,payment_terms,currency,"
        "gross_amount\n"
        "C1,P1,provisional,SO1,,2026-09-28,,,CNY,113000\n"
        "C1,A1,invoice,SO1,,2026-10-15,,net 30,CNY,67800\n"
        "C1,A2,red,SO1,A1,2026-11-05,,,CNY,-67800\n"
        "C1,A3,invoice,SO1,A2,2026-11-06,,net 30,CNY,67800\n",
    }
    instance = make(files)
    assert told(instance, "order_shipment") == []
    assert told(instance, "shipment_invoice", date(2026, 10, 31)) == [
        ("D1", "timing", Decimal(113000), Decimal(67800), Decimal(45200))
    ]
    assert told(instance, "shipment_invoice", TODAY) == [
        ("D1", "amount", Decimal(113000), Decimal(67800), Decimal(45200))
    ]
