"""When training anew is worth it: told to stewards and to the operator, and no more once it has been done."""

from __future__ import annotations

from datetime import date

import pytest
from typer.testing import CliRunner

from model import serve
from model.identity import decisions, match_due, match_train
from model.policy import Viewer
from ops import clock
from ops.instance import Instance
from run.cli import app
from tests.identity.conftest import NOW
from tests.identity.steward_books import STEWARD, served
from tests.warehouse import helpers
from views.parts import match_queue
from views.parts.format import Look

LATER = "2026-11-22T20:00:00+00:00"
FINANCE = Viewer(user="f", name="F", role="finance")
HELD = {"crm": 4, "erp": 4, "service": 4}


@pytest.fixture
def trained(inst: Instance, monkeypatch: pytest.MonkeyPatch) -> Instance:
    """The company with a version trained at NOW; the clock stands a day later."""
    monkeypatch.setenv("C360_NOW", NOW)
    assert match_train.train(inst)
    helpers.make(inst)
    monkeypatch.setenv("C360_NOW", LATER)
    return inst


def decide(inst: Instance, number: int, decision: str) -> None:
    """`decision` on this many pairs of records."""
    pairs = [(("crm", f"x{n}"), ("erp", f"y{n}")) for n in range(number)]
    with inst.store.begin() as connection:
        decisions.add(connection, pairs, decision, "he.jing", None)


def test_nothing_to_say_where_nothing_has_come_since(trained: Instance) -> None:
    found = match_due.training(trained, HELD)
    assert found
    assert (found.reasons, found.records_then) == ((), 12)
    assert serve.training_due(STEWARD, served(trained)) is None


def test_without_a_version_there_is_nothing_to_train_anew(inst: Instance) -> None:
    assert match_due.training(inst, HELD) is None
    assert serve.training_due(STEWARD, served(inst)) is None


@pytest.mark.parametrize(
    ("records", "reasons"),
    [
        ({"crm": 6, "erp": 6, "service": 5}, ()),
        ({"crm": 6, "erp": 6, "service": 6}, ("records",)),
        ({**HELD, "web": 1}, ("sources",)),
        ({"crm": 4}, ()),
    ],
)
def test_growth_and_new_sources(trained: Instance, records: dict[str, int], reasons: tuple[str, ...]) -> None:
    found = match_due.training(trained, records)
    assert found
    assert found.reasons == reasons


def test_fifty_decisions_as_they_stand(trained: Instance) -> None:
    decide(trained, match_due.NEW_DECISIONS, "same")
    found = serve.training_due(STEWARD, served(trained))
    assert found
    assert (found["reasons"], found["decisions"], str(found["trained_on"])) == (["decisions"], 50, "2026-11-21")
    assert serve.training_due(FINANCE, served(trained)) is None
    decide(trained, 1, "unsure")
    assert serve.training_due(STEWARD, served(trained)) is None


def test_one_line_in_both_languages() -> None:
    due = {
        "trained_on": date(2026, 11, 21), "records_then": 1200, "records_now": 2400, "decisions": 50,
        "sources": ["web"], "reasons": ["decisions", "records", "sources"], "command": match_due.COMMAND,
    }  # fmt: skip
    for language, words in (
        ("en", ("matching trained on 1,200 records", "50 decisions since", "now 2,400 records", "new since: ")),
        ("zh", ("匹配参数按 1,200 条记录训练", "此后新增 50 项判定", "现有 2,400 条记录", "此后新接入：")),
    ):
        said = str(match_queue.training(Look(language, "Asia/Shanghai", clock.now()), due))
        assert all(word in said for word in (*words, "2026-11-21", "<code>c360 identity train</code>"))


def test_the_operator_is_told_until_it_is_done(trained: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    decide(trained, match_due.NEW_DECISIONS, "different")
    wanted = "note: the matcher was trained on 12 records on 2026-11-21; 50 decisions since: run `c360 identity train`"
    assert wanted in CliRunner().invoke(app, ["--home", str(trained.home), "doctor"]).output
    monkeypatch.setenv("C360_NOW", "2026-11-23T00:00:00+00:00")
    assert match_train.train(trained)
    assert "the matcher was trained" not in CliRunner().invoke(app, ["--home", str(trained.home), "doctor"]).output
