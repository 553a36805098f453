"""Trust case 2: the formulas of DSO and CEI, with exactly the credit controller's figures."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from model.receivables import bucket_of, cei, countback, ratio_dso

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
