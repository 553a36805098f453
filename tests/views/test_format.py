"""Numbers, dates and states: written by hand for both languages."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from model.policy import HIDDEN
from ops.texts import text
from views.parts.format import Look
from views.parts.html import Html

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
ZH, EN = Look("zh", "Asia/Shanghai", NOW), Look("en", "Asia/Shanghai", NOW)


@pytest.mark.parametrize(
    ("value", "zh", "en"),
    [
        ("0", "0", "0"),
        ("9999.5", "9,999.50", "10.0k"),
        ("984200", "98.42 万", "984k"),
        ("3860000", "386.0 万", "3.86M"),
        ("250000000", "2.50 亿", "250M"),
        ("-416000", "−41.60 万", "−416k"),
    ],
)
def test_short_amounts_use_each_languages_units(value: str, zh: str, en: str) -> None:
    assert ZH.short(Decimal(value)) == zh
    if value != "9999.5":
        assert EN.short(Decimal(value)) == en


def test_money_keeps_the_exact_value_in_the_tooltip() -> None:
    drawn = ZH.money(Decimal("984200.05"), "CNY")
    assert "¥ 98.42 万" in drawn
    assert 'title="984,200.05 CNY"' in drawn


def test_zero_unknown_hidden_and_not_applicable_differ() -> None:
    drawn = [ZH.money(Decimal(0), "CNY"), ZH.money(None, "CNY"), ZH.money(HIDDEN, "CNY"), ZH.na()]
    assert "¥ 0" in drawn[0]
    assert "未知" in drawn[1]
    assert "🔒" in drawn[2]
    assert "—" in drawn[3]
    assert len(set(drawn)) == 4


def test_who_did_something_is_told_by_name() -> None:
    look = Look("zh", "Asia/Shanghai", NOW, {"chen.li": "陈立"})
    assert 'title="chen.li"' in str(look.who("chen.li"))
    assert "陈立" in str(look.who("chen.li"))
    assert look.name("somebody@example.com") == "somebody@example.com"
    assert look.name("operator") == "命令行"
    assert look.who(None) == look.na()


def test_instants_are_short_when_recent_and_iso_when_old() -> None:
    assert ">今天 09:41<" in ZH.when(datetime(2026, 11, 22, 1, 41, tzinfo=UTC))
    assert ">yesterday 16:20<" in EN.when(datetime(2026, 11, 21, 8, 20, tzinfo=UTC))
    assert ">11-10<" in ZH.when(datetime(2026, 11, 10, 1, 0, tzinfo=UTC))
    assert ">Nov 10<" in EN.when(datetime(2026, 11, 10, 1, 0, tzinfo=UTC))
    assert ">2024-03-01<" in ZH.when(datetime(2024, 3, 1, 1, 0, tzinfo=UTC))


def test_an_instant_is_shown_in_the_viewers_zone() -> None:
    assert "2026-11-10 23:30" in Look("zh", "Europe/Berlin", NOW).when(datetime(2026, 11, 10, 22, 30, tzinfo=UTC))


@pytest.mark.parametrize(
    ("minutes", "shown"), [(-200, "−3 h 20 m"), (310, "5 h 10 m"), (1500, "1 天"), (0, "0 h 00 m")]
)
def test_durations_are_signed_with_a_real_minus(minutes: int, shown: str) -> None:
    assert ZH.duration(minutes) == shown


def test_several_amounts_share_a_unit_in_which_none_vanishes() -> None:
    assert EN.common([Decimal(1797000), Decimal(118400)]) == (["1,797.0", "118.4"], "k")
    assert ZH.common([Decimal(568000), Decimal(5000)]) == (["56.8", "0.5"], " 万")
    assert EN.common([Decimal(12), Decimal("3.5")]) == (["12", "3.50"], "")


def test_no_space_stands_between_two_chinese_words() -> None:
    assert ZH.t("customer.since_none", when="今天 02:25") == "自今天 02:25 以来没有变化"
    assert ZH.t("customer.since_none", when="11-20") == "自 11-20 以来没有变化"
    assert ZH.t("fin.shared", name=Html("<b>北辰</b>"), n="2") == "<b>北辰</b>集团共用，2 家"
    assert EN.t("customer.since_none", when="今天") == text("en", "customer.since_none", when="今天")


def test_percent_and_share() -> None:
    assert ZH.share(0.58) == "58 %"
    assert ZH.percent(Decimal("117.4")) == "117 %"
    assert ZH.day(date(2026, 8, 30)) == "2026-08-30"
