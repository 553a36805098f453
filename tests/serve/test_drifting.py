"""Drift as people see it: the mapping rows it touches, who may acknowledge it, and changes announced ahead."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from model import serve
from model.conform.spec import load
from model.policy import HIDDEN, Viewer, viewer
from model.serve import NotFound, Served, drifting
from ops.errors import FatalError
from ops.instance import Instance
from ops.store import stamp
from ops.tables import audit, drifts
from tests.serve.conftest import NOW, empty_company

DAY = date(2026, 11, 25)


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("C360_NOW", NOW)
    made = empty_company(tmp_path / "i")
    yield serve.open_published(made)
    made.store.close()


def owner() -> Viewer:
    return viewer("gao.yuan", "高远", "integration")


def put(instance: Instance, stream: str, field: str, kind: str, before: str | None, after: str | None) -> None:
    values = {"source": "erp", "stream": stream, "field": field, "kind": kind, "before": before, "after": after}
    with instance.store.begin() as connection:
        connection.execute(insert(drifts).values(**values, documents=9, run_id="1", found_at=stamp(), state="open"))


def test_the_mapping_rows_that_read_a_field_are_named(db: Served) -> None:
    put(db.instance, "BD_Customer", "FNumber", "retyped", "text", "number")
    put(db.instance, "BD_Customer", "F_NOBODY_READS", "appeared", None, "text")
    newest, oldest = serve.drifts(owner(), db)
    assert newest["touches"] == []
    assert {"entity": "customer", "field": "code"} in oldest["touches"]


def test_paths_of_lists_and_of_what_encloses_them_are_followed() -> None:
    touched = [
        (field, sorted({one["field"] for one in drifting.touched(load("zendesk"), "ticket_events", field)}))
        for field in ("child_events[].status", "child_events", "updater_id", "status", "id")
    ]
    assert dict(touched) == {
        "child_events[].status": ["filter", "to_value"],
        "child_events": ["body", "filter", "from_value", "id", "kind", "to_value"],
        "updater_id": ["author_id", "contact_id", "employee_id"],
        "status": [],
        "id": ["id"],
    }


def test_acknowledging_is_for_who_looks_after_sources_and_is_audited(db: Served) -> None:
    put(db.instance, "BD_Customer", "FNumber", "vanished", "text", None)
    for role in ("service", "account_manager", "finance", "leader"):
        with pytest.raises(FatalError, match="does not look after sources"):
            serve.acknowledge_drift(viewer("x", "x", role), db, 1)
    serve.acknowledge_drift(owner(), db, 1, "vendor upgraded")
    assert serve.drifts(owner(), db) == []
    [row] = serve.drifts(owner(), db, state="acknowledged", source="erp")
    assert (row["note"], row["settled_by"]) == ("vendor upgraded", "gao.yuan")
    with pytest.raises(NotFound, match="no open drift 1"):
        serve.acknowledge_drift(owner(), db, 1)
    with db.instance.store.read() as connection:
        assert connection.execute(select(audit.c.action)).scalars().all() == ["drift.acknowledge"]


def test_values_of_an_enumeration_are_not_for_viewers_of_some_rows(db: Served) -> None:
    put(db.instance, "BD_Customer", "FGroup", "new_value", "甲公司, 乙公司", "丙公司")
    [seen] = serve.drifts(viewer("x", "x", "account_manager", employee_key="1"), db)
    assert (seen["before"], seen["after"]) == (HIDDEN, HIDDEN)
    assert serve.drifts(owner(), db)[0]["after"] == "丙公司"


def test_a_change_is_announced_seen_late_and_settled(db: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"owner": "ERP team", "check": "totals agree", "rollback": "old field"}
    with pytest.raises(FatalError, match="needs its check"):
        serve.announce_change(owner(), db, "erp", "x", expected_on=DAY, **{**texts, "check": " "})
    with pytest.raises(FatalError, match="no stream"):
        serve.announce_change(owner(), db, "erp", "x", expected_on=DAY, **texts, stream="nowhere")
    with pytest.raises(FatalError, match="does not look after sources"):
        serve.announce_change(viewer("x", "x", "finance"), db, "erp", "x", expected_on=DAY, **texts)
    number = serve.announce_change(owner(), db, "erp", "new price field", expected_on=DAY, **texts)
    [plan] = serve.announced_changes(owner(), db)
    assert (plan["state"], plan["happened"], plan["is_late"]) == ("announced", 0, False)
    monkeypatch.setenv("C360_NOW", "2026-12-02T02:00:00+00:00")
    assert not serve.announced_changes(owner(), db)[0]["is_late"]
    monkeypatch.setenv("C360_NOW", "2026-12-03T02:00:00+00:00")
    assert serve.announced_changes(owner(), db)[0]["is_late"], "7 days after its day nothing had come"
    with pytest.raises(FatalError, match="does not end as"):
        serve.settle_change(owner(), db, number, "gone")
    serve.settle_change(owner(), db, number, "rolled_back", "too many errors")
    [plan] = serve.announced_changes(owner(), db)
    assert (plan["state"], plan["note"], plan["is_late"]) == ("rolled_back", "too many errors", False)
    with pytest.raises(NotFound):
        serve.settle_change(owner(), db, number, "done")
