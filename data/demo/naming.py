"""Company names, their spellings in other systems, and people's names."""

from __future__ import annotations

from random import Random

from data.demo.words import (
    FOREIGN_FIRST,
    FOREIGN_PLACES,
    FOREIGN_WORD,
    GIVEN,
    INDUSTRIES,
    SHORT_WORDS,
    SURNAMES,
    TRADE_FIRST,
    TRADE_SECOND,
    City,
)
from data.demo.world import pick

_LEGAL = ("有限公司",) * 8 + ("股份有限公司", "有限责任公司")
_PROVINCES_SHORT = {"省": "", "市": ""}


def company(rng: Random, city: City, industry: str, used: set[str]) -> tuple[str, str]:
    """An unused full name and its short name, in one of the usual patterns."""
    while True:
        trade = pick(rng, TRADE_FIRST) + pick(rng, TRADE_SECOND)
        word = pick(rng, INDUSTRIES[industry])
        legal = pick(rng, _LEGAL)
        shape = rng.random()
        if shape < 0.55:
            name = f"{city.name}{trade}{word}{legal}"
        elif shape < 0.85:
            name = f"{trade}{word}（{city.name}）{legal}"
        elif shape < 0.93:
            name = f"{city.province[:2]}{trade}{word}{legal}"
        else:
            name = f"{trade}{word}集团有限公司"
        if trade[0] != trade[1] and name not in used:
            used.add(name)
            return name, trade + SHORT_WORDS.get(word, word[:2])


def foreign(rng: Random, used: set[str]) -> tuple[str, str, str, str]:
    """Name, currency, city, country of a company abroad."""
    legal, currency, city, country = pick(rng, FOREIGN_PLACES)
    stem = f"{pick(rng, FOREIGN_FIRST)} {pick(rng, FOREIGN_WORD)}"
    name = f"{stem} {legal}"
    if name in used:
        name = f"{stem} {city} {legal}"
    if name in used:
        name = f"{stem} {len(used)} {legal}"
    used.add(name)
    return name, currency, city, country


def variant(rng: Random, name: str, short: str) -> str:
    """How another system spells the same company: brackets, legal form, blanks, short name, remarks."""
    choice = rng.random()
    if choice < 0.45:
        return name
    if choice < 0.65 and "（" in name:
        return name.replace("（", "(").replace("）", ")")
    if choice < 0.78 and name.endswith("有限公司") and "股份" not in name:
        return name[:-4] + "有限责任公司"
    if choice < 0.86:
        return short
    if choice < 0.90:
        return name + pick(rng, ("（勿用）", "-旧", " "))
    if choice < 0.95:
        return name.replace("有限公司", " 有限公司")
    return name.translate(str.maketrans("精电设机医创云华远车", "精電設機醫創雲華遠車"))


def person(rng: Random) -> tuple[str, str, str]:
    """Full name, surname, pinyin."""
    surname, given = pick(rng, SURNAMES), pick(rng, GIVEN)
    return surname[0] + given[0], surname[0], f"{given[1]}.{surname[1]}"
