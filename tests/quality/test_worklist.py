"""What to correct first, and the history of scores."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from ingest import collect
from model import build, conform, serve
from model.quality import history
from ops.errors import FatalError
from ops.tables import quality_history
from run import chain
from tests.quality.conftest import FAULTY, FINANCE, Make, opened, overlay


def test_the_worst_customer_by_money_and_faults_comes_first(make: Make) -> None:
    db = opened(make(FAULTY))
    found = serve.quality_worklist(FINANCE, db)
    assert (found["total"], found["has_more"], found["currency"]) == (8, False, "CNY")
    assert sum(found["by_rule"].values()) == 8
    # C2: 5,000 open, faults 1 + 3 + 2 + 3 + 3 + 1; C1: 100 open, faults 3 + 2
    assert [(row["name"], row["revenue"], row["failures"]) for row in found["rows"][::7]] == [
        ("南岭阀门有限公司", Decimal("5000.00"), 13), ("北岭仪器有限公司", Decimal("100.00"), 5)]  # fmt: skip
    weights = [row["weight"] for row in found["rows"][:6]]
    assert weights == sorted(weights, reverse=True)


def test_pages_join_to_the_whole(make: Make) -> None:
    db = opened(make(FAULTY))
    for order in ("revenue x failures", "failures", "name", "revenue"):
        whole = serve.quality_worklist(FINANCE, db, order=order)["rows"]
        pages = [serve.quality_worklist(FINANCE, db, order=order, limit=3, offset=offset) for offset in (0, 3, 6, 9)]
        assert [row for page in pages for row in page["rows"]] == whole
        assert [page["has_more"] for page in pages] == [True, True, False, False]


def test_filters_and_refusals(make: Make) -> None:
    db = opened(make(FAULTY))
    assert [row["record_key"] for row in serve.quality_worklist(FINANCE, db, rule="invoice_due")["rows"]] == [
        "books:A2"
    ]
    assert serve.quality_worklist(FINANCE, db, customer="C1")["by_rule"] == {
        "customer_owner": 1,
        "invoice_due_order": 1,
    }
    for given in ({"rule": "nothing"}, {"order": "luck"}, {"source": "sap"}):
        with pytest.raises(FatalError) as error:
            serve.quality_worklist(FINANCE, db, **given)  # type: ignore[arg-type]
        assert error.value.valid


def test_a_build_is_judged_once(make: Make) -> None:
    instance = make(FAULTY)
    assert history.record(instance) == 12, "five dimensions and the whole, of one source and of all"
    assert history.record(instance) == 0
    build.build(instance, full=True)
    assert history.record(instance) == 12
    db = opened(instance)
    trend = serve.quality_trend(FINANCE, db)
    assert [(point["score"], point["dimensions"]["completeness"]) for point in trend["points"]] == [
        (Decimal("75.6"), Decimal("60.0"))] * 2  # fmt: skip
    assert trend["points"][-1]["version"] == db.version
    assert serve.quality_trend(FINANCE, db, source="books", limit=1)["points"][0]["version"] == db.version
    own = replace(FINANCE, scope="own", employee_key="E000001")
    assert serve.quality_trend(own, db) == {"source": None, "is_hidden": True, "points": []}


def test_the_chain_writes_the_history_and_shows_the_improvement(make: Make) -> None:
    instance = make(FAULTY)
    problems: list[str] = []
    chain.judge(instance, problems)
    folder = instance.home.parent / "books"
    text = (folder / "invoice.csv").read_text(encoding="utf-8").replace("A2,2026-10-10,,", "A2,2026-10-10,2026-11-30,")
    (folder / "invoice.csv").write_text(text, encoding="utf-8")
    collect.sync(instance, "books")
    conform.stage(instance)
    build.build(instance)
    chain.judge(instance, problems)
    points = serve.quality_trend(FINANCE, opened(instance))["points"]
    # the due date is there, and one more invoice can be checked for its order: 3·1 more, 2·½ instead of 2·0
    assert [point["score"] for point in points] == [Decimal("75.6"), Decimal("81.7")]
    assert not problems


def test_a_broken_overlay_stops_neither_the_chain_nor_what_came_before(make: Make) -> None:
    instance = make(FAULTY)
    overlay(instance, '[[rule]]\nid = "customer_owner"\nweight = -1\n')
    problems: list[str] = []
    chain.judge(instance, problems)
    assert [one for one in problems if "quality.toml: rule customer_owner: weight" in one]
    with instance.store.read() as connection:
        assert connection.execute(quality_history.select()).all() == []
