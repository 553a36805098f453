"""The shipped word lists (han.toml, latin.toml), read once."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent


@cache
def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


@cache
def han_words(section: str) -> frozenset[str]:
    """The words of a section of han.toml."""
    return frozenset(_read("han")[section]["words"])


@cache
def latin_words(section: str) -> frozenset[str]:
    """The words of a section of latin.toml."""
    return frozenset(_read("latin")[section]["words"])


@cache
def han_legal() -> tuple[tuple[str, str], ...]:
    """Ending → canonical legal form, longest ending first."""
    return tuple(sorted(_read("han")["legal"].items(), key=lambda pair: (-len(pair[0]), pair[0])))


@cache
def latin_legal() -> dict[tuple[str, ...], str]:
    """Words of a legal form → its family."""
    return {tuple(form.split()): family for form, family in _read("latin")["legal"].items()}


@cache
def abbreviations() -> dict[str, str]:
    """Short spelling → word."""
    return dict(_read("latin")["abbreviation"])
