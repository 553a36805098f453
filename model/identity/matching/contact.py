"""Phones, domains and addresses as keys that can be compared."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from pathlib import Path

from model.identity.names.fold import HAN, plain, simplify

_DATA = tomllib.loads(Path(__file__).with_name("contact.toml").read_text(encoding="utf-8"))
FREE_HOSTS = frozenset(_DATA["free_hosts"])
_SECOND_LEVEL = frozenset(_DATA["second_level"])
_STREET_WORDS: dict[str, str] = _DATA["street"]
_EXTENSION = re.compile(r"(?i)(?:转|分机|ext\.?|extension|#|;|\bx)\s*(\d{1,6})\s*$")
_DASH_EXTENSION = re.compile(r"^(\+?[\d() ]*\d{3,4}[- ]\d{7,8})-(\d{1,6})$")
_INNER = re.compile(
    r"\b(?:suite|ste|floor|fl|unit|apt|apartment|room|rm|level|lvl|po box|p\.? ?o\.? box|bldg|building)\.? ?#?\s*[\w-]+"
    r"|\b\d+(?:st|nd|rd|th) (?:floor|fl)\b|#\s*\w+",
)
_NUMBER = re.compile(r"(?<![\w.])(\d{1,6})(?:\s?-\s?\d+)?([a-z]?)(?![\w])")
_HAN_NUMBER = re.compile(r"(?:(\d+)弄)?(\d+)(?:-\d+)?号")
_HAN_INNER = re.compile(
    r"\(.*?\)|[a-z]?\d+[a-z]?(?:栋|幢|座|楼|层|室|房|单元|f|号楼|号馆|号厂房).*$|[一二三四五六七八九十]+(?:层|楼).*$"
)


@lru_cache(maxsize=200_000)
def phone(text: str) -> tuple[str, str]:
    """National digits of the first number in `text`, and its extension; ('', '') where there is none to compare by."""
    folded = re.sub(r"[‐-―－ー〜~]", "-", simplify(text)).lower()
    pieces = [p for p in re.split(r"[/、;,，；]|\bor\b", folded) if re.search(r"\d", p)]
    whole = all(len(re.sub(r"\D", "", p)) >= 7 for p in pieces)  # 404/351-9533 is one number
    folded = pieces[0].strip() if pieces and whole else folded.strip()
    match = _EXTENSION.search(folded) or _DASH_EXTENSION.match(folded)
    extension = ""
    if match:
        extension = match.group(match.lastindex or 1)
        folded = folded[: match.start()] if match.re is _EXTENSION else match.group(1)
    digits = re.sub(r"\D", "", folded)
    digits = (
        re.sub(r"^(?:0086|086|86)(?=\d{10,})", "", digits)
        if not digits.startswith("861") or len(digits) > 11
        else digits
    )
    digits = digits.lstrip("0")
    if (
        len(digits) == 11
        and digits.startswith("1")
        and "2" <= digits[1] <= "9"
        and folded.lstrip().startswith(("+1", "1-", "1 ", "1("))
    ):
        digits = digits[1:]
    if not 7 <= len(digits) <= 15 or len(set(digits)) <= 2 or digits in "01234567890123456789":
        return "", ""
    return digits, extension


@lru_cache(maxsize=200_000)
def domain(text: str) -> str:
    """Registered domain of a web or mail address; '' for free mail and shared hosts."""
    host = plain(text).strip().split("@")[-1]
    host = re.sub(r"^[a-z]+://", "", host)
    host = re.split(r"[/?#:\s,;>)]", host)[0].strip(".")
    if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", host) or host in FREE_HOSTS:
        return ""
    labels = host.removeprefix("www.").split(".")
    keep = 3 if len(labels) >= 3 and labels[-2] in _SECOND_LEVEL and len(labels[-1]) == 2 else 2
    registered = ".".join(labels[-keep:])
    return "" if registered in FREE_HOSTS or labels[-1].isdigit() else registered


@lru_cache(maxsize=200_000)
def email(text: str) -> str:
    """A mail address in lower case; '' where `text` is none."""
    found = re.search(r"[a-z0-9._%+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+", text.lower())
    return found.group() if found else ""


@lru_cache(maxsize=200_000)
def address(text: str) -> tuple[str, str]:
    """House number ('' if none) and street of an address, both in one spelling; floors, rooms and suites are cut."""
    folded = simplify(text).lower()
    if HAN.search(folded):
        folded = _HAN_INNER.sub("", re.sub(r"\s", "", folded)) or folded
        match = _HAN_NUMBER.search(folded)
        number = f"{match.group(1) or ''}/{match.group(2)}" if match else ""
        street = folded[: match.start()] if match else folded
        return number, re.sub(r"[\W_]", "", street)
    folded = _INNER.sub(" ", plain(folded))
    folded = re.sub(r"[^\w\s-]", " ", folded.replace(".", ""))
    folded = re.sub(r"(?<=[a-z])(strasse|str)\b", " st", folded)
    match = _NUMBER.search(folded)
    number = match.group(1).lstrip("0") + match.group(2) if match else ""
    street = folded[: match.start()] + folded[match.end() :] if match else folded
    tokens = [_STREET_WORDS.get(word, word) for word in re.split(r"[\s-]+", street) if word]
    return number, " ".join(tokens)


@lru_cache(maxsize=50_000)
def city(text: str) -> str:
    """A city in one spelling: 苏州市 → 苏州, `New York City` → new york."""
    folded = simplify(text).lower()
    if HAN.search(folded):
        folded = re.sub(r"\s", "", folded)
        inner = re.sub(r"^.{2,}?(?:省|自治区)", "", folded) or folded
        return re.sub(r"(?<=..)市.*$", "", inner)
    folded = " ".join(re.sub(r"[^\w]+", " ", plain(folded)).split())
    folded = re.sub(r"^(?:city of|greater) |(?<=\w) city$", "", folded)
    return re.sub(r"^st ", "saint ", folded)
