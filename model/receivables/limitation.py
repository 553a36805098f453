"""The limitation clock: three years from the due date, the last demand or the last acknowledgement of the debt.

Practice in China (Civil Code, articles 188, 192 and 195): a demand while the period runs starts it anew; once it has
ended a demand no longer does, but a new promise, a confirmed statement or a part payment of the debtor still does.
Without a due date the period begins with the first demand or acknowledgement.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

YEARS = 3
WARNED_DAYS = 180


def after_years(day: date, years: int = YEARS) -> date:
    """The same day `years` later; 29 February becomes 28 February."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)


def limitation_on(
    due_on: date | None, demands: Iterable[date], acknowledgements: Iterable[date], as_of: date
) -> date | None:
    """The last day of the period as of `as_of`; None while it has not begun. Events after `as_of` do not count."""
    ends = None if due_on is None else after_years(due_on)
    events = sorted([(day, False) for day in demands] + [(day, True) for day in acknowledgements])
    for day, acknowledged in events:
        if day > as_of:
            break
        if acknowledged or ends is None or day <= ends:
            ends = max(after_years(day), ends or date.min)
    return ends
