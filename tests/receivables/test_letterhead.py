"""Letters say where to pay and whom to ask, as the company's file says it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from model.receivables import letterhead, letters
from ops.errors import FatalError
from run.demo import LETTERS

DAY = date(2026, 11, 21)
OWN = """
[[account]]
zh = ["人民币账户 1"]
en = ["Account 1"]
[[account]]
currency = "USD"
zh = ["美元账户 2"]
en = ["USD account 2"]
[contact]
zh = ["应收组"]
en = ["Receivables"]
"""


def head(folder: Path, text: str = OWN) -> letterhead.Letterhead:
    (folder / letterhead.OWN).write_text(text, encoding="utf-8")
    return letterhead.load(folder)


@pytest.mark.parametrize(
    ("currencies", "wanted"),
    [
        ({"CNY"}, ["人民币账户 1"]),
        ({"USD"}, ["美元账户 2"]),
        ({"USD", "EUR"}, ["人民币账户 1", "美元账户 2"]),
        (set(), []),
    ],
)
def test_an_account_without_currency_is_for_all_that_no_other_names(
    tmp_path: Path, currencies: set[str], wanted: list[str]
) -> None:
    assert head(tmp_path).pay_to("zh", currencies) == wanted


def item(currency: str) -> dict[str, Any]:
    return {"record_key": f"erp:{currency}", "invoice_number": "A1", "invoice_on": DAY, "due_on": DAY,
            "currency": currency, "days_past_due": 3, "amount": Decimal(100), "open_amount": Decimal(100)}  # fmt: skip


@pytest.mark.parametrize("kind", letters.CHASING)
def test_a_letter_prints_them_after_its_text(tmp_path: Path, kind: str) -> None:
    made = letters.chasing(kind, "en", "Demo", {"name": "示例"}, [item("USD")], DAY, DAY, "R-1", head(tmp_path))
    assert made.closing[1:] == ["Please pay to:", "USD account 2", "For questions, please contact:", "Receivables"]
    bare = letters.chasing(kind, "zh", "Demo", {"name": "示例"}, [item("USD")], DAY, DAY, "R-1", letterhead.load(None))
    assert len(bare.closing) == 1, "no headings over nothing"


@pytest.mark.parametrize(
    "text",
    ["[[account]]\nzh = []\nen = []\n", "[bank]\nzh = ['a']\n", "[contact]\nzh = ['a']\n", "account =", "company = 1"],
)
def test_a_file_that_is_not_valid_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(FatalError, match=r"letters\.toml is not valid"):
        head(tmp_path, text)


def test_the_demo_s_own_is_valid(tmp_path: Path) -> None:
    found = head(tmp_path, LETTERS.read_text(encoding="utf-8"))
    assert found.pay_to("zh", {"CNY", "USD"})
    assert found.ask("en")
