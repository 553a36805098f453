"""One spelling for width, case, accents, traditional characters and joined letters."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib import resources

HAN = re.compile(r"[㐀-鿿豈-﫿]")
_LETTERS = str.maketrans({"ß": "ss", "ø": "o", "ł": "l", "æ": "ae", "œ": "oe", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})
_DRY = re.compile(r"(?<=[餅饼])乾|乾(?=[燥洗净淨货貨果])")
_JOINED = re.compile(r"\b(?:[a-z] ){1,}[a-z]\b")


@cache
def _simplified() -> dict[int, str]:
    """Traditional → simplified character by OpenCC's table. 乾 is left: as a trade name it is not 干."""
    path = resources.files("opencc") / "dictionary" / "TSCharacters.txt"
    pairs = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if "\t" in line)
    return {ord(old): new.split()[0] for old, new in pairs if len(old) == 1 and old != "乾"}


def simplify(text: str) -> str:
    """`text` NFKC-folded (full width, ligatures), traditional characters simplified, ends and runs of blanks cut."""
    folded = unicodedata.normalize("NFKC", text)
    if HAN.search(folded):
        folded = _DRY.sub("干", folded).translate(_simplified())
    return " ".join(folded.split())


_CYRILLIC = str.maketrans(
    dict(
        zip(
            "абвгдежзийклмнопрстуфхцчшщъыьэюяёіїєґ",
            "a b v g d e zh z i y k l m n o p r s t u f kh ts ch sh shch _ y _ e yu ya e i i e g".replace(
                "_", ""
            ).split(" "),
            strict=True,
        )
    )
)


def plain(text: str) -> str:
    """Lower case without accents, Cyrillic in Latin letters: `Müller Øst` → `muller ost`."""
    lowered = text.lower().translate(_LETTERS)
    if lowered.isascii():
        return lowered
    parts = unicodedata.normalize("NFKD", lowered.translate(_CYRILLIC))
    return unicodedata.normalize("NFC", "".join(c for c in parts if not unicodedata.combining(c)))


def words(text: str) -> str:
    """Latin `text` as words parted by one blank: `&` is `and`, dots and apostrophes join, other marks part.

    Single letters in a row are one word: `S. A. R. L.` → `sarl`, `I B M` → `ibm`.
    """
    folded = plain(text).replace("&", " and ").replace("+", " and ")
    folded = re.sub(r"\s*\\?\s*['’`´]\s*s\b", "s", folded)
    folded = re.sub(r"['’`´]", "", folded)
    folded = re.sub(r"\.", " ", folded)
    folded = re.sub(r"[^\w]+|_", " ", folded).strip()
    folded = " ".join(folded.split())
    return _JOINED.sub(lambda found: found.group().replace(" ", ""), folded)
