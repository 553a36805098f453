"""Promises of many items judged together: no waiting money keeps two promises of one customer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal

from model.receivables.promises import Judged, Payment, Promise, judge

Purse = tuple[str, str]
Waiting = Sequence[tuple[date, Decimal]]


def judge_items(
    promises: Iterable[Promise],
    payments: Mapping[str, Sequence[Payment]],
    purses: Mapping[str, Purse],
    waiting: Mapping[Purse, Waiting],
    day: date,
) -> dict[str, list[Judged]]:
    """Item key → its promises as of `day`, in the order of their days.

    `purses`: item key → (customer, currency); `waiting`: what each of these has received and not allocated. Items are
    judged by their first promised day, and what waits is held against the first promise that it fits.
    """
    by_item: dict[str, list[Promise]] = defaultdict(list)
    for promise in promises:
        by_item[promise.item_key].append(promise)
    left = {purse: list(cash) for purse, cash in waiting.items()}
    found = {}
    order = sorted(by_item, key=lambda key: (min((p.promised_on, p.promise_id) for p in by_item[key]), key))
    for key in order:
        cash = left.get(purses.get(key, ("", "")), [])
        found[key] = judge(by_item[key], payments.get(key, ()), day, tuple(cash))
        for judged in found[key]:
            _take(cash, judged)
    return found


def _take(cash: list[tuple[date, Decimal]], judged: Judged) -> None:
    """Take from `cash` what `judged` holds of it, in the order it was judged."""
    missing = judged.unallocated_amount
    for place, (received_on, amount) in enumerate(cash):
        if judged.promise.made_on <= received_on <= judged.promise.promised_on:
            part = min(amount, missing)
            cash[place] = (received_on, amount - part)
            missing -= part
