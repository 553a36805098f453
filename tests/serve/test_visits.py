"""What changed since the last visit, recent and pinned customers: per person, within the scope."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from model import policy, serve
from model.policy import Viewer
from model.serve import NotFound, Served
from ops.instance import Instance
from ops.migrations import migrate
from ops.store import Store
from tests.serve import conftest
from tests.warehouse import helpers

SERVICE = policy.viewer("zhou", "zhou", "service")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two customers as published on the first morning; tests copy it and never change it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("C360_NOW", "2026-11-20T02:00:00+00:00")
        made = helpers.instance(tmp_path_factory.mktemp("visits") / "i", mode="demo")
        conftest.stage(made)
        helpers.make(made)
        made.store.close()
    return made.home


@pytest.fixture
def instance(built: Path, tmp_path: Path, at: Callable[[str], None]) -> Iterator[Instance]:
    at("2026-11-20T02:00")
    made = helpers.copied(built, tmp_path / "i")
    yield made
    made.store.close()


@pytest.fixture
def db(instance: Instance) -> Served:
    return serve.open_published(instance)


@pytest.fixture(autouse=True)
def _fresh() -> None:
    """Nothing to clear: every test has an instance of its own."""


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Set the clock."""
    return lambda instant: monkeypatch.setenv("C360_NOW", f"{instant}:00+00:00")


def titles(found: dict[str, object]) -> list[str]:
    return [event["detail"] for event in found["events"]]  # type: ignore[attr-defined]


def test_a_late_entry_is_new_whatever_its_date(instance: Instance, db: Served, at: Callable[[str], None]) -> None:
    assert serve.changes_since(SERVICE, db, "K-north")["basis"] == "first_visit"
    serve.seen(SERVICE, db, "K-north")
    at("2026-11-20T04:00")
    again = serve.changes_since(SERVICE, db, "K-north")
    assert (again["basis"], again["count"], again["since"]) == ("visit", 0, datetime(2026, 11, 20, 2, tzinfo=UTC))
    with helpers.open_staging(instance) as con:
        late = {"id": "I-late", "number": "INV-late", "customer_id": "C-north", "currency": "CNY",
                "invoice_on": "2026-10-02", "due_on": "2026-12-01", "gross_amount": 5}  # fmt: skip
        same = {**late, "id": "I-day", "number": "INV-day", "invoice_on": "2026-11-20"}
        other = {**late, "id": "I-other", "number": "INV-other", "customer_id": "C-south"}
        seen_at = datetime(2026, 11, 20, 3, 30, tzinfo=UTC)
        helpers.put(con, "invoice", "erp", [late, same, other], at=seen_at, run="r2")
    helpers.make(instance)
    newer = serve.open_published(instance)
    found = serve.changes_since(SERVICE, newer, "K-north")
    assert sorted(titles(found)) == ["INV-day", "INV-late"]
    assert found["by_kind"] == {"money": 2}
    assert {event["source_id"] for event in found["events"]} == {"I-day", "I-late"}
    serve.seen(SERVICE, newer, "K-north")
    assert sorted(titles(serve.changes_since(SERVICE, newer, "K-north"))) == ["INV-day", "INV-late"]
    at("2026-11-20T04:29")
    serve.seen(SERVICE, newer, "K-north")
    assert len(titles(serve.changes_since(SERVICE, newer, "K-north"))) == 2
    at("2026-11-20T06:00")
    assert serve.changes_since(SERVICE, newer, "K-north")["count"] == 0


def test_a_changed_record_does_not_repeat_its_old_events(
    instance: Instance, db: Served, at: Callable[[str], None]
) -> None:
    serve.seen(SERVICE, db, "K-north")
    with helpers.open_staging(instance) as con:
        helpers.put(con, "invoice", "erp", [
            {"id": "I-north", "number": "INV-north", "customer_id": "C-north", "currency": "CNY",
             "invoice_on": "2026-08-01", "due_on": "2026-09-30", "gross_amount": 900001}],
            at=datetime(2026, 11, 20, 3, tzinfo=UTC), run="r2")  # fmt: skip
    helpers.make(instance)
    at("2026-11-20T04:00")
    assert serve.changes_since(SERVICE, serve.open_published(instance), "K-north")["count"] == 0


def test_recent_and_pinned_are_one_s_own_and_within_the_scope(db: Served, at: Callable[[str], None]) -> None:
    manager = conftest.viewer(db, "account_manager")
    boss = policy.viewer(manager.user, manager.name, "leader", employee_key=manager.employee_key)
    serve.seen(boss, db, "K-north")
    at("2026-11-20T02:10")
    serve.seen(boss, db, "K-south")
    for code in ("K-north", "K-south", "K-north"):
        serve.pin(boss, db, code)
    assert [row["name"][:2] for row in serve.recent(boss, db)] == ["南岭", "北岭"]
    assert [row["name"][:2] for row in serve.pinned(boss, db)] == ["北岭", "南岭"]
    # the same person with fewer rights: what may no longer be seen is no longer listed
    assert [row["name"][:2] for row in serve.recent(manager, db)] == ["北岭"]
    assert [row["name"][:2] for row in serve.pinned(manager, db)] == ["北岭"]
    assert serve.recent(SERVICE, db) == serve.pinned(SERVICE, db) == []
    serve.unpin(boss, db, "K-north")
    assert [row["name"][:2] for row in serve.pinned(boss, db)] == ["南岭"]
    assert len(serve.recent(boss, db, 1)) == 1


@pytest.mark.parametrize("ask", [serve.seen, serve.pin, serve.unpin, serve.changes_since])
def test_another_s_customer_is_not_found(db: Served, ask: Callable[[Viewer, Served, str], object]) -> None:
    with pytest.raises(NotFound):
        ask(conftest.viewer(db, "account_manager"), db, "K-south")


def test_a_store_of_the_first_version_gets_the_new_columns(tmp_path: object) -> None:
    store = Store(f"sqlite:///{tmp_path}/ops.db")
    with store.begin() as connection:
        connection.execute(text("drop table pins"))
        for name in ("last_data", "mark_at", "mark_data"):
            connection.execute(text(f"alter table visits drop column {name}"))
        connection.execute(text("delete from schema_version where version > 1"))
        migrate(connection)
        connection.execute(text("select mark_at, mark_data, last_data from visits"))
        connection.execute(text("select anchor from pins"))
    store.close()
