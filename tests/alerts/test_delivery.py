"""Digests over a real socket: at most one a day, retried when refused, never silently lost."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import select, update

from model.alerts import evaluate, listing
from model.delivery import deliver, demo_recipient, preview
from ops.errors import FatalError
from ops.instance import Instance, MailConfig
from ops.tables import deliveries, outbox
from tests.alerts.conftest import Build
from tests.ports import free_port


class Sink:
    """Accepts, refuses or hangs up, as told."""

    def __init__(self) -> None:
        self.mode = "accept"
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        _ = session
        if self.mode == "accept":
            message = message_from_bytes(envelope.content, policy=default)
            assert isinstance(message, EmailMessage)
            self.mails.append(message)
            return "250 taken"
        if self.mode == "crash":
            server.transport.close()
        return "550 never" if self.mode == "never" else "451 later"


@pytest.fixture
def sink(instance: Instance) -> Iterator[Sink]:
    handler = Sink()
    controller = Controller(handler, hostname="127.0.0.1", port=free_port(), ready_timeout=60)
    controller.start()
    instance.config.mail = MailConfig(
        host="127.0.0.1", port=controller.port, security="none", sender="c360@demo.example"
    )
    yield handler
    controller.stop()


@pytest.fixture
def alerted(instance: Instance, build: Build) -> Build:
    build.item("A1", "2026-11-01", 1000)
    build.item("A2", "2026-10-01", 300_000)
    evaluate(instance, build)
    return build


def _states(instance: Instance) -> list[str]:
    with instance.store.read() as connection:
        return list(connection.execute(select(outbox.c.state)).scalars())


def _outcomes(instance: Instance) -> list[str]:
    with instance.store.read() as connection:
        return list(connection.execute(select(deliveries.c.outcome).order_by(deliveries.c.delivery_id)).scalars())


def test_one_digest_a_day_with_text_html_links_and_a_fixed_id(
    instance: Instance, alerted: Build, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = deliver(instance, published=alerted)
    assert (counts["composed"], counts["sent"]) == (1, 1)
    [mail] = sink.mails
    assert mail["To"] == "李销售 <li@demo.example>"
    assert mail["Message-ID"] == "<c360.digest.20261123.E2@demo.example>"
    html = mail.get_body(("html",))
    plain = mail.get_body(("plain",))
    assert html is not None
    assert plain is not None
    assert "北辰仪器 &lt;有限&gt; 公司" in html.get_content()
    assert "/receivables?customer=C000001&currency=CNY" in plain.get_content()
    assert "300,000.00" in plain.get_content()
    assert {row["state"] for row in listing(instance.store)} == {"notified"}
    monkeypatch.setenv("C360_NOW", "2026-11-23T08:00:00Z")
    assert deliver(instance, published=alerted)["sent"] == 0
    monkeypatch.setenv("C360_NOW", "2026-11-24T02:00:00Z")
    assert deliver(instance, published=alerted)["composed"] == 0, "the cadence is a week"
    monkeypatch.setenv("C360_NOW", "2026-11-30T02:00:00Z")
    evaluate(instance, alerted)
    assert deliver(instance, published=alerted)["composed"] == 1


@pytest.mark.parametrize(
    "moment", ["2026-11-22T02:00:00Z", "2026-10-01T02:00:00Z", "2026-11-23T13:00:00Z", "2025-10-08T02:00:00Z"]
)
def test_nobody_is_written_to_on_holidays_nor_at_night(
    instance: Instance, alerted: Build, sink: Sink, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    monkeypatch.setenv("C360_NOW", moment)
    assert deliver(instance, published=alerted)["composed"] == 0
    assert sink.mails == []


def test_a_refused_mail_is_tried_again_later_and_at_last_given_up(
    instance: Instance, alerted: Build, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink.mode = "later"
    assert deliver(instance, published=alerted)["failed"] == 1
    assert deliver(instance, published=alerted)["failed"] == 0, "not before its time"
    sink.mode = "never"
    monkeypatch.setenv("C360_NOW", "2026-11-23T02:05:00Z")
    assert deliver(instance, published=alerted)["dead"] == 1
    assert _states(instance) == ["dead"]
    assert _outcomes(instance) == ["failed", "dead"]


def test_a_server_that_hangs_up_before_answering_is_uncertain_and_retried(
    instance: Instance, alerted: Build, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink.mode = "crash"
    assert deliver(instance, published=alerted)["uncertain"] == 1
    sink.mode = "accept"
    monkeypatch.setenv("C360_NOW", "2026-11-23T02:05:00Z")
    assert deliver(instance, published=alerted)["sent"] == 1
    assert _outcomes(instance) == ["uncertain", "sent"]


def test_a_kill_between_acceptance_and_record_is_reported_and_sent_again_under_the_same_id(
    instance: Instance, alerted: Build, sink: Sink
) -> None:
    deliver(instance, published=alerted)
    with instance.store.begin() as connection:
        connection.execute(update(outbox).values(state="sending"))
    counts = deliver(instance, published=alerted)
    assert (counts["uncertain"], counts["sent"]) == (1, 1)
    assert sink.mails[0]["Message-ID"] == sink.mails[1]["Message-ID"]
    assert _outcomes(instance) == ["sent", "uncertain", "sent"]


def test_an_unreachable_server_keeps_the_mail(instance: Instance, alerted: Build) -> None:
    instance.config.mail = MailConfig(host="127.0.0.1", port=free_port(), security="none")
    assert deliver(instance, published=alerted)["failed"] == 1
    assert _states(instance) == ["waiting"]


def test_a_demo_without_mail_settings_sends_nothing(instance: Instance, alerted: Build) -> None:
    counts = deliver(instance, published=alerted)
    assert (counts["composed"], counts["sent"], counts["waiting"]) == (1, 0, 1)


def test_dry_run_stores_nothing(instance: Instance, alerted: Build, sink: Sink) -> None:
    assert deliver(instance, dry_run=True, published=alerted)["composed"] == 1
    assert _states(instance) == []
    assert sink.mails == []


def test_preview_shows_the_digest_and_names_who_has_one(instance: Instance, alerted: Build) -> None:
    assert demo_recipient(instance, published=alerted) == "E2"
    message = preview(instance, "李销售", published=alerted)
    assert "2 项" in message["Subject"]
    assert _states(instance) == []
    with pytest.raises(FatalError, match="nothing to tell"):
        preview(instance, "nobody", published=alerted)
