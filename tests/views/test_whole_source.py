"""A source as a whole on the sources page: totals, shadow, mapping workbook, going back to an earlier state."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import delete
from streamlit.testing.v1 import AppTest

from model import serve
from model.conform import held
from ops.instance import Instance
from ops.tables import sync_requests
from ops.texts import text
from views import state
from views.parts import freshness, mapping_panel, shadow_panel, totals_panel
from views.parts.format import Look

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
LOOKS = {language: Look(language, "Asia/Shanghai", NOW) for language in ("zh", "en")}


@pytest.fixture(autouse=True)
def links(monkeypatch: pytest.MonkeyPatch) -> None:
    """Links without a browser's address, where no browser asks."""
    monkeypatch.setattr(state, "here", lambda page, **changes: f"/{page}?{changes}")


def total(state_: str, **more: Any) -> dict[str, Any]:
    row = {"source": "erp", "name": "invoices", "entity": "invoice", "currency": "CNY", "state": state_, "error": None,
           "asked_at": NOW, "found_at": None, "stated_count": 12, "stated_amount": Decimal("9000.00"),
           "shown_count": 9, "shown_amount": Decimal("7000.00"), "rejected_count": 1, "rejected_amount": None,
           "unreadable": 1, "excluded": {"deleted": (2, Decimal("10.00"))}, "includes": "deleted", "gap_count": 2,
           "gap_amount": Decimal("1990.00")}  # fmt: skip
    return row | more


def test_a_gap_stands_first_and_a_total_that_was_not_told_says_why() -> None:
    rows = [total("agrees", name="a"), total("failed", name="b", error="no <answer>"), total("gap", name="c")]
    zh = totals_panel.totals(LOOKS["zh"], rows)
    assert zh.index(text("zh", "totals.gap")) < zh.index(text("zh", "totals.agrees"))
    assert "9,000" in zh
    assert "1,990" in zh
    en = totals_panel.totals(LOOKS["en"], rows)
    assert "&lt;answer&gt;" in en
    assert "<answer>" not in en
    assert text("en", "totals.class.deleted", n="2") in en


@pytest.mark.parametrize(("status", "tone"), [("shadow", "green"), ("active", "red")])
def test_a_shadow_source_says_nothing_about_how_fresh_the_pages_are(
    monkeypatch: pytest.MonkeyPatch, status: str, tone: str
) -> None:
    rows = [{"state": "fresh", "status": "active", "last_success_at": NOW},
            {"state": "never", "status": status, "last_success_at": None}]  # fmt: skip
    monkeypatch.setattr(serve, "status", lambda *_: {"sources": rows})
    assert freshness.worst(LOOKS["zh"], SimpleNamespace(viewer=None, db=None))[0] == tone


def test_a_shadow_tells_what_both_have_where_they_differ_and_what_letting_it_in_does() -> None:
    field = {"field": "phone", "compared": 40, "equal": 30, "share": 0.75, "only_here": 0,
             "examples": [{"here_id": "7", "there_id": "9", "here": "138<", "there": "139"}]}  # fmt: skip
    same = {**field, "field": "name", "share": 1.0, "equal": 40, "examples": []}
    report = {
        "source": "crm2", "version": "v", "rows": 60,
        "entities": [{"entity": "customer", "against": "crm", "key": "identity", "rows": 60, "both": 41,
                      "only_here": 19, "only_there": 3, "fields": [field, same]}],
        "money": [{"entity": "invoice", "currency": "CNY", "month": "2026-10", "here_amount": Decimal(5),
                   "there_amount": Decimal(3), "difference": Decimal(2)},
                  {"entity": "invoice", "currency": "CNY", "month": None, "here_amount": Decimal(1),
                   "there_amount": Decimal(1), "difference": Decimal(0)}],
        "customers": {"records": 60, "match": 41, "add": 18, "merge": 1,
                      "merges": [{"record": "crm2:7", "customers": ["C1", "C2"], "rule": "name"}]},
    }  # fmt: skip
    for language, unseen in {"zh": "60 条", "en": "60"}.items():
        look = LOOKS[language]
        listed = shadow_panel.entities(look, report)
        assert unseen in listed
        assert "C1, C2" in listed
        told = shadow_panel.fields(look, report)
        assert "138&lt; ≠ 139" in told
        assert "75 %" in told
        assert "customer:crm2:7" in told
        assert told.count("<tr") == 2, "a head and the one field that differs"
        money = shadow_panel.money(look, report)
        assert "2026-10" in money
        assert text(language, "shadow.undated") not in money, "what agrees is not listed"


def test_a_mapping_says_who_signed_it_and_what_a_workbook_changes() -> None:
    signature = {"side": "business", "name": "He <Jing>", "signed_on": "2026-11-20", "version": "abc", "holds": True}
    states = [
        {"source": "crm", "version": "abc", "signatures": [signature], "is_signed": True},
        {"source": "erp", "version": "abd", "signatures": [signature | {"holds": False}], "is_signed": False},
        {"source": "service", "version": "abe", "signatures": [], "is_signed": False},
    ]
    shown = mapping_panel.signed(LOOKS["en"], states)
    assert "&lt;Jing&gt;" in shown
    for msgid in ("map.signed", "map.changed_since", "map.unsigned"):
        assert text("en", msgid) in shown
    change = {"sheet": "crm customer", "cell": "D4", "kind": "field", "source": "crm", "key": "customer.phone",
              "column": "from", "before": "Phone", "after": None}  # fmt: skip
    different = mapping_panel.difference(LOOKS["zh"], {"changes": [change], "problems": [], "signatures": []})
    assert "crm customer!D4" in different
    assert "Phone" in different
    wrong = {"changes": [], "problems": ["crm!D4: <nothing>"], "signatures": []}
    assert "&lt;nothing&gt;" in mapping_panel.difference(LOOKS["en"], wrong)
    nothing = {"changes": [], "problems": [], "signatures": []}
    assert text("zh", "map.same") in mapping_panel.difference(LOOKS["zh"], nothing)


@pytest.fixture
def instance(demo: Path) -> Iterator[Instance]:
    """The demo with no request and nothing held in its store, before and after."""
    made = Instance.load(demo)

    def clear() -> None:
        with made.store.begin() as connection:
            connection.execute(delete(sync_requests))
        if "projects" in held.holds(made.store):
            held.let_go(made, "projects", "test")

    clear()
    yield made
    clear()


def press(app: AppTest, msgid: str, **params: str) -> None:
    """The first button with this label, then the page as it is."""
    next(one for one in app.button if one.label == text("en", msgid, **params)).click()
    app.run()
    assert not app.exception


def shown(app: AppTest) -> str:
    return "\n".join(str(block.value) for block in app.html)


@pytest.mark.usefixtures("home")
def test_the_owner_rolls_a_source_back_for_a_reason_and_lets_it_go_on(
    instance: Instance, people: dict[str, str]
) -> None:
    app = AppTest.from_file(str(ROOT / "views" / "main.py"), default_timeout=60)
    app.session_state["user"] = people["integration"]
    app.query_params["lang"] = "en"
    app.run()
    app.switch_page("sources.py")
    app.query_params["lang"], app.query_params["source"] = "en", "projects"
    app.run()
    assert not app.exception
    press(app, "whole.back")
    assert "is rolled back for a reason" in shown(app)
    assert held.holds(instance.store) == {}
    next(one for one in app.text_input if one.label == text("en", "whole.why")).set_value("wrong import")
    press(app, "whole.back")
    assert held.holds(instance.store)["projects"].note == "wrong import"
    assert "wrong import" in shown(app)
    owner = serve.sign_in(instance, people["integration"])
    request = serve.sync_state(owner, serve.open_published(instance), "projects")
    assert request is not None
    assert request["state"] == "waiting"
    press(app, "whole.resume", source="Projects")
    assert held.holds(instance.store) == {}
