"""The quarantine as a worklist: ignoring one or all alike with a reason, opening again, replay by request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from model import serve
from model.policy import Viewer, viewer
from model.serve import NotFound, Served
from ops.errors import FatalError
from ops.instance import Instance, InstanceConfig, SourceConfig
from ops.store import stamp
from ops.tables import REPLAY, audit, quarantine, sync_requests
from run.scheduler import Daemon, take_marked, take_requests
from tests.serve.conftest import NOW, empty_company

FILE = "code,name,credit_limit_amount\nA1,甲公司,12x\nA2,乙公司,7\nA3,丙公司,9y\n"


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("C360_NOW", NOW)
    made = empty_company(tmp_path / "i")
    row = {"source": "erp", "stream": "BD_Customer", "entity": "customer", "field": "credit_limit_amount",
           "reason": "not an amount", "run_id": "1", "status": "open", "created_at": stamp(),
           "updated_at": stamp()}  # fmt: skip
    others = [{"record_id": "4", "field": "name"}, {"record_id": "5", "reason": "too long"}]
    with made.store.begin() as connection:
        for more in [{"record_id": "1"}, {"record_id": "2"}, {"record_id": "3"}, *others]:
            connection.execute(insert(quarantine).values(**{**row, **more}, document_hash=more["record_id"]))
    yield serve.open_published(made)
    made.store.close()


def owner() -> Viewer:
    return viewer("gao.yuan", "高远", "integration")


def listed(db: Served, status: str = "open") -> list[str]:
    return sorted(row["record_id"] for row in serve.quarantine(owner(), db, status=status))


def test_one_or_all_alike_are_ignored_for_a_reason_and_opened_again(db: Served) -> None:
    assert serve.alike(owner(), db, 2) == 3
    assert serve.alike(owner(), db, 99) == 0
    with pytest.raises(FatalError, match="for a reason"):
        serve.set_reject(owner(), db, 2, "ignored", " ")
    assert serve.set_reject(owner(), db, 2, "ignored", "test data") == 1
    assert (listed(db), listed(db, "ignored")) == (["1", "3", "4", "5"], ["2"])
    assert serve.alike(owner(), db, 1) == 2
    assert serve.set_reject(owner(), db, 1, "ignored", "test data", all_alike=True) == 2
    assert listed(db) == ["4", "5"]
    with pytest.raises(NotFound, match="no reject 1 that is open"):
        serve.set_reject(owner(), db, 1, "ignored", "again")
    assert serve.set_reject(owner(), db, 3, "open") == 1
    assert listed(db) == ["3", "4", "5"]
    with db.instance.store.read() as connection:
        told = connection.execute(select(audit.c.action).order_by(audit.c.audit_id)).scalars().all()
    assert told == ["reject.ignore", "reject.ignore", "reject.open"]


def test_roles_that_do_not_look_after_sources_may_not(db: Served) -> None:
    for role in ("service", "account_manager", "finance", "leader"):
        with pytest.raises(FatalError, match="does not look after sources"):
            serve.set_reject(viewer("x", "x", role), db, 1, "ignored", "x")
        with pytest.raises(FatalError, match="does not look after sources"):
            serve.request_replay(viewer("x", "x", role), db, "erp")
    with pytest.raises(FatalError, match="is not set to"):
        serve.set_reject(owner(), db, 1, "fixed", "x")
    assert len(listed(db)) == 5


def test_a_replay_is_asked_for_once_and_is_no_collection(db: Served) -> None:
    number = serve.request_replay(owner(), db, "erp")
    assert serve.request_replay(owner(), db, "erp") == number
    assert take_requests(db.instance) == []
    assert take_marked(db.instance, REPLAY) == ["erp"]
    assert take_marked(db.instance, REPLAY) == []


def test_a_replay_stages_what_landed_with_todays_mapping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken value is read with a changed mapping, without asking the source again."""
    monkeypatch.setenv("C360_NOW", "2026-11-21T02:00:00+00:00")
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "customer.csv").write_text(FILE, encoding="utf-8")
    settings = {"path": str(folder), "key": ["code"], "mapping": "mine"}
    source = SourceConfig(name="list", connector="files", role="erp", settings=settings, schedule=None)
    instance = Instance.create(tmp_path / "j", InstanceConfig(company="x", source=[source]))
    mapping = instance.config_dir / "conform" / "mine.toml"
    mapping.parent.mkdir(parents=True)
    text = (
        '[mapping]\nconnector = "files"\n[[entity]]\nentity = "customer"\nstreams = ["rows"]\nid = "code"\n'
        '[entity.fields]\ncode = "code"\nname = "name"\ncredit_limit_amount = "credit_limit_amount"\n'
        'credit_currency = { constant = "CNY" }\n'
    )
    mapping.write_text(text, encoding="utf-8")
    daemon = Daemon(instance)
    with instance.store.begin() as connection:
        asked = {"source": "list", "requested_by": "x", "requested_at": stamp(), "state": "waiting"}
        connection.execute(sync_requests.insert().values(**asked))
    assert daemon.tick() == ["list"]
    db = serve.open_published(instance)
    assert len(serve.quarantine(owner(), db)) == 2
    assert db.rows("select count(*) as n from core.dim_customer") == [{"n": 1}]
    (folder / "customer.csv").unlink()
    lenient = 'credit_limit_amount = { path = "credit_limit_amount", on_error = "null" }'
    mapping.write_text(text.replace('credit_limit_amount = "credit_limit_amount"', lenient), encoding="utf-8")
    serve.request_replay(owner(), db, "list")
    assert daemon.tick() == []
    db = serve.open_published(instance)
    assert serve.quarantine(owner(), db) == []
    assert db.rows("select count(*) as n from core.dim_customer") == [{"n": 3}]
    with instance.store.read() as connection:
        assert set(connection.execute(select(sync_requests.c.state)).scalars()) == {"done"}
    instance.store.close()
