"""What the integration owner is told about sources: failures once, recovery, drift that nobody announced."""

from __future__ import annotations

from datetime import timedelta
from email import message_from_string
from email.policy import SMTP
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, select, update

from model.alerts import evaluate, work
from model.delivery import deliver
from ops import clock
from ops.instance import Instance, SourceConfig
from ops.store import stamp
from ops.tables import drifts, outbox, runs
from tests.alerts.conftest import Build

OWNER = "zhao@demo.example"


@pytest.fixture(autouse=True)
def source(instance: Instance) -> None:
    instance.config.sources.append(SourceConfig(name="erp", connector="template", role="erp", max_age_minutes=100_000))
    instance.config.alerts.integration = OWNER


def ran(instance: Instance, stream: str, state: str) -> None:
    with instance.store.begin() as connection:
        values = {"source": "erp", "stream": stream, "started_at": stamp(), "ended_at": stamp(), "state": state}
        connection.execute(insert(runs).values(run_id=f"{stamp()}{stream}", **values))


def drifted(instance: Instance, kind: str, field: str, planned_id: int | None = None) -> None:
    with instance.store.begin() as connection:
        values = {"source": "erp", "stream": "bill", "run_id": "1", "documents": 9, "state": "open"}
        connection.execute(
            insert(drifts).values(**values, kind=kind, field=field, found_at=stamp(), planned_id=planned_id)
        )


def told(instance: Instance, build: Build) -> list[str]:
    """The texts of every mail so far to the integration owner; nobody else gets any."""
    evaluate(instance, build)
    deliver(instance, published=build)
    with instance.store.read() as connection:
        rows = connection.execute(
            select(outbox).where(outbox.c.channel == "mail").order_by(outbox.c.created_at, outbox.c.message_id)
        ).all()
    assert {row.recipient for row in rows} <= {OWNER}
    found = []
    for row in rows:
        message: Any = message_from_string(row.body, policy=SMTP)
        found.append(str(message.get_body(("plain",)).get_content()))
    return found


def test_a_failing_source_is_told_once_and_so_is_its_recovery(
    instance: Instance, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran(instance, "bill", "done")
    assert told(instance, build) == []
    for minute in range(1, 3):
        monkeypatch.setenv("C360_NOW", f"2026-11-23T02:0{minute}:00Z")
        ran(instance, "bill", "failed")
        ran(instance, "receipt", "failed")
        [mail] = told(instance, build)
    assert "数据源 erp 自 2026年11月23日 起有 2 个对象采集失败" in mail
    monkeypatch.setenv("C360_NOW", "2026-11-24T02:00:00Z")
    ran(instance, "bill", "done")
    ran(instance, "receipt", "done")
    first, second = told(instance, build)
    assert first == mail
    assert "数据源 erp 的采集已恢复（2026年11月24日）" in second
    assert "采集失败" not in second
    monkeypatch.setenv("C360_NOW", "2026-11-25T02:00:00Z")
    assert len(told(instance, build)) == 2


def test_a_source_that_stays_down_becomes_urgent(
    instance: Instance, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    for minute in range(4):
        monkeypatch.setenv("C360_NOW", f"2026-11-23T02:0{minute}:00Z")
        ran(instance, "*", "failed")
        mails = told(instance, build)
    assert len(mails) == 2, "one when it failed, one when it had failed three times"


def test_one_good_stream_ends_a_fault_of_the_whole_source(instance: Instance, build: Build) -> None:
    ran(instance, "*", "failed")
    ran(instance, "bill", "done")
    assert told(instance, build) == []


def test_drift_is_told_by_stream_until_somebody_has_seen_to_it(
    instance: Instance, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    drifted(instance, "vanished", "F_PRICE")
    drifted(instance, "retyped", "F_DATE")
    drifted(instance, "retyped", "F_NOTE", planned_id=4)
    [mail] = told(instance, build)
    assert "对象 erp bill 有 2 处字段变化，2026年11月23日 起" in mail
    monkeypatch.setenv("C360_NOW", "2026-11-23T03:00:00Z")
    with instance.store.begin() as connection:
        connection.execute(update(drifts).values(state="acknowledged", settled_at=stamp()))
    assert told(instance, build) == [mail]
    with instance.store.read() as connection:
        assert connection.execute(select(drifts.c.drift_id)).all()


def earlier(instance: Instance, stream: str, state: str, **ago: float) -> None:
    at = stamp(clock.now() - timedelta(**ago))
    values = {"source": "erp", "stream": stream, "started_at": at, "ended_at": at, "state": state}
    with instance.store.begin() as connection:
        connection.execute(insert(runs).values(run_id=f"{at}{stream}", **values))


def failing(instance: Instance) -> list[tuple[str, bool]]:
    """(stream, is good) of what the rules look at."""
    return [(row[1], row[2]) for row in sorted(work._failed_runs(instance, ZoneInfo("UTC")), key=lambda row: row[3])]


def test_a_stream_that_is_no_longer_collected_fails_no_more(instance: Instance) -> None:
    earlier(instance, "old", "failed", days=60)
    earlier(instance, "bill", "failed", days=1)
    assert failing(instance) == [("bill", False)]
    earlier(instance, "old", "failed", hours=30)
    assert failing(instance) == [("old", False), ("old", False), ("bill", False)]


def test_of_the_good_runs_only_those_that_end_a_failure_are_read(instance: Instance) -> None:
    for hours in range(40, 30, -1):
        earlier(instance, "bill", "done", hours=hours)
    earlier(instance, "*", "failed", hours=30)
    earlier(instance, "bill", "failed", hours=29)
    for hours in range(28, 20, -1):
        earlier(instance, "note", "done", hours=hours)
    for hours in range(20, 10, -1):
        earlier(instance, "bill", "done", hours=hours)
    assert failing(instance) == [("*", False), ("bill", False), ("note", True), ("bill", True)]
