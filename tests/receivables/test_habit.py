"""When an item will be paid: the customer's habit, what it falls back on, and cash by week that adds up."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model import serve
from model.policy import Viewer
from model.receivables.habit import Habit, Paid, choose, expect, learn
from model.serve.connection import Served
from ops.instance import Instance

DAY = date(2026, 11, 21)
OPERATOR = Viewer.operator()
FINANCE = Viewer(user="chen.li", name="陈立", role="finance")


def paid(*days: int, on: date = date(2026, 11, 1)) -> list[Paid]:
    return [Paid(value, on) for value in days]


def test_usually_eighteen_days_late() -> None:
    habit = learn("customer", paid(17, 18, 18, 19, 25), DAY)
    assert (habit.quantile(0.5), habit.count) == (18, 5)
    found = expect(date(2026, 12, 1), DAY, [habit])
    assert found is not None
    assert (found.on, found.low_on, found.high_on) == (date(2026, 12, 19), date(2026, 12, 18), date(2026, 12, 26))


def test_recent_payments_weigh_more_and_later_ones_are_not_known_yet() -> None:
    old, new = paid(0, 0, 0, on=date(2024, 11, 1)), paid(30, 30, on=date(2026, 11, 1))
    assert learn("customer", old + new, DAY).quantile(0.5) == 30
    assert learn("customer", old + new, date(2026, 10, 1)).quantile(0.5) == 0


def test_too_little_history_falls_back_and_says_so() -> None:
    own, group = learn("customer", paid(1), DAY), learn("group", paid(9, 9, 9, 9, 9), DAY)
    assert choose([own, group], 0) == group
    both = choose([learn("customer", paid(1, 1), DAY), group], 0)
    assert both is not None
    # the group weighs as one payment: it widens the interval and does not move the day
    assert (both.level, both.count, both.quantile(0.5), both.quantile(0.9)) == ("customer", 2, 1, 9)
    terms = choose([own], 0)
    assert terms is not None
    assert (terms.level, terms.quantile(0.5)) == ("terms", 0)


def test_an_item_late_already_is_judged_by_what_was_paid_later_still() -> None:
    habit = learn("customer", paid(5, 6, 7, 40, 50, 60), DAY)
    found = expect(DAY - timedelta(days=20), DAY, [habit])
    assert found is not None
    assert found.on == DAY + timedelta(days=30)
    # nothing was ever paid that late: nothing is promised
    assert expect(DAY - timedelta(days=90), DAY, [habit]) is None


@given(st.lists(st.integers(-30, 200), min_size=1, max_size=30), st.integers(-60, 250))
def test_shares_of_all_days_add_up_to_one_and_quantiles_rise(days: list[int], late: int) -> None:
    habit = learn("customer", [Paid(value, DAY - timedelta(days=index * 9)) for index, value in enumerate(days)], DAY)
    assert habit.quantile(0.1) <= habit.quantile(0.5) <= habit.quantile(0.9)
    cuts = [-31, *range(-20, 200, 7), 200]
    assert sum(habit.share_within(a + 1, b) for a, b in pairwise(cuts)) == pytest.approx(1)
    left = habit.beyond(late)
    assert all(value > late for value in left.days)
    found = expect(DAY - timedelta(days=late), DAY, [habit])
    assert found is None or (found.on > DAY and found.low_on <= found.on <= found.high_on)


def test_terms_alone_are_a_point() -> None:
    assert (Habit("terms").share_within(0, 6), Habit("terms").share_within(1, 7)) == (1, 0)


@pytest.fixture(scope="module")
def db(demo_company: Instance) -> Served:
    return serve.open_published(demo_company)


def test_every_open_amount_is_forecast_once_or_left_out_with_a_reason(db: Served) -> None:
    owed = {row["currency"]: row for row in serve.aging(OPERATOR, db)["totals"]}
    for entry in serve.expected_cash(OPERATOR, db, weeks=8)["currencies"]:
        weeks = entry["weeks"]
        bills = sum((row["amount"] for row in serve.ratio_rows(
            OPERATOR, db, "bills", entry["currency"], db.today(), db.today())), Decimal(0))  # fmt: skip
        told = sum((week["expected"] for week in weeks), Decimal(0)) + entry["later"]
        missing = told + sum(entry["left_out"].values(), Decimal(0)) - owed[entry["currency"]]["open"]
        assert 0 <= missing <= bills
        assert all(0 <= week["low"] <= week["expected"] <= week["high"] for week in weeks)
        assert weeks[0]["from"] == db.today() + timedelta(days=1)
        assert entry["later"] >= 0


def test_promises_come_on_their_day_and_disputes_are_left_out(db: Served) -> None:
    items = [row for row in serve.expected_days(FINANCE, db) if row["level"] == "customer"]
    promised, disputed = items[0], items[1]
    on = db.today() + timedelta(days=9)
    serve.act(FINANCE, db, promised["record_key"], "promise", amount=str(promised["open_amount"]), on=on.isoformat())
    serve.act(FINANCE, db, disputed["record_key"], "dispute", amount=str(disputed["open_amount"]), reason="quality")
    again = {row["record_key"]: row for row in serve.expected_days(FINANCE, db)}
    assert (again[promised["record_key"]]["expected_on"], again[promised["record_key"]]["level"]) == (on, "promise")
    gone = again[disputed["record_key"]]
    assert (gone["expected_on"], gone["left_out"], gone["disputed"]) == (None, "disputed", disputed["open_amount"])
    (entry,) = [item for item in serve.expected_cash(FINANCE, db)["currencies"]
                if item["currency"] == disputed["currency"]]  # fmt: skip
    assert entry["left_out"]["disputed"] >= disputed["open_amount"]


def test_the_habit_beats_the_terms_in_the_backtest(db: Served) -> None:
    found = serve.expected_backtest(OPERATOR, db)
    assert found["items"] > 50
    assert found["habit"] < found["terms"]
    assert found["within_interval"] > 60
