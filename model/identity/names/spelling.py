"""Names in other letters: pinyin and initials."""

from __future__ import annotations

from functools import lru_cache

from pypinyin import Style, lazy_pinyin

from model.identity.names.parts import OrganisationName

STOPS = frozenset(
    {
        "of",
        "and",
        "for",
        "the",
        "de",
        "la",
        "le",
        "les",
        "des",
        "du",
        "der",
        "die",
        "das",
        "und",
        "et",
        "y",
        "in",
        "at",
        "on",
    }
)
# Surnames at the start of a trade name are read as surnames, not as the common word.
_SURNAMES = {"单": "shan", "解": "xie", "仇": "qiu", "查": "zha", "盖": "ge", "曾": "zeng", "区": "ou", "任": "ren"}


@lru_cache(maxsize=100_000)
def pinyin(text: str) -> str:
    """Toneless pinyin of Chinese `text` in a row; other letters stay."""
    if not text:
        return ""
    head = _SURNAMES.get(text[0])
    return (head or "") + "".join(lazy_pinyin(text[1:] if head else text, style=Style.NORMAL))


def acronym(name: OrganisationName) -> str:
    """Initials of a Latin name's words without stop words; '' for Chinese names."""
    if name.script == "han":
        return ""
    return "".join(word[0] for word in f"{name.trade_name} {name.industry}".split() if word not in STOPS)
