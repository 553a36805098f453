"""Caring for a source on request: packing, retention after a look, trying its streams, the bucket, stopping it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from ingest import collect, forgetting, landing, stopping
from ingest.stopping import Stopped, Wish
from model import build, serve
from model.policy import viewer
from model.serve import Served
from ops import care
from ops.errors import FatalError
from ops.instance import Instance
from ops.leases import lease
from ops.tables import audit, sync_requests, target_requests, target_runs
from run import caring
from run.scheduler import Daemon, take_requests
from tests.run import books

OWNER = viewer("gao.yuan", "高远", "integration")


TODAY = "2026-11-21T04:00:00Z"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files and an instance: three collections half a year ago, and a build of today."""
    folder = tmp_path_factory.mktemp("caring")
    made = books.instance(folder / "i", folder / "files")
    with pytest.MonkeyPatch.context() as patch:
        for turn in range(3):
            patch.setenv("C360_NOW", f"2026-05-{turn + 1:02d}T04:00:00Z")
            books.write(folder / "files", amount=100 + turn)
            books.sync(made)
        patch.setenv("C360_NOW", TODAY)
        build.build(made)
    made.store.close()
    return folder


@pytest.fixture
def db(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A copy of it."""
    monkeypatch.setenv("C360_NOW", TODAY)
    shutil.copytree(original, tmp_path / "copy")
    made = Instance.load(tmp_path / "copy" / "i")
    made.config.source("books").settings["folder"] = str(tmp_path / "copy" / "files")
    yield serve.open_published(made)
    made.store.close()


def rows(instance: Instance) -> int:
    root = instance.landing
    return sum(frame.height for name in landing.streams(root, "books") for frame in landing.read(root, "books", name))


def asked(db: Served, kind: str, days: int | None = None) -> dict[str, Any]:
    """The state of a request after a scheduler has worked on it."""
    serve.request_care(OWNER, db, "books", kind, days)
    assert caring.work(db.instance) == 1
    found = serve.care_state(OWNER, db, "books", kind)
    assert found is not None
    return found


def test_the_owner_packs_and_sees_what_landing_holds(db: Served) -> None:
    (before,) = serve.landing_state(OWNER, db)
    assert (before["streams"], before["loose"], before["packed"], before["packed_at"]) == (2, 4, 0, None)
    landed = rows(db.instance)
    found = asked(db, care.PACK)
    assert (found["state"], sum(row["runs"] for row in found["rows"])) == ("done", 3)
    (after,) = serve.landing_state(OWNER, db, "books")
    assert (after["loose"], after["packed"]) == (1, 3)
    assert after["files"] == sum(row["files_after"] for row in found["rows"]) < before["files"]
    assert after["bytes"] == sum(row["bytes_after"] for row in found["rows"])
    assert after["packing"]["files_before"] == before["files"]
    assert after["packed_at"] is not None
    assert rows(db.instance) == landed


def test_versions_leave_only_after_somebody_has_looked(db: Served) -> None:
    with pytest.raises(FatalError, match="nobody has seen yet"):
        serve.request_care(OWNER, db, "books", care.PRUNE, 30)
    with pytest.raises(FatalError, match="kept for None days"):
        serve.request_care(OWNER, db, "books", care.LOOK)
    looked = asked(db, care.LOOK, 30)
    assert {row["stream"]: row["leaving"] for row in looked["rows"]} == {"customer": 0, "invoice": 40}
    assert rows(db.instance) == 2 + 3 * 20
    with pytest.raises(FatalError, match="nobody has seen yet"):
        serve.request_care(OWNER, db, "books", care.PRUNE, 7)
    assert asked(db, care.PRUNE, 30)["state"] == "done"
    assert rows(db.instance) == 22
    (held,) = serve.landing_state(OWNER, db)
    assert held["pruned_rows"] == 40
    with db.instance.store.read() as connection:
        who = connection.execute(select(audit.c.actor).where(audit.c.action == "landing.prune")).scalars().all()
    assert who == ["gao.yuan"]
    db.instance.config.source("books").legal_hold = True
    with pytest.raises(FatalError, match="legal hold"):
        serve.request_care(OWNER, db, "books", care.LOOK, 30)


def test_trying_a_source_tells_what_each_stream_answers(db: Served) -> None:
    found = asked(db, care.TRY)
    told = {row["stream"]: (row["state"], row["rows"]) for row in found["rows"]}
    assert told["customer"] == ("ok", 2)
    assert told["invoice"] == ("ok", 20)
    assert found["done"] == 0, "progress is of one that runs"


def test_what_goes_wrong_is_said_and_what_is_busy_waits(db: Served) -> None:
    with pytest.raises(FatalError, match="folder of this instance"):
        serve.request_care(OWNER, db, "books", care.BUCKET)
    with pytest.raises(FatalError, match="is not cared for"):
        serve.request_care(OWNER, db, "books", "paint")
    with lease(db.instance.store, "source:books"):
        busy = asked(db, care.PACK)
    assert (busy["state"], busy["message"]) == ("waiting", None)
    assert caring.work(db.instance) == 1
    db.instance.config.source("books").settings["folder"] = "/nowhere/at/all"
    failed = asked(db, care.TRY)
    assert {row["state"] for row in failed["rows"]} == {"failed"}


def test_a_request_to_care_is_no_collection_and_hides_none(db: Served) -> None:
    serve.request_care(OWNER, db, "books", care.PACK)
    assert take_requests(db.instance) == []
    assert serve.sync_state(OWNER, db, "books") is None
    db.instance.config.source("books").schedule = None
    assert Daemon(db.instance).tick() == []
    found = serve.care_state(OWNER, db, "books")
    assert found is not None
    assert (found["kind"], found["state"]) == (care.PACK, "done")


def test_a_bucket_is_filled_and_taken_over_from_the_screen(db: Served, tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="folder of this instance"):
        serve.adopt_landing(OWNER, db)
    document = db.instance.config.model_dump(by_alias=True)
    document["landing"] = {"path": f"file://{tmp_path}/bucket"}
    db.instance.config = type(db.instance.config).model_validate(document)
    db.instance.save()
    assert serve.landing_bucket(OWNER, db) == f"file://{tmp_path}/bucket"
    assert asked(db, care.BUCKET)["rows"] == [{"source": "books", "learned": 0, "put": 4}]
    assert serve.adopt_landing(OWNER, db) == f"file://{tmp_path}/bucket"


@pytest.mark.parametrize(
    ("question", "more"),
    [
        (serve.landing_state, ()), (serve.landing_bucket, ()), (serve.adopt_landing, ()),
        (serve.request_care, ("books", care.PACK)), (serve.care_state, ("books",)), (serve.stop_sync, ("books",)),
        (serve.try_host, ("erp.example.com",)),
    ],
)  # fmt: skip
def test_other_roles_may_neither_see_nor_ask(db: Served, question: Callable[..., Any], more: tuple[str, ...]) -> None:
    for role in ("service", "account_manager", "finance", "leader"):
        with pytest.raises(FatalError, match="does not look after sources"):
            question(viewer("x", "x", role), db, *more)


def test_targeted_reads_are_forgotten_after_ninety_days(db: Served) -> None:
    def read(name: str, at: str, state: str) -> None:
        run = {"run_id": name, "source": "books", "stream": "invoice", "caused_by": "webhook", "started_at": at}
        asked_for = {"source": "books", "kind": "records", "wanted": "[]", "caused_by": "webhook", "requested_by": "x"}
        with db.instance.store.begin() as connection:
            connection.execute(target_runs.insert().values(**run, ended_at=at, state="done"))
            connection.execute(
                target_requests.insert().values(**asked_for, requested_at=at, due_at=at, state=state)
            )  # fmt: skip

    read("old", "2026-08-01T00:00:00.000000Z", "done")
    read("waits", "2026-08-01T00:00:00.000000Z", "waiting")
    read("young", "2026-11-01T00:00:00.000000Z", "failed")
    assert forgetting.forget(db.instance.store) == 3
    with db.instance.store.read() as connection:
        left = connection.execute(select(target_runs.c.run_id)).scalars().all()
        states = connection.execute(select(target_requests.c.state)).scalars().all()
    assert (left, sorted(states)) == (["young"], ["failed", "waiting"])
    assert forgetting.forget(db.instance.store) == 0


def test_a_wish_counts_from_when_a_collection_has_begun(db: Served) -> None:
    store = db.instance.store
    stopping.ask(store, "books", "he.jing")
    wish, other = Wish(store, "books"), Wish(store, "crm")
    wish.look()
    stopping.ask(store, "books", "gao.yuan")
    other.look()
    with pytest.raises(Stopped, match=r"stopped by gao\.yuan"):
        wish.look()
    Wish(store, "books").look()


def test_a_stopped_collection_is_no_failure_and_goes_on(
    db: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    books.write(tmp_path / "copy" / "files", amount=200)
    asks = iter([lambda: serve.stop_sync(OWNER, db, "books")])

    def told(_run: collect.RunResult) -> None:
        next(asks, lambda: None)()

    first, second = collect.sync(db.instance, "books", progress=told)
    assert (first.state, second.state, second.error) == ("done", "interrupted", "stopped by gao.yuan")
    books.sync(db.instance)
    assert rows(db.instance) == 2 + 4 * 20
    assert stopping.EVERY_S > 0
    with db.instance.store.read() as connection:
        assert connection.execute(select(sync_requests.c.state)).scalars().all() == []
