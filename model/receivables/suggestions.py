"""Which open items a receipt that nobody allocated was probably meant for, and why."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import combinations

ZERO = Decimal(0)
# a bank keeps at most this much of a transfer
CHARGE_AMOUNT, CHARGE_SHARE = Decimal(50), Decimal("0.005")
# sums of a few items are looked for among the oldest of them
AMONG, FEW = 12, 4
SCORES = {
    "number_in_text": 98, "exact": 95, "all_open": 90, "oldest_sum": 85, "some_sum": 75, "bank_charge": 65,
    "due_order": 40,
}  # fmt: skip


@dataclass(frozen=True)
class Open:
    """An open item that money may be for."""

    item_key: str
    invoice_number: str | None
    due_on: date | None
    open_amount: Decimal


@dataclass(frozen=True)
class Suggestion:
    """Item key → amount, why (a key of SCORES), how sure from 0 to 100, and what of the money is left over."""

    items: tuple[tuple[str, Decimal], ...]
    reason: str
    score: int
    rest_amount: Decimal


def suggest(amount: Decimal, items: Iterable[Open], text: str = "", limit: int = 3) -> list[Suggestion]:
    """Candidates for `amount` of one customer and currency, surest first; the same items once, for the best reason.

    Invoice numbers in `text`; one item of just that amount; everything that is open; the oldest few; some few; an item
    less a bank's charge; else in the order of due dates as far as the money goes. No item gets more than it owes, and
    all together never more than there is.
    """
    if amount <= 0:
        return []
    owed = sorted(
        (item for item in items if item.open_amount > 0), key=lambda item: (item.due_on or date.max, item.item_key)
    )
    found: dict[tuple[tuple[str, Decimal], ...], Suggestion] = {}
    for reason, chosen in _candidates(amount, owed, text):
        left, parts = amount, []
        for item in chosen:
            part = min(left, item.open_amount)
            if part > 0:
                parts.append((item.item_key, part))
                left -= part
        key = tuple(sorted(parts))
        if parts and (key not in found or SCORES[reason] > found[key].score):
            found[key] = Suggestion(tuple(parts), reason, SCORES[reason], left)
    return sorted(found.values(), key=lambda one: (-one.score, one.items))[:limit]


def _candidates(amount: Decimal, owed: Sequence[Open], text: str) -> Iterable[tuple[str, Sequence[Open]]]:
    named = [item for item in owed if item.invoice_number and _is_named(item.invoice_number, text)]
    if named:
        yield "number_in_text", named
    for item in owed:
        if item.open_amount == amount:
            yield "exact", [item]
    if len(owed) > 1 and sum((item.open_amount for item in owed), ZERO) == amount:
        yield "all_open", owed
    total = ZERO
    for place, item in enumerate(owed):
        total += item.open_amount
        if total == amount and place:
            yield "oldest_sum", owed[: place + 1]
    for size in range(2, FEW + 1):
        for some in combinations(owed[:AMONG], size):
            if sum((item.open_amount for item in some), ZERO) == amount:
                yield "some_sum", some
    for item in owed:
        if ZERO < item.open_amount - amount <= min(CHARGE_AMOUNT, item.open_amount * CHARGE_SHARE):
            yield "bank_charge", [item]
    if owed:
        yield "due_order", owed


def _is_named(number: str, text: str) -> bool:
    """Whether `text` has the number as a whole; numbers of fewer than four characters prove nothing."""
    if len(number) < 4 or not text:
        return False
    return re.search(rf"(?<![0-9A-Za-z]){re.escape(number)}(?![0-9A-Za-z])", text, re.IGNORECASE) is not None


NOISE = r"[\s()（）\[\]【】·.,，。、\-_/&'\"]+"
FORMS = r"[\s.,]*(股份有限公司|有限责任公司|有限公司|集团|公司|co\.?,?\s*ltd\.?|ltd\.?|inc\.?|gmbh)[\s)）]*$"


def payer(name: str | None) -> str:
    """A payer's or customer's name for comparison: folded, without punctuation and legal form."""
    if not name:
        return ""
    folded = unicodedata.normalize("NFKC", name).casefold().strip()
    return re.sub(NOISE, "", re.sub(FORMS, "", folded))
