"""A webhook is believed only with its secret, lately, once; it names records and brings none."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from data.sim import hooking
from ingest import hook_intake
from ingest.hook_intake import Intake
from ingest.hook_spec import WebhookSpec
from ingest.spec import SourceSpec, discover
from ingest.webhooks import BodyError, Incoming, is_id, named, sign, verify
from ops import secrets
from ops.instance import Instance, InstanceConfig, SourceConfig
from ops.tables import hook_counts, target_requests

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
SECRET = "a-secret-of-the-hook"
CONNECTORS = sorted(name for name in discover() if SourceSpec.load(name).webhook)
BODIES: dict[str, tuple[Any, dict[str, str], str, str | None]] = {
    # connector: body, headers, stream, id
    "asana": ({"events": [{"resource": {"gid": "12", "resource_type": "task"}}]}, {}, "tasks", None),
    "dynamics": ({"PrimaryEntityName": "account", "PrimaryEntityId": "0f3a-11"}, {}, "accounts", "0f3a-11"),
    "erpnext": ({"doctype": "Sales Invoice", "name": "SINV-26-1"}, {}, "Sales_Invoice", "SINV-26-1"),
    "freshdesk": ({"object": "ticket", "id": 41}, {}, "tickets", "41"),
    "hubspot": (
        [{"eventId": 7, "subscriptionType": "deal.propertyChange", "objectId": 55}], {}, "deals", "55",
    ),
    "jira": ({"webhookEvent": "jira:issue_updated", "issue": {"id": "1001"}}, {}, "issues", "1001"),
    "jsm": ({"webhookEvent": "comment_created", "issue": {"id": "1001"}}, {}, "issues", "1001"),
    "odoo": ({"_model": "account.move", "_id": 9}, {}, "account.move", "9"),
    "openproject": ({"action": "work_package:updated", "work_package": {"id": 5}}, {}, "work_packages", None),
    "salesforce": ({"object": "Account", "id": "001A"}, {}, "Account", "001A"),
    "servicenow": ({"table": "incident", "sys_id": "ab12"}, {}, "incident", "ab12"),
    "shopify": ({"id": 820982911946154508}, {"x-shopify-topic": "orders/updated"}, "orders", "820982911946154508"),
    "zendesk": (
        {"type": "zen:event-type:ticket.status_changed", "id": "e1", "detail": {"id": "77"}}, {}, "tickets", "77",
    ),
    "zentao": ({"objectType": "bug", "objectID": "3"}, {}, "bugs", "3"),
}  # fmt: skip


def sent(
    spec: WebhookSpec,
    payload: Any,
    *,
    secret: str = SECRET,
    at: datetime = NOW,
    delivery: str = "d1",
    headers: dict[str, str] | None = None,
) -> Incoming:
    """The hook as the vendor sends it: stamped, then signed."""
    body = json.dumps(payload).encode()
    headers = dict(headers or {})
    if spec.timestamp:
        forms = {
            "epoch": str(int(at.timestamp())),
            "epoch_ms": str(int(at.timestamp() * 1000)),
            "iso": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        headers[spec.timestamp.lower()] = forms[spec.timestamp_format]
    if spec.delivery:
        headers[spec.delivery.lower()] = delivery
    incoming = Incoming(body, headers, uri="https://c360.example.com/hooks/src")
    if spec.scheme == "bearer":
        headers[spec.header.lower()] = spec.prefix + secret
    elif spec.scheme == "basic":
        headers["authorization"] = "Basic " + base64.b64encode(f"c360:{secret}".encode()).decode()
    else:
        headers[spec.header.lower()] = sign(spec, secret, incoming)
    return incoming


def hook_of(connector: str) -> WebhookSpec:
    spec = SourceSpec.load(connector).webhook
    assert spec is not None
    return spec


def test_the_vector_that_atlassian_publishes() -> None:
    """developer.atlassian.com, Validating webhook deliveries."""
    given = "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"
    secret, body = "It's a Secret to Everybody", b"Hello World!"
    for connector in ("jira", "jsm"):
        incoming = Incoming(body, {"x-hub-signature": given})
        assert verify(hook_of(connector), secret, incoming, NOW) == "good"
        assert verify(hook_of(connector), secret, Incoming(body + b"!", incoming.headers), NOW) == "unsigned"


@pytest.mark.parametrize("connector", CONNECTORS)
def test_what_the_vendor_s_simulator_sends_is_believed(connector: str) -> None:
    """Signed there from the vendor's description, apart from the code that verifies."""
    spec, url = hook_of(connector), "https://c360.example.com/hooks/src"
    for word, stream in spec.streams.items():
        kind = word.removeprefix("zen:event-type:")
        hook = hooking.VENDORS[connector](kind, "820982", SECRET, NOW, url)
        incoming = Incoming(hook.body, {key.lower(): value for key, value in hook.headers.items()}, uri=url)
        assert verify(spec, SECRET, incoming, NOW) == "good"
        if connector != "jsm" or word == "jira:issue":
            assert named(spec, incoming).streams == {stream: {"820982"} if spec.id else None}
        assert verify(spec, SECRET, Incoming(hook.body + b" ", incoming.headers, uri=url), NOW) == (
            "unsigned" if spec.scheme.startswith("hmac") else "good"
        )


@pytest.mark.parametrize("connector", CONNECTORS)
def test_every_vendor_s_hook_is_read_and_a_changed_one_is_refused(connector: str) -> None:
    spec = hook_of(connector)
    payload, headers, stream, row_id = BODIES[connector]
    good = sent(spec, payload, headers=headers)
    assert verify(spec, SECRET, good, NOW) == "good"
    assert named(spec, good).streams == {stream: {row_id} if row_id else None}
    assert verify(spec, "another-secret", good, NOW) == "unsigned"
    assert verify(spec, "", good, NOW) == "unsigned"
    assert verify(spec, SECRET, Incoming(good.body, {}, uri=good.uri), NOW) == "unsigned"
    if spec.scheme.startswith("hmac"):
        tampered = good.body.replace(b":", b": ", 1)
        assert verify(spec, SECRET, Incoming(tampered, good.headers, uri=good.uri), NOW) == "unsigned"
        for broken in ("", spec.prefix, "sha999=00", spec.prefix + "no signature", "\u4e2d"):
            wrong = {**good.headers, spec.header.lower(): broken}
            assert verify(spec, SECRET, Incoming(good.body, wrong, uri=good.uri), NOW) == "unsigned"


@pytest.mark.parametrize("connector", [name for name in CONNECTORS if hook_of(name).timestamp])
def test_a_replayed_moment_is_stale_and_a_changed_one_is_not_signed(connector: str) -> None:
    spec = hook_of(connector)
    payload, headers, _, _ = BODIES[connector]
    old = sent(spec, payload, headers=headers)
    assert verify(spec, SECRET, old, NOW + timedelta(seconds=spec.tolerance_s - 1)) == "good"
    assert verify(spec, SECRET, old, NOW + timedelta(seconds=spec.tolerance_s + 1)) == "stale"
    assert verify(spec, SECRET, old, NOW - timedelta(seconds=spec.tolerance_s + 1)) == "stale"
    fresh = sent(spec, payload, at=NOW + timedelta(hours=1), headers=headers).headers[spec.timestamp.lower()]
    renewed = {**old.headers, spec.timestamp.lower(): fresh}
    assert verify(spec, SECRET, Incoming(old.body, renewed, uri=old.uri), NOW + timedelta(hours=1)) == "unsigned"


def test_hubspot_signs_the_address_too() -> None:
    spec = hook_of("hubspot")
    good = sent(spec, BODIES["hubspot"][0])
    assert verify(spec, SECRET, Incoming(good.body, good.headers, uri=good.uri + "?x=1"), NOW) == "unsigned"


def test_basic_takes_any_user_and_only_the_secret() -> None:
    spec = WebhookSpec(scheme="basic", kind="kind", setup="x", streams={"a": "a"})
    assert verify(spec, SECRET, sent(spec, {}), NOW) == "good"
    assert verify(spec, SECRET, sent(spec, {}, secret="x"), NOW) == "unsigned"
    assert verify(spec, SECRET, Incoming(b"", {"authorization": "Basic !!"}), NOW) == "unsigned"


def test_a_secret_in_the_address_counts_where_the_connector_says_so() -> None:
    body = json.dumps(BODIES["odoo"][0]).encode()
    assert verify(hook_of("odoo"), SECRET, Incoming(body, {}, {"token": SECRET}), NOW) == "good"
    assert verify(hook_of("odoo"), SECRET, Incoming(body, {}, {"token": "x"}), NOW) == "unsigned"
    assert verify(hook_of("salesforce"), SECRET, Incoming(body, {}, {"token": SECRET}), NOW) == "unsigned"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[1]", b'"x"', b"[" * 100_000])
def test_a_body_that_is_no_event_is_refused_and_breaks_nothing(body: bytes) -> None:
    with pytest.raises(BodyError):
        named(hook_of("jira"), Incoming(body, {}))


@pytest.mark.parametrize(
    "text", ["1 or 1=1", "../x", "a'b", 'a"b', "a,b", "a/b", "a?b", "", "-1", "a b", "x" * 101, "a..b"]
)
def test_an_id_is_a_plain_word(text: str) -> None:
    assert not is_id(text)
    hook = Incoming(json.dumps({"webhookEvent": "jira:issue_updated", "issue": {"id": text}}).encode(), {})
    assert named(hook_of("jira"), hook).streams == {"issues": None}


# the door


@pytest.fixture
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Intake]:
    """(connector, settings…) → the door of an instance with one source `src`."""
    monkeypatch.setenv("C360_NOW", NOW.isoformat())

    def make(connector: str = "zendesk", **more: Any) -> Intake:
        settings = {"webhook_secret": "file:hook", **more}
        source = SourceConfig(name="src", connector=connector, role="tickets", settings=settings)
        instance = Instance.create(tmp_path / connector, InstanceConfig(source=[source]))
        secrets.write("hook", SECRET, instance.secrets)
        return Intake(instance)

    return make


def waiting(intake: Intake) -> list[tuple[str, str, str, int]]:
    asked = target_requests.c
    chosen = select(asked.stream, asked.kind, asked.wanted, asked.hooks).order_by(asked.request_id)
    with intake.instance.store.read() as connection:
        return [tuple(row) for row in connection.execute(chosen)]


def counts(intake: Intake) -> dict[str, int]:
    with intake.instance.store.read() as connection:
        found = connection.execute(select(hook_counts.c.outcome, hook_counts.c.count)).all()
    return {row[0]: row[1] for row in found}


def ticket(number: int, kind: str = "ticket.created") -> dict[str, Any]:
    return {"type": f"zen:event-type:{kind}", "detail": {"id": str(number)}}


def test_many_hooks_of_a_stream_become_one_request(door: Callable[..., Intake]) -> None:
    intake, spec = door(), hook_of("zendesk")
    for place, number in enumerate((7, 8, 7)):
        said = intake.receive("src", sent(spec, ticket(number), delivery=f"d{place}"))
        assert said.status == 200
    assert intake.receive("src", sent(spec, ticket(9, "user.created"), delivery="u")).outcome == "accepted"
    assert waiting(intake) == [("tickets", "records", '["7", "8"]', 3), ("users", "records", '["9"]', 1)]


def test_a_delivery_that_comes_twice_is_counted_and_not_read_again(door: Callable[..., Intake]) -> None:
    intake, spec = door(), hook_of("zendesk")
    outcomes = [intake.receive("src", sent(spec, ticket(7), delivery="same")).outcome for _ in range(3)]
    assert outcomes == ["accepted", "duplicate", "duplicate"]
    assert waiting(intake) == [("tickets", "records", '["7"]', 1)]
    assert counts(intake) == {"accepted": 1, "duplicate": 2}


def test_too_many_records_become_one_read_of_the_stream(
    door: Callable[..., Intake], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook_intake, "IDS_AT_MOST", 3)
    intake, spec = door(), hook_of("zendesk")
    for number in range(1, 7):
        intake.receive("src", sent(spec, ticket(number), delivery=str(number)))
    assert waiting(intake) == [("tickets", "stream", "[]", 6)]


def test_what_is_not_signed_or_too_old_is_refused_and_counted(door: Callable[..., Intake]) -> None:
    intake, spec = door(), hook_of("zendesk")
    assert intake.receive("src", sent(spec, ticket(1), secret="wrong")).status == 401
    assert intake.receive("src", sent(spec, ticket(1), at=NOW - timedelta(hours=1))).status == 401
    assert intake.receive("src", sent(spec, {"type": "zen:event-type:article.created"})).outcome == "ignored"
    assert waiting(intake) == []
    assert counts(intake) == {"unsigned": 1, "stale": 1, "ignored": 1}


def test_a_stranger_learns_nothing_of_which_sources_there_are(door: Callable[..., Intake]) -> None:
    intake, spec = door(), hook_of("zendesk")
    hook = sent(spec, ticket(1))
    intake.instance.config.sources.append(SourceConfig(name="off", connector="zendesk", role="tickets", status="off"))
    intake.instance.config.sources.append(SourceConfig(name="bare", connector="zendesk", role="tickets"))
    intake.instance.config.sources.append(SourceConfig(name="none", connector="files", role="files"))
    answers = {name: intake.receive(name, hook) for name in ("nobody", "off", "bare", "none")}
    assert {(one.status, str(one.body)) for one in answers.values()} == {(404, "{}")}


def test_a_flood_is_cut_and_a_flood_of_strangers_keeps_no_good_hook_out(
    door: Callable[..., Intake], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.clock.monotonic", lambda: 1000.0)
    monkeypatch.setattr(hook_intake, "PER_MINUTE", 4)
    monkeypatch.setattr(hook_intake, "REFUSED_PER_MINUTE", 3)
    intake, spec = door(), hook_of("zendesk")
    strange = [intake.receive("src", sent(spec, ticket(1), secret="x")).status for _ in range(5)]
    assert strange == [401, 401, 401, 429, 429]
    good = [intake.receive("src", sent(spec, ticket(n), delivery=str(n))).status for n in range(6)]
    assert good == [200, 200, 200, 200, 429, 429]
    assert counts(intake) == {"unsigned": 3, "accepted": 4}
    monkeypatch.setattr("ops.clock.monotonic", lambda: 1061.0)
    assert intake.receive("src", sent(spec, ticket(9), delivery="9")).status == 200


def test_asana_s_handshake_needs_our_secret_and_then_its_own_counts(door: Callable[..., Intake]) -> None:
    intake, spec = door("asana"), hook_of("asana")
    first = {"x-hook-secret": "secret-of-asana"}
    assert intake.receive("src", Incoming(b"", first)).status == 401
    assert intake.receive("src", Incoming(b"", first, {"token": "guess"})).status == 401
    event = BODIES["asana"][0]
    assert intake.receive("src", sent(spec, event, secret="secret-of-asana")).status == 404
    shaken = intake.receive("src", Incoming(b"", first, {"token": SECRET}))
    assert (shaken.status, shaken.headers) == (200, {"X-Hook-Secret": "secret-of-asana"})
    assert intake.receive("src", sent(spec, event, secret="secret-of-asana")).outcome == "accepted"
    assert intake.receive("src", sent(spec, event)).status == 401
    assert waiting(intake) == [("tasks", "stream", "[]", 1)]


def test_a_challenge_is_answered_only_to_who_signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fake import make_instance

    hook = """
[webhook]
scheme = "hmac-sha256"
header = "X-Sign"
challenge = "challenge"
kind = "type"
setup = "x"
[webhook.streams]
a = "rows"
"""
    stream = '\n[[stream]]\nname = "rows"\npath = "rows"\nid = "id"\n'
    instance = make_instance(tmp_path / "i", "http://127.0.0.1:1", stream + hook)
    instance.config.sources[0].settings["webhook_secret"] = "file:hook"
    secrets.write("hook", SECRET, instance.secrets)
    intake = Intake(instance)
    spec = SourceSpec.load("fake", instance.config_dir).webhook
    assert spec is not None
    asked = {"challenge": "abc", "type": "url_verification"}
    answer = intake.receive("src", sent(spec, asked))
    assert (answer.status, answer.body) == (200, {"challenge": "abc"})
    assert intake.receive("src", sent(spec, asked, secret="x")).body == {}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"over": "{timestamp}"}, "must hold {body}"),
        ({"over": "{timestamp}{body}"}, "in which header"),
        ({"timestamp": "X-Time"}, "is not signed"),
        ({"over": "{body}{x}"}, "unknown x"),
        ({"kind_header": "X-Kind"}, "either kind or kind_header"),
    ],
)
def test_a_description_that_would_prove_nothing_is_refused(changes: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        WebhookSpec(**{"scheme": "hmac-sha256", "kind": "k", "setup": "s", "streams": {"a": "a"}, **changes})  # type: ignore[arg-type]
