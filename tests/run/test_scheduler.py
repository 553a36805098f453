"""When a source is due: cron and interval, missed runs coalesce, the company's zone counts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ops.errors import FatalError
from ops.instance import Instance, InstanceConfig, SourceConfig
from ops.store import stamp
from ops.tables import runs, sync_requests
from run.scheduler import Daemon, due_sources, next_due, take_requests


def source(schedule: str | None, **changes: object) -> SourceConfig:
    return SourceConfig(name="crm", connector="salesforce", role="crm", schedule=schedule, **changes)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C360_NOW", "2026-11-21T04:00:00Z")  # 12:00 in Shanghai


def test_an_interval_counts_from_the_last_run() -> None:
    last = datetime(2026, 11, 21, 3, 50, tzinfo=UTC)
    assert next_due(source("every 15m"), last, "Asia/Shanghai") == datetime(2026, 11, 21, 4, 5, tzinfo=UTC)


def test_cron_is_read_in_the_company_zone() -> None:
    last = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
    due = next_due(source("30 13 * * *"), last, "Asia/Shanghai")
    assert due == datetime(2026, 11, 21, 5, 30, tzinfo=UTC)


def test_missed_runs_coalesce_into_one_that_is_due_now() -> None:
    last = datetime(2026, 11, 18, 0, 0, tzinfo=UTC)
    due = next_due(source("0 * * * *"), last, "Asia/Shanghai")
    assert due == datetime(2026, 11, 18, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize("item", [source(None), source("every 5m", status="off")])
def test_without_schedule_nothing_is_due(item: SourceConfig) -> None:
    assert next_due(item, None, "Asia/Shanghai") is None


def test_a_wrong_schedule_is_refused_with_the_valid_forms() -> None:
    with pytest.raises(FatalError, match="five cron fields"):
        next_due(source("whenever"), datetime(2026, 11, 21, tzinfo=UTC), "Asia/Shanghai")


def test_due_times_come_from_the_ledger_and_requests_are_taken_once(tmp_path) -> None:  # type: ignore[no-untyped-def]
    instance = Instance.create(tmp_path / "i", InstanceConfig(source=[source("every 15m")]))
    assert due_sources(instance) == ["crm"]
    with instance.store.begin() as connection:
        entry = {"run_id": "r1", "source": "crm", "stream": "Account", "started_at": stamp(), "state": "done"}
        connection.execute(runs.insert().values(**entry))
        request = {"source": None, "requested_by": "he.jing", "requested_at": stamp(), "state": "waiting"}
        connection.execute(sync_requests.insert().values(**request))
    assert due_sources(instance) == []
    assert take_requests(instance) == ["crm"]
    assert take_requests(instance) == []
    Daemon(instance)


def test_a_request_that_a_killed_scheduler_had_begun_waits_again(tmp_path) -> None:  # type: ignore[no-untyped-def]
    instance = Instance.create(tmp_path / "i", InstanceConfig(source=[source("every 15m")]))
    with instance.store.begin() as connection:
        request = {"source": "crm", "requested_by": "he.jing", "requested_at": stamp(), "state": "waiting"}
        connection.execute(sync_requests.insert().values(**request))
    assert take_requests(instance) == ["crm"]
    assert take_requests(instance) == []
    Daemon(instance).take_back()
    assert take_requests(instance) == ["crm"]
