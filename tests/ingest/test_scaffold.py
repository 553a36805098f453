"""A new connector works before it is edited."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fake import Seen, documents, serving

from ingest.collect import sync
from ingest.errors import SpecError
from ingest.scaffold import ROLES, new_source
from ingest.spec import SourceSpec
from ops import secrets
from ops.instance import Instance, InstanceConfig, SourceConfig


@pytest.mark.parametrize("role", ROLES)
def test_new_source_collects_and_its_test_passes(tmp_path: Path, role: str) -> None:
    written = new_source("acme", tmp_path / "config", role)
    rows = [{"id": n, "name": "x", "updated_at": "2026-01-01T00:00:00Z"} for n in range(250)]

    def handle(seen: Seen) -> Any:
        assert seen.headers["authorization"] == "Bearer t0ken"
        start, limit = int(seen.query["offset"]), int(seen.query["limit"])
        return {"items": rows[start : start + limit], "total": len(rows)}

    with serving(handle) as fake:
        settings = {"base_url": fake.url, "token": "file:acme"}
        source = SourceConfig(name="src", connector="acme", role=role, settings=settings)  # type: ignore[arg-type]
        instance = Instance.create(tmp_path, InstanceConfig(source=[source]))
        secrets.write("acme", "t0ken", instance.secrets)
        (result,) = sync(instance, "src")
    assert result.error is None
    assert len(documents(instance, "records")) == 250
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        "/dev/null",
        str(written[2]),
    ]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    new_source("acme", tmp_path)
    with pytest.raises(SpecError, match="exists already"):
        new_source("acme", tmp_path)


@pytest.mark.parametrize("name", ["Acme", "../x", "", "a b"])
def test_unusable_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(SpecError, match="is no connector name"):
        new_source(name, tmp_path)


def test_a_new_source_of_a_database_is_described_and_its_test_passes(tmp_path: Path) -> None:
    *_, test = new_source("acme", tmp_path, "erp", kind="sql")
    stream = SourceSpec.load("acme", tmp_path).stream("records")
    assert (stream.table, stream.id, stream.deletes.type) == ("records", "id", "sweep")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", str(test)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    with pytest.raises(SpecError, match="Valid: http, sql"):
        new_source("other", tmp_path, kind="oracle")
