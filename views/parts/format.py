"""How numbers, money, dates and states look in Chinese and in English.

0 is a number, `—` is not applicable, 未知 is unknown (None), 🔒 is hidden from this viewer: four different things.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import phonenumbers
from babel.dates import format_skeleton
from babel.numbers import format_decimal, get_currency_symbol

from model.policy import HIDDEN
from ops.texts import catalogue, text
from views.parts.html import Html, h, join, tag

MINUS = "−"
STEPS = {
    "zh": ((Decimal(10) ** 8, " 亿"), (Decimal(10) ** 4, " 万")),
    "en": ((Decimal(10) ** 9, "B"), (Decimal(10) ** 6, "M"), (Decimal(10) ** 3, "k")),
}
LOCALES = {"zh": "zh_CN", "en": "en_US"}
_HAN = re.compile(r"[\u3400-\u9fff]")
# The space before and after a value (between two \0) where Chinese meets Chinese; a value may be markup.
_BEFORE = re.compile(r"(?<=[\u3400-\u9fff]) (?=\0(?:<[^>]*>)*[\u3400-\u9fff])")
_AFTER = re.compile(r"([\u3400-\u9fff](?:<[^>]*>)*\0) (?=[\u3400-\u9fff])")


def number(value: Any) -> Decimal:
    """Any amount of a serve answer as Decimal (they come as Decimal, int, float or plain text)."""
    return value if isinstance(value, Decimal) else Decimal(str(value))


def as_date(value: Any) -> date:
    """A date from a date, a datetime or ISO text."""
    if isinstance(value, datetime):
        return value.date()
    return value if isinstance(value, date) else date.fromisoformat(str(value)[:10])


def as_instant(value: Any) -> datetime:
    """An aware instant from a datetime or ISO text; without a zone it is read as UTC."""
    instant = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return instant if instant.tzinfo else instant.replace(tzinfo=ZoneInfo("UTC"))


@dataclass(frozen=True)
class Look:
    """One viewer's language, zone and present moment; every text on a page goes through it."""

    language: str
    zone: str
    now: datetime
    people: Mapping[str, str] = field(default_factory=dict)

    def t(self, msgid: str, **values: Any) -> str:
        """The text `msgid` in this language; in Chinese no space stands between a Chinese value and the words."""
        if self.language != "zh" or not any(isinstance(value, str) and _HAN.search(value) for value in values.values()):
            return text(self.language, msgid, **values)
        marked = {name: f"\0{value}\0" if isinstance(value, str) else value for name, value in values.items()}
        said = _AFTER.sub(r"\1", _BEFORE.sub("", text(self.language, msgid, **marked)))
        return said.replace("\0", "")

    def keys(self, msgid: str) -> Html:
        """Which keys do what; only where there is a keyboard."""
        return tag("span", self.t(msgid), class_="keyboard")

    def say(self, value: Any) -> str:
        """A sentence from the model: a message id, {msgid, …} with its values, or text that is already readable."""
        if isinstance(value, dict):
            given = value.get("args", value)
            arguments = {key: self.word(item) for key, item in given.items() if key != "msgid"}
            return self.t(value["msgid"], **arguments) if value["msgid"] in catalogue() else value["msgid"]
        return self.t(value) if value in catalogue() else str(value)

    def word(self, value: Any) -> Any:
        """An argument of a sentence: amounts with separators, other values as they are."""
        return self.amount(value) if isinstance(value, Decimal) else value

    def label(self, group: str, value: Any) -> Html:
        """The word for one value of an enumeration; a word the source invented is shown as it is."""
        if state := self.state(value):
            return state
        msgid = f"enum.{group}.{value}"
        return h(self.t(msgid) if msgid in catalogue() else value)

    def state(self, value: Any) -> Html | None:
        """The mark for unknown and hidden values, None for ordinary ones."""
        if value is None or value == "":
            return tag("span", self.t("ui.unknown"), class_="unknown", title=self.t("ui.unknown_hint"))
        if isinstance(value, str) and value == HIDDEN:
            return tag("span", HIDDEN, class_="lock", title=self.t("ui.hidden_hint"))
        return None

    def who(self, user: str | None) -> Html:
        """The name of a user; one that nobody here bears is shown as it is, nobody as a dash."""
        if not user:
            return self.na()
        return tag("span", self.name(user), title=user)

    def name(self, user: str) -> str:
        """As who, as plain text."""
        msgid = f"enum.actor.{user}"
        return self.people.get(user) or (self.t(msgid) if msgid in catalogue() else user)

    def na(self) -> Html:
        """Not applicable."""
        return tag("span", "—", class_="na", title=self.t("ui.na_hint"))

    def text(self, value: Any) -> Html:
        """Plain text, escaped, or its state."""
        return self.state(value) or h(value)

    def phone(self, value: Any) -> Html:
        """A phone number grouped for reading: national form for Chinese numbers, international otherwise."""
        if state := self.state(value):
            return state
        try:
            parsed = phonenumbers.parse(str(value), "CN")
        except phonenumbers.NumberParseException:
            return h(value)
        form = phonenumbers.PhoneNumberFormat
        national = parsed.country_code == 86
        shown = phonenumbers.format_number(parsed, form.NATIONAL if national else form.INTERNATIONAL)
        return tag("span", shown, title=value, class_="n")

    def count(self, value: Any) -> str:
        """A whole number with separators."""
        return self._decimal(number(value), "#,##0")

    def percent(self, value: Any, digits: int = 0) -> Html:
        """A percentage given in percent points (58 → 58 %)."""
        if state := self.state(value):
            return state
        pattern = "#,##0" + ("." + "0" * digits if digits else "")
        return h(self._decimal(number(value), pattern) + " %")

    def share(self, value: Any, digits: int = 0) -> Html:
        """A percentage given as a share of one (0.58 → 58 %)."""
        return self.state(value) or self.percent(number(value) * 100, digits)

    def amount(self, value: Any) -> str:
        """An exact amount with two decimals and a real minus, without currency."""
        return self._decimal(number(value), "#,##0.00")

    def plain(self, value: Any) -> str:
        """A number with separators and as many decimals as it has, without trailing zeros."""
        return self._decimal(number(value), "#,##0.##########")

    def fixed(self, value: Any, digits: int) -> str:
        """A number with separators and always as many decimals."""
        return self._decimal(number(value), "#,##0." + "0" * digits)

    def exact(self, value: Any) -> Html:
        """An exact amount for a table cell, or its state."""
        return self.state(value) or h(self.amount(value))

    def symbol(self, currency: str | None) -> str:
        """The sign of a currency; CNY is ¥ in both languages because it is the usual base currency."""
        if not currency:
            return ""
        if currency == "CNY":
            return "¥"
        return str(get_currency_symbol(currency, locale=LOCALES[self.language]))

    def money(self, value: Any, currency: str | None = None) -> Html:
        """A short amount (¥ 98.42 万 / ¥ 984k) with the exact one in its tooltip."""
        if state := self.state(value):
            return state
        exact = f"{self.amount(value)} {currency or ''}".strip()
        sign = self.symbol(currency)
        short = self.short(value)
        return tag("span", f"{sign} {short}" if sign else short, title=exact, class_="n")

    def short(self, value: Any) -> str:
        """A short number: 万 and 亿 in Chinese, k, M and B in English."""
        amount = number(value)
        for step, unit in STEPS[self.language]:
            if abs(amount) >= step:
                scaled = amount / step
                digits = self._digits(abs(scaled))
                return self._decimal(scaled, "#,##0" + ("." + "0" * digits if digits else "")) + unit
        return self._decimal(amount, "#,##0.00" if amount % 1 else "#,##0")

    def common(self, values: list[Any]) -> tuple[list[str], str]:
        """Several amounts in one unit, one decimal each, and that unit (said once by the caller).

        The unit is the largest in which even the smallest amount is at least one, so that none of them vanishes.
        """
        amounts = [number(value) for value in values]
        peak = max((abs(amount) for amount in amounts), default=Decimal(0))
        least = min((abs(amount) for amount in amounts if amount), default=Decimal(0))
        fitting = [entry for entry in STEPS[self.language] if peak >= entry[0]]
        if not fitting:
            return [self._decimal(amount, "#,##0.00" if amount % 1 else "#,##0") for amount in amounts], ""
        step, unit = next((entry for entry in fitting if least >= entry[0]), fitting[-1])
        return [self._decimal(amount / step, "#,##0.0") for amount in amounts], unit

    def _digits(self, scaled: Decimal) -> int:
        if self.language == "zh":
            return 2 if scaled < 100 else 1
        return 2 if scaled < 10 else 1 if scaled < 100 else 0

    def _decimal(self, value: Decimal, pattern: str) -> str:
        return str(format_decimal(value, format=pattern, locale=LOCALES[self.language])).replace("-", MINUS)

    def day(self, value: Any) -> Html:
        """An exact date (ISO), or its state."""
        return self.state(value) or h(as_date(value).isoformat())

    def when(self, value: Any) -> Html:
        """A short instant: today and yesterday with the time, this year without the year; exact in the tooltip."""
        if state := self.state(value):
            return state
        local = as_instant(value).astimezone(ZoneInfo(self.zone))
        today = self.now.astimezone(ZoneInfo(self.zone)).date()
        gap = (today - local.date()).days
        if gap in {0, 1}:
            short = f"{self.t('ui.today' if gap == 0 else 'ui.yesterday')} {local:%H:%M}"
        elif 1 < gap < 300 or -300 < gap < 0:
            short = self.month_day(local.date())
        else:
            short = local.date().isoformat()
        return tag("time", short, datetime=local.isoformat(), title=f"{local:%Y-%m-%d %H:%M}")

    def stamp(self, value: Any) -> Html:
        """An exact instant in the viewer's zone, or its state."""
        if state := self.state(value):
            return state
        local = as_instant(value).astimezone(ZoneInfo(self.zone))
        return tag("time", f"{local:%Y-%m-%d %H:%M}", datetime=local.isoformat(), class_="n")

    def moment(self, value: Any) -> str:
        """A short instant as plain text, for a place inside a sentence."""
        return str(self.when(value)).split(">", 1)[1].split("<", 1)[0]

    def month_day(self, value: Any) -> str:
        """11-25 in Chinese, Nov 25 in English."""
        day = as_date(value)
        if self.language == "zh":
            return f"{day:%m-%d}"
        return str(format_skeleton("MMMd", day, locale="en_US"))

    def clock(self, value: Any) -> Html:
        """HH:MM when it was today, the date otherwise."""
        if state := self.state(value):
            return state
        local = as_instant(value).astimezone(ZoneInfo(self.zone))
        today = self.now.astimezone(ZoneInfo(self.zone)).date()
        short = f"{local:%H:%M}" if local.date() == today else self.month_day(local.date())
        return tag("time", short, datetime=local.isoformat(), title=f"{local:%Y-%m-%d %H:%M}")

    def duration(self, minutes: Any) -> Html:
        """A span of minutes, short and signed: −3 h 20 m, 5 h 10 m, 3 天 / 3 d."""
        if state := self.state(minutes):
            return state
        total = int(minutes)
        sign, size = (MINUS, -total) if total < 0 else ("", total)
        if size >= 1440:
            return h(sign + self.t("ui.days_short", n=size // 1440))
        return h(f"{sign}{size // 60} h {size % 60:02d} m")

    def age(self, seconds: Any) -> str:
        """How old something is, in the two largest units."""
        minutes = int(number(seconds)) // 60
        if minutes < 60:
            return self.t("ui.age_minutes", m=minutes)
        if minutes < 1440:
            return self.t("ui.age_hours", h=minutes // 60, m=minutes % 60)
        return self.t("ui.age_days", d=minutes // 1440, h=minutes % 1440 // 60)

    def days(self, value: Any) -> Html:
        """A number of days with its unit, or its state."""
        return self.state(value) or h(self.t("ui.days", n=self.count(value)))

    def dotted(self, *parts: object) -> Html:
        """Parts with a middle dot between them; empty ones are left out. Lines break after a dot."""
        shown = [part for part in parts if part not in {None, ""}]
        if len(shown) < 2:
            return join(shown)
        last = len(shown) - 1
        held = [tag("span", part, "" if at == last else " ·", class_="part") for at, part in enumerate(shown)]
        return join(held, Html(" "))
