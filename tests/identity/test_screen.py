"""Screening drops only pairs that weighing would drop as well, and its bound on names holds."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench import organisations
from model.identity import match_pairs
from model.identity.match_records import matchable
from model.identity.matching import blocking, fit, link, screen
from model.identity.matching.compare import Comparer
from model.identity.matching.prepare import prepare
from model.identity.matching.settings import shipped
from model.identity.names import parse_name
from model.identity.names.facts import facts
from model.identity.names.score import NameScorer
from model.identity.names.table import NameTable
from tests.identity.demo_truth import records as demo_records

_PARTS = ["上海", "北京市", "云岚", "云岚宏达", "澄衡", "科技", "软件", "食品", "有限公司", "股份有限公司", "分公司",
          "Zorvex", "Zorvax", "zorvexx", "Kilmuir", "Trading", "Tradings", "Plant 1", "Plant 2", "GmbH", "Ltd", "of",
          "Leeds", "ZKT", "yunlan", "A", "集团"]  # fmt: skip
NAMES = st.lists(st.lists(st.sampled_from(_PARTS), min_size=1, max_size=6), min_size=2, max_size=14, unique_by=tuple)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(names=NAMES, tight=st.booleans())
def test_no_name_is_more_alike_than_its_bound(names: list[list[str]], tight: bool) -> None:
    """Latin words stand with blanks between them, or all parts in a row."""
    texts = sorted({("" if tight else " ").join(parts) for parts in names})
    scorer = NameScorer(NameTable([facts(parse_name(text)) for text in texts]))
    pairs = np.array([*combinations(range(len(texts)), 2)], dtype=np.int64).reshape(-1, 2)
    left, right = pairs[:, 0], pairs[:, 1]
    score = scorer.score(left, right)
    assert scorer.may_reach(left, right, score).all()


@pytest.mark.parametrize("made", ["companies", "demo"])
def test_screening_drops_nothing_that_matters(made: str, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = organisations.generate(3_000) if made == "companies" else _demo()
    records = matchable(frame)
    prepared = prepare(records)
    parameters = fit.fit(prepared, shipped())
    left, right = blocking.within(blocking.keys(prepared), dict.fromkeys(blocking.RULES, 200), {}, prepared.size)
    shared = link.overused(prepared, 12, 500)
    comparer = Comparer(prepared, parameters.statistics)
    kept = screen.Screen(prepared, comparer, parameters.weights, shipped()).keep(left, right)
    assert 0 < kept.sum() < len(left)
    weigher = match_pairs.Weigher(records, prepared, shared, parameters, shipped())
    screened = match_pairs.weigh(weigher, left, right)
    monkeypatch.setattr(screen.Screen, "keep", lambda _, a, b: np.ones(len(a), dtype=bool))
    whole = match_pairs.weigh(weigher, left, right)
    assert len(whole)
    assert screened.equals(whole)


def _demo() -> pl.DataFrame:
    """Records of the demo's companies as staging holds them."""
    found = demo_records(400).with_row_index("source_id").cast({"source_id": pl.String})
    columns = {"tax_id": "uscc", "domain": "website"}
    found = found.rename({old: new for new, old in columns.items() if old in found.columns})
    missing = {"source", "kind", "uscc", "tax_number", "phone", "email", "website", "address", "city"}
    absent = sorted(missing - {*found.columns})
    empty = {name: pl.lit("crm" if name == "source" else None, dtype=pl.String) for name in absent}
    return found.with_columns(**empty)
