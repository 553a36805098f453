"""Fixtures that install (once), start and stop the real systems, and an instance to collect them into."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

sys.path.insert(0, str(Path(__file__).parent))  # the helpers are no part of the product's packages

from realsystems import bottlecrm as bottlecrm_system
from realsystems import redmine as redmine_system
from realsystems import roundup as roundup_system
from realsystems import tryton as tryton_system
from realsystems.environments import NotRun

from ingest import landing
from ingest.collect import RunResult, sync
from model import serve
from model.build import BuildResult, build
from model.policy import Viewer
from ops import tables
from ops.instance import Instance, InstanceConfig

EVERYTHING = Viewer(user="auditor", name="Auditor", role="finance", scope="all", masks=frozenset())
ROLES = {"tryton": "erp", "bottlecrm": "crm", "roundup": "tickets", "redmine": "projects"}


@dataclass
class Collected:
    """An instance with one source, and what has landed in it."""

    instance: Instance
    name: str

    def sync(self, *, full: bool = False) -> dict[str, RunResult]:
        """Collect everything; stream → result. AssertionError when a stream failed."""
        results = sync(self.instance, self.name, full=full)
        failed = {result.stream: (result.error, result.remedy) for result in results if result.error}
        assert not failed, failed
        return {result.stream: result for result in results}

    def documents(self, stream: str) -> dict[str, dict[str, Any]]:
        """id → newest document of what is not deleted."""
        newest: dict[str, Any] = {}
        for frame in landing.read(self.instance.landing, self.name, stream):
            for row in frame.iter_rows(named=True):
                newest[row["id"]] = None if row["deleted"] else json.loads(row["document"])
        return {key: document for key, document in newest.items() if document is not None}

    def build(self) -> BuildResult:
        """Build and publish what has landed. AssertionError when a record was set aside."""
        result = build(self.instance)
        with self.instance.store.begin() as connection:
            aside = connection.execute(select(tables.quarantine)).mappings().all()
        assert not aside, [
            (row["entity"], row["record_id"], row["field"], row["value"], row["reason"]) for row in aside
        ]
        return result

    def customer(self, query: str) -> dict[str, Any]:
        """The customer screen's JSON, nothing masked, straight from the published build."""
        with_all = serve.open_published(self.instance)
        return serve.customer(EVERYTHING, with_all, query)


@pytest.fixture
def instance_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Collected]:
    """Make an instance with one live source: (connector, settings, secret) → Collected."""

    def make(connector: str, settings: dict[str, Any], secret: str) -> Collected:
        monkeypatch.setenv(f"C360_TEST_{connector.upper()}", secret)
        source = {"name": connector, "connector": connector, "role": ROLES[connector], "settings": settings}
        config = InstanceConfig.model_validate({"mode": "live", "company": "Demo Instruments", "source": [source]})
        return Collected(Instance.create(tmp_path / "instance", config), connector)

    return make


def _started(start: Callable[[Path], AbstractContextManager[object]], folder: Path) -> Iterator[object]:
    """Hand out a running system, or say NOT RUN and why."""
    manager = start(folder)
    try:
        system = manager.__enter__()
    except NotRun as reason:
        pytest.skip(f"NOT RUN: {reason}")
    try:
        yield system
    finally:
        manager.__exit__(None, None, None)


@pytest.fixture(scope="session")
def tryton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """A Tryton server with a company, a chart of accounts and two products."""
    yield from _started(tryton_system.running, tmp_path_factory.mktemp("tryton"))


@pytest.fixture(scope="session")
def bottlecrm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """A BottleCRM server with an empty organisation."""
    yield from _started(bottlecrm_system.running, tmp_path_factory.mktemp("bottlecrm"))


@pytest.fixture(scope="session")
def roundup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """A fresh Roundup tracker."""
    yield from _started(roundup_system.running, tmp_path_factory.mktemp("roundup"))


@pytest.fixture(scope="session")
def redmine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """A Redmine server on an empty database."""
    yield from _started(redmine_system.running, tmp_path_factory.mktemp("redmine"))
