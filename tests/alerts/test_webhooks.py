"""Slack, Teams and generic webhooks through apprise, on a real socket."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import apprise
import pytest

from model.alerts import evaluate
from model.delivery import deliver, webhooks
from model.delivery.faults import Refused, Throttled, Uncertain
from ops import secrets
from ops.instance import ChannelConfig, Instance
from tests.alerts.conftest import Build


class Hook:
    """Answers every POST with `status` and keeps what came."""

    def __init__(self) -> None:
        self.status = 200
        self.taken: list[tuple[str, dict[str, Any]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.taken.append((self.path, json.loads(body)))
                self.send_response(outer.status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hooks/secret-path-99?token=secret-token-99"


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.server.shutdown()
    made.server.server_close()
    made.thread.join()


BODY = json.dumps(webhooks.payload("标题", "正文"))


def test_a_generic_webhook_keeps_its_path_and_query(hook: Hook, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        assert webhooks.send("webhook", "ops", hook.address, BODY) == "ok"
    path, document = hook.taken[0]
    assert path == "/hooks/secret-path-99?token=secret-token-99"
    assert (document["title"], document["message"]) == ("标题", "正文")
    assert "secret-" not in caplog.text


@pytest.mark.parametrize(("status", "permanent"), [(400, True), (404, True), (500, False), (503, False)])
def test_failures_are_told_apart(hook: Hook, status: int, permanent: bool) -> None:
    hook.status = status
    with pytest.raises(Refused, match=str(status)) as raised:
        webhooks.send("webhook", "ops", hook.address, BODY)
    assert raised.value.permanent is permanent
    assert "secret-" not in str(raised.value)


def test_too_many_requests_pauses(hook: Hook) -> None:
    hook.status = 429
    with pytest.raises(Throttled):
        webhooks.send("webhook", "ops", hook.address, BODY)


def test_a_broken_connection_is_uncertain() -> None:
    with pytest.raises(Uncertain):
        webhooks.send("webhook", "ops", "http://127.0.0.1:9/x", BODY)


@pytest.mark.parametrize(
    ("kind", "address"), [("slack", "http://127.0.0.1/x"), ("webhook", "slack://a/b/c"), ("teams", "json://x")]
)
def test_an_address_of_another_service_is_refused_for_good(kind: str, address: str) -> None:
    with pytest.raises(Refused) as raised:
        webhooks.send(kind, "ops", address, BODY)
    assert raised.value.permanent


def test_slack_through_its_own_form(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    """apprise's Slack plugin, its fixed host replaced by the socket of this test."""
    plugin = type(apprise.Apprise.instantiate("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/"))
    monkeypatch.setattr(plugin, "webhook_url", f"http://127.0.0.1:{hook.server.server_port}/services")
    address = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    assert webhooks.send("slack", "sales", address, BODY) == "ok"
    path, document = hook.taken[0]
    assert path == "/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    assert "正文" in json.dumps(document, ensure_ascii=False)


def test_a_digest_through_a_webhook(instance: Instance, build: Build, hook: Hook) -> None:
    build.item("A1", "2026-11-01", 1000)
    evaluate(instance, build)
    secrets.write("hook", hook.address, instance.secrets)
    instance.config.channels.append(ChannelConfig(name="ops", type="webhook", address="file:hook", who=["E2"]))
    assert deliver(instance, published=build)["sent"] == 1
    assert "发票 A1" in hook.taken[0][1]["message"]
