"""The operational store on a real PostgreSQL: the store's own promises, then an instance from files to alerts."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select, text

from ingest import landing
from model import alerts, build, publish
from model.delivery import holding
from ops import clock, secrets, tables
from ops.errors import FatalError
from ops.instance import Instance
from ops.leases import LeaseHeld, lease
from ops.migrations import MIGRATIONS
from ops.store import Store, stamp
from run import backup, chain
from tests.run import books
from tests.warehouse import helpers

if TYPE_CHECKING:
    from realsystems.postgresql import PostgreSql

pytestmark = pytest.mark.system


@pytest.fixture
def url(postgres: str) -> str:
    return postgres


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store(url)
    yield opened
    opened.close()


def test_opening_migrates_once_even_from_many_at_a_time(url: str) -> None:
    problems: list[Exception] = []

    def open_it() -> None:
        try:
            Store(url).close()
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    store = Store(url)
    with store.read() as connection:
        versions = connection.execute(text("select version from schema_version order by version")).scalars().all()
        assert versions == list(range(1, len(MIGRATIONS) + 1))
        assert connection.execute(text("show server_version")).scalar()
    store.close()


def test_upsert_and_rollback(store: Store) -> None:
    with store.begin() as connection:
        for value in ("1", "二"):
            row = {"key": "a", "value": value, "updated_at": stamp()}
            store.upsert(connection, tables.kv, row, ["key"])
        store.upsert(connection, tables.visits, {"user": "u", "anchor": "x", "last_at": stamp()}, ["user", "anchor"])
    with contextlib.suppress(ZeroDivisionError), store.begin() as connection:
        connection.execute(tables.kv.delete())
        raise ZeroDivisionError
    with store.read() as connection:
        assert [row.value for row in connection.execute(tables.kv.select())] == ["二"]


def test_every_table_takes_and_gives_back_a_row(store: Store) -> None:
    with store.begin() as connection:
        for table in tables.metadata.sorted_tables:
            row = {
                column.name: {"INTEGER": 1, "FLOAT": 0.5, "BOOLEAN": True}.get(str(column.type), "x")
                for column in table.columns
                if column is not table.autoincrement_column
            }
            connection.execute(table.insert().values(**row))
            found = connection.execute(select(table)).mappings().one()
            assert {name: found[name] for name in row} == row, table.name


_HOLDER = """
import signal, sys
from ops.leases import lease
from ops.store import Store
with lease(Store(sys.argv[1]), "source:crm", ttl_s=600):
    print("held", flush=True)
    signal.pause()
"""


def test_a_lease_has_one_holder_across_processes_and_a_killed_one_is_taken_over(url: str, store: Store) -> None:
    with subprocess.Popen([sys.executable, "-c", _HOLDER, url], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(LeaseHeld, match="source:crm"), lease(store, "source:crm"):
            pass
        process.kill()
    with lease(store, "source:crm"):
        pass


def test_a_lease_taken_at_the_same_moment_has_one_holder(url: str) -> None:
    stores = [Store(url) for _ in range(8)]
    barrier, held, refused = threading.Barrier(8), [], []

    def take(one: Store) -> None:
        barrier.wait()
        try:
            with lease(one, "build"):
                held.append(one)
                clock.sleep(0.5)
        except LeaseHeld:
            refused.append(one)

    for _ in range(5):
        held.clear()
        refused.clear()
        threads = [threading.Thread(target=take, args=(one,)) for one in stores]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(held), len(refused)) == (1, 7)
    for one in stores:
        one.close()


def test_an_expired_lease_is_taken_over(store: Store) -> None:
    past = stamp(clock.wall() - timedelta(seconds=1))
    with store.begin() as connection:
        row = {"name": "build", "holder": "elsewhere:1:x", "expires_at": past}
        connection.execute(tables.leases.insert().values(**row))
    with lease(store, "build"):
        pass


def _made(home: Path, files: Path, url: str | None) -> Instance:
    inst = books.instance(home, files, store_url=url)
    books.sync(inst)
    build.build(inst)
    alerts.evaluate(inst)
    return inst


def _counts(store: Store) -> dict[str, int]:
    skipped = {"leases", "runs"}
    with store.read() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in tables.metadata.sorted_tables
            if table.name not in skipped
        }


def test_an_instance_works_as_on_sqlite_and_moves_between_both(
    postgres_server: PostgreSql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("C360_NOW", "2026-11-23T02:00:00Z")
    books.write(tmp_path / "files", 700_000)
    here = _made(tmp_path / "sqlite", tmp_path / "files", None)
    there = _made(tmp_path / "postgres", tmp_path / "files", postgres_server.database())
    assert not (there.home / "ops.db").exists()
    assert helpers.everything(there) == helpers.everything(here)
    counts = _counts(there.store)
    assert counts == _counts(here.store)
    assert counts["alerts"] > 0
    assert landing.runs(there.landing, "books", "invoice")

    books.write(tmp_path / "files", 800_000)
    result = chain.refresh(there)
    assert result.problems == []
    backup.back_up(there, tmp_path / "b.tar")
    with pytest.raises(FatalError, match="not empty"):
        backup.restore(tmp_path / "b.tar", tmp_path / "again")
    assert not (tmp_path / "again").exists()
    moved = Instance.load(backup.restore(tmp_path / "b.tar", tmp_path / "to-sqlite", store_url="sqlite").home)
    assert (moved.home / "ops.db").is_file()
    expected = _counts(there.store)
    expected["kv"] += 1  # a restored instance holds its outbox
    assert _counts(moved.store) == expected
    assert holding.held(moved.store) is not None
    back = postgres_server.database()
    backup.back_up(moved, tmp_path / "c.tar")
    again = Instance.load(backup.restore(tmp_path / "c.tar", tmp_path / "back", store_url=back).home)
    assert publish.current(again).version == publish.current(there).version
    build.build(again, full=True)
    assert helpers.everything(again) == helpers.everything(there)
    with again.store.begin() as connection:  # numbers go on after the restored ones
        entry = {"at": stamp(), "actor": "x", "action": "x"}
        for _ in range(3):
            connection.execute(tables.audit.insert().values(**entry))
            connection.execute(tables.alert_events.insert().values(alert_id="x", at=stamp(), actor="x", event="x"))


def test_two_processes_never_collect_one_source_at_once(postgres_server: PostgreSql, tmp_path: Path) -> None:
    books.write(tmp_path / "files")
    inst = books.instance(tmp_path / "i", tmp_path / "files", store_url="file:store_url")
    secrets.write("store_url", postgres_server.database(), inst.secrets)
    command = [sys.executable, "-m", "run.cli", "--home", str(inst.home), "sync", "--no-build", "books"]
    with lease(inst.store, "source:books"):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "source:books is being worked on" in done.stderr
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert landing.runs(inst.landing, "books", "invoice")
