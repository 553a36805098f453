"""Alerts fire once, step up, hold back, escalate and end; a rollback does none of it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from sqlalchemy import insert

from model.alerts import act, evaluate, listing
from model.alerts.calendar import Calendar, is_quiet
from model.alerts.engine import version_order
from model.alerts.listing import history
from model.alerts.rule import load, refusal
from ops import clock
from ops.errors import FatalError
from ops.instance import Instance
from ops.store import stamp
from ops.tables import disputes, notes, promises
from tests.alerts.conftest import Build


def _overdue(instance: Instance, *states: str) -> list[dict[str, Any]]:
    rows = listing(instance.store, states=set(states) or None)
    return [row for row in rows if row["rule"] == "overdue"]


def _write(instance: Instance, table: Any, **values: Any) -> None:
    with instance.store.begin() as connection:
        connection.execute(insert(table).values(**values))


def test_an_overdue_item_fires_once_and_steps_up(
    instance: Instance, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    build.item("A1", "2026-11-20", 1000)
    build.item("A2", "2026-12-20", 1000)
    assert evaluate(instance, build).fired == 1
    assert evaluate(instance, build).fired == 0
    [alert] = _overdue(instance)
    assert (alert["step"], alert["state"], alert["days"], alert["amount"]) == (1, "new", 3, "1000.00")
    assert alert["owner_key"] == "E2"
    monkeypatch.setenv("C360_NOW", "2026-12-19T20:00:00Z")
    again = evaluate(instance, build)
    assert (again.fired, again.stepped) == (0, 1)
    assert _overdue(instance)[0]["step"] == 2
    assert [event["event"] for event in history(instance.store, alert["alert_id"])] == ["fired", "stepped"]


def test_a_paid_item_is_cured_and_a_new_episode_begins_when_it_comes_back(instance: Instance, build: Build) -> None:
    build.item("A1", "2026-11-01", 1000)
    evaluate(instance, build)
    build.pay("A1", "2026-11-20", 1000)
    assert evaluate(instance, build).cured == 1
    assert _overdue(instance) == []
    build.run("delete from staging.allocation; delete from staging.receipt")
    assert evaluate(instance, build).by_rule == {"overdue": 1}
    assert _overdue(instance)[0]["episode"] == 2


def test_a_rollback_neither_cures_nor_fires(instance: Instance, build: Build) -> None:
    build.item("A1", "2026-11-01", 1000)
    evaluate(instance, build)
    build.run("delete from staging.invoice")
    build.item("A9", "2026-11-01", 1000)
    assert build.path.is_file()
    result = evaluate(instance, build.older("v4"))
    assert result.skipped
    assert [row["document"] for row in _overdue(instance)] == ["A1"]


def test_version_order() -> None:
    assert version_order("v9") < version_order("v10")
    assert version_order("20261122T010000") < version_order("20261122T020000")


def test_nobody_is_chased_for_an_item_that_unallocated_cash_covers(instance: Instance, build: Build) -> None:
    build.item("A1", "2026-10-01", 1000)
    build.item("A2", "2026-11-01", 2000)
    build.cash("R1", "2026-11-17", 1500)
    build.cash("R2", "2026-11-17", 9000, currency="USD")
    evaluate(instance, build)
    assert [row["document"] for row in _overdue(instance)] == ["A2"], "1500 covers A1, the dollars cover nothing"
    build.cash("R3", "2026-11-18", 600)
    evaluate(instance, build)
    assert _overdue(instance)[0]["hold"] is None, "what covers A1 is not counted for A2 again: 1100 are left"
    build.cash("R4", "2026-11-19", 900)
    assert evaluate(instance, build).held == 2
    assert _overdue(instance)[0]["hold"] == "covered", "an alert already told falls silent and is not cured"


def test_a_full_dispute_is_not_chased_and_a_partial_one_is(instance: Instance, build: Build) -> None:
    build.item("A1", "2026-11-01", 1000)
    build.item("A2", "2026-11-01", 1000)
    for item, amount in (("erp:A1#1", "1000"), ("erp:A2#1", "400")):
        _write(
            instance, disputes, item_key=item, amount=amount, currency="CNY", reason="quality", opened_by="li",
            opened_at=stamp(),
        )  # fmt: skip
    evaluate(instance, build)
    assert [row["document"] for row in _overdue(instance)] == ["A2"]


def test_a_promise_holds_the_alert_and_comes_back_when_broken(
    instance: Instance, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    build.item("A1", "2026-10-20", 100_000)
    evaluate(instance, build)
    _write(
        instance, promises, item_key="erp:A1#1", amount="100000", currency="CNY", promised_on="2026-11-30",
        made_by="li", made_at=stamp(),
    )  # fmt: skip
    evaluate(instance, build)
    assert _overdue(instance)[0]["state"] == "promised"
    monkeypatch.setenv("C360_NOW", "2026-12-01T02:00:00Z")
    build.pay("A1", "2026-11-28", 40_000)
    evaluate(instance, build)
    assert _overdue(instance)[0]["state"] == "new"
    [broken] = [row for row in listing(instance.store) if row["rule"] == "broken_promise"]
    assert (broken["amount"], broken["days"]) == ("60000.00", 1)


def test_acknowledging_stops_escalation_and_silence_brings_it(
    instance: Instance, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    build.item("A1", "2026-08-01", 1000)
    build.item("A2", "2026-08-01", 1000)
    evaluate(instance, build)
    first = next(row for row in _overdue(instance) if row["document"] == "A1")
    act(instance.store, first["alert_id"], "acknowledge", actor="li")
    monkeypatch.setenv("C360_NOW", "2026-12-08T02:00:00Z")
    assert evaluate(instance, build).escalated == 1
    assert {row["document"]: row["state"] for row in _overdue(instance)} == {"A1": "acknowledged", "A2": "escalated"}


def test_a_snooze_ends(instance: Instance, build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    build.item("A1", "2026-11-01", 1000)
    evaluate(instance, build)
    _write(instance, notes, anchor="erp:A1#1", kind="snooze", until="2026-11-25", made_by="li", made_at=stamp())
    evaluate(instance, build)
    assert _overdue(instance)[0]["state"] == "snoozed"
    monkeypatch.setenv("C360_NOW", "2026-11-25T02:00:00Z")
    evaluate(instance, build)
    assert _overdue(instance)[0]["state"] == "new"


def test_large_overdue_and_credit_limit(instance: Instance, build: Build) -> None:
    build.item("A1", "2026-11-01", 700_000)
    build.item("A2", "2026-12-31", 600_000)
    evaluate(instance, build)
    found = {row["rule"]: row for row in listing(instance.store)}
    assert found["large_overdue"]["amount"] == "700000.00"
    assert (found["credit_over_limit"]["amount"], found["credit_over_limit"]["step"]) == ("1300000.00", 2)


def test_only_known_actions_on_living_alerts(instance: Instance) -> None:
    with pytest.raises(FatalError, match="no action"):
        act(instance.store, "x", "delete", actor="li")
    with pytest.raises(FatalError, match="unknown"):
        act(instance.store, "x", "acknowledge", actor="li")


@pytest.mark.parametrize(
    "sql",
    [
        "delete from core.fct_receipt",
        "select * from staging.customer",
        "select * from read_csv('/etc/passwd')",
        "select * from '/etc/passwd'",
        "select 1; select 2",
        "select getenv('HOME') as subject from core.fct_receipt",
        "select record_key as subject from core.fct_receipt",
    ],
)
def test_a_condition_reads_marts_and_core_and_nothing_else(sql: str) -> None:
    assert refusal(sql)


def test_shipped_rules_load_and_own_rules_replace_them(instance: Instance) -> None:
    shipped = {rule.id: rule for rule in load()}
    assert {"overdue", "broken_promise", "large_overdue", "credit_over_limit"} <= set(shipped)
    assert [shipped["overdue"].step_of(days) for days in (0, 1, 29, 30, 90, 400)] == [0, 1, 1, 2, 4, 4]
    folder = instance.config_dir / "rules"
    folder.mkdir()
    (folder / "bad.toml").write_text('[rule]\nid = "x"\nseverty = "info"\n', encoding="utf-8")
    with pytest.raises(FatalError, match="severty"):
        load(instance.config_dir)


def test_business_days_follow_holidays_and_make_up_days() -> None:
    calendar = Calendar.load()
    assert not calendar.is_business_day(date(2026, 10, 1))
    assert calendar.is_business_day(date(2026, 10, 10))
    assert not calendar.is_business_day(date(2026, 11, 22))
    assert calendar.business_days(date(2026, 9, 30), date(2026, 10, 10)) == 3


def test_quiet_hours_cross_midnight(instance: Instance) -> None:
    assert not is_quiet(clock.now(), "Asia/Shanghai", "20:00-08:00")
    assert is_quiet(clock.now(), "America/New_York", "20:00-08:00")


def test_a_year_without_calendar_is_said_and_not_guessed(caplog: pytest.LogCaptureFixture) -> None:
    calendar = Calendar.load()
    assert calendar.years == {2025, 2026}
    assert calendar.is_business_day(date(2031, 1, 1)), "a Wednesday: no holiday is guessed"
    assert "does not cover 2031" in caplog.text
    assert not calendar.is_business_day(date(2025, 10, 8))
    assert calendar.is_business_day(date(2025, 4, 27))
