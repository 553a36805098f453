"""A restored instance sends nothing until a person says so: the old one may have sent the same messages."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import select

from model import delivery
from model.alerts import evaluate
from ops.errors import FatalError
from ops.instance import Instance, MailConfig
from ops.tables import audit, deliveries, outbox
from run import backup
from tests.alerts.conftest import Build
from tests.ports import free_port


class Sink:
    """Takes every mail."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        _ = server, session
        message = message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        self.mails.append(message)
        return "250 taken"


@pytest.fixture
def sink() -> Iterator[tuple[Sink, MailConfig]]:
    handler = Sink()
    controller = Controller(handler, hostname="127.0.0.1", port=free_port(), ready_timeout=60)
    controller.start()
    config = MailConfig(host="127.0.0.1", port=controller.port, security="none", sender="c360@demo.example")
    yield handler, config
    controller.stop()


@pytest.fixture
def restored(instance: Instance, build: Build, tmp_path: Path) -> Iterator[Instance]:
    """A backup with a digest that waits, restored; the old instance has sent it meanwhile."""
    build.item("A1", "2026-11-01", 1000)
    evaluate(instance, build)
    assert delivery.deliver(instance, published=build)["waiting"] == 1
    backup.back_up(instance, tmp_path / "b.tar")
    done = backup.restore(tmp_path / "b.tar", tmp_path / "new")
    assert done.held_messages == 1
    made = Instance.load(done.home)
    yield made
    made.store.close()


def test_a_restored_instance_sends_nothing_until_it_is_released(
    restored: Instance, build: Build, sink: tuple[Sink, MailConfig]
) -> None:
    taken, restored.config.mail = sink
    build.item("A2", "2026-10-01", 300_000)
    evaluate(restored, build)
    counts = delivery.deliver(restored, published=build)
    assert (counts["composed"], counts["sent"], counts["held"]) == (0, 0, 1), "an urgent alert waits as well"
    assert any("c360 alerts release" in problem for problem in delivery.problems(restored))
    ended = delivery.release(restored.store, "it")
    assert ended.messages == 1
    counts = delivery.deliver(restored, published=build)
    assert counts["sent"] == len(taken.mails) > 0
    assert counts["waiting"] == 0
    with restored.store.read() as connection:
        said = connection.execute(select(audit.c.action, audit.c.actor).order_by(audit.c.audit_id)).all()
        assert said[-1] == ("outbox.released", "it")
    with pytest.raises(FatalError, match="not held"):
        delivery.release(restored.store, "it")


def test_what_waited_can_be_dropped(restored: Instance, build: Build, sink: tuple[Sink, MailConfig]) -> None:
    taken, restored.config.mail = sink
    delivery.release(restored.store, "it", drop=True)
    assert delivery.deliver(restored, published=build)["sent"] == 0
    assert taken.mails == []
    with restored.store.read() as connection:
        assert connection.execute(select(outbox.c.state)).scalars().all() == ["dropped"]
        assert connection.execute(select(deliveries.c.outcome)).scalars().all() == ["dropped"]


def test_a_second_hold_keeps_the_first(restored: Instance) -> None:
    first = delivery.held(restored.store)
    assert delivery.hold(restored.store, "again") == first
