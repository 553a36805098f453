"""Money that waits is counted once: ten late invoices and the money for one of them are nine to ask for."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.receivables.holding import covered

DAY = date(2026, 11, 21)


def items(*owed: tuple[str, int, int | None]) -> list[dict[str, Any]]:
    return [{"record_key": key, "open_amount": Decimal(amount), "days_past_due": days} for key, amount, days in owed]


def promise(amount: int, kept: int, on: date, state: str) -> dict[str, Any]:
    return {"promise": {"amount": Decimal(amount), "kept_amount": Decimal(kept), "on": on, "state": state}}


@pytest.mark.parametrize(
    ("owed", "cash", "wanted"),
    [
        ([("A", 1000, 30), ("B", 1000, 20), ("C", 1000, 10)], 1000, {"A"}),
        ([("A", 1000, 30), ("B", 1000, 20), ("C", 1000, 10)], 2500, {"A", "B"}),
        ([("A", 400, 30), ("B", 1000, 20)], 1000, {"B"}),  # to the cent
        ([("A", 9000, 300), ("B", 600, 20), ("C", 480, 20)], 1100, {"B", "C"}),  # too little for the oldest
        ([("A", 1000, 30)], 999, set()),
        ([("A", 1000, None), ("B", 1000, 1), ("C", 1000, -5)], 2000, {"A", "B"}),  # overdue first, then undated
        ([("A", 1000, 30)], -50, set()),
    ],
)
def test_each_part_of_the_money_covers_one_item(owed: list[Any], cash: int, wanted: set[str]) -> None:
    assert covered(items(*owed), {}, DAY, Decimal(cash)) == wanted
    assert covered(items(*reversed(owed)), {}, DAY, Decimal(cash)) == wanted, "whatever the order of rows"


def test_money_is_held_for_promises_it_could_keep_first() -> None:
    owed = items(("A", 1000, 30), ("B", 800, 20))
    states = {"B": promise(800, 0, date(2026, 11, 20), "paid_check")}
    assert covered(owed, states, DAY, Decimal(1000)) == {"B"}, "200 are left and A asks for 1000"
    assert covered(owed, states, DAY, Decimal(1800)) == {"A", "B"}


def test_only_what_can_be_asked_for_must_be_covered() -> None:
    owed = items(("A", 1000, 30), ("B", 1000, 20))
    states: dict[str, Any] = {"A": {"dispute": {"amount": Decimal(700)}}, "B": promise(600, 0, DAY, "open")}
    assert covered(owed, states, DAY, Decimal(700)) == {"A", "B"}, "300 not disputed, 400 not promised"
    assert covered(owed, states, DAY, Decimal(650)) == {"A"}


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(-5, 90)), max_size=12), st.integers(0, 2500))
def test_never_more_is_covered_than_waits(owed: list[tuple[int, int]], cash: int) -> None:
    rows = items(*((f"{place:02}", amount, days) for place, (amount, days) in enumerate(owed)))
    found = covered(rows, {}, DAY, Decimal(cash))
    assert sum(row["open_amount"] for row in rows if row["record_key"] in found) <= cash
    if sum(row["open_amount"] for row in rows) <= cash:
        assert found == {row["record_key"] for row in rows}
