"""What of an open item is not asked for: disputed, promised, or covered by money that waits. One definition for the
worklist, the card and the alerts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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


def covered(
    items: Collection[Mapping[str, Any]], states: Mapping[str, Mapping[str, Any]], day: date, cash: Decimal
) -> frozenset[str]:
    """Record keys of the `items` that money which waits to be allocated covers: nobody is chased for these.

    `items`: of one customer and currency (record_key, open_amount, days_past_due), `cash`: what waits of both. Each
    part of the money counts once. It is held first against promises it could keep, then against the item it equals to
    the cent, then against the oldest items it is enough for; overdue items before others. Of an item only what can be
    asked for must be covered: not what is disputed, or promised for a day that has not passed; where nothing else is
    left, the money is held against the promise.
    """
    found: set[str] = set()
    left = max(cash, ZERO)
    late = [item for item in items if (item["days_past_due"] or 0) > 0]
    for tier in (late, [item for item in items if (item["days_past_due"] or 0) <= 0]):
        asked: list[tuple[Decimal, int, str]] = []
        for item in tier:
            key, state = item["record_key"], states.get(item["record_key"], {})
            promise = state.get("promise")
            if promise is not None and promise["state"] == "paid_check":
                found.add(key)
                left -= min(left, promise["amount"] - promise["kept_amount"])
            else:
                disputed, promised = held(item, state, day)
                amount = item["open_amount"] - disputed - promised or promised
                asked.append((amount, -(item["days_past_due"] or 0), key))
        whole = left
        for amount, _, key in sorted(asked, key=lambda one: (one[0] != whole, *one[1:])):
            if 0 < amount <= left:
                found.add(key)
                left -= amount
    return frozenset(found)


def hold_of(item: Mapping[str, Any], state: Mapping[str, Any], day: date, *, is_covered: bool) -> str | None:
    """Why nobody is chased for an item: disputed, covered or promised, each in full; None when somebody is."""
    disputed, promised = held(item, state, day)
    if disputed >= item["open_amount"]:
        return "disputed"
    if is_covered:
        return "covered"
    return "promised" if promised > 0 and disputed + promised >= item["open_amount"] else None
