"""What text becomes in the search index, and a sidecar carried forward against one written anew."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from model import search, search_query
from model.policy import Viewer
from model.search_tokens import fold, key, name_tokens, number_forms, number_tokens, query_terms
from model.serve import Served

ALL = Viewer(user="x", name="x", role="service", masks=frozenset())


@pytest.mark.parametrize(
    ("name", "typed"),
    [("恒锐化工（武汉）有限公司", "hrhgwh"), ("恒锐化工（武汉）有限公司", "huagongwuhan"), ("单于仪器", "shanyu"),
     ("北辰精密", "bc"), ("北辰精密", "jingmi"), ("重庆长安", "cq"), ("Ostsee Sensor GmbH", "ostsee")],
)  # fmt: skip
def test_pinyin_and_initials_of_any_part_start_a_token(name: str, typed: str) -> None:
    assert any(token.startswith(typed) for token in name_tokens(name))


def test_words_of_two_characters_and_across_brackets_are_tokens() -> None:
    tokens = name_tokens("北辰精密（苏州）")
    assert {"北辰", "辰精", "苏州", "密苏"} <= set(tokens)


def test_width_case_and_traditional_characters_fold() -> None:
    assert fold(" ＡＢｃ北辰儀器 ") == "abc北辰仪器"
    assert key("C-01187") == key("ｃ 01187") == "c01187"


def test_numbers_both_ways_and_with_their_country() -> None:
    assert number_tokens("+8613812345678") == ["8613812345678", "13812345678", "z8765432183168"]
    assert number_forms("051267890123") == ["051267890123", "8651267890123"]
    assert number_forms("008613812345678")[1] == "8613812345678"
    assert number_forms("c01") == ["c01"]


@pytest.mark.parametrize("text", ['"', "* OR", "NEAR(a b)", "a:b", "-x", "^北"])
def test_a_query_is_never_syntax(text: str) -> None:
    assert all(term.strip("*").strip('"').isalnum() for term in query_terms(text))


def test_a_sidecar_carried_forward_answers_like_a_new_one(db: Served, tmp_path: Path) -> None:
    built, published = db.published.path, db.published.search_path
    keys = [row["customer_key"] for row in db.rows("select customer_key from core.dim_customer")]
    search.build_sidecar(built, tmp_path / "carried.sqlite", published, keys[:2])
    search.build_sidecar(built, tmp_path / "new.sqlite")
    paths = (tmp_path / "carried.sqlite", tmp_path / "new.sqlite")
    for text in ("北岭", "精密仪器", "bl", "13811112222", "2222", "K-north", "INV"):
        answers = [search_query.query(ALL, path, text) for path in paths]
        assert answers[0] == answers[1]
        assert answers[0]


def test_a_sidecar_with_older_tokens_is_written_anew(db: Served, tmp_path: Path) -> None:
    old, out = tmp_path / "old.sqlite", tmp_path / "out.sqlite"
    shutil.copyfile(db.published.search_path, old)
    connection = sqlite3.connect(old, isolation_level=None)
    connection.execute("pragma user_version=1")
    connection.execute("delete from customer")
    connection.close()
    search.build_sidecar(db.published.path, out, old, [])
    assert search_query.query(ALL, out, "北岭")
