"""Shapes, query counts, the same answer twice, and what people do with items."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from model import serve
from model.policy import Viewer
from model.receivables import BUCKETS
from model.serve import NotFound, Served
from ops.errors import FatalError
from tests.serve.conftest import empty_company, viewer
from tests.warehouse import helpers

CARD = {"customer_key", "name", "codes", "owner", "group", "kpis", "receivables", "tickets", "projects",
        "opportunities", "orders", "contracts", "renewal", "timeline", "freshness", "provenance"}  # fmt: skip


def test_the_card_has_the_contract_s_shape(db: Served) -> None:
    card = serve.customer(Viewer.operator(), db, "K-north")
    assert set(card) >= CARD
    owed = card["receivables"]
    assert set(owed) >= {"open", "overdue", "buckets", "by_currency"}
    assert tuple(owed["buckets"]) == BUCKETS
    assert owed["open"] == sum(owed["buckets"].values()) == Decimal(900000)
    assert owed["missing_rates"] == ["THB"]
    assert card["kpis"]["health"]["level"] == "amber"
    assert card["next_action"]["msgid"] == "action.call_about_invoice"


def test_a_customer_of_whom_nothing_is_known_is_not_in_good_health(tmp_path: Path) -> None:
    made = empty_company(tmp_path / "i")
    with helpers.open_staging(made) as con:
        helpers.put(con, "customer", "erp", [{"id": "C-1", "code": "K-1", "name": "空湖仪器有限公司"}])
    helpers.make(made)
    kpis = serve.customer(Viewer.operator(), serve.open_published(made), "K-1")["kpis"]
    # the only system is the ERP: money and hold are judged; tickets, projects, limit and renewal are not known
    assert kpis["health"] == {"level": None, "reasons": [], "coverage": 0.33}
    assert (kpis["tickets"]["open"], kpis["projects"]["active"], kpis["renewal"]) == (0, 0, None)
    made.store.close()


def test_a_screen_takes_six_queries_and_none_when_asked_again(db: Served) -> None:
    """Beside names and rates, which are read once per version, as the first screen does."""
    serve.customer(Viewer.operator(), db, "K-south")
    before = db.query_count
    first = serve.customer(Viewer.operator(), db, "K-north")
    assert db.query_count - before <= 6
    before = db.query_count
    again = serve.customer(Viewer.operator(), db, "K-north")
    assert db.query_count == before
    del first["freshness"], again["freshness"]
    assert again == first


@pytest.mark.parametrize("question", [serve.aging, serve.worklist, serve.overview, serve.ratios])
def test_the_same_question_has_the_same_answer(db: Served, question) -> None:  # type: ignore[no-untyped-def]
    answers = []
    for _ in range(2):
        db.cache.clear()
        answers.append(json.dumps(question(Viewer.operator(), db), default=str))
    assert answers[0] == answers[1]


def test_card_and_aging_agree(db: Served) -> None:
    rows = serve.aging(Viewer.operator(), db)["rows"]
    card = serve.customer(Viewer.operator(), db, "K-north")
    mine = {row["currency"]: row["open"] for row in rows if row["customer_key"] == card["customer_key"]}
    assert mine == {row["currency"]: row["open"] for row in card["receivables"]["by_currency"]}


@pytest.mark.parametrize(
    ("asked", "kind"),
    [("北岭", "name"), ("bljm", "name"), ("jingmiyiqi", "name"), ("K-north", "code"), ("inv-north", "invoice")],
)
def test_search_finds_by(db: Served, asked: str, kind: str) -> None:
    hits = serve.search(Viewer.operator(), db, asked)
    assert any(hit["name"].startswith("北岭") and hit["matched"]["kind"] == kind for hit in hits)
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)


def test_scattered_pairs_are_no_hit(db: Served) -> None:
    assert serve.search(Viewer.operator(), db, "精密仪器有限公司精密") == []


def test_a_promise_is_seen_at_once_and_audited(db: Served) -> None:
    manager = viewer(db, "account_manager", "south")
    serve.customer(manager, db, "K-south")
    serve.act(manager, db, "erp:I-south#1", "promise", amount="1000.00", on="2026-12-01")
    (item,) = serve.customer(manager, db, "K-south")["receivables"]["items"]
    assert (item["status"], item["promise"]["amount"]) == ("promise", Decimal("1000.00"))
    (line,) = serve.worklist(manager, db)
    assert line["promise"] == {"on": date(2026, 12, 1), "amount": Decimal("1000.00")}
    with db.instance.store.read() as connection:
        rows = connection.exec_driver_sql("select actor, subject from audit where action = 'receivable.promise'")
        assert rows.fetchall() == [("account_manager@south", "erp:I-south#1")]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [({"on": "soon"}, "must be a date"), ({"on": "2026-12-01", "amount": "9e9"}, "not possible"),
     ({"on": "2026-12-01", "amount": "much"}, "not an amount")],
)  # fmt: skip
def test_a_promise_that_cannot_be_is_refused(db: Served, arguments: dict[str, str], says: str) -> None:
    with pytest.raises(FatalError, match=says):
        serve.act(viewer(db, "finance"), db, "erp:I-north#1", "promise", **arguments)


def test_acting_needs_the_role_and_the_row(db: Served) -> None:
    with pytest.raises(FatalError, match="does not work receivables"):
        serve.act(viewer(db, "service"), db, "erp:I-north#1", "acknowledge")
    with pytest.raises(NotFound):
        serve.act(viewer(db, "account_manager"), db, "erp:I-south#1", "acknowledge")
    with pytest.raises(FatalError, match="no action"):
        serve.act(viewer(db, "finance"), db, "erp:I-north#1", "forgive")


def test_the_timeline_ends_with_the_day_in_the_company_s_zone(db: Served) -> None:
    events = serve.customer(Viewer.operator(), db, "K-north", as_of=date(2026, 7, 1))["timeline"]
    assert events == []
    assert serve.timeline(Viewer.operator(), db, "K-north")[0]["kind"] == "money"
