"""Disputes stand under who must resolve them, by age, and no currency is added to another."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from views.parts.finance_pictures import _aged
from views.parts.format import Look


def dispute(owner: str | None, days: int, amount: int, currency: str = "CNY") -> dict[str, Any]:
    return {"dispute_owner": owner, "days": days, "amount": Decimal(amount), "currency": currency}


def test_each_owner_and_currency_is_a_row_with_its_ages() -> None:
    look = Look("en", "Asia/Shanghai", None)  # type: ignore[arg-type]
    drawn = str(_aged(look, [dispute("Ann Sample", 45, 700), dispute("Ann Sample", 14, 300), dispute(None, 20, 50),
                             dispute("Ann Sample", 31, 9, "USD")]))  # fmt: skip
    rows = re.findall(r"<tr.*?</tr>", drawn.partition("<tbody")[2], re.DOTALL)
    assert len(rows) == 3
    first = next(row for row in rows if "Ann Sample" in row and "CNY" in row)
    assert "up to 14 d 300" in first
    assert "over 30 d 700" in first
    assert "over 14 d" not in first
    assert "oldest 45 d" in first
    assert next(row for row in rows if "over 14 d 50" in row).count("Ann Sample") == 0
    assert "over 30 d 9" in next(row for row in rows if "USD" in row)


def test_no_dispute_is_said() -> None:
    assert "No dispute" in str(_aged(Look("en", "Asia/Shanghai", None), []))  # type: ignore[arg-type]
