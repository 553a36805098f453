"""Who is told: owner, deputy, team lead, unowned queue, groups; and that nobody receives what is not theirs."""

from __future__ import annotations

from datetime import date, timedelta
from email import message_from_string
from email.policy import SMTP
from typing import Any

import pytest
from sqlalchemy import select

from model.alerts import act, evaluate, listing
from model.alerts.rule import load
from model.delivery import deliver
from model.delivery.people import Directory
from ops import clock, secrets
from ops.errors import FatalError
from ops.instance import ChannelConfig, Instance, MailConfig, PersonConfig
from ops.tables import outbox
from tests.alerts.conftest import Build

PHONE, BANK, LIMIT = "55550199", "6222000011112222", "1,000,000"


def _mails(instance: Instance) -> dict[str, list[str]]:
    """Recipient → plain and HTML text of every mail in the outbox."""
    found: dict[str, list[str]] = {}
    with instance.store.read() as connection:
        mails = select(outbox).where(outbox.c.channel == "mail").order_by(outbox.c.created_at, outbox.c.message_id)
        for row in connection.execute(mails):
            message: Any = message_from_string(row.body, policy=SMTP)
            parts = [message.get_body((kind,)).get_content() for kind in ("plain", "html")]
            found.setdefault(row.recipient, []).append(str(message["Subject"]) + "\n" + "\n".join(parts))
    return found


def _tell(instance: Instance, build: Build) -> dict[str, list[str]]:
    evaluate(instance, build)
    deliver(instance, published=build)
    return _mails(instance)


def _later(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    monkeypatch.setenv("C360_NOW", (clock.now() + timedelta(days=days)).isoformat())


def test_critical_is_told_at_once_and_the_rest_in_the_digest(
    instance: Instance, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    build.item("A1", "2026-11-01", 1000)
    mails = _tell(instance, build)["li@demo.example"]
    assert len(mails) == 1
    monkeypatch.setenv("C360_NOW", "2026-11-23T06:00:00Z")
    build.item("A2", "2026-08-01", 2000)
    build.item("A3", "2026-11-10", 3000)
    mails = _tell(instance, build)["li@demo.example"]
    assert len(mails) == 2
    assert mails[1].startswith("紧急")
    assert "发票 A2" in mails[1]
    assert "发票 A3" not in mails[1], "a second digest of the day is not sent"
    _later(monkeypatch, 1)
    mails = _tell(instance, build)["li@demo.example"]
    assert len(mails) == 3
    assert "发票 A3" in mails[2]
    assert "发票 A2" not in mails[2]


@pytest.mark.parametrize("hour", ["2026-11-23T12:30:00Z", "2026-11-22T03:00:00Z", "2026-11-22T23:59:00Z"])
def test_not_even_urgent_in_quiet_hours_or_without_business(
    instance: Instance, build: Build, monkeypatch: pytest.MonkeyPatch, hour: str
) -> None:
    monkeypatch.setenv("C360_NOW", hour)
    build.item("A2", "2026-08-01", 2000)
    assert _tell(instance, build) == {}


def test_silence_brings_the_deputy_and_then_the_team_lead(
    instance: Instance, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance.config.people.append(PersonConfig(who="li@demo.example", deputy="zhao@demo.example"))
    build.item("A1", "2026-08-20", 1000)
    assert set(_tell(instance, build)) == {"li@demo.example"}
    _later(monkeypatch, 14)
    assert set(_tell(instance, build)) == {"li@demo.example", "zhao@demo.example"}
    assert listing(instance.store)[0]["level"] == 1
    _later(monkeypatch, 14)
    mails = _tell(instance, build)
    assert set(mails) == {"li@demo.example", "zhao@demo.example", "boss@demo.example"}
    assert "已升级" in mails["boss@demo.example"][0]


def test_without_a_deputy_the_team_lead_comes_first(
    instance: Instance, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    build.item("A1", "2026-08-20", 1000)
    _tell(instance, build)
    _later(monkeypatch, 14)
    assert set(_tell(instance, build)) == {"li@demo.example", "boss@demo.example"}


def test_an_acknowledged_alert_is_neither_repeated_nor_escalated(
    instance: Instance, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    build.item("A1", "2026-08-20", 1000)
    _tell(instance, build)
    act(instance.store, listing(instance.store)[0]["alert_id"], "acknowledge", actor="li")
    _later(monkeypatch, 30)
    assert len(_tell(instance, build)["li@demo.example"]) == 1
    act(instance.store, listing(instance.store)[0]["alert_id"], "reopen", actor="li")
    assert len(_tell(instance, build)["li@demo.example"]) == 2


def test_who_is_away_is_stood_in_for(instance: Instance, build: Build) -> None:
    away = {"away_from": date(2026, 11, 20), "away_until": date(2026, 11, 27)}
    instance.config.people.append(PersonConfig(who="2", deputy="3", **away))
    build.item("A1", "2026-11-01", 1000)
    assert set(_tell(instance, build)) == {"zhao@demo.example"}


def test_a_leavers_customers_go_to_the_team_lead(instance: Instance, build: Build) -> None:
    build.run("update staging.employee set is_active = false where source_id = 'E2'")
    build.run("update identity.employee_golden set is_active = false where employee_key = 'E2'")
    build.item("A1", "2026-11-01", 1000)
    assert set(_tell(instance, build)) == {"boss@demo.example"}


def test_unowned_customers_go_to_who_looks_after_them(instance: Instance, build: Build) -> None:
    build.run("update staging.customer set owner_id = null")
    build.item("A1", "2026-11-01", 1000)
    assert _tell(instance, build) == {}
    assert listing(instance.store, owner_key="unowned")
    instance.config.alerts.unowned = "zhao@demo.example"
    assert set(_tell(instance, build)) == {"zhao@demo.example"}


def test_a_customer_who_changes_hands_is_told_to_the_new_owner(
    instance: Instance, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    build.item("A1", "2026-11-01", 1000)
    _tell(instance, build)
    build.run("update staging.customer set owner_id = 'E3'")
    _later(monkeypatch, 1)
    mails = _tell(instance, build)
    assert len(mails["li@demo.example"]) == 1
    assert len(mails["zhao@demo.example"]) == 1


def test_somebody_unknown_in_the_configuration_is_named(instance: Instance, build: Build) -> None:
    instance.config.alerts.unowned = "nobody@demo.example"
    with pytest.raises(FatalError, match=r"alerts\.unowned: nobody is known"):
        Directory.load(instance, build.path, clock.today("Asia/Shanghai"))


@pytest.mark.parametrize("language", ["zh", "en"])
def test_everybody_reads_in_their_language(instance: Instance, build: Build, language: str) -> None:
    instance.config.people.append(PersonConfig(who="E2", language=language))
    build.item("A1", "2026-11-01", 1000)
    [mail] = _tell(instance, build)["li@demo.example"]
    assert ("逾期 22 天" in mail) is (language == "zh")
    assert ("22 days overdue" in mail) is (language == "en")


def _loaded(build: Build) -> None:
    """Customers of two salespeople, with everything that could leak and every rule that could tell it."""
    build.stage(
        customer=[
            {"source_id": "C000002", "name": "南岭机械", "owner_id": "E3", "phone": "+8651255550288",
             "bank_account": "6222999988887777", "credit_currency": "CNY", "credit_limit_amount": 123_456},
        ],
        contact=[{"source_id": "P1", "customer_id": "C000001", "name": "吴财务", "mobile": "+8613800550199"}],
    )  # fmt: skip
    build.item("A1", "2026-11-01", 1000)
    build.item("A2", "2026-06-01", 1_400_000)
    build.item("B1", "2026-11-01", 5000, customer="C000002")
    build.item("B2", "2026-06-01", 900_000, customer="C000002")
    build.cash("R1", "2026-11-20", 77)


@pytest.mark.parametrize("role", ["service", "integration", "account_manager", "finance", "steward"])
def test_masked_values_are_in_no_channels_message(instance: Instance, build: Build, role: str) -> None:
    _loaded(build)
    instance.config.people.append(PersonConfig(who="E2", role=role))
    secrets.write("hook", "http://127.0.0.1:9/x", instance.secrets)
    for kind in ("wecom", "dingtalk", "feishu", "slack", "teams", "webhook"):
        channel = {"name": f"g-{kind}", "type": kind, "address": "file:hook", "who": ["all"], "role": role}
        instance.config.channels.append(ChannelConfig.model_validate(channel))
    evaluate(instance, build)
    deliver(instance, published=build)
    with instance.store.read() as connection:
        rows = connection.execute(select(outbox.c.channel, outbox.c.body, outbox.c.recipient)).all()
    said = {row.channel: row.body for row in rows if row.channel != "mail"}
    said["mail"] = "\n".join(_mails(instance)["li@demo.example"])
    assert len(said) == 7
    masks = {"service": {"bank", "credit"}, "integration": {"phone", "bank", "credit"}, "account_manager": {"bank"},
             "finance": {"phone"}, "steward": {"bank", "credit"}}[role]  # fmt: skip
    secret = {"phone": ("55550199", "55550288", "13800550199"), "bank": (BANK, "6222999988887777"),
              "credit": (LIMIT, "123,456", "123456", "信用额度", "credit limit")}  # fmt: skip
    for kind in masks:
        for value in secret[kind]:
            assert [channel for channel, body in said.items() if value in body] == []
    if "credit" not in masks:
        assert "信用额度" in said["mail"]


def test_nobody_receives_anothers_customer(instance: Instance, build: Build) -> None:
    _loaded(build)
    mails = _tell(instance, build)
    assert "南岭" not in "".join(mails["li@demo.example"])
    assert "北辰" not in "".join(mails["zhao@demo.example"])
    assert "B2" in "".join(mails["zhao@demo.example"])


def test_the_row_rule_holds_whoever_is_meant(instance: Instance, build: Build) -> None:
    """`may_see` says no on its own, whatever the path that chose the recipient."""
    directory = Directory.load(instance, build.path, clock.today("Asia/Shanghai"))
    target = directory.target(directory.persons["E3"])
    assert target is not None
    row = {"owner_key": "E2", "customer_key": "C000001"}
    assert not directory.may_see(target, row)
    boss = directory.target(directory.persons["E1"])
    assert boss is not None
    assert directory.may_see(boss, row)


def test_stale_sources_are_told_to_the_integration_owner_only(
    instance: Instance, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy import insert

    from ops.instance import SourceConfig
    from ops.store import stamp
    from ops.tables import runs

    instance.config.sources.append(SourceConfig(name="erp", connector="template", role="erp", max_age_minutes=60))
    instance.config.alerts.integration = "zhao@demo.example"
    with instance.store.begin() as connection:
        connection.execute(
            insert(runs).values(
                run_id="1", source="erp", stream="x", started_at=stamp(), ended_at=stamp(), state="done"
            )
        )
    assert _tell(instance, build) == {}
    monkeypatch.setenv("C360_NOW", "2026-11-23T04:10:00Z")
    mails = _tell(instance, build)
    assert set(mails) == {"zhao@demo.example"}
    assert "数据源 erp 已 2 小时没有成功采集" in mails["zhao@demo.example"][0]


def test_a_condition_that_reads_a_masked_value_has_to_say_so(instance: Instance) -> None:
    rule = next(rule for rule in load() if rule.id == "credit_over_limit")
    folder = instance.config_dir / "rules"
    folder.mkdir()
    text = (
        f'[rule]\nid = "mine"\nsubject = "customer"\nseverity = ["info"]\nsteps = [1]\ncured_when = "never"\n'
        f'label = {{zh = "甲", en = "a"}}\ncondition = {{sql = """{rule.condition.sql}"""}}\n'
    )
    (folder / "mine.toml").write_text(text, encoding="utf-8")
    with pytest.raises(FatalError, match='tells = "credit"'):
        load(instance.config_dir)


def test_a_channel_by_value_is_refused_without_naming_it() -> None:
    with pytest.raises(ValueError, match="an address is a secret") as raised:
        ChannelConfig(name="x", type="wecom", address="https://qyapi.example/send?key=abcdef", who=["all"])
    assert "abcdef" not in str(raised.value)


def test_mail_keeps_working_when_a_channels_secret_is_missing(instance: Instance, build: Build) -> None:
    instance.config.mail = MailConfig(host="127.0.0.1", port=9, security="none")
    instance.config.channels.append(ChannelConfig(name="x", type="wecom", address="file:missing", who=["all"]))
    build.item("A1", "2026-11-01", 1000)
    evaluate(instance, build)
    with pytest.raises(FatalError, match="file:missing"):
        deliver(instance, published=build)
    with instance.store.read() as connection:
        states = connection.execute(select(outbox.c.channel, outbox.c.attempts)).all()
    assert {tuple(row) for row in states} == {("mail", 1), ("x", 1)}
