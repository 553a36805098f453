"""Both languages are complete, and every text id the pages name exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from model.serve import console, find
from ops import leases
from ops.errors import C360Error, FatalError
from ops.texts import catalogue, text
from views.parts import saying
from views.parts.format import Look

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
    for key, entry in catalogue().items():
        assert sorted(place.findall(entry["zh"])) == sorted(place.findall(entry["en"])), key


@pytest.mark.parametrize(
    ("n", "said"), [("0", "0 contracts"), ("1", "1 contract"), ("2", "2 contracts"), ("1,001", "1,001 contracts")]
)
def test_english_counts_one_thing_in_the_singular(n: str, said: str) -> None:
    assert text("en", "kpi.contracts", n=n) == said
    assert "(" not in text("zh", "kpi.contracts", n=n)


def test_endings_are_chosen_by_the_place_before_them_and_never_by_what_stands_in_it() -> None:
    assert text("en", "fin.shared", name="Probe (a|b)", n="1") == "shared in the group Probe (a|b), 1 member"
    assert text("en", "fin.covers", n="1") == "1 covers overdue items"
    assert text("en", "fin.covers", n="3") == "3 cover overdue items"


@pytest.mark.parametrize("name", saying.KNOWN)
def test_an_error_a_person_can_cause_has_its_words(name: str) -> None:
    sample = re.sub(r"\(\?P<\w+>[^)]*\)", "7", saying.KNOWN[name]).replace("'?", "").replace("\\d+", "7")
    sample = sample.replace("\\S+", "7")
    what, lines = saying.told(Look("zh", "Asia/Shanghai", None), FatalError(sample, valid="from 2026-11-22 on"))  # type: ignore[arg-type]
    assert what != sample
    assert not re.search(r"[a-z]{4,}", what + "".join(lines).replace("c360 build", ""))


def test_another_error_is_said_as_it_is_with_its_remedy() -> None:
    error = FatalError("the lamp is out", valid="a lamp", remedy="change it")
    look = Look("en", "Asia/Shanghai", None)  # type: ignore[arg-type]
    assert saying.told(look, error) == (
        "the lamp is out",
        [text("en", "ui.valid", valid="a lamp"), text("en", "ui.remedy", remedy="change it")],
    )


def _kinds(kind: type[C360Error]) -> set[type[C360Error]]:
    return {kind}.union(*(_kinds(one) for one in kind.__subclasses__()))


def test_every_kind_of_error_has_chinese_words_and_keeps_what_the_model_said() -> None:
    look = Look("zh", "Asia/Shanghai", None)  # type: ignore[arg-type]
    kinds = {find.NotFound, console.TooLong, leases.LeaseHeld} | _kinds(C360Error)
    for kind in sorted(kinds, key=lambda one: one.__name__):
        error = kind.__new__(kind)
        error.what, error.valid, error.remedy = "the lamp is out", "a lamp", "change it"
        what, lines = saying.told(look, error)
        assert not re.search(r"[a-z]", what + lines[0]), kind
        assert lines[1:] == [text("zh", "error.other", what="the lamp is out")]
