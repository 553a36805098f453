"""Tables that commands print: numbers stand right, decimals carry no empty places, unknown is a dash."""

from __future__ import annotations

from decimal import Decimal

import pytest

from run.context import table


def test_numbers_stand_right_and_keep_the_places_that_say_something(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"name": "华北阀门", "amount": Decimal("1200.50000000"), "days": 7, "is_open": True},
        {"name": "B", "amount": Decimal("-0.12345000"), "days": None, "is_open": False},
        {"name": None, "amount": Decimal(30), "days": 120, "is_open": True},
    ]
    table(rows, ["name", "amount", "days", "is_open"])
    assert capsys.readouterr().out.splitlines() == [
        "name      amount    days  is_open",
        "华北阀门   1200.50     7  True",
        "B         -0.12345     —  False",
        "—               30   120  True",
    ]
