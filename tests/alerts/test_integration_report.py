"""The monthly integration health report: figures by hand, the last six months, and one mail a month."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email import message_from_string
from email.policy import SMTP
from typing import Any

import pytest
from sqlalchemy import event, insert, select

from model import integration_health
from model.delivery import deliver
from model.integration_health import report
from ops.errors import FatalError
from ops.instance import Instance, SourceConfig
from ops.store import stamp
from ops.tables import audit, drifts, outbox, quarantine, runs
from tests.alerts.conftest import Build

OCTOBER = datetime(2026, 9, 30, 16, tzinfo=UTC)
"""The first instant of October in the company's zone."""


@pytest.fixture(autouse=True)
def sources(instance: Instance) -> None:
    for name in ("crm", "erp"):
        instance.config.sources.append(SourceConfig(name=name, connector="template", role="crm", max_age_minutes=600))
    instance.config.alerts.integration = "zhao@demo.example"


def ran(instance: Instance, source: str, hours: float, state: str = "done", rows: int = 0, stream: str = "a") -> None:
    """A run that ended some hours after the beginning of October."""
    at = stamp(OCTOBER + timedelta(hours=hours))
    values = {"source": source, "stream": stream, "started_at": at, "ended_at": at, "state": state}
    with instance.store.begin() as connection:
        connection.execute(insert(runs).values(run_id=f"{at}{source}", rows_landed=rows, **values))


def test_the_figures_of_a_month(instance: Instance) -> None:
    ran(instance, "crm", -5, rows=1000)  # September, still good for five hours of October
    ran(instance, "crm", 20, rows=200)
    ran(instance, "crm", 24, "failed")
    ran(instance, "crm", 26, "failed")
    ran(instance, "crm", 30)
    ran(instance, "crm", 30, "interrupted", stream="b")
    row = {"source": "crm", "stream": "a", "entity": "customer", "field": "name", "reason": "x", "run_id": "1",
           "updated_at": stamp()}  # fmt: skip
    with instance.store.begin() as connection:
        for number, (hours, status) in enumerate([(-1, "open"), (20, "open"), (20, "fixed")]):
            at = stamp(OCTOBER + timedelta(hours=hours))
            connection.execute(insert(quarantine).values(**row, record_id=str(number), status=status, created_at=at))
        found = {"stream": "a", "field": "x", "kind": "appeared", "documents": 1, "run_id": "1", "state": "open"}
        at = stamp(OCTOBER + timedelta(hours=50))
        connection.execute(insert(drifts).values(source="crm", found_at=at, **found))
        connection.execute(insert(audit).values(at=at, actor="io", action="drift.acknowledge", subject="1"))
        details = '{"source": "erp"}'
        connection.execute(
            insert(audit).values(at=at, actor="io", action="source.sync", subject="erp", details=details)
        )
        connection.execute(insert(audit).values(at=at, actor="io", action="receivable.note", subject="crm"))
    told = report(instance, "2026-10")
    crm, erp = told["sources"]
    assert (crm["runs"], crm["failed"], crm["failed_share"]) == (4, 2, 0.5)
    assert (crm["rows"], crm["rejects"], crm["error_rate"], crm["open_rejects"]) == (200, 2, 0.01, 2)
    assert (crm["drift"], crm["interventions"], erp["interventions"]) == (1, 1, 1)
    assert crm["recovery_hours"] == 6.0, "from the first failure to the good run"
    # 0-5 by the run of September, 20-30 and 30-40: 25 of 744 hours
    assert crm["fresh_share"] == pytest.approx(25 / 744)
    assert (erp["runs"], erp["fresh_share"], erp["failed_share"]) == (0, None, None)
    assert told["from"] == OCTOBER
    assert told["until"] == OCTOBER + timedelta(days=31)
    assert [row["month"] for row in told["trend"]] == [f"2026-{month:02}" for month in range(5, 11)]
    assert [row["rows"] for row in told["trend"]] == [0, 0, 0, 0, 1000, 200]


def test_the_present_month_is_counted_until_now_and_from_the_first_run_on(instance: Instance) -> None:
    now = datetime(2026, 11, 23, 2, tzinfo=UTC)
    ran(instance, "crm", (now - OCTOBER) / timedelta(hours=1) - 20)
    told = report(instance)
    assert (told["month"], told["until"]) == ("2026-11", now)
    assert told["sources"][0]["fresh_share"] == pytest.approx(0.5), "10 of 20 hours"


@pytest.mark.parametrize("month", ["2026-13", "2026-1", "november", "0001-01", "9999-12"])
def test_what_is_no_month_is_refused(instance: Instance, month: str) -> None:
    with pytest.raises(FatalError, match="is no month"):
        report(instance, month)


def test_the_report_is_mailed_once_a_month(instance: Instance, build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C360_NOW", "2026-10-31T15:00:00Z")
    assert mails(instance, build) == [], "nothing ran in September"
    ran(instance, "crm", 20, rows=200)
    ran(instance, "erp", 20, "failed")
    monkeypatch.setenv("C360_NOW", "2026-11-01T02:00:00Z")
    for _ in range(2):
        [mail] = mails(instance, build)
    assert mail.startswith("2026年10月集成健康报告")
    assert "CRM · 及时" in mail
    assert "失败 1/1 次（100%）" in mail
    monkeypatch.setenv("C360_NOW", "2026-12-01T02:00:00Z")
    assert len(mails(instance, build)) == 1, "nothing ran in November"


def mails(instance: Instance, build: Build) -> list[str]:
    deliver(instance, published=build)
    with instance.store.read() as connection:
        rows = connection.execute(select(outbox).order_by(outbox.c.created_at, outbox.c.message_id)).all()
    assert {row.recipient for row in rows} <= {"zhao@demo.example"}
    found = []
    for row in rows:
        message: Any = message_from_string(row.body, policy=SMTP)
        found.append(f"{row.subject}\n{message.get_body(('plain',)).get_content()}")
    return found


def test_the_ledger_of_a_month_is_read_again_only_when_it_has_changed(instance: Instance) -> None:
    ran(instance, "crm", 20, rows=200)
    statements: list[str] = []
    engine = instance.store.engine
    event.listen(engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    wanted = "ORDER BY runs.ended_at"
    first = report(instance, "2026-10")
    assert sum(wanted in text for text in statements) == integration_health.TREND_MONTHS
    statements.clear()
    assert report(instance, "2026-10") == {**first, "until": report(instance, "2026-10")["until"]}
    assert not any(wanted in text for text in statements)
    ran(instance, "crm", 30, "failed")
    changed = report(instance, "2026-10")
    assert sum(wanted in text for text in statements) == 1
    assert (changed["total"]["runs"], changed["total"]["failed"]) == (2, 1)
