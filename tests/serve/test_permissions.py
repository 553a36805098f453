"""Nobody receives a row or a value that is not theirs: every role × every question × the command line's search."""

from __future__ import annotations

import json
from typing import Any

import pytest

from model import policy, serve
from model.policy import HIDDEN, Viewer
from model.serve import NotFound, Served
from ops.errors import FatalError
from tests.serve.conftest import BANK, LIMIT, PHONE, viewer

OTHER = ("南岭", "C-south", "K-south", "INV-south", "I-south", "林南")
SECRETS = {"phone": (PHONE,), "bank": (BANK,), "credit": (LIMIT, "777777")}
QUESTIONS = {
    "aging": lambda v, db: serve.aging(v, db),
    "aging by owner": lambda v, db: serve.aging(v, db, by="owner"),
    "ratios": lambda v, db: serve.ratios(v, db),
    "worklist": lambda v, db: serve.worklist(v, db),
    "renewals": lambda v, db: serve.renewals(v, db),
    "overview": lambda v, db: serve.overview(v, db),
    "alerts": lambda v, db: serve.alerts(v, db),
    "sources": lambda v, db: serve.sources(v, db),
    "quarantine": lambda v, db: serve.quarantine(v, db),
    "customer": lambda v, db: serve.customer(v, db, "K-north"),
    "timeline": lambda v, db: serve.timeline(v, db, "K-north"),
    "search name": lambda v, db: serve.search(v, db, "精密"),
    "search pinyin": lambda v, db: serve.search(v, db, "jingmi"),
    "search prefix": lambda v, db: serve.search(v, db, "INV"),
}


def said(answer: Any) -> str:
    return json.dumps(answer, default=str, ensure_ascii=False)


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("role", policy.roles())
def test_masked_values_never_leave(db: Served, role: str, question: str) -> None:
    asking = viewer(db, role)
    text = said(QUESTIONS[question](asking, db))
    for kind in asking.masks:
        assert not [secret for secret in SECRETS[kind] if secret in text]


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("first", ["operator", None])
def test_own_rows_only_whoever_asked_before(db: Served, question: str, first: str | None) -> None:
    if first is not None:
        QUESTIONS[question](Viewer.operator(), db)
    text = said(QUESTIONS[question](viewer(db, "account_manager"), db))
    assert not [word for word in OTHER if word in text]


@pytest.mark.parametrize("asked", ["K-south", "C-south", "南岭精密仪器有限公司", "INV-south", "nljm"])
def test_an_unseen_customer_is_not_found_and_not_suggested(db: Served, asked: str) -> None:
    assert serve.customer(Viewer.operator(), db, asked)["name"].startswith("南岭")
    asking = viewer(db, "account_manager")
    assert serve.search(asking, db, asked) == []
    with pytest.raises(NotFound) as error:
        serve.customer(asking, db, asked)
    assert "南岭" not in str(error.value).replace(repr(asked), "")
    with pytest.raises(NotFound):
        serve.timeline(asking, db, asked)


def test_an_own_scope_without_an_employee_sees_nothing(db: Served) -> None:
    nobody = policy.viewer("x", "x", "account_manager")
    assert serve.aging(nobody, db)["totals"] == []
    assert serve.worklist(nobody, db) == []
    assert serve.search(nobody, db, "精密") == []


def test_masked_phone_matches_in_full_only_and_is_audited(db: Served) -> None:
    finance = viewer(db, "finance")
    assert serve.search(finance, db, PHONE[:7]) == []
    assert serve.search(finance, db, PHONE[-4:]) == []
    hits = serve.search(finance, db, PHONE)
    assert len(hits) == 2
    assert {hit["matched"]["value"] for hit in hits} == {HIDDEN}
    with db.instance.store.read() as connection:
        rows = connection.exec_driver_sql("select actor from audit where action = 'search.masked'").fetchall()
    assert {row[0] for row in rows} == {"finance@north"}
    assert len(serve.search(viewer(db, "service"), db, PHONE[-4:])) == 2


def test_over_the_limit_is_not_told_to_who_may_not_know_the_limit(db: Served) -> None:
    told = serve.customer(viewer(db, "finance"), db, "K-north")["kpis"]
    assert told["credit"]["is_over"] is True
    hidden = serve.customer(viewer(db, "service"), db, "K-north")["kpis"]
    assert hidden["credit"]["is_over"] is None
    assert {hidden["credit"][name] for name in ("limit", "exposure", "percent")} == {HIDDEN}
    assert "health.over_limit" not in said(hidden["health"])


def test_personas_only_in_a_demo_instance(db: Served) -> None:
    instance = db.instance
    assert serve.sign_in(instance, "lin.xiaolan").scope == "own"
    assert serve.names(instance)["chen.li"] == "陈立"
    instance.config.mode = "live"
    try:
        assert serve.personas(instance) == []
        with pytest.raises(FatalError):
            serve.sign_in(instance, "lin.xiaolan")
    finally:
        instance.config.mode = "demo"


def test_how_many_alerts_of_a_hidden_value_are_open_is_hidden_and_not_zero(db: Served) -> None:
    def told(masks: frozenset[str]) -> dict[str, Any]:
        who = Viewer(user="auditor", name="Auditor", role="finance", scope="all", masks=masks)
        return {row["rule"]: row["open"] for row in serve.alert_rules(who, db)}

    assert told(frozenset({"credit"}))["credit_over_limit"] == HIDDEN
    assert isinstance(told(frozenset({"credit"}))["overdue"], int)
    assert isinstance(told(frozenset())["credit_over_limit"], int)
