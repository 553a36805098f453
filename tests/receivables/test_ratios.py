"""Trust case 2 in the formulas, from the books and on the command line; every input is the sum of its rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from model import serve
from model.policy import Viewer
from model.receivables import bucket_of, cei, countback, ratio_dso
from model.receivables.ratios import concentration, percent
from ops.errors import FatalError
from ops.instance import Instance
from run.cli import app
from tests.receivables import books

MONTHS = [
    (date(2026, 10, 1), Decimal(400000)),
    (date(2026, 9, 1), Decimal(350000)),
    (date(2026, 8, 1), Decimal(500000)),
]


def test_trust_case_2() -> None:
    closing, not_due, sales = Decimal(1000000), Decimal(600000), Decimal(1250000)
    assert countback(closing, MONTHS) == (Decimal("76.50"), False)
    ratio, best = ratio_dso(closing, sales, 92), ratio_dso(not_due, sales, 92)
    assert ratio is not None
    assert best is not None
    assert (ratio, best, ratio - best) == (Decimal("73.60"), Decimal("44.16"), Decimal("29.44"))
    assert cei(Decimal(900000), Decimal(400000), closing, not_due, Decimal(50000)) == Decimal("35.71")


def test_undefined_is_none_and_a_balance_beyond_history_says_so() -> None:
    assert ratio_dso(Decimal(5), Decimal(0), 30) is None
    assert cei(Decimal(0), Decimal(0), Decimal(0), Decimal(0), Decimal(0)) is None
    assert countback(Decimal(5), []) == (None, False)
    assert countback(Decimal(9_000_000), MONTHS) == (Decimal("92.00"), True)


@given(st.integers(-4000, 4000))
def test_every_day_has_one_bucket(days: int) -> None:
    edges = {"not_due": (-9999, 0), "1-30": (1, 30), "31-60": (31, 60), "61-90": (61, 90), "91-180": (91, 180),
             "181-365": (181, 365), "over_365": (366, 9999)}  # fmt: skip
    low, high = edges[bucket_of(days)]
    assert low <= days <= high


def test_a_month_that_has_not_ended_counts_the_days_it_has_had() -> None:
    months = [(date(2026, 11, 1), Decimal(0)), *MONTHS]
    assert countback(Decimal(200000), months, date(2026, 11, 15)) == (Decimal("30.50"), False)


@given(st.lists(st.integers(-50, 10**9).map(Decimal), max_size=40))
def test_concentration_is_a_share(amounts: list[Decimal]) -> None:
    share, index = concentration(amounts)
    owed = [amount for amount in amounts if amount > 0]
    if not owed:
        assert (share, index) == (None, None)
        return
    assert share is not None
    assert index is not None
    assert 0 < share <= 100
    assert round(Decimal(1) / len(owed), 4) - Decimal("0.0001") <= index <= 1
    assert share == 100 or len(owed) > 10
    assert percent(Decimal(1), Decimal(0)) is None


# opening October 900,000 = 1,050,000 - 100,000 - 50,000; closing 1,000,000 = 900,000 + 400,000 - 250,000 - 50,000;
# beside them a provisional receivable, retention, a bill, unallocated cash and a prepaid sale that must not count
BOOKS = {
    "invoice": "customer_id,number,kind,invoice_on,due_on,currency,gross_amount\n"
    "C1,OPEN,opening,2026-07-01,2026-08-01,CNY,100000\n"
    "C1,AUG,invoice,2026-08-10,2026-09-10,CNY,500000\n"
    "C1,SEP1,invoice,2026-09-10,2026-10-15,CNY,150000\n"
    "C1,SEP2,invoice,2026-09-20,2026-11-15,CNY,210000\n"
    "C1,OCT,invoice,2026-10-12,2026-11-30,CNY,400000\n"
    "C1,PROV,provisional,2026-10-20,,CNY,70000\n"
    "C1,KEPT,opening,2026-07-01,2027-07-01,CNY,30000\n"
    "C1,CASHED,invoice,2026-10-06,2026-10-06,CNY,8000\n",
    "invoice_plan": "invoice_id,row_number,due_on,amount,is_retention,release_on\n"
    "KEPT,1,2027-07-01,30000,true,2027-07-01\n",
    "credit_note": "customer_id,number,kind,original_invoice_id,credit_on,currency,gross_amount\n"
    "C1,RED,red_letter,SEP2,2026-09-25,CNY,10000\n",
    "receipt": "customer_id,number,received_on,method,purpose,currency,amount,bill_state,bill_matures_on\n"
    "C1,R1,2026-09-05,transfer,sale,CNY,50000,,\n"
    "C1,R2,2026-10-20,transfer,sale,CNY,150000,,\n"
    "C1,R3,2026-10-22,bank_bill,sale,CNY,100000,pending,2027-04-22\n"
    "C1,R4,2026-10-25,transfer,sale,CNY,4000,,\n"
    "C1,R5,2026-10-02,transfer,prepayment,CNY,8000,,\n",
    "allocation": "kind,receipt_id,invoice_id,amount,allocated_on\n"
    "receipt,R1,OPEN,50000,2026-09-05\nreceipt,R2,SEP1,150000,2026-10-20\nreceipt,R3,AUG,100000,2026-10-22\n"
    "receipt,R5,CASHED,8000,2026-10-06\nwrite_off,,OPEN,50000,2026-10-28\n",
}
FIRST, LAST = date(2026, 8, 1), date(2026, 10, 31)
OPERATOR = Viewer.operator()


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    made = books.instance(tmp_path_factory.mktemp("ratios"), BOOKS)
    yield made
    made.store.close()


def test_trust_case_2_from_the_books(instance: Instance) -> None:
    (row,) = serve.ratios(OPERATOR, serve.open_published(instance), FIRST, LAST)
    assert (row["dso_countback"], row["dso_countback_is_beyond_history"]) == (Decimal("76.50"), False)
    assert (row["dso_ratio"], row["best_possible_dso"], row["add"]) == (
        Decimal("73.60"), Decimal("44.16"), Decimal("29.44"))  # fmt: skip
    october = row["months"][-1]
    assert (october["opening"], october["sales"], october["closing"], october["closing_not_due"]) == (
        900000, 400000, 1000000, 600000)  # fmt: skip
    assert (october["write_offs"], october["cei"]) == (50000, Decimal("35.71"))
    assert row["basis"] == {"tax": "included"} | dict.fromkeys(
        ("bills", "retention", "provisional", "unallocated", "credits", "prepaid"), "excluded")  # fmt: skip
    # apart, beside the ratios
    assert (row["write_offs"], row["recoveries"], row["bills"]) == (50000, 0, 100000)
    assert (row["retention"], row["provisional"], row["unallocated"]) == (30000, 70000, 4000)
    # R1 35 days late on 50,000, R2 5 on 150,000, R3 42 on 100,000, R5 4 early on 8,000
    assert row["weighted_days_late"] == Decimal("21.65")


def test_cei_of_october_alone_and_of_the_quarter(instance: Instance) -> None:
    db = serve.open_published(instance)
    (october,) = serve.ratios(OPERATOR, db, date(2026, 10, 1), LAST)
    assert october["cei"] == Decimal("35.71")
    (quarter,) = serve.ratios(OPERATOR, db, FIRST, LAST)
    collected = sum(month["collected"] for month in quarter["months"])
    assert quarter["cei"] == percent(collected, sum(month["collectable"] for month in quarter["months"]))
    # no whole month in the period: no CEI
    assert serve.ratios(OPERATOR, db, date(2026, 10, 2), LAST)[0]["cei"] is None


def test_the_command_line_says_the_same(instance: Instance) -> None:
    given_ = ["--home", str(instance.home), "ratios", "--from", FIRST.isoformat(), "--to", LAST.isoformat(), "--json"]
    result = CliRunner().invoke(app, given_)
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.output)
    names = ("dso_countback", "dso_ratio", "best_possible_dso", "add")
    assert [row[name] for name in names] == ["76.50", "73.60", "44.16", "29.44"]
    assert row["months"][-1]["cei"] == "35.71"


@pytest.mark.parametrize(
    ("include", "receivables", "not_due", "sales"),
    [("bills", 1100000, 700000, 1250000), ("retention", 1030000, 630000, 1250000),
     ("provisional", 1070000, 670000, 1320000), ("unallocated", 996000, 600000, 1250000),
     ("prepaid", 1000000, 600000, 1258000)],
)  # fmt: skip
def test_every_switch_is_printed_and_moves_its_amount(
    instance: Instance, include: str, receivables: int, not_due: int, sales: int
) -> None:
    (row,) = serve.ratios(OPERATOR, serve.open_published(instance), FIRST, LAST, [include])
    assert row["basis"][include] == "included"
    assert row["figures"]["dso_ratio"]["inputs"] == {"receivables": receivables, "sales": sales, "days": 92}
    assert row["figures"]["best_possible_dso"]["inputs"]["not_due"] == not_due


@pytest.mark.parametrize("include", [[], ["bills", "retention", "unallocated", "credits"], ["prepaid"]])
def test_every_input_is_the_sum_of_its_rows(instance: Instance, include: list[str]) -> None:
    db = serve.open_published(instance)
    (row,) = serve.ratios(OPERATOR, db, FIRST, LAST, include)
    checked = set()
    for name, figure in row["figures"].items():
        for what, asked in figure["rows"].items():
            rows = serve.ratio_rows(OPERATOR, db, **asked)
            wanted = figure["inputs"].get(what, figure["value"])
            assert sum((item["amount"] for item in rows), Decimal(0)) == wanted, (name, what)
            checked.add(what)
    assert checked >= {"receivables", "not_due", "sales", "open", "overdue", "payments", "write_offs", "bills"}


def test_unknown_inputs_and_switches_name_the_valid_ones(instance: Instance) -> None:
    db = serve.open_published(instance)
    with pytest.raises(FatalError, match="retention"):
        serve.ratios(OPERATOR, db, FIRST, LAST, ["taxes"])
    with pytest.raises(FatalError, match="write_offs"):
        serve.ratio_rows(OPERATOR, db, "magic", "CNY", FIRST, LAST)
