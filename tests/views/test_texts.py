"""Both languages are complete, and every text id the pages name exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ops.texts import catalogue

ROOT = Path(__file__).parents[2]
LITERAL = re.compile(r'\.t\(\s*"([a-z0-9_.-]+)"')
FILES = sorted((ROOT / "views").rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_named_text_exists(path: Path) -> None:
    missing = [msgid for msgid in LITERAL.findall(path.read_text(encoding="utf-8")) if msgid not in catalogue()]
    assert missing == []


def test_chinese_texts_are_chinese_and_english_texts_are_not() -> None:
    han = re.compile(r"[\u4e00-\u9fff]")
    mine = {key: text for key, text in catalogue().items() if key.split(".")[0] in {"nav", "kpi", "panel", "work"}}
    wrong = [key for key, text in mine.items() if han.search(text["en"]) and not key.startswith("nav.switch")]
    assert wrong == []


def test_places_agree_between_languages() -> None:
    place = re.compile(r"{(\w+)}")
    for key, text in catalogue().items():
        assert sorted(place.findall(text["zh"])) == sorted(place.findall(text["en"])), key
