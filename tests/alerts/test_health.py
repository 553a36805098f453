"""What `c360 doctor` says about alerts, and the ledger it points to."""

from __future__ import annotations

from datetime import date

import pytest

from model import delivery
from model.alerts import evaluate
from model.alerts.calendar import Calendar
from model.delivery import deliver
from ops import secrets
from ops.errors import FatalError
from ops.instance import ChannelConfig, Instance, MailConfig
from tests.alerts.conftest import Build


def test_missing_secrets_and_uncovered_years_are_named(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    instance.config.channels.append(
        ChannelConfig(name="east", type="feishu", address="file:east_url", secret="env:C360_EAST", who=["all"])
    )
    found = "\n".join(delivery.problems(instance))
    assert "channel east: secret file:east_url cannot be read" in found
    assert "env:C360_EAST is not set" in found
    assert "company calendar" not in found
    monkeypatch.setenv("C360_NOW", "2027-01-04T02:00:00Z")
    assert "covers 2025, 2026, not 2027" in "\n".join(delivery.problems(instance))


def test_the_coming_year_is_mentioned_in_december(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "2027" not in "\n".join(delivery.notes(instance))
    monkeypatch.setenv("C360_NOW", "2026-12-01T02:00:00Z")
    assert delivery.calendar_gap(instance) is None, "31 days are left"
    monkeypatch.setenv("C360_NOW", "2026-12-02T02:00:00Z")
    assert "not 2027" in "\n".join(delivery.notes(instance))
    own = instance.config_dir / "calendar"
    own.mkdir(parents=True, exist_ok=True)
    lines = ["year = 2027", "is_announced = true", "source = 'notice'", "holidays = ['2027-01-01']",
             "make_up_days = ['2027-01-03']"]  # fmt: skip
    (own / "2027.toml").write_text("\n".join(lines), encoding="utf-8")
    assert delivery.calendar_gap(instance) is None
    calendar = Calendar.load(instance.config_dir)
    assert [calendar.is_business_day(date(2027, 1, day)) for day in (1, 2, 3, 4)] == [False, False, True, True]
    assert not calendar.is_business_day(date(2026, 10, 1)), "the shipped years stay"


@pytest.mark.parametrize("text", ["year = 2028", "year = 2027\nholiday = []", 'year = 2027\nholidays = ["2026-01-01"]'])
def test_a_wrong_year_file_is_refused(instance: Instance, text: str) -> None:
    own = instance.config_dir / "calendar"
    own.mkdir(parents=True, exist_ok=True)
    (own / "2027.toml").write_text(text, encoding="utf-8")
    with pytest.raises(FatalError):
        Calendar.load(instance.config_dir)


def test_no_way_to_send_is_worth_a_note(instance: Instance) -> None:
    assert any("nothing is sent" in note for note in delivery.notes(instance))
    instance.config.mail = MailConfig(host="127.0.0.1")
    assert not any("nothing is sent" in note for note in delivery.notes(instance))


def test_given_up_messages_are_a_problem_and_stand_in_the_ledger(instance: Instance, build: Build) -> None:
    build.item("A1", "2026-11-01", 1000)
    evaluate(instance, build)
    secrets.write("u", "no address at all", instance.secrets)
    instance.config.channels.append(ChannelConfig(name="li", type="wecom", address="file:u", who=["E2"]))
    assert deliver(instance, published=build)["dead"] == 1
    assert "1 message(s) were given up" in "\n".join(delivery.problems(instance))
    [entry] = delivery.ledger(instance, "dead")
    assert (entry["channel"], entry["attempts"]) == ("li", 1)
    assert delivery.ledger(instance, "sent") == []
