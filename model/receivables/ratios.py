"""Ratios of receivables; every function returns None where the figure is undefined. Amounts in one currency."""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

CENT = Decimal("0.01")


def ratio_dso(closing: Decimal, sales: Decimal, days: int) -> Decimal | None:
    """Closing (or not-due) receivables ÷ sales of the period × days of the period."""
    return None if sales <= 0 else (closing / sales * days).quantize(CENT)


def countback(
    closing: Decimal, months: Sequence[tuple[date, Decimal]], last: date | None = None
) -> tuple[Decimal | None, bool]:
    """Whole calendar months, newest first, while the balance covers them; the last one in proportion.

    `months`: (first day, tax-included sales), newest first, none left out. `last`: the day of the balance, so that a
    month that has not ended counts the days it has had. Returns (days, is_beyond): is_beyond when the balance is larger
    than all known sales, then the days are a lower bound ("> N").
    """
    if closing <= 0:
        return Decimal(0), False
    left, days = closing, Decimal(0)
    for first, sales in months:
        length = calendar.monthrange(first.year, first.month)[1]
        if last is not None and (first.year, first.month) == (last.year, last.month):
            length = last.day
        if sales <= 0:
            days += length
            continue
        if left <= sales:
            return (days + left / sales * length).quantize(CENT), False
        left -= sales
        days += length
    return (days.quantize(CENT), True) if months else (None, False)


def cei(
    opening: Decimal, sales: Decimal, closing: Decimal, closing_not_due: Decimal, write_offs: Decimal
) -> Decimal | None:
    """Collection effectiveness in percent: collected ÷ collectable of one month."""
    collected, collectable = collection(opening, sales, closing, closing_not_due, write_offs)
    return None if collectable <= 0 else (collected / collectable * 100).quantize(CENT)


def collection(
    opening: Decimal, sales: Decimal, closing: Decimal, closing_not_due: Decimal, write_offs: Decimal
) -> tuple[Decimal, Decimal]:
    """(collected, collectable) of one month; longer periods add both up before dividing. A write-off is no money."""
    return opening + sales - closing - write_offs, opening + sales - closing_not_due


def percent(part: Decimal, whole: Decimal) -> Decimal | None:
    """`part` of `whole` in percent; None when there is no whole."""
    return None if whole <= 0 else (part / whole * 100).quantize(CENT)


def concentration(amounts: Iterable[Decimal], largest: int = 10) -> tuple[Decimal | None, Decimal | None]:
    """(share of the `largest` debtors in percent, Herfindahl index from 0 to 1) of what each debtor owes."""
    owed = sorted((amount for amount in amounts if amount > 0), reverse=True)
    total = sum(owed, Decimal(0))
    if not total:
        return None, None
    index = sum((amount * amount for amount in owed), Decimal(0)) / (total * total)
    return percent(sum(owed[:largest], Decimal(0)), total), index.quantize(Decimal("0.0001"))
