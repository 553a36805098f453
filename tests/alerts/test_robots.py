"""The robots over a real socket: signed, sized, paced, and believed only when the body says so."""

from __future__ import annotations

import json
import logging
import urllib.parse
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from data.demo.simulators.robots import Robot, RobotServer
from model.alerts import evaluate
from model.delivery import chat, deliver, robots
from model.delivery.faults import Refused, Throttled, Uncertain
from ops import clock, secrets
from ops.instance import ChannelConfig, Instance
from ops.tables import deliveries, outbox
from tests.alerts.conftest import Build

SECRETS = {"dingtalk": "SECdemo", "feishu": "demo", "wecom": None}
KINDS = ("wecom", "dingtalk", "feishu")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RobotServer]:
    monkeypatch.setenv("C360_NOW", "2026-11-23T02:07:00Z")
    made = [Robot(kind, f"token-of-{kind}", SECRETS[kind]) for kind in KINDS]
    with RobotServer(*made, clock=lambda: clock.now().timestamp()) as running:
        yield running


def _send(server: RobotServer, kind: str, text: str = "正文", secret: str | None = None, title: str = "标题") -> str:
    body = json.dumps(robots.payload(kind, title, text))
    return robots.send(kind, "one", server.url(f"token-of-{kind}"), secret or SECRETS[kind], body)


@pytest.mark.parametrize("kind", KINDS)
def test_a_signed_message_arrives(server: RobotServer, kind: str) -> None:
    assert _send(server, kind) in {"ok", "success"}
    assert server.taken[0].title.strip("*") == "标题"
    assert "正文" in server.taken[0].text


@pytest.mark.parametrize(("kind", "code"), [("dingtalk", 310000), ("feishu", 19021)])
def test_a_wrong_signature_is_refused_for_good(server: RobotServer, kind: str, code: int) -> None:
    with pytest.raises(Refused, match=str(code)) as raised:
        _send(server, kind, secret="another secret")
    assert raised.value.permanent


@pytest.mark.parametrize("kind", ["dingtalk", "feishu"])
def test_a_clock_two_hours_off_is_refused(server: RobotServer, kind: str) -> None:
    server.clock = lambda: clock.now().timestamp() + 7200
    with pytest.raises(Refused):
        _send(server, kind)


def test_every_signature_survives_the_query(server: RobotServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Base64 has + / and =; encoded once each arrives as it is, whatever the second."""
    for second in range(15):
        monkeypatch.setenv("C360_NOW", f"2026-11-23T02:07:{second:02d}Z")
        _send(server, "dingtalk")
    assert len(server.taken) == 15
    assert any(set("+/") & set(robots.dingtalk_sign("SECdemo", (1795399620 + s) * 1000)) for s in range(15))


@pytest.mark.parametrize(("kind", "pause"), [("wecom", 60.0), ("dingtalk", 600.0), ("feishu", 60.0)])
def test_throttling_inside_http_200_asks_for_a_pause(server: RobotServer, kind: str, pause: float) -> None:
    server.mode[kind] = "busy"
    with pytest.raises(Throttled) as raised:
        _send(server, kind)
    assert (raised.value.permanent, raised.value.retry_after) == (False, pause)


def test_http_500_may_pass_and_no_answer_is_uncertain(server: RobotServer) -> None:
    server.mode["wecom"] = "broken"
    with pytest.raises(Refused) as raised:
        _send(server, "wecom")
    assert not raised.value.permanent
    server.mode["wecom"] = "mute"
    with pytest.raises(Uncertain):
        _send(server, "wecom")
    assert len(server.taken) == 1


def test_an_unreachable_robot_was_not_reached(server: RobotServer) -> None:
    with pytest.raises(Refused) as raised:
        robots.send("wecom", "one", "http://127.0.0.1:9/cgi-bin/webhook/send?key=secret-key-1", None, "{}")
    assert not raised.value.permanent
    assert "secret-key-1" not in str(raised.value)


@pytest.mark.parametrize("address", ["not a url", "ftp://127.0.0.1/x", "http://"])
def test_an_address_that_is_none_is_refused_for_good(address: str) -> None:
    with pytest.raises(Refused) as raised:
        robots.send("wecom", "one", address, None, "{}")
    assert raised.value.permanent


def test_a_wrong_key_is_refused_and_named_nowhere(server: RobotServer, caplog: pytest.LogCaptureFixture) -> None:
    address = server.url("token-of-wecom").replace("token-of-wecom", "another-key-77")
    with caplog.at_level(logging.DEBUG), pytest.raises(Refused, match="93000") as raised:
        robots.send("wecom", "one", address, "signing-key-88", json.dumps(robots.payload("wecom", "t", "x")))
    assert raised.value.permanent
    said = str(raised.value) + caplog.text
    assert "another-key-77" not in said
    assert "signing-key-88" not in said


def test_nothing_of_an_address_reaches_the_log(server: RobotServer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for kind in KINDS:
            _send(server, kind)
    assert "token-of" not in caplog.text
    assert "SECdemo" not in caplog.text


def test_a_text_of_the_largest_size_is_taken_and_one_byte_more_is_not(server: RobotServer) -> None:
    fits = robots.fits("wecom", "标题")
    room = next(size for size in range(4096, 0, -1) if fits("a" * size))
    assert not fits("a" * (room + 1))
    _send(server, "wecom", "a" * room)
    with pytest.raises(Refused, match="40058"):
        _send(server, "wecom", "a" * (room + 1))
    assert not fits("汉" * (room // 3 + 1)), "a Han character is three bytes"


@given(st.lists(st.text(alphabet="汉字aé😀 []*\n", max_size=900), max_size=30), st.sampled_from(KINDS))
def test_splitting_loses_nothing_and_every_part_fits(lines: list[str], kind: str) -> None:
    lines = [line.replace("\n", " ") for line in lines]
    title = "标题 (99/99)"
    fits = robots.fits(kind, title)
    parts = chat.split([chat.Entry(line) for line in lines], fits)
    assert "".join("".join(lines).split()) == "".join("".join(parts).split())
    for part in parts:
        assert fits(part)
        part.encode("utf-8")
    short = [line for line in lines if line.strip() and fits(line)]
    assert all(any(line in part for part in parts) for line in short), "no line is cut that need not be"


def test_long_lines_are_cut_between_characters() -> None:
    parts = chat.split([chat.Entry("汉" * 3000)], robots.fits("wecom", "标题"))
    assert len(parts) == 3
    assert set("".join(parts)) == {"汉"}


def _channel(instance: Instance, server: RobotServer, kind: str, who: list[str], **more: Any) -> None:
    token = f"token-of-{kind}"
    secrets.write(f"{kind}_url", server.url(token), instance.secrets)
    if SECRETS[kind]:
        secrets.write(f"{kind}_key", str(SECRETS[kind]), instance.secrets)
        more["secret"] = f"file:{kind}_key"
    name = more.pop("name", kind)
    instance.config.channels.append(
        ChannelConfig(name=name, type=kind, address=f"file:{kind}_url", who=who, **more)  # type: ignore[arg-type]
    )


def _ledger(instance: Instance) -> list[tuple[str, str, str]]:
    query = select(outbox.c.message_id, deliveries.c.outcome, deliveries.c.detail).join(
        deliveries, deliveries.c.message_id == outbox.c.message_id
    )
    with instance.store.read() as connection:
        rows = connection.execute(query.order_by(deliveries.c.delivery_id)).all()
    return [(row[0], row[1], row[2]) for row in rows]


@pytest.mark.parametrize("kind", KINDS)
def test_a_persons_own_robot_replaces_mail(instance: Instance, build: Build, server: RobotServer, kind: str) -> None:
    build.item("A1", "2026-11-01", 1000)
    evaluate(instance, build)
    _channel(instance, server, kind, ["li@demo.example"], keyword="客户360", language="en")
    assert deliver(instance, published=build)["sent"] == 1
    [taken] = server.taken
    assert "客户360" in taken.title
    assert "invoice A1, due 1 Nov 2026, 22 days overdue" in taken.text
    assert "CN¥1,000.00" in taken.text
    assert [entry[1] for entry in _ledger(instance)] == ["sent"]


def test_a_long_digest_goes_in_parts_that_are_each_sent_once(
    instance: Instance, build: Build, server: RobotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    build.items({f"A{number:03d}": 1000 + number for number in range(40)}, "2026-11-01")
    instance.config.alerts.lines = 100
    evaluate(instance, build)
    _channel(instance, server, "wecom", ["E2"])
    counts = deliver(instance, published=build)
    assert counts["composed"] == 1
    assert counts["sent"] > 1
    texts = "\n".join(taken.text for taken in server.taken)
    assert texts.count("**应收逾期 (40)**") == counts["sent"], "every part says what its lines are"
    assert all(texts.count(f"发票 A{number:03d}，") == 1 for number in range(40))
    assert server.taken[0].title == f"**2026年11月23日：40 项需要您处理 (1/{counts['sent']})**"
    assert deliver(instance, published=build)["sent"] == 0


def test_the_rate_is_kept_and_the_rest_goes_a_minute_later(
    instance: Instance, build: Build, server: RobotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    build.items({f"A{number:03d}": 1000 + number for number in range(600)}, "2026-11-01")
    instance.config.alerts.lines = 1000
    evaluate(instance, build)
    _channel(instance, server, "wecom", ["E2"], name="group")
    counts = deliver(instance, published=build)
    sent = counts["sent"]
    assert (sent, counts["waiting"] > 0) == (20, True)
    while counts["waiting"]:
        assert server.refused == []
        monkeypatch.setenv("C360_NOW", clock.now().replace(minute=clock.now().minute + 1).isoformat())
        counts = deliver(instance, published=build)
        assert counts["sent"] <= 20
        sent += counts["sent"]
    assert sent == len(server.taken)
    assert server.refused == []


def _overdue(instance: Instance, build: Build, server: RobotServer, kind: str) -> None:
    """An overdue invoice of E2, judged but not told yet, and E2's robot."""
    build.item("A1", "2026-11-01", 1000)
    evaluate(instance, build)
    _channel(instance, server, kind, ["E2"])


def test_a_throttled_robot_is_left_alone_until_its_time(
    instance: Instance, build: Build, server: RobotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _overdue(instance, build, server, "dingtalk")
    server.mode["dingtalk"] = "busy"
    assert deliver(instance, published=build)["failed"] == 1
    server.mode["dingtalk"] = "ok"
    monkeypatch.setenv("C360_NOW", "2026-11-23T02:16:00Z")
    assert deliver(instance, published=build)["sent"] == 0, "DingTalk blocks for ten minutes"
    monkeypatch.setenv("C360_NOW", "2026-11-23T02:18:00Z")
    assert deliver(instance, published=build)["sent"] == 1


def test_feishu_is_not_written_to_at_the_full_hour(
    instance: Instance, build: Build, server: RobotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _overdue(instance, build, server, "feishu")
    monkeypatch.setenv("C360_NOW", "2026-11-23T03:00:20Z")
    assert deliver(instance, published=build)["sent"] == 0
    monkeypatch.setenv("C360_NOW", "2026-11-23T03:01:05Z")
    assert deliver(instance, published=build)["sent"] == 1


def test_a_message_given_up_told_nobody_and_comes_again(
    instance: Instance, build: Build, server: RobotServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _overdue(instance, build, server, "feishu")
    server.robots["token-of-feishu"].keyword = "别的词"
    assert deliver(instance, published=build)["dead"] == 1
    assert "19024" in _ledger(instance)[0][2]
    instance.config.channels.clear()
    _channel(instance, server, "feishu", ["E2"], keyword="别的词")
    monkeypatch.setenv("C360_NOW", "2026-11-24T02:07:00Z")
    evaluate(instance, build)
    assert deliver(instance, published=build)["sent"] == 1
    assert "发票 A1" in server.taken[0].text


def test_names_cannot_become_markup(instance: Instance, build: Build, server: RobotServer) -> None:
    build.run("update staging.customer set name = '[点我](http://evil.example) **x**\n<a>'")
    build.item("A1", "2026-11-01", 1000)
    evaluate(instance, build)
    _channel(instance, server, "wecom", ["E2"])
    deliver(instance, published=build)
    assert "[点我]" not in server.taken[0].text
    assert "［点我］(http://evil.example) ＊＊x＊＊ ＜a＞](http://127.0.0.1:8501/receivables" in server.taken[0].text


def test_the_query_of_a_doubly_encoded_signature_would_be_refused(server: RobotServer) -> None:
    """The simulator can tell: what apprise does, encoding twice, is not accepted here either."""
    milliseconds = int(clock.now().timestamp() * 1000)
    twice = urllib.parse.quote(urllib.parse.quote(robots.dingtalk_sign("SECdemo", milliseconds), safe=""), safe="")
    address = f"{server.url('token-of-dingtalk')}&timestamp={milliseconds}&sign={twice}"
    with pytest.raises(Refused, match="310000"):
        robots.send("dingtalk", "one", address, None, json.dumps(robots.payload("dingtalk", "t", "x")))


def test_mail_and_robots_stand_side_by_side(instance: Instance, build: Build, server: RobotServer) -> None:
    """A team's group gets its own digest, masked, beside the salesperson's mail."""
    build.item("A1", "2026-11-01", 1000)
    build.item("A2", "2025-11-01", 1_200_000)
    evaluate(instance, build)
    _channel(instance, server, "wecom", ["team:华东"])
    counts = deliver(instance, published=build)
    assert counts["waiting"] == 2, "the mails stay: no mail server is configured"
    texts = "\n".join(taken.text for taken in server.taken)
    assert "发票 A1" in texts
    assert "信用额度" not in texts, "a group sees no masked value, nor what it tells"
    with instance.store.read() as connection:
        bodies = connection.execute(select(outbox.c.body).where(outbox.c.channel == "mail")).scalars().all()
    assert any("信用额度" in _decoded(body) for body in bodies)


def _decoded(body: str) -> str:
    from email import message_from_string
    from email.policy import SMTP

    message: EmailMessage = message_from_string(body, policy=SMTP)
    part = message.get_body(("plain",))
    return str(part.get_content()) if part else ""
