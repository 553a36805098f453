"""`c360 landing`, and what the scheduler does for landing at night."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ingest import landing
from model import conform
from ops import config_file
from ops.instance import Instance
from run import tending
from run.cli import app
from run.scheduler import Daemon
from tests.run import books


def c360(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--home", str(home), *arguments])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three collections of changing invoices, half a year ago, and staged."""
    made = books.instance(tmp_path / "i", tmp_path / "files")
    for turn in range(3):
        monkeypatch.setenv("C360_NOW", f"2026-05-{turn + 1:02d}T04:00:00Z")
        books.write(tmp_path / "files", amount=100 + turn)
        books.sync(made)
    conform.stage(made)
    monkeypatch.setenv("C360_NOW", "2026-11-21T04:00:00Z")
    return made.home


def rows(home: Path) -> int:
    root = Instance.load(home).landing
    return sum(frame.height for name in landing.streams(root, "books") for frame in landing.read(root, "books", name))


def test_compact_prints_what_it_did(home: Path) -> None:
    before = rows(home)
    done = c360(home, "landing", "compact", "books")
    assert done.exit_code == 0, done.output
    assert "8 files" in done.output
    assert "→ 4 files" in done.output
    again = c360(home, "landing", "compact", "--json")
    assert [(one["runs"], one["files_before"]) for one in json.loads(again.output)] == [(0, 2), (0, 2)]
    assert rows(home) == before
    assert "no source 'nobody'" in str(c360(home, "landing", "compact", "nobody").exception)


def test_prune_first_tells_and_then_does(home: Path) -> None:
    before = rows(home)
    assert before == 2 + 3 * 20
    told = c360(home, "landing", "prune", "--days", "30", "--dry-run")
    assert told.exit_code == 0, told.output
    assert "Nothing was removed (--dry-run)." in told.output
    assert rows(home) == before
    done = json.loads(c360(home, "landing", "prune", "books", "--days", "30", "--json").output)
    assert {one["stream"]: (one["rows"], one["leaving"]) for one in done} == {"customer": (2, 0), "invoice": (60, 40)}
    assert rows(home) == 22
    assert "(nothing)" in c360(home, "landing", "prune").output, "no source says how long versions are kept"


def test_the_scheduler_packs_and_prunes_once_a_night(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config_file.set_value(home / "c360.toml", "mode", "live")
    made = Instance.load(home)
    made.config.source("books").keep_versions_days = 30
    made.config.source("books").schedule = None
    monkeypatch.setattr(tending, "WORTH_PACKING", 3)
    assert not tending.tend(made), "noon"
    monkeypatch.setenv("C360_NOW", "2026-11-21T18:30:00Z")  # 02:30 in Shanghai
    assert Daemon(made).tick() == []
    assert rows(home) == 22
    assert not tending.tend(made), "once a night"
    monkeypatch.setenv("C360_NOW", "2026-11-22T18:30:00Z")
    made.config.source("books").legal_hold = True
    assert tending.tend(made)
    assert tending.prunable(made) == []
    assert tending.held_back(made) == ["books"]


def test_a_landing_without_a_bucket_has_nothing_to_adopt(home: Path) -> None:
    for command in ("sync", "adopt"):
        assert "folder of this instance" in str(c360(home, "landing", command).exception)


def test_a_bucket_is_filled_and_adopted(home: Path, tmp_path: Path) -> None:
    made = Instance.load(home)
    document = made.config.model_dump(by_alias=True)
    document["landing"] = {"path": f"file://{tmp_path}/bucket"}
    made.config = type(made.config).model_validate(document)
    made.save()
    assert "0 run(s) learned from the bucket, 4 put there." in c360(home, "landing", "sync").output
    assert "by this instance alone" in c360(home, "landing", "adopt").output
    done = c360(home, "backup", str(tmp_path / "b"))
    assert "is not in this backup" in done.output
    assert not (tmp_path / "b" / "landing").exists()
