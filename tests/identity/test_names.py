"""The name parser against names read by hand (names.psv), and what must hold for every name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.identity.names import parse_name
from model.identity.names.aliases import aliases, pinyin
from model.identity.names.facts import facts
from model.identity.names.score import NameScorer
from model.identity.names.table import NameTable

HEAD, *ROWS = Path(__file__).with_name("names.psv").read_text(encoding="utf-8").splitlines()
FIELDS = HEAD.split("|")


@pytest.mark.parametrize("row", ROWS)
def test_parts(row: str) -> None:
    name, *expected = row.split("|")
    parsed = parse_name(name)
    assert [getattr(parsed, field) for field in FIELDS[1:]] == expected


def test_enough_names() -> None:
    assert len(ROWS) >= 80


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("云岚（上海）科技有限公司", "上海云岚科技有限责任公司"),
        ("上海雲嵐科技有限公司", "上海云岚科技有限公司"),
        ("上海市云岚科技有限公司", "上海云岚科技有限公司（勿用）"),
        ("Acme Trading Co., Ltd.", "ACME TRADING LIMITED"),
        ("Müller Maschinen GmbH", "Muller Maschinen G.m.b.H."),
        ("The Acme & Sons Company", "Acme and Sons Co."),
    ],
)
def test_same_company_scores_as_equal(one: str, two: str) -> None:
    assert _score(one, two) >= 0.97


@pytest.mark.parametrize(
    ("one", "two", "most"),
    [
        ("上海云岚科技有限公司", "北京云岚科技有限公司", 0.9),
        ("上海云岚科技有限公司", "上海云峰科技有限公司", 0.72),
        ("Plant 1 GmbH", "Plant 2 GmbH", 0.72),
        ("Shanghai Trading Co Ltd", "Beijing Trading Co Ltd", 0.72),
        ("Acme GmbH", "Nordwind GmbH", 0.3),
        ("", "Acme", 0.01),
    ],
)
def test_other_company_scores_below(one: str, two: str, most: float) -> None:
    assert _score(one, two) < most


def test_abbreviation_and_acronym() -> None:
    assert _score("Acme Intl Mfg", "Acme International Manufacturing Inc") >= 0.97
    assert _score("IBM", "International Business Machines Corp") >= 0.65


def test_joint_stock_is_not_limited() -> None:
    assert parse_name("云岚科技股份有限公司").legal_form != parse_name("云岚科技有限公司").legal_form


def test_branch_knows_its_parent() -> None:
    branch = parse_name("上海云岚科技有限公司北京分公司")
    assert branch.is_branch
    assert branch.parent == "上海云岚科技有限公司"
    assert branch.core != parse_name(branch.parent).core


def test_aliases_reach_short_forms_and_pinyin() -> None:
    found = aliases(parse_name("上海云岚科技有限公司"))
    assert {"云岚", "yunlan", "云岚科技"} <= found
    assert "ibm" in aliases(parse_name("International Business Machines Corp"))
    assert pinyin("单氏").startswith("shan")


@given(st.text(max_size=40))
def test_any_text_parses(text: str) -> None:
    parsed = parse_name(text)
    assert parsed.raw == text
    assert parse_name(text) == parsed


@given(
    st.text(alphabet="云岚上海北京科技有限公司()分AcmeLtd.& -旧", max_size=16),
    st.text(alphabet="云岚科技有限公司Acme GmbH1", max_size=16),
)
def test_score_is_symmetric_and_bounded(one: str, two: str) -> None:
    scorer = NameScorer(NameTable([facts(parse_name(one)), facts(parse_name(two))]))
    both = scorer.score(np.array([0, 1]), np.array([1, 0]))
    assert 0 <= both[0] <= 1
    assert both[0] == pytest.approx(both[1], abs=1e-5)


def _score(one: str, two: str) -> float:
    scorer = NameScorer(NameTable([facts(parse_name(one)), facts(parse_name(two))]))
    return float(scorer.score(np.array([0]), np.array([1]))[0])
