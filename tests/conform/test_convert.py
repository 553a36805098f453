"""Conversions: what a value becomes, and what is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model import schema
from model.conform import convert
from model.conform.spec import FieldSpec

ZONE = "Asia/Shanghai"


def typed(kind: str, value: str | None, **spec: Any) -> Any:
    column = schema.Column(name="x", type=kind, zh="x", en="x", description="x")  # type: ignore[arg-type]
    frame = pl.DataFrame({"v": [value]}, schema={"v": pl.String})
    return frame.select(v=convert.typed(pl.col("v"), column, FieldSpec(path=["v"], **spec), ZONE))["v"][0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.005", "1.01"),
        ("-1.005", "-1.01"),
        ("13560.0000000000", "13560.00"),
        ("1,234.50", "1234.50"),
        ("1 234.50", "1234.50"),
        ("1.5E3", "1500.00"),
        ("0.30000000000000004", "0.30"),
        ("1,23", None),
        ("12,34,567.00", None),
        ("abc", None),
        ("12345678901234567.00", None),
    ],
)
def test_money(text: str, expected: str | None) -> None:
    assert typed("money", text) == (Decimal(expected) if expected else None)


def test_money_turns_its_sign_and_reads_a_decimal_comma() -> None:
    assert typed("money", "5650", scale=-1) == Decimal("-5650.00")
    assert typed("money", "1.234,5", format="comma") == Decimal("1234.50")


@given(st.decimals(min_value=-(10**15), max_value=10**15, places=2))
@settings(max_examples=60, deadline=None)
def test_money_with_two_decimals_is_kept_to_the_cent(amount: Decimal) -> None:
    assert typed("money", str(amount)) == amount


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-09-28T00:00:00", date(2026, 9, 28)),
        ("2026-09-28 23:30", date(2026, 9, 28)),
        ("2026/9/8", date(2026, 9, 8)),
        ("2026年9月8日", date(2026, 9, 8)),
        ("20260908", date(2026, 9, 8)),
        ("2026-08-01T23:15:22.000+0000", date(2026, 8, 2)),
        ("2026-02-30", None),
        ("soon", None),
    ],
)
def test_date(text: str, expected: date | None) -> None:
    assert typed("date", text) == expected


@pytest.mark.parametrize(
    ("text", "spec", "expected"),
    [
        ("2026-08-01T09:15:22.000+0000", {}, datetime(2026, 8, 1, 9, 15, 22, tzinfo=UTC)),
        ("2026-08-01T11:15:22.431+0200", {}, datetime(2026, 8, 1, 9, 15, 22, 431000, tzinfo=UTC)),
        ("2026-08-01T09:15:22-03:30", {}, datetime(2026, 8, 1, 12, 45, 22, tzinfo=UTC)),
        ("2026-10-01T09:14:22.187", {}, datetime(2026, 10, 1, 1, 14, 22, 187000, tzinfo=UTC)),
        ("2026-08-01", {}, datetime(2026, 7, 31, 16, tzinfo=UTC)),
        ("1785575722", {"format": "epoch_s"}, datetime(2026, 8, 1, 9, 15, 22, tzinfo=UTC)),
        ("1785575722123", {"format": "epoch_ms"}, datetime(2026, 8, 1, 9, 15, 22, 123000, tzinfo=UTC)),
        (
            "01.08.2026 09:00",
            {"format": "%d.%m.%Y %H:%M", "zone": "UTC"},
            datetime(2026, 8, 1, 9, tzinfo=UTC),
        ),
        ("yesterday", {}, None),
    ],
)
def test_instant(text: str, spec: dict[str, Any], expected: datetime | None) -> None:
    assert typed("instant", text, **spec) == expected


@pytest.mark.parametrize(("text", "expected"), [("True", True), ("否", False), ("0", False), ("maybe", None)])
def test_boolean(text: str, *, expected: bool | None) -> None:
    assert typed("boolean", text) is expected


@pytest.mark.parametrize(
    ("text", "conversions", "expected"),
    [
        ("13800000000", ["phone"], "+8613800000000"),
        ("８６-13800000000", ["phone"], "+8613800000000"),
        ("021-5000 1234", ["phone"], "+862150001234"),
        ("(021)50001234转801", ["phone"], "+862150001234x801"),
        ("+49 30 901820", ["phone"], "+4930901820"),
        ("call me", ["phone"], "call me"),
        (" Info@Beichen.Example ", ["email"], "info@beichen.example"),
        ("not a mail", ["email"], None),
        ("上海北辰（集团）　ＡＢ  有限公司", ["name"], "上海北辰(集团) AB 有限公司"),
        ("https://www.Beichen.example/a?b", ["domain"], "beichen.example"),
        ("<p>hello <b>you</b></p>", ["strip_html"], "hello you"),
        ("\u3000\u200b", ["trim"], None),
        ("a-1 b2", ["digits"], "12"),
    ],
)
def test_text(text: str, conversions: list[str], expected: str | None) -> None:
    frame = pl.DataFrame({"v": [text]})
    assert frame.select(v=convert.texts(pl.col("v"), conversions, region="CN", hooks={}))["v"][0] == expected
