"""Files in S3, against a real server on loopback."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from ingest import compacting, landing, landing_remote, probe, remote_folders
from ingest.collect import RunResult, sync
from ops import secrets
from ops.instance import Instance, InstanceConfig, LandingConfig

if TYPE_CHECKING:
    from realsystems.s3 import S3Server

pytestmark = pytest.mark.system


class Box:
    """A bucket, and an instance that reads one folder of it."""

    def __init__(self, home: Path, s3: S3Server, **settings: Any) -> None:
        self.s3, self.bucket = s3, f"c360-{uuid.uuid4().hex[:12]}"
        s3.bucket(self.bucket)
        given = {
            "path": f"s3://{self.bucket}/in/box", "endpoint": s3.url, "access_key": "file:id", "secret_key": "file:key",
            "mapping": "x", "key": ["k"], **settings,
        }  # fmt: skip
        source = {"name": "box", "connector": "files", "role": "files", "settings": given}
        self.instance = Instance.create(home / "i", InstanceConfig.model_validate({"source": [source]}))
        self.settings = self.instance.config.sources[0].settings
        secrets.write("id", "AKIA-of-nobody", self.instance.secrets)
        secrets.write("key", "s3cret of nobody", self.instance.secrets)

    def put(self, name: str, text: str | bytes) -> None:
        """An object in the folder."""
        data = text.encode() if isinstance(text, str) else text
        self.s3.put(self.bucket, f"in/box/{name}", data)

    def sync(self) -> RunResult:
        """Collect."""
        (result,) = sync(self.instance, "box")
        return result

    def good(self) -> tuple[int, int]:
        """Collect without an error or a warning: rows landed, rows deleted."""
        result = self.sync()
        assert (result.error, result.warnings) == (None, [])
        return result.rows_landed, result.rows_deleted


def test_files_in_s3(tmp_path: Path, s3: S3Server) -> None:
    box = Box(tmp_path, s3)
    box.put("1.csv", "k,v\na,北辰\nb,2\n".encode("gb18030"))
    box.s3.put(box.bucket, "in/box/below/2.csv", b"k,v\nz,1\n")
    box.s3.put(box.bucket, "in/boxes.csv", b"k,v\ny,1\n")
    pl.DataFrame({"k": ["c"], "v": ["1"]}).write_parquet(tmp_path / "3.parquet")
    box.put("3.parquet", (tmp_path / "3.parquet").read_bytes())
    assert box.good() == (3, 0)
    assert box.good() == (0, 0)
    assert box.sync().rows_received == 0, "a folder in which nothing changed is not copied"
    box.s3.delete(box.bucket, "in/box/3.parquet")
    box.put("moved.csv", "k,v\na,北辰\nb,3\n")
    box.s3.delete(box.bucket, "in/box/1.csv")
    assert box.good() == (2, 1)


def test_deliveries_in_s3(tmp_path: Path, s3: S3Server) -> None:
    box = Box(tmp_path, s3, delivery="partial", complete_names="*full*", order="name")
    box.put("1-full.csv", "k,v\na,1\nb,1\n")
    assert box.good() == (2, 0)
    box.put("2.csv", "k,v\nb,2\n")
    box.put("copy of 2.csv", "k,v\nb,2\n")
    assert box.good() == (1, 0)
    box.put("3-full.csv", "k,v\nb,2\n")
    assert box.good() == (1, 1)


def test_one_object(tmp_path: Path, s3: S3Server) -> None:
    box = Box(tmp_path, s3)
    box.put("1.csv", "k,v\na,1\n")
    box.put("2.csv", "k,v\nb,1\n")
    box.settings["path"] += "/2.csv"
    assert box.good() == (1, 0)


def test_an_object_that_is_written_anew_while_it_is_copied_waits(
    tmp_path: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Box(tmp_path, s3, delivery="complete")
    box.put("1.csv", "k,v\na,1\nb,1\n")
    fetch = remote_folders.S3.fetch

    def other(self: remote_folders.S3, name: str, place: Path) -> Path:
        copy = fetch(self, name, place)
        box.put("1.csv", "k,v\na,2\nb,1\n")  # of the same length: only its tag differs
        return copy

    monkeypatch.setattr(remote_folders.S3, "fetch", other)
    result = box.sync()
    assert (result.error, result.rows_landed) == (None, 0)
    assert "it changed while it was read" in result.warnings[0]
    monkeypatch.undo()
    assert box.good() == (2, 0)


def _landing_in(box: Box, s3: S3Server) -> None:
    """From now on the box's landing is in a bucket of its own."""
    name = f"c360-{uuid.uuid4().hex[:12]}"
    s3.bucket(name)
    box.instance.config.landing = LandingConfig(
        path=f"s3://{name}/landing/of us", endpoint=s3.url, access_key="file:id", secret_key="file:key"
    )
    box.instance.save()


def _landed(box: Box) -> list[tuple[Any, ...]]:
    return [row for frame in landing.read(box.instance.landing, "box", "rows") for row in frame.rows()]


def test_landing_in_s3(tmp_path: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box(tmp_path, s3)
    box.put("1.csv", "k,v\na,1\nb,1\n")
    assert box.good() == (2, 0)  # landed here before there was a bucket
    _landing_in(box, s3)
    box.put("2.csv", "k,v\nc,1\n")
    assert box.good() == (1, 0)
    before = _landed(box)
    put, count = landing_remote.Remote.put, 0

    def failing(self: landing_remote.Remote, name: str, data: bytes) -> None:
        nonlocal count
        count += 1
        if count == 2:  # the part is there, the manifest is not
            raise landing_remote.LandingAway("the network is gone")
        put(self, name, data)

    box.put("2.csv", "k,v\nc,2\n")
    with monkeypatch.context() as patch:
        patch.setattr(landing_remote.Remote, "put", failing)
        assert "the network is gone" in str(box.sync().error)
    assert _landed(box) == before
    assert box.good() == (1, 0)
    after = _landed(box)
    assert (len(after), after[:3]) == (4, before)
    (done,) = compacting.compact(box.instance, "box")
    assert (done.runs, done.files_after, done.is_tidy) == (3, 2, True)
    shutil.rmtree(box.instance.landing)  # a new machine
    assert landing_remote.refresh_all(box.instance) == (0, 0), "the catalogue names all runs"
    assert _landed(box) == after
    assert box.good() == (0, 0)
    box.put("3.csv", "k,v\nd,1\n")
    assert box.good() == (1, 0)


def test_a_bucket_for_landing_that_is_not_there_stops_the_run_and_is_told(tmp_path: Path, s3: S3Server) -> None:
    box = Box(tmp_path, s3)
    box.put("1.csv", "k,v\na,1\n")
    _landing_in(box, s3)
    assert box.instance.config.landing is not None
    box.instance.config.landing.path = "s3://no-such-bucket-of-nobody/x"
    box.instance.save()
    result = box.sync()
    assert "no-such-bucket-of-nobody" in str(result.error)
    assert "[landing]" in str(result.remedy)
    assert _landed(box) == []


def test_what_is_wrong_is_told(tmp_path: Path, s3: S3Server) -> None:
    box = Box(tmp_path, s3)
    assert "holds nothing" in str(box.sync().error)
    box.put("1.csv", "v\n1\n")
    assert "key column(s) missing: k" in str(box.sync().error)
    (tried,) = probe.probe(box.instance, "box")
    assert tried.state == "failed"
    box.settings["path"] = "s3://no-such-bucket-of-nobody/in"
    result = box.sync()
    assert "no-such-bucket-of-nobody" in str(result.error)
    assert "correct `path`" in str(result.remedy)
    box.settings["endpoint"] = "http://127.0.0.1:1"
    assert "check host, port and the network" in str(box.sync().remedy)
