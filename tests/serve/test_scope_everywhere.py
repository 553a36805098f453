"""Whatever is asked, under whatever argument: nothing of another owner's customers comes back, not even in a count.

Two books differ only in what belongs to another account manager. Every public question of model.serve that takes a
viewer has a case here, found by introspection; each must answer the same on both, and name nothing of the other's.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner

from model import policy, serve
from model.policy import Viewer
from model.serve import Served
from ops.errors import C360Error
from ops.tables import work_events
from run.cli import app
from tests.serve import scoped_books
from tests.serve.scope_cases import CASES, Case, key_of
from tests.serve.scoped_books import PHONE, Books

WORDS = ("南岭", "西岭")
# the key of the head of the group stands in north's own record; what the head does must not
HEAD = ("INV-head", "SO-head", "CT-head", "PJ-head", "T-head", "R-head", "本部")
MARKS = (*WORDS, "south", *HEAD, PHONE["south"], PHONE["head"])


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Books, Books]]:
    """The same north beside two different souths."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("C360_NOW", "2026-11-21T02:00:00+00:00")
        folder = tmp_path_factory.mktemp("scope")
        made = tuple(
            scoped_books.made(folder / f"i{factor}", word, factor) for factor, word in enumerate(WORDS, start=1)
        )
        yield made[0], made[1]
        for one in made:
            one.db.instance.store.close()


@pytest.fixture(scope="module")
def db(books: tuple[Books, Books]) -> Served:
    return books[0].db


VIEWERS = {
    "own": lambda db: replace(scoped_books.person(db, "account_manager", "north"), masks=frozenset()),
    "team": lambda db: scoped_books.person(db, "leader", "north", "team"),
    "nobody": lambda db: replace(scoped_books.person(db, "account_manager", "north"), employee_key=None, team=None),
}


def told(asking: Callable[[Served], Viewer], case: Case, books: Books, *, warm: bool = False) -> str:
    """What the viewer is told: the answer or the refusal, as text, without what names the build."""
    if not warm:
        books.db.cache.clear()
    key = key_of(books, "K-south")
    try:
        answer = case(asking(books.db), books, key)
    except C360Error as error:
        # a refusal may repeat what was asked
        answer = {"refused": type(error).__name__, "what": re.sub(r"'[^']*'|erp:[\w#-]+", "", str(error))}
    text = json.dumps(answer, default=str, ensure_ascii=False, sort_keys=True)
    return text.replace(books.db.version, "")


def test_every_question_has_a_case() -> None:
    found = set()
    for module in pkgutil.iter_modules(serve.__path__):
        loaded = importlib.import_module(f"model.serve.{module.name}")
        for name, function in vars(loaded).items():
            if not inspect.isfunction(function) or function.__module__ != loaded.__name__ or name.startswith("_"):
                continue
            first = next(iter(inspect.signature(function).parameters), "")
            if first.lstrip("_") == "viewer":
                found.add(f"{module.name}.{name}")
    assert found == set(CASES), "a question of model.serve without a case here, or a case without a question"


@pytest.mark.parametrize("who", VIEWERS)
@pytest.mark.parametrize("question", [name for name, cases in CASES.items() if cases])
def test_nothing_of_another_owner_comes_back(books: tuple[Books, Books], question: str, who: str) -> None:
    for place, case in enumerate(CASES[question]):
        first, second = (told(VIEWERS[who], case, one) for one in books)
        mention = [mark for mark in MARKS if mark in first or mark in second]
        assert not mention, (place, first)
        assert first == second, place


def caches(question: str) -> bool:
    """Whether the module of `question` keeps answers; the other questions keep what these do."""
    module = importlib.import_module(f"model.serve.{question.split('.')[0]}")
    return "db.cache" in inspect.getsource(module)


@pytest.mark.parametrize("question", [name for name, cases in CASES.items() if cases and caches(name)])
def test_what_was_said_to_another_is_not_said_again(books: tuple[Books, Books], question: str) -> None:
    """Neither the words of another language nor what another role may see comes out of a cache."""

    def asking(language: str, masks: frozenset[str]) -> Callable[[Served], Viewer]:
        return lambda db: replace(VIEWERS["team"](db), language=language, masks=masks)

    for place, case in enumerate(CASES[question]):
        told(asking("zh", policy.MASKS), case, books[0])
        if books[0].db.cache:
            told(asking("en", frozenset()), case, books[0], warm=True)
            last = asking("en", policy.MASKS)
            assert told(last, case, books[0], warm=True) == told(last, case, books[0]), place


@pytest.mark.parametrize("question", [
    "aging.aging", "alerting.alerts", "chain.chain", "customer.customer", "exposure.exposure", "find.search",
    "overview.overview", "quality.quality", "quality_worklist.quality_worklist",
    "ratios.ratios", "record.record", "renewals.renewals", "sources.quarantine",
    "statement.statement", "statements.statements", "timeline.timeline", "unapplied.unapplied", "work_history.disputes",
    "work_history.work_history", "work_items.work_items", "worklist.worklist",
])  # fmt: skip
def test_the_books_do_differ_for_who_sees_everything(books: tuple[Books, Books], question: str) -> None:
    """The test above would be worthless if its questions were empty or its books the same."""
    first, second = (
        [told(lambda db: scoped_books.person(db, "finance", "north"), case, one) for case in CASES[question]]
        for one in books
    )
    assert first != second


def test_a_refused_question_writes_nothing(books: tuple[Books, Books]) -> None:
    one = books[0]
    asking = scoped_books.person(one.db, "account_manager", "north")
    with one.db.instance.store.read() as connection:
        rows = connection.execute(work_events.select().where(work_events.c.actor == asking.user)).all()
    assert not [row for row in rows if "south" in f"{row.item_key}{row.anchor}{row.person}"]


def test_a_name_that_looks_like_the_mark_of_an_owner_is_not_found(tmp_path: Any) -> None:
    """The search index marks entries with their owner; a value that holds the same word must not pass for it."""
    from tests.warehouse import helpers

    inst = helpers.instance(tmp_path / "i", mode="demo")
    with helpers.open_staging(inst) as con:
        helpers.put(con, "employee", "erp", [
            {"id": f"E-{n}", "code": f"E-{n}", "name": f"员工{n}", "email": f"{n}@example.com", "is_active": True}
            for n in (1, 2)])  # fmt: skip
        helpers.put(con, "customer", "erp", [
            {"id": f"C{n}", "code": f"K{n}", "name": f"示例 ownE00000{3 - n} 公司", "owner_id": f"E-{n}"}
            for n in (1, 2)])  # fmt: skip
    helpers.make(inst)
    db = serve.open_published(inst)
    for n in (1, 2):
        asking = scoped_books.policy.viewer("x", "x", "account_manager", employee_key=f"E00000{n}")
        names = {hit["name"] for text in ("示例", "公司", "own") for hit in serve.search(asking, db, text, 50)}
        rows = db.rows("select name from core.dim_customer where owner_key = ?", [f"E00000{n}"])
        assert names == {row["name"] for row in rows}
    inst.store.close()


@pytest.mark.parametrize("arguments", [
    ["customer", "K-south"], ["chain", "K-south"], ["statement", "K-south"], ["exposure", "K-south"],
    ["expected", "K-south"], ["search", "K-south"], ["aging", "--customer", "K-south"], ["aging", "--by", "group"],
    ["worklist", "--items"], ["unapplied"], ["alerts", "list"], ["alerts", "deliveries"], ["quarantine"],
    ["identity", "history"], ["renewal", "scores"],
    ["quality"], ["quality", "--worklist"], ["quality", "--trend"], ["query", "select * from core.dim_customer"],
    ["letter", "K-south", "reminder", "--output", "none.pdf"],
])  # fmt: skip
def test_the_command_line_keeps_to_the_viewer(
    books: tuple[Books, Books], monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    asking = scoped_books.person(books[0].db, "account_manager", "north")
    monkeypatch.setattr(serve, "sign_in", lambda *_: asking)
    result = CliRunner().invoke(app, ["--home", str(books[0].db.instance.home), "--as", "x", *arguments])
    said = (result.output + str(result.exception or "")).replace("K-south", "")
    assert not [mark for mark in MARKS if mark in said]
    assert "C000003" not in said
