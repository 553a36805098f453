"""The foundation: clock, instance, store, leases, secrets, texts."""

from __future__ import annotations

import sqlite3
import stat
import string
import subprocess
import sys
import threading
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import event, select

from ops import clock, secrets, texts
from ops.errors import C360Error, FatalError
from ops.instance import Instance, InstanceConfig, SourceConfig, parse_config
from ops.leases import LeaseHeld, lease
from ops.store import Store, stamp, unstamp
from ops.tables import kv, leases


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(f"sqlite:///{tmp_path / 'ops.db'}")


def test_fixed_clock_is_read_in_the_company_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C360_NOW", "2026-11-21T17:30:00+00:00")
    assert clock.today("Asia/Shanghai") == date(2026, 11, 22)
    assert clock.today("UTC") == date(2026, 11, 21)
    assert unstamp(stamp()) == clock.now()


def test_config_problems_are_reported_together_with_the_valid_keys() -> None:
    raw = {
        "compny": "x",
        "mode": "prod",
        "source": [{"name": "crm", "connector": "c", "role": "crm", "shedule": "1"}],
    }
    with pytest.raises(FatalError) as caught:
        parse_config(raw, "c360.toml")
    message = str(caught.value)
    assert "did you mean 'company'" in message
    assert "did you mean 'schedule'" in message
    assert "mode" in message
    assert "3 problem(s)" in message


def test_instance_round_trip_and_unknown_source(tmp_path: Path) -> None:
    config = InstanceConfig(company="北辰", source=[SourceConfig(name="crm", connector="salesforce", role="crm")])
    Instance.create(tmp_path / "i", config)
    loaded = Instance.load(tmp_path / "i")
    assert loaded.config == config
    assert stat.S_IMODE(loaded.secrets.stat().st_mode) == 0o700
    with pytest.raises(FatalError, match="crm"):
        loaded.config.source("erp")


def test_secrets_are_written_privately_and_never_shown(tmp_path: Path) -> None:
    secrets.write("token", "s3cr3t-value", tmp_path)
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
    assert secrets.resolve("file:token", tmp_path) == "s3cr3t-value"
    with pytest.raises(C360Error) as caught:
        secrets.resolve("s3cr3t-value", tmp_path)
    assert "s3cr3t" not in str(caught.value)
    redactor = secrets.Redactor()
    redactor.add("s3cr3t-value")
    assert redactor.clean("GET /?k=s3cr3t-value") == f"GET /?k={secrets.MASK}"


def test_upsert_replaces_by_key(store: Store) -> None:
    with store.begin() as connection:
        for value in ("1", "2"):
            store.upsert(connection, kv, {"key": "a", "value": value, "updated_at": stamp()}, ["key"])
    with store.read() as connection:
        assert [row.value for row in connection.execute(kv.select())] == ["2"]


_HOLDER = """
import signal, sys
from ops.leases import lease
from ops.store import Store
with lease(Store(sys.argv[1]), "source:crm", ttl_s=600):
    print("held", flush=True)
    signal.pause()
"""


def test_a_lease_has_one_holder_and_a_killed_holder_is_taken_over(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ops.db'}"
    store = Store(url)
    with subprocess.Popen([sys.executable, "-c", _HOLDER, url], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(LeaseHeld, match="source:crm"), lease(store, "source:crm"):
            pass
        process.kill()
    with lease(store, "source:crm"):
        pass


def test_every_text_has_both_languages_and_the_same_places() -> None:
    for msgid, forms in texts.catalogue().items():
        places = {
            language: {name for _, name, _, _ in string.Formatter().parse(form) if name}
            for language, form in forms.items()
        }
        assert places["zh"] == places["en"], msgid


def test_the_heartbeat_outlives_a_transaction_longer_than_the_stores_patience(store: Store, tmp_path: Path) -> None:
    hasty = Store(f"sqlite:///{tmp_path / 'ops.db'}")
    hasty.close()
    refused = threading.Event()

    @event.listens_for(hasty.engine, "connect")
    def _lose_patience(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("pragma busy_timeout=500")

    @event.listens_for(hasty.engine, "handle_error")
    def _note(_context: object) -> None:
        refused.set()

    def expiry() -> str:
        with store.read() as connection:
            return str(connection.execute(select(leases.c.expires_at)).scalar_one())

    with lease(hasty, "build", ttl_s=0.3):
        with store.begin():
            assert refused.wait(60)
            before = expiry()
        waited = threading.Event()
        for _ in range(600):
            if expiry() > before:
                break
            waited.wait(0.1)
        assert expiry() > before
