"""Compaction: few files instead of many, the same rows in the same order, whatever kills it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from landed import SOURCE, STREAM, add_run, files, fill, rows, told

from ingest import absorbed, compacting, landing, packs
from ingest.files import living
from ingest.index import Index
from ops.errors import FatalError
from ops.instance import Instance
from ops.leases import LeaseHeld, lease


@pytest.mark.parametrize("seed", range(5))
def test_few_files_hold_the_same_rows_in_the_same_order(tmp_path: Path, seed: int) -> None:
    made = fill(tmp_path, 12, seed=seed)
    before, manifests, alive = rows(made), told(made), living(made.home, SOURCE, STREAM)
    frames = list(landing.read(made.landing, SOURCE, STREAM))
    (done,) = compacting.compact(made, SOURCE)
    assert (done.runs, done.files_before, done.files_after, done.is_tidy) == (12, 36, 2, True)
    assert done.bytes_after < done.bytes_before
    assert files(made) == ["pack-000000.parquet"]
    assert not list((made.landing / SOURCE / STREAM).glob("*Z-*"))
    assert (rows(made), told(made), living(made.home, SOURCE, STREAM)) == (before, manifests, alive)
    after = list(landing.read(made.landing, SOURCE, STREAM))
    assert all(one.equals(other) and one.schema == other.schema for one, other in zip(frames, after, strict=True))
    assert landing.streams(made.landing, SOURCE) == [STREAM]
    assert landing.runs(made.landing, SOURCE, STREAM, "20260101T000000000009Z") == [
        f"20260101T{number:012d}Z-0000-aaaaaa" for number in (9, 10, 11)
    ]
    assert absorbed.told(made.landing, SOURCE, STREAM) >= {("r1", "20260101T000000000000Z-0000-aaaaaa")}


def test_a_second_call_finds_nothing_to_do(tmp_path: Path) -> None:
    made = fill(tmp_path, 4)
    compacting.compact(made, SOURCE)
    stamps = {path: path.stat().st_mtime_ns for path in made.landing.rglob("*") if path.is_file()}
    (done,) = compacting.compact(made, SOURCE)
    assert (done.runs, done.files_before, done.files_after) == (0, 2, 2)
    assert stamps == {path: path.stat().st_mtime_ns for path in made.landing.rglob("*") if path.is_file()}


def test_a_small_pack_is_packed_again_with_what_landed_since(tmp_path: Path) -> None:
    made = fill(tmp_path, 4)
    compacting.compact(made, SOURCE)
    add_run(made, random.Random(9), landing.new_run_id(made.landing, SOURCE, STREAM))
    before = rows(made)
    (done,) = compacting.compact(made, SOURCE)
    assert (done.runs, files(made)) == (5, ["pack-000001.parquet"])
    assert rows(made) == before


def test_large_files_stay_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = fill(tmp_path, 4)
    monkeypatch.setattr(compacting, "SMALL_BYTES", 100)
    (done,) = compacting.compact(made, SOURCE)
    assert (done.runs, len(files(made))) == (0, 8)


def test_a_run_stands_in_one_file_and_a_file_ends_when_it_is_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = fill(tmp_path, 8)
    before = rows(made)
    monkeypatch.setattr(compacting, "PACK_BYTES", 1)
    monkeypatch.setattr(compacting, "PART_ROWS", 2)
    monkeypatch.setattr(compacting, "_TAIL_BYTES", 1)
    compacting.compact(made, SOURCE)
    assert len(files(made)) > 2
    parts = [landing.parts(made.landing, SOURCE, STREAM, one) for one in landing.runs(made.landing, SOURCE, STREAM)]
    assert all(len({part.pack for part in some}) == 1 for some in parts)
    assert rows(made) == before
    assert compacting.compact(made, SOURCE)[0].runs == 0


def test_a_run_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    made = fill(tmp_path, 3)
    writer = landing.RunWriter(made.landing, SOURCE, STREAM, landing.new_run_id(made.landing, SOURCE, STREAM))
    writer.add([("x", b"{}", "h", False)], None)
    writer.flush({"page": 1})
    writer.close()
    compacting.compact(made, SOURCE)
    resumed = landing.RunWriter.unfinished(made.landing, SOURCE, STREAM)
    assert resumed is not None
    assert (resumed.run_id, resumed.rows, resumed.progress) == (writer.run_id, 1, {"page": 1})
    with lease(made.store, f"source:{SOURCE}"), pytest.raises(LeaseHeld):
        compacting.compact(made, SOURCE)


@pytest.mark.parametrize("reader", ["build", "landing"])
def test_files_leave_only_when_nobody_reads(tmp_path: Path, reader: str) -> None:
    made = fill(tmp_path, 3)
    before, old = rows(made), files(made)
    with lease(made.store, reader):
        (done,) = compacting.compact(made, SOURCE)
        assert not done.is_tidy
        assert set(old) < set(files(made))
    assert rows(made) == before
    assert compacting.compact(made, SOURCE)[0].is_tidy
    assert files(made) == ["pack-000000.parquet"]
    assert rows(made) == before


def test_who_has_looked_before_reads_the_part_where_it_is_now(tmp_path: Path) -> None:
    made = fill(tmp_path, 3)
    parts = [
        part
        for one in landing.runs(made.landing, SOURCE, STREAM)
        for part in landing.parts(made.landing, SOURCE, STREAM, one)
    ]
    before = [part.read() for part in parts]
    compacting.compact(made, SOURCE)
    assert all(part.read().equals(frame) for part, frame in zip(parts, before, strict=True))
    packed = landing.parts(made.landing, SOURCE, STREAM, parts[0].run_id)[0]
    add_run(made, random.Random(3), landing.new_run_id(made.landing, SOURCE, STREAM))
    compacting.compact(made, SOURCE)
    assert packed.read(["id"]).equals(before[0].select("id"))
    shutil.rmtree(made.landing / SOURCE / STREAM)
    with pytest.raises(FileNotFoundError):
        packed.read()


def test_ids_ascend_and_the_index_is_built_again_from_packs(tmp_path: Path) -> None:
    made = fill(tmp_path, 5)
    (made.landing / SOURCE / STREAM / "20990101T000000000000Z-0000-aaaaaa").mkdir()
    last = landing.new_run_id(made.landing, SOURCE, STREAM)
    assert last == "20990101T000000000000Z-0001" + last[-7:]
    shutil.rmtree(made.landing / SOURCE / STREAM / "20990101T000000000000Z-0000-aaaaaa")
    add_run(made, random.Random(4), last)
    state = _index(made)
    compacting.compact(made, SOURCE)
    assert landing.new_run_id(made.landing, SOURCE, STREAM) == last.replace("Z-0001", "Z-0002")
    assert _index(made) == state


def _index(made: Instance) -> dict[str, tuple[str, bool]]:
    for path in (made.landing / SOURCE / STREAM).glob("index.sqlite*"):
        path.unlink()
    index = Index(made.landing, SOURCE, STREAM)
    found = index.current([f"r{number}" for number in range(20)])
    index.close()
    return found


def test_what_cannot_be_read_back_replaces_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = fill(tmp_path, 3)
    before, old = rows(made), files(made)
    write = pq.ParquetWriter.write_table

    def torn(self: Any, table: Any, **more: Any) -> None:
        write(self, table.slice(1), **more)

    monkeypatch.setattr(pq.ParquetWriter, "write_table", torn)
    with pytest.raises(FatalError, match="does not hold what was written"):
        compacting.compact(made, SOURCE)
    assert (rows(made), files(made)) == (before, old)


class Killed(BaseException):
    """The process is gone."""


def _killing(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """The `at`-th change on disk does not happen, nor any after it."""
    count = 0

    def dying(change: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*given: Any, **more: Any) -> Any:
            nonlocal count
            count += 1
            if count > at:
                raise Killed
            return change(*given, **more)

        return instead

    for owner, name in (
        (Path, "replace"), (Path, "unlink"), (os, "fsync"), (os, "rmdir"), (os, "unlink"),
        (pq.ParquetWriter, "write_table"),
    ):  # fmt: skip
        monkeypatch.setattr(owner, name, dying(getattr(owner, name)))
    # a killed process cleans nothing up
    monkeypatch.setattr("ingest.compacting._Packs.abandon", lambda _self: None)


def test_a_kill_at_any_change_on_disk_loses_and_doubles_nothing(tmp_path: Path) -> None:
    fill(tmp_path / "start", 3)
    reached = 0
    for at in range(200):
        home = tmp_path / f"{at}"
        shutil.copytree(tmp_path / "start", home, ignore=shutil.ignore_patterns("ops.db*"))
        made = Instance.load(home)
        before = rows(made)
        folder = made.landing / SOURCE / STREAM
        with pytest.MonkeyPatch.context() as patch:
            _killing(patch, at)
            try:
                compacting.rewrite(folder, landing.runs(made.landing, SOURCE, STREAM))
                compacting.sweep(folder)
                is_over = True
            except Killed:
                is_over = False
        assert rows(made) == before, f"killed at change {at}"
        compacting.compact(made, SOURCE)
        assert rows(made) == before, f"killed at change {at}, then packed"
        assert len(files(made)) == 1
        reached = at
        shutil.rmtree(home)
        if is_over:
            break
    assert 10 < reached < 199


CHILD = """
import sys
from pathlib import Path
from ingest import compacting
from ops.instance import Instance
made = Instance.load(Path(sys.argv[1]))
made.store
print("up", flush=True)
compacting.compact(made, "src")
"""


@pytest.mark.parametrize("turn", range(2))
def test_killed_by_the_system(tmp_path: Path, turn: int) -> None:
    seed = int(os.environ.get("C360_KILL_SEED", random.SystemRandom().randrange(10**6)))
    sys.stderr.write(f"\nC360_KILL_SEED={seed}\n")
    made = fill(tmp_path, 10 + turn, seed=seed)
    before = rows(made)
    command = [sys.executable, "-c", CHILD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as child:
        assert child.stdout is not None
        child.stdout.readline()
        try:
            # the moment of the kill is what is random
            child.wait(random.Random(seed).uniform(0.0, 0.15))
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
    assert rows(made) == before, f"seed {seed}"
    compacting.compact(made, SOURCE)
    assert rows(made) == before, f"seed {seed}"
    assert len(files(made)) == 1


def test_a_catalogue_is_read_again_when_it_changes(tmp_path: Path) -> None:
    made = fill(tmp_path, 2)
    folder = made.landing / SOURCE / STREAM
    assert packs.catalogue(folder) == {}
    compacting.compact(made, SOURCE)
    assert len(packs.catalogue(folder)) == 2
    add_run(made, random.Random(5), landing.new_run_id(made.landing, SOURCE, STREAM))
    compacting.compact(made, SOURCE)
    assert len(packs.catalogue(folder)) == 3
    assert pl.concat(landing.read(made.landing, SOURCE, STREAM)).height == sum(one[1] for one in rows(made))
