"""Promises to pay, judged by the day the money was received, not by the day it was allocated.

A promise on an open item is kept by what receipts dated from the day it was made to the day promised settle of that
item; each settlement counts for one promise, the earliest that it fits. An acceptance bill keeps a promise but is said
apart: its cash is expected when it matures. What is received but not yet allocated leaves the rest undecided.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

ZERO = Decimal(0)
CENT = Decimal("0.01")
BILLS = frozenset({"bank_bill", "commercial_bill"})


@dataclass(frozen=True)
class Promise:
    """What was promised on an open item."""

    promise_id: int
    item_key: str
    amount: Decimal
    currency: str
    made_on: date
    promised_on: date


@dataclass(frozen=True)
class Payment:
    """Part of a receipt that settles an item; `matures_on` for acceptance bills."""

    item_key: str
    received_on: date
    amount: Decimal
    method: str | None = None
    matures_on: date | None = None


@dataclass
class Judged:
    """A promise as it stands on a day.

    state: open (its day has not passed), kept, broken, paid_check (received money that is not allocated yet could
    keep the rest). `kept_amount` includes `by_bill_amount`; `broken_amount` is what was promised and did not come.
    """

    promise: Promise
    state: str
    kept_amount: Decimal = ZERO
    by_bill_amount: Decimal = ZERO
    unallocated_amount: Decimal = ZERO
    broken_amount: Decimal = ZERO
    expected_cash: list[tuple[date, Decimal]] = field(default_factory=list)


def judge(
    promises: Iterable[Promise],
    payments: Sequence[Payment],
    day: date,
    waiting: Sequence[tuple[date, Decimal]] = (),
) -> list[Judged]:
    """Each promise of one item as of `day`, in the order of their days.

    `payments`: settlements of the item known and effective by `day`. `waiting`: (received on, amount) of the
    customer's receipts in that currency that are not allocated yet.
    """
    left = [(payment, payment.amount) for payment in sorted(payments, key=lambda item: item.received_on)]
    cash = dict(enumerate(waiting))
    found = []
    for promise in sorted(promises, key=lambda item: (item.promised_on, item.promise_id)):
        result = Judged(promise, "open")
        for place, (payment, amount) in enumerate(left):
            if amount <= 0 or not promise.made_on <= payment.received_on <= promise.promised_on:
                continue
            part = min(amount, promise.amount - result.kept_amount)
            left[place] = (payment, amount - part)
            result.kept_amount += part
            if payment.method in BILLS and part:
                result.by_bill_amount += part
                if payment.matures_on:
                    result.expected_cash.append((payment.matures_on, part))
        missing = promise.amount - result.kept_amount
        for place, (received_on, amount) in list(cash.items()):
            if promise.made_on <= received_on <= promise.promised_on:
                part = min(amount, missing - result.unallocated_amount)
                cash[place] = (received_on, amount - part)
                result.unallocated_amount += part
        result.state = _state(promise, missing, result.unallocated_amount, day)
        result.broken_amount = missing - result.unallocated_amount if result.state in {"broken", "paid_check"} else ZERO
        found.append(result)
    return found


def _state(promise: Promise, missing: Decimal, waiting: Decimal, day: date) -> str:
    if missing <= 0:
        return "kept"
    if waiting >= missing:
        return "paid_check"
    return "open" if day <= promise.promised_on else "broken"


def performance(judged: Iterable[Judged]) -> dict[str, Decimal | int | None]:
    """Promise kept by amount and by count, in percent, over promises that are decided (not open)."""
    decided = [item for item in judged if item.state != "open"]
    promised = sum((item.promise.amount for item in decided), ZERO)
    kept = sum((item.kept_amount for item in decided), ZERO)
    full = sum(item.state == "kept" for item in decided)
    return {
        "promises": len(decided),
        "kept": full,
        "promised_amount": promised,
        "kept_amount": kept,
        "by_bill_amount": sum((item.by_bill_amount for item in decided), ZERO),
        "kept_by_amount_percent": None if not promised else (kept / promised * 100).quantize(CENT),
        "kept_by_count_percent": None if not decided else (Decimal(full) / len(decided) * 100).quantize(CENT),
    }
