"""Trust case 3's judgement of promises, and the invariants of judging."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from model.receivables.promises import Payment, Promise, judge, performance

FIRST = Promise(1, "I#1", Decimal(60000), "CNY", date(2026, 11, 10), date(2026, 11, 18))
SECOND = Promise(2, "I#1", Decimal(40000), "CNY", date(2026, 11, 20), date(2026, 11, 30))
CASH = Payment("I#1", date(2026, 11, 17), Decimal(40000), "transfer")
BILL = Payment("I#1", date(2026, 11, 27), Decimal(40000), "bank_bill", date(2027, 5, 27))


def test_unallocated_money_is_a_question_not_a_broken_promise() -> None:
    (judged,) = judge([FIRST], [], date(2026, 11, 18), [(date(2026, 11, 17), Decimal(40000))])
    assert (judged.state, judged.unallocated_amount, judged.broken_amount) == ("open", 40000, 0)
    (after,) = judge([FIRST], [], date(2026, 11, 19), [(date(2026, 11, 17), Decimal(60000))])
    assert after.state == "paid_check"


def test_a_promise_is_judged_by_the_receipt_s_date() -> None:
    (judged,) = judge([FIRST], [CASH], date(2026, 11, 19))
    assert (judged.state, judged.kept_amount, judged.broken_amount) == ("broken", 40000, 20000)
    assert performance([judged])["kept_by_amount_percent"] == Decimal("66.67")


def test_over_both_promises_and_by_bill_apart() -> None:
    judged = judge([FIRST, SECOND], [CASH, BILL], date(2026, 12, 1))
    assert [item.state for item in judged] == ["broken", "kept"]
    assert judged[1].by_bill_amount == 40000
    assert judged[1].expected_cash == [(date(2027, 5, 27), Decimal(40000))]
    figures = performance(judged)
    assert (figures["kept_by_amount_percent"], figures["kept_by_count_percent"]) == (80, 50)
    assert (figures["kept"], figures["promises"], figures["by_bill_amount"]) == (1, 2, 40000)


days = st.integers(0, 60).map(lambda n: date(2026, 11, 1) + timedelta(days=n))
amounts = st.integers(1, 100_000).map(Decimal)


@given(
    st.lists(st.tuples(days, st.integers(0, 20), amounts), max_size=5),
    st.lists(st.tuples(days, amounts), max_size=6),
    st.lists(st.tuples(days, amounts), max_size=3),
    days,
)
def test_no_money_keeps_two_promises(
    promised: list[tuple[date, int, Decimal]],
    paid: list[tuple[date, Decimal]],
    waiting: list[tuple[date, Decimal]],
    day: date,
) -> None:
    promises = [
        Promise(number, "I#1", amount, "CNY", made, made + timedelta(days=length))
        for number, (made, length, amount) in enumerate(promised)
    ]
    payments = [Payment("I#1", on, amount) for on, amount in paid]
    judged = judge(promises, payments, day, waiting)
    assert sum(item.kept_amount for item in judged) <= sum(amount for _, amount in paid)
    assert sum(item.unallocated_amount for item in judged) <= sum(amount for _, amount in waiting)
    for item in judged:
        assert 0 <= item.kept_amount <= item.promise.amount
        assert item.kept_amount + item.unallocated_amount + item.broken_amount <= item.promise.amount
        assert (item.state == "kept") == (item.kept_amount == item.promise.amount)
        assert item.state != "broken" or day > item.promise.promised_on
