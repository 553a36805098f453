"""Fixtures that install (once), start and stop the real systems, and an instance to collect them into."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

sys.path.insert(0, str(Path(__file__).parent))  # the helpers are no part of the product's packages

from realsystems import bottlecrm as bottlecrm_system
from realsystems import mariadb as mariadb_system
from realsystems import postgresql as postgresql_system
from realsystems import redmine as redmine_system
from realsystems import roundup as roundup_system
from realsystems import rt as rt_system
from realsystems import s3 as s3_system
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
ROLES = {"tryton": "erp", "bottlecrm": "crm", "roundup": "tickets", "redmine": "projects", "rt": "tickets"}


@dataclass
class Collected:
    """An instance with one source, and what has landed in it."""

    instance: Instance
    name: str

    def sync(self, stream: str | None = None, *, full: bool = False) -> dict[str, RunResult]:
        """Collect everything, or one stream; stream → result. AssertionError when a stream failed."""
        results = sync(self.instance, self.name, stream, full=full)
        failed = {result.stream: (result.error, result.remedy) for result in results if result.error}
        assert not failed, failed
        return {result.stream: result for result in results}

    def refused(self, *streams: str) -> dict[str, RunResult]:
        """Collect, errors and all; stream → result."""
        results = [result for name in streams or (None,) for result in sync(self.instance, self.name, name)]
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
    """Make an instance with one live source: (connector, settings, secret) → Collected.

    `customers` (code, name) come from a folder of templates beside it: companies that the source itself does not know.
    """

    def make(
        connector: str, settings: dict[str, Any], secret: str, customers: dict[str, str] | None = None
    ) -> Collected:
        monkeypatch.setenv(f"C360_TEST_{connector.upper()}", secret)
        sources = [{"name": connector, "connector": connector, "role": ROLES[connector], "settings": settings}]
        if customers:
            books = tmp_path / "books"
            books.mkdir(exist_ok=True)
            lines = "".join(f"{code},{name}\n" for code, name in customers.items())
            (books / "customer.csv").write_text(f"code,name\n{lines}", encoding="utf-8")
            given = {"folder": str(books)}
            sources.append({"name": "books", "connector": "template", "role": "erp", "settings": given})
        config = InstanceConfig.model_validate({"mode": "live", "company": "Demo Instruments", "source": sources})
        home = next(path for number in range(9) if not (path := tmp_path / f"instance{number}").exists())
        made = Collected(Instance.create(home, config), connector)
        if customers:
            assert not [result.error for result in sync(made.instance, "books") if result.error]
        return made

    return make


STARTS: dict[str, Callable[[Path], AbstractContextManager[object]]] = {
    "roundup": roundup_system.running,
    "tryton": tryton_system.running,
    "postgres_server": postgresql_system.running,
    "mariadb": mariadb_system.running,
    "s3": s3_system.running,
    "redmine": redmine_system.running,
    "rt": rt_system.running,
    "bottlecrm": bottlecrm_system.running,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of systems that are soon there come first, so that they run while the slow ones are still starting."""
    here = Path(__file__).parent
    places = {name: place for place, name in enumerate(STARTS)}

    def rank(item: pytest.Item) -> int:
        if here not in item.path.parents:
            return -1
        needed = [places[name] for name in getattr(item, "fixturenames", ()) if name in places]
        return max(needed, default=0) + len(places) * (len(needed) > 1)

    items.sort(key=rank)


class Starting:
    """The systems that this run needs, all being started at once, each in a thread of its own."""

    def __init__(self, names: list[str], factory: pytest.TempPathFactory) -> None:
        self.managers = {name: STARTS[name](factory.mktemp(name)) for name in names}
        self.pool = ThreadPoolExecutor(max(1, len(names)), thread_name_prefix="start")
        self.futures = {name: self.pool.submit(manager.__enter__) for name, manager in self.managers.items()}

    def system(self, name: str) -> object:
        """The running system; where it cannot run the test says NOT RUN and why, and in CI fails."""
        try:
            return self.futures[name].result()
        except NotRun as reason:
            # packages can be installed; another Python cannot, so there the reason is all that can be said
            if os.environ.get("C360_SYSTEMS_REQUIRED") and not str(reason).startswith("needs Python"):
                pytest.fail(f"NOT RUN, and this run must: {reason}", pytrace=False)
            # what is missing here (a Python, root, a download) is no fault of the product: said, not failed
            pytest.skip(f"NOT RUN: {reason}")

    def stop(self) -> None:
        """Stop what was started, at once."""
        running = [name for name, future in self.futures.items() if future.exception() is None]
        list(self.pool.map(lambda name: self.managers[name].__exit__(None, None, None), running))
        self.pool.shutdown()


@pytest.fixture(scope="session")
def starting(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starting]:
    """Start every system that one of the selected tests asks for."""
    wanted = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    wanted |= {"postgres_server"} if "postgres" in wanted else set()
    wanted |= {"postgres_server", "mariadb"} if "erp" in wanted else set()  # test_databases.py runs on both
    systems = Starting([name for name in STARTS if name in wanted], tmp_path_factory)
    yield systems
    systems.stop()


@pytest.fixture(scope="session")
def tryton(starting: Starting) -> object:
    """A Tryton server with a company, a chart of accounts and two products."""
    return starting.system("tryton")


@pytest.fixture(scope="session")
def bottlecrm(starting: Starting) -> object:
    """A BottleCRM server with an empty organisation."""
    return starting.system("bottlecrm")


@pytest.fixture(scope="session")
def roundup(starting: Starting) -> object:
    """A fresh Roundup tracker."""
    return starting.system("roundup")


@pytest.fixture(scope="session")
def redmine(starting: Starting) -> object:
    """A Redmine server on an empty database."""
    return starting.system("redmine")


@pytest.fixture(scope="session")
def rt(starting: Starting) -> object:
    """A Request Tracker server with a collector's user and an empty queue."""
    return starting.system("rt")


@pytest.fixture(scope="session")
def postgres_server(starting: Starting) -> Any:
    """A PostgreSQL server on a cluster of its own."""
    return starting.system("postgres_server")


@pytest.fixture(scope="session")
def mariadb(starting: Starting) -> object:
    """A MariaDB server on a data folder of its own."""
    return starting.system("mariadb")


@pytest.fixture(scope="session")
def s3(starting: Starting) -> object:
    """An S3 server that keeps everything in its memory."""
    return starting.system("s3")


@pytest.fixture
def postgres(postgres_server: Any) -> str:
    """The URL of a fresh, empty PostgreSQL database, such as an instance's `store_url`."""
    return str(postgres_server.database())
