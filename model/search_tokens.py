"""What text becomes in the search index: Chinese bigrams, words, pinyin from every syllable, digits both ways.

SQLite's trigram tokenizer finds nothing for words of two characters, and most Chinese short names have two to four.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from opencc import OpenCC
from pypinyin import Style, pinyin

HAN = re.compile(r"[㐀-鿿]+")
WORD = re.compile(r"[0-9a-z]+")
START = "\ue000"  # a letter to the index that nobody types: marks tokens of a name's beginning
_SIMPLIFY = OpenCC("t2s")
_SURNAMES = {"单": "shan", "解": "xie", "仇": "qiu", "查": "zha", "盖": "ge", "曾": "zeng", "朴": "piao", "区": "ou"}
MAX_SYLLABLES = 10


@lru_cache(maxsize=65536)
def _simple(character: str) -> str:
    return str(_SIMPLIFY.convert(character))


def fold(text: str) -> str:
    """Width, case and traditional characters folded; spaces at the ends dropped."""
    folded = unicodedata.normalize("NFKC", text).lower().strip()
    return "".join(_simple(character) if character > "㐀" else character for character in folded)


def key(text: str) -> str:
    """The form in which codes, numbers and whole names are compared: folded, letters and digits only."""
    return "".join(character for character in fold(text) if character.isalnum())


@lru_cache(maxsize=65536)
def _readings(character: str) -> tuple[str, ...]:
    found = pinyin(character, style=Style.NORMAL, heteronym=True, errors="ignore")
    readings = list(dict.fromkeys(found[0]))[:3] if found else []
    surname = _SURNAMES.get(character)
    return tuple(dict.fromkeys(([surname] if surname else []) + readings))


def han(text: str) -> str:
    """The Chinese characters of folded `text` in one run: brackets and blanks are left out when people type."""
    return "".join(HAN.findall(text))


def bigrams(text: str) -> list[str]:
    """Every pair of neighbouring Chinese characters of folded `text`, also across brackets; alone, single ones and
    the last one, so that every character begins a token."""
    whole = han(text)
    single = [run for run in HAN.findall(text) if len(run) == 1]
    return [*(whole[i : i + 2] for i in range(len(whole) - 1)), *single, *whole[-1:]]


def start_tokens(text: str) -> list[str]:
    """What folded `text` begins with, one and two characters long: as written, and as pinyin and initials."""
    compact = "".join(character for character in text if character.isalnum())
    if not compact:
        return []
    found = {compact[:1], compact[:2]}
    syllables = [_readings(character) for character in han(compact[:2])] if HAN.match(compact) else []
    if syllables and syllables[0]:
        following = syllables[1][0][0] if len(syllables) > 1 and syllables[1] else ""
        for reading in syllables[0][:2]:
            found |= {reading[:1], reading[:2], reading[0] + following}
    return [START + part for part in sorted(found)]


def pinyin_tokens(text: str) -> list[str]:
    """Full pinyin and initials of folded `text` from every syllable on, so that any inner part is a prefix of one.

    Brackets between characters do not end a part. The first two readings of the first character are both indexed
    (surnames read differently).
    """
    tokens: list[str] = []
    syllables = [readings for character in han(text) if (readings := _readings(character))]
    for start, readings in enumerate(syllables):
        rest = [following[0] for following in syllables[start + 1 : start + MAX_SYLLABLES]]
        for first in readings[:2]:
            spelled = [first, *rest]
            tokens += ["".join(spelled), "".join(part[0] for part in spelled)]
    return tokens


def name_tokens(text: str) -> list[str]:
    """Tokens of a name: bigrams, words, pinyin, its beginning."""
    folded = fold(text)
    found = [*bigrams(folded), *WORD.findall(folded), *pinyin_tokens(folded), *start_tokens(folded)]
    return list(dict.fromkeys(found))


def number_tokens(text: str) -> list[str]:
    """Tokens of a phone or tax number: forwards, and backwards with a mark, so that an ending is a prefix too."""
    compact = key(text)
    local = compact.removeprefix("86") if compact.startswith("86") and len(compact) > 11 else compact
    return list(dict.fromkeys([compact, local, "z" + compact[::-1]])) if compact else []


def query_terms(text: str) -> list[str]:
    """FTS5 terms that all must match for a typed text; empty when there is nothing to look for."""
    folded = fold(text)
    terms = [f'"{run[i : i + 2]}"' for run in HAN.findall(folded) if len(run) > 1 for i in range(len(run) - 1)]
    terms += [f'"{run}"*' for run in HAN.findall(folded) if len(run) == 1]
    return terms + [f'"{word}"*' for word in WORD.findall(folded)]


def number_forms(wanted: str) -> list[str]:
    """The compact forms under which a typed code or number may be kept; phones are kept with their country code.

    138… and 0512… stand for +86138… and +86512…; 00 before a country code is dropped.
    """
    if not (wanted.isascii() and wanted.isdigit()):
        return [wanted]
    if wanted.startswith("00"):
        return [wanted, wanted[2:]] if len(wanted) >= 9 else [wanted]  # shorter ones are endings, not countries
    return [wanted, f"86{wanted.removeprefix('0')}"]
