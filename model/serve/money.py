"""Amounts in the company's currency: by the rate of the day, never guessed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from model.receivables.exposure import RATES
from model.serve.connection import Served

CENT = Decimal("0.01")


def rates(db: Served, as_of: date) -> dict[str, Decimal]:
    """Currency → rate into the company's currency on `as_of`; currencies without a rate are absent."""
    base = db.instance.config.base_currency
    key = ("rates", base, as_of)
    if key not in db.cache:
        rows = db.rows(
            RATES,
            {"base": base, "as_of": as_of},
        )
        db.cache[key] = {base: Decimal(1)} | {row["from_currency"]: Decimal(row["rate"]) for row in rows}
    found: dict[str, Decimal] = db.cache[key]
    return found


def total(db: Served, amounts: Mapping[str, Decimal], as_of: date) -> dict[str, Any]:
    """{amount, currency, missing_rates}: the sum in the company's currency, and the currencies that had no rate."""
    known = rates(db, as_of)
    missing = sorted(currency for currency, amount in amounts.items() if currency not in known and amount)
    summed = sum((amount * known[currency] for currency, amount in amounts.items() if currency in known), Decimal(0))
    return {
        "amount": summed.quantize(CENT),
        "currency": db.instance.config.base_currency,
        "missing_rates": missing,
    }


def add(into: dict[str, Decimal], currency: str, amount: Decimal | None) -> None:
    """Add an amount to a dictionary of currencies."""
    into[currency] = into.get(currency, Decimal(0)) + (amount or Decimal(0))
