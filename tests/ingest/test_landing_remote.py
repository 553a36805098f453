"""Landing in a store elsewhere, here a folder that the same code writes to: whatever fails, nothing is lost or doubled.

tests/system/test_s3.py does it on a real S3 server.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from landed import SOURCE, STREAM, add_run, begun, files, fill, rows, told
from pydantic import ValidationError

from ingest import compacting, landing, landing_remote
from ingest.landing_remote import LandingAway, Remote
from ops.errors import FatalError
from ops.instance import Instance, LandingConfig

RUN = "20270101T000000000000Z-0000-aaaaaa"


def bucket(tmp_path: Path) -> Path:
    return tmp_path / "bucket"


def make(tmp_path: Path, runs: int = 3) -> Instance:
    """An instance with its landing in a folder elsewhere."""
    return fill(tmp_path / "i", runs, landing={"path": f"file://{bucket(tmp_path)}"})


def objects(tmp_path: Path) -> list[str]:
    place = bucket(tmp_path) / SOURCE / STREAM
    return sorted(path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file())


def lose(made: Instance) -> None:
    """The working copy is gone, as on a new machine."""
    shutil.rmtree(made.landing)
    made.landing.mkdir()
    landing_remote.refresh(made.landing, SOURCE, STREAM)


def test_what_is_committed_here_is_there_and_comes_back_as_it_was(tmp_path: Path) -> None:
    made = make(tmp_path)
    before, manifests = rows(made), told(made)
    assert len(objects(tmp_path)) == 9
    lose(made)
    assert files(made) == [], "rows are fetched when they are read"
    assert (rows(made), told(made)) == (before, manifests)
    assert len(files(made)) == 6
    assert landing_remote.refresh(made.landing, SOURCE, STREAM) == (0, 0)


@pytest.mark.parametrize("at", range(3))
def test_a_put_that_fails_commits_nothing_and_the_next_try_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    made = make(tmp_path)
    before = rows(made)
    put = Remote.put
    count = 0

    def failing(self: Remote, name: str, data: bytes) -> None:
        nonlocal count
        count += 1
        if count > at:
            raise LandingAway("the network is gone")
        put(self, name, data)

    writer = begun(made, random.Random(5), RUN)
    with monkeypatch.context() as patch:
        patch.setattr(Remote, "put", failing)
        with pytest.raises(LandingAway):
            writer.commit({})
    writer.close()
    assert rows(made) == before
    resumed = landing.RunWriter.unfinished(made.landing, SOURCE, STREAM)
    assert resumed is not None
    resumed.commit({})
    resumed.close()
    after = rows(made)
    assert after[: len(before)] == before
    assert len(after) == len(before) + 2
    lose(made)
    assert rows(made) == after


def test_a_kill_after_the_bucket_has_committed_commits_here_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(tmp_path)
    writer = begun(made, random.Random(5), RUN)

    class Killed(BaseException):
        pass

    def dying(path: Path, _value: Any) -> None:
        raise Killed(path)

    with monkeypatch.context() as patch:
        patch.setattr(landing, "write_json", dying)
        with pytest.raises(Killed):
            writer.commit({"cursor": {"at": 1}})
    writer.close()
    assert RUN not in landing.runs(made.landing, SOURCE, STREAM)
    assert landing_remote.refresh(made.landing, SOURCE, STREAM) == (1, 0)
    assert landing.manifest(made.landing, SOURCE, STREAM, RUN)["cursor"] == {"at": 1}
    assert landing.RunWriter.unfinished(made.landing, SOURCE, STREAM) is None


def test_an_object_cut_short_or_changed_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make(tmp_path)
    import obstore

    put = obstore.put
    with monkeypatch.context() as patch:
        patch.setattr(obstore, "put", lambda store, name, data, **how: put(store, name, data[:-1], **how))
        writer = begun(made, random.Random(5), RUN)
        with pytest.raises(LandingAway, match="bytes of"):
            writer.commit({})
        writer.close()
    lose(made)
    part = next(iter(sorted(bucket(tmp_path).rglob("part-*"))))
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    with pytest.raises(LandingAway, match="not what was put there"):
        rows(made)


@pytest.mark.parametrize("is_lost", [False, True])
def test_compaction_whatever_change_in_the_bucket_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_lost: bool
) -> None:
    made = make(tmp_path)
    before = rows(made)
    put, delete = Remote.put, Remote.delete
    for at in range(20):
        count = 0

        def failing(change: Any, *given: Any, at: int = at) -> None:
            nonlocal count
            count += 1
            if count > at:
                raise LandingAway("the network is gone")
            change(*given)

        with monkeypatch.context() as patch:
            patch.setattr(Remote, "put", lambda *given, failing=failing: failing(put, *given))
            patch.setattr(Remote, "delete", lambda *given, failing=failing: failing(delete, *given))
            try:
                compacting.compact(made, SOURCE)
                is_over = True
            except LandingAway:
                is_over = False
        assert rows(made) == before, f"failed at change {at}"
        if is_lost:
            lose(made)
            assert rows(made) == before, f"failed at change {at}, then lost"
        if is_over:
            break
    assert 2 <= at < 19
    compacting.compact(made, SOURCE)
    assert [name.split("-")[0] for name in objects(tmp_path)] == ["pack", "packs.json"]
    add_run(made, random.Random(5), RUN)
    more = rows(made)
    compacting.compact(made, SOURCE)
    lose(made)
    assert rows(made) == more
    assert len(objects(tmp_path)) == 2


def test_landing_that_was_here_before_is_put_there(tmp_path: Path) -> None:
    made = fill(tmp_path / "i", 3)
    compacting.compact(made, SOURCE)
    add_run(made, random.Random(5), RUN)
    before = rows(made)
    made.config.landing = LandingConfig(path=f"file://{bucket(tmp_path)}")
    made.save()
    assert landing_remote.refresh(made.landing, SOURCE, STREAM) == (0, 1)
    lose(made)
    assert rows(made) == before


def test_two_instances_do_not_share_a_prefix(tmp_path: Path) -> None:
    first = make(tmp_path)
    assert landing_remote.refresh(first.landing, SOURCE, STREAM) == (0, 0)
    other = fill(tmp_path / "other", 0, landing={"path": f"file://{bucket(tmp_path)}"})
    with pytest.raises(FatalError, match="is the landing of"):
        landing_remote.refresh(other.landing, SOURCE, STREAM)
    remote = landing_remote.of(other.landing)
    assert remote is not None
    remote.claim(by_force=True)
    assert landing_remote.refresh_all(other) == (3, 0)
    with pytest.raises(FatalError, match="is the landing of"):
        landing_remote.refresh(first.landing, SOURCE, STREAM)


def test_a_demo_instance_puts_nothing_on_another_machine(tmp_path: Path) -> None:
    made = fill(tmp_path, 0, mode="demo", landing={"path": "s3://bucket/x", "endpoint": "https://s3.demo.example"})
    with pytest.raises(FatalError, match="this machine only"):
        landing_remote.of(made.landing)


def test_settings() -> None:
    for wrong in ({"path": "/folder"}, {"path": "s3://"}, {"path": "s3://b", "access_key": "plain"}):
        with pytest.raises(ValidationError):
            LandingConfig.model_validate(wrong)
