"""Sync now: who may ask, what is written, what the scheduler takes, and what the cards say about it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select

from model import serve
from model.serve import Served
from ops.errors import FatalError
from ops.instance import Instance
from ops.leases import lease
from ops.tables import audit, sync_requests
from run.scheduler import take_requests
from views.parts import syncing
from views.parts.format import Look

LOOK = Look("en", "Asia/Shanghai", datetime(2026, 11, 22, 4, 0, tzinfo=UTC))


@pytest.fixture
def db(demo: Path) -> Iterator[Served]:
    """The demo's build with no request in its store, before and after."""
    instance = Instance.load(demo)

    def clear() -> None:
        with instance.store.begin() as connection:
            connection.execute(delete(sync_requests))

    clear()
    yield serve.open_published(instance)
    clear()


@pytest.fixture
def owner(db: Served) -> Any:
    return serve.sign_in(db.instance, "gao.yuan")


def test_a_request_is_written_once_and_audited(db: Served, owner: Any) -> None:
    first = serve.request_sync(owner, db, "erp")
    assert serve.request_sync(owner, db, "erp") == first
    assert serve.request_sync(owner, db, "erp", "AR_Match") != first
    with db.instance.store.read() as connection:
        rows = connection.execute(select(sync_requests).order_by(sync_requests.c.request_id)).all()
        noted = connection.execute(select(audit.c.actor).where(audit.c.action == "source.sync")).scalars().all()
    assert [(row.source, row.stream, row.requested_by, row.state) for row in rows] == [
        ("erp", None, "gao.yuan", "waiting"),
        ("erp", "AR_Match", "gao.yuan", "waiting"),
    ]
    assert set(noted) == {"gao.yuan"}


@pytest.mark.parametrize("user", ["lin.xiaolan", "zhou.min", "chen.li", "shen.yue", "he.jing"])
def test_other_roles_may_not_ask(db: Served, user: str) -> None:
    viewer = serve.sign_in(db.instance, user)
    assert not serve.may_sync(viewer)
    with pytest.raises(FatalError, match="does not look after sources"):
        serve.request_sync(viewer, db, "erp")
    assert serve.sync_state(viewer, db, "erp") is None


@pytest.mark.parametrize(("source", "stream"), [("nothing", None), ("erp", "NoSuchStream")])
def test_what_does_not_exist_is_refused_with_what_does(db: Served, owner: Any, source: str, stream: str | None) -> None:
    with pytest.raises(FatalError) as refused:
        serve.request_sync(owner, db, source, stream)
    assert refused.value.valid


def test_the_scheduler_takes_a_stream_alone_unless_its_source_is_asked_for_too(db: Served, owner: Any) -> None:
    serve.request_sync(owner, db, "erp", "AR_Match")
    serve.request_sync(owner, db, "crm", "Account")
    serve.request_sync(owner, db, "crm")
    assert take_requests(db.instance) == ["crm", "erp/AR_Match"]
    assert take_requests(db.instance) == []


def test_the_card_tells_queued_from_starting_from_collecting(db: Served, owner: Any) -> None:
    def said() -> str:
        return syncing.progress(LOOK, serve.sync_state(owner, db, "erp"))

    assert said() == ""
    serve.request_sync(owner, db, "erp")
    assert "queued" in said()
    with lease(db.instance.store, "scheduler", ttl_s=30):
        assert "starting" in said()
        take_requests(db.instance)
        drawn = said()
        assert "Collecting: 0 of" in drawn
        assert 'role="img"' in drawn
    assert "stopped midway" in said()


def test_a_failure_names_its_reason_to_those_who_may_sync_only(db: Served, owner: Any) -> None:
    serve.request_sync(owner, db, "erp")
    with db.instance.store.begin() as connection:
        connection.execute(sync_requests.update().values(state="failed", message="erp: <no answer>"))
    assert "&lt;no answer&gt;" in syncing.progress(LOOK, serve.sync_state(owner, db, "erp"))
    service = serve.sign_in(db.instance, "zhou.min")
    assert "no answer" not in syncing.progress(LOOK, serve.sync_state(service, db, "erp"))


def test_every_stream_is_listed_with_its_newest_run(db: Served, owner: Any) -> None:
    rows = serve.streams(owner, db, "erp")
    assert len({row["stream"] for row in rows}) == len(rows)
    customers = next(row for row in rows if row["stream"] == "BD_Customer")
    assert customers["entities"] == ["customer"]
    assert customers["state"] == "done"
    assert customers["rows_landed"] > 0
