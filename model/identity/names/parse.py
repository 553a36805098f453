"""An organisation's name taken apart: region, trade name (字号), industry, legal form, branch mark, remark."""

from __future__ import annotations

from functools import lru_cache

from model.identity.names.chinese import parse_chinese
from model.identity.names.fold import HAN, simplify
from model.identity.names.latin import parse_latin
from model.identity.names.parts import OrganisationName


@lru_cache(maxsize=200_000)
def parse_name(raw: str) -> OrganisationName:
    """Take `raw` apart. Never fails: text without any letter has an empty trade name."""
    text = simplify(raw)
    return parse_chinese(raw, text) if HAN.search(text) else parse_latin(raw, text)
