"""When an open item will be paid: by the customer's own habit first, else its group's, its terms', else the terms.

A habit is the days late of settled items, weighted by recency (half a year ago counts half). An item that is late
already is judged by what was paid later still: nobody who is 40 days late is expected to pay 18 days late. The widest
habit stands beside the customer's own with the weight of one item, so that two payments are not taken for a certainty.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

# chosen on the demo's backtest among 1, 2, 3 and 5 items and 0 to 2 items of the wider habit
ENOUGH, WIDER = 2, 1.0
HALF_LIFE = 182.0
LOW, HIGH = 0.1, 0.9


@dataclass(frozen=True)
class Paid:
    """A settled item: days from its due date to its last receipt (early: negative), and the day of that receipt."""

    days: int
    on: date


@dataclass(frozen=True)
class Habit:
    """Whose it is, how many settled items of theirs it stands on, and days late with weights, by days; terms: none."""

    level: str
    days: tuple[int, ...] = ()
    weights: tuple[float, ...] = ()
    count: int = 0

    def quantile(self, share: float) -> int:
        """The days late that `share` of the weight does not exceed; 0 on terms alone."""
        if not self.days:
            return 0
        wanted, passed = share * sum(self.weights), 0.0
        for days, weight in zip(self.days, self.weights, strict=True):
            passed += weight
            if passed >= wanted - 1e-12:
                return days
        return self.days[-1]

    def beyond(self, days: int) -> Habit:
        """Only what was paid later than `days`."""
        first = bisect_right(self.days, days)
        return Habit(self.level, self.days[first:], self.weights[first:], self.count)

    def share_within(self, low: int, high: int) -> float:
        """Share of the weight paid from `low` to `high` days late."""
        whole = sum(self.weights)
        part = sum(w for d, w in zip(self.days, self.weights, strict=True) if low <= d <= high)
        return part / whole if whole else float(low <= 0 <= high)


@dataclass(frozen=True)
class Expected:
    """The day an item is expected on, with the days that 80 % of like payments fall between."""

    on: date
    low_on: date
    high_on: date
    habit: Habit


def learn(level: str, paid: Sequence[Paid], as_of: date) -> Habit:
    """The habit that payments up to `as_of` show."""
    known = sorted((item for item in paid if item.on <= as_of), key=lambda item: (item.days, item.on))
    weights = tuple(0.5 ** ((as_of - item.on).days / HALF_LIFE) for item in known)
    return Habit(level, tuple(item.days for item in known), weights, len(known))


def blend(own: Habit, wider: Habit, weight: float = WIDER) -> Habit:
    """`own` with all of `wider` weighing as much as `weight` fresh items."""
    whole = sum(wider.weights)
    if not whole:
        return own
    added = zip(wider.days, (value * weight / whole for value in wider.weights), strict=True)
    pairs = sorted([*zip(own.days, own.weights, strict=True), *added])
    return Habit(own.level, tuple(days for days, _ in pairs), tuple(value for _, value in pairs), own.count)


def choose(levels: Sequence[Habit], late: int, enough: int = ENOUGH) -> Habit | None:
    """The first habit with `enough` items, beside the widest, given that an item is `late` days late already.

    `levels`: nearest first. Terms alone (an empty habit) stand for items that are not late (`late` 0 or less); None
    when nothing like it was ever paid.
    """
    found = next((place for place, habit in enumerate(levels) if habit.count >= enough), None)
    if found is None:
        return Habit("terms") if late <= 0 else None
    habit = levels[found] if found == len(levels) - 1 else blend(levels[found], levels[-1])
    left = habit.beyond(late) if late > 0 else habit
    return left if left.days else None


def expect(due_on: date, as_of: date, levels: Sequence[Habit], enough: int = ENOUGH) -> Expected | None:
    """When an item due on `due_on` and open on `as_of` will be paid; None when nothing like it was ever paid."""
    habit = choose(levels, (as_of - due_on).days, enough)
    if habit is None:
        return None
    days = (habit.quantile(0.5), habit.quantile(LOW), habit.quantile(HIGH))
    on, low, high = (max(due_on + timedelta(days=value), as_of + timedelta(days=1)) for value in days)
    return Expected(on, low, high, habit)


def absolute_error(pairs: Sequence[tuple[int, int]]) -> float | None:
    """Mean absolute error of (predicted, actual) days."""
    return sum(abs(a - b) for a, b in pairs) / len(pairs) if pairs else None
