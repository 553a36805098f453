"""A stream with a limit of its own: neither makes its source stale too early nor hides behind the others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from ingest import max_age
from model.serve.freshness import late_streams
from ops.errors import FatalError
from ops.instance import Instance, SourceConfig
from ops.store import stamp
from ops.tables import runs
from tests.alerts.conftest import Build
from tests.alerts.test_source_health import told

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)


@pytest.fixture
def erp(instance: Instance) -> SourceConfig:
    made = SourceConfig(
        name="erp", connector="kingdee", role="erp", max_age_minutes=60,
        stream_max_age_minutes={"BD_Empinfo": 60 * 24 * 40, "AR_RECEIVEBILL": 20},
    )  # fmt: skip
    instance.config.sources.append(made)
    instance.config.alerts.integration = "zhao@demo.example"
    return made


def ran(instance: Instance, stream: str, minutes_ago: int, now: datetime) -> None:
    at = stamp(now - timedelta(minutes=minutes_ago))
    with instance.store.begin() as connection:
        values = {"run_id": f"{at}{stream}", "source": "erp", "stream": stream, "started_at": at, "ended_at": at}
        connection.execute(insert(runs).values(**values, state="done"))


def test_limits_of_their_own_stand_apart(instance: Instance, erp: SourceConfig) -> None:
    assert max_age.limits(instance, erp) == {max_age.COMMON: 60, "BD_Empinfo": 57_600, "AR_RECEIVEBILL": 20}
    erp.stream_max_age_minutes["AR_RECEIVEBILL"] = 0
    assert max_age.limits(instance, erp) == {max_age.COMMON: 60, "BD_Empinfo": 57_600}
    max_age.verify(instance, erp)
    erp.stream_max_age_minutes["BD_Nobody"] = 5
    with pytest.raises(FatalError, match="has no stream BD_Nobody"):
        max_age.verify(instance, erp)


@pytest.mark.parametrize(
    ("minutes", "late"),
    [
        ({"BD_Customer": 30, "BD_Empinfo": 30_000, "AR_RECEIVEBILL": 10}, []),
        ({"BD_Customer": 30, "BD_Empinfo": 30_000, "AR_RECEIVEBILL": 21}, ["AR_RECEIVEBILL"]),
        ({"BD_Customer": 61, "BD_Empinfo": 10, "AR_RECEIVEBILL": 10}, [""]),
        ({"BD_Customer": 61, "BD_Material": 5, "BD_Empinfo": 60_000}, ["BD_Empinfo"]),
        ({}, []),
    ],
)
def test_who_is_late(
    minutes: dict[str, int], late: list[str], instance: Instance, erp: SourceConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("C360_NOW", NOW.isoformat())
    good = {stream: NOW - timedelta(minutes=one) for stream, one in minutes.items()}
    assert late_streams(good, max_age.limits(instance, erp)) == late


@pytest.mark.usefixtures("erp")
def test_a_late_stream_is_told_once_and_so_is_its_recovery(
    instance: Instance, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("C360_NOW", NOW.isoformat())
    ran(instance, "BD_Empinfo", 60 * 24 * 5, NOW)
    ran(instance, "BD_Customer", 30, NOW)
    ran(instance, "AR_RECEIVEBILL", 15, NOW)
    assert told(instance, build) == []
    later = NOW + timedelta(minutes=50)
    monkeypatch.setenv("C360_NOW", later.isoformat())
    ran(instance, "BD_Customer", 1, later)
    [mail] = told(instance, build)
    assert "数据源 erp/AR_RECEIVEBILL 已 1 小时没有成功采集" in mail
    assert len(told(instance, build)) == 1
    tomorrow = NOW + timedelta(days=1)
    monkeypatch.setenv("C360_NOW", tomorrow.isoformat())
    for stream in ("BD_Customer", "AR_RECEIVEBILL"):
        ran(instance, stream, 1, tomorrow)
    assert "数据源 erp 已恢复更新" in told(instance, build)[-1]
