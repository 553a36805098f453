"""What of an open item is not asked for: disputed, promised, or covered by money that waits. One definition for the
worklist, the card and the alerts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

ZERO = Decimal(0)


def held(item: Mapping[str, Any], state: Mapping[str, Any], day: date) -> tuple[Decimal, Decimal]:
    """(disputed, promised for a day not passed) of what the item owes; together never more than its open amount.

    `state`: dispute {amount} and promise {on, amount, kept_amount, state}, each only where one stands.
    """
    owed: Decimal = item["open_amount"]
    disputed = min(state["dispute"]["amount"], owed) if "dispute" in state else ZERO
    promise = state.get("promise")
    if promise is None or promise["on"] < day:
        return disputed, ZERO
    return disputed, min(promise["amount"] - promise["kept_amount"], owed - disputed)


def is_paid_check(item: Mapping[str, Any], state: Mapping[str, Any], day: date, cash: Decimal) -> bool:
    """Whether money that waits to be allocated covers what could be asked of an overdue item: nobody is chased.

    What is disputed, or promised for a day that has not passed, is not asked for; where nothing else is left, the
    money is held against the promise.
    """
    disputed, promised = held(item, state, day)
    asked = item["open_amount"] - disputed - promised or promised
    promise = state.get("promise")
    return bool(cash >= asked > 0 or (promise is not None and promise["state"] == "paid_check"))


def hold_of(item: Mapping[str, Any], state: Mapping[str, Any], day: date, cash: Decimal) -> str | None:
    """Why nobody is chased for an overdue item: disputed, covered or promised, each in full; None when somebody is."""
    disputed, promised = held(item, state, day)
    if disputed >= item["open_amount"]:
        return "disputed"
    if is_paid_check(item, state, day, cash):
        return "covered"
    return "promised" if promised > 0 and disputed + promised >= item["open_amount"] else None
