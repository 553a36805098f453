"""Faults of a source, over a real socket: what is repeated, what stops, what the operator reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake import BASE, Seen, add_connector, documents, make_instance, reply, serving
from sqlalchemy import select

from ingest.collect import sync, sync_all
from ops import secrets
from ops.instance import SourceConfig

STREAM = """
[[stream]]
name = "things"
path = "things"
params = { after = "{page.after}" }
records = "items"
id = "id"
page = { type = "keyset", key = "id", limit = 10 }
"""
ROWS = [{"id": number, "v": 1} for number in range(1, 26)]


def page(seen: Seen) -> dict[str, Any]:
    after = int(seen.query.get("after", 0))
    return {"items": [row for row in ROWS if row["id"] > after][:10]}


def failing(answer: Any, times: int, at: int = 1) -> Any:
    """A handler that gives `answer` for `times` requests from number `at` on, else the page."""
    return lambda seen: answer if at <= seen.number < at + times else page(seen)


def test_429_with_retry_after_waits_as_long_as_asked(tmp_path: Path, waits: list[float]) -> None:
    with serving(failing(reply(429, "slow down", Retry_After="7"), 2)) as fake:
        instance = make_instance(tmp_path, fake.url, STREAM)
        (result,) = sync(instance, "src")
    assert result.error is None
    assert waits == [7.0, 7.0]
    assert len(documents(instance, "things")) == 25


def test_429_without_retry_after_waits_longer_each_time(tmp_path: Path, waits: list[float]) -> None:
    with serving(failing(reply(429), 2)) as fake:
        instance = make_instance(tmp_path, fake.url, STREAM)
        (result,) = sync(instance, "src")
    assert result.error is None
    assert 0.2 <= waits[0] <= 0.5
    assert 0.5 <= waits[1] <= 1.0


def test_429_asking_for_too_long_ends_the_run_which_goes_on_later(tmp_path: Path, waits: list[float]) -> None:
    with serving(failing(reply(429, "later", Retry_After="3600"), 1, at=2)) as fake:
        instance = make_instance(tmp_path, fake.url, STREAM)
        (first,) = sync(instance, "src")
        (second,) = sync(instance, "src")
    assert first.state == "failed"
    assert "3600" in (first.error or "")
    assert waits == []
    assert second.error is None
    assert len(documents(instance, "things")) == 25


def test_500_then_ok(tmp_path: Path, waits: list[float]) -> None:
    with serving(failing(reply(500, "oops"), 2)) as fake:
        instance = make_instance(tmp_path, fake.url, STREAM)
        (result,) = sync(instance, "src")
    assert result.error is None
    assert len(waits) == 2
    assert len(documents(instance, "things")) == 25


def test_500_for_good_is_reported_and_resumed(tmp_path: Path, waits: list[float]) -> None:
    fake_down = failing(reply(503, "down"), 3, at=2)
    with serving(fake_down) as fake:
        instance = make_instance(tmp_path, fake.url, STREAM)
        (first,) = sync(instance, "src")
        assert first.state == "failed"
        assert "503" in (first.error or "")
        (second,) = sync(instance, "src")
    assert second.error is None
    assert len(documents(instance, "things")) == 25


def test_garbage_json_is_asked_again(tmp_path: Path, waits: list[float]) -> None:
    with serving(failing(reply(200, '{"items": [{"id": 1', Content_Type="application/json"), 1)) as fake:
        instance = make_instance(tmp_path, fake.url, STREAM)
        (result,) = sync(instance, "src")
    assert result.error is None
    assert len(waits) == 1
    assert len(documents(instance, "things")) == 25


def test_garbage_json_for_good_names_it(tmp_path: Path, waits: list[float]) -> None:
    with serving(lambda _: reply(200, "<<", Content_Type="text/plain")) as fake:
        instance = make_instance(tmp_path, fake.url, STREAM)
        (result,) = sync(instance, "src")
    assert result.state == "failed"
    assert "src/things" in (result.error or "")


def test_login_page_with_status_200_names_source_stream_and_remedy(tmp_path: Path) -> None:
    html = "<html><head><title>Please sign in</title></head></html>"
    with serving(lambda _: reply(200, html, Content_Type="text/html")) as fake:
        instance = make_instance(tmp_path, fake.url, STREAM)
        (result,) = sync(instance, "src")
    assert "src/things" in (result.error or "")
    assert "Please sign in" in (result.error or "")
    assert "base_url" in (result.remedy or "")


def test_redirect_to_login_is_not_followed(tmp_path: Path) -> None:
    with serving(lambda _: reply(302, "", Location="/login?next=secret")) as fake:
        instance = make_instance(tmp_path, fake.url, STREAM)
        (result,) = sync(instance, "src")
    assert "redirected to /login" in (result.error or "")
    assert "secret" not in (result.error or "")


HEADER_AUTH = (
    BASE.format(name="fake")
    + """
[auth]
type = "header"
value = "Bearer {settings.token}"
"""
)


def test_wrong_password_is_said_once_and_stops_the_source(tmp_path: Path) -> None:
    two = STREAM + STREAM.replace('"things"', '"more"')
    with serving(lambda _: reply(401, {"message": "bad token S3cretTok"})) as fake:
        instance = make_instance(tmp_path, fake.url, two, head=HEADER_AUTH)
        secrets.write("tok", "S3cretTok", instance.secrets)
        instance.config.sources[0].settings["token"] = "file:tok"
        results = sync(instance, "src")
        assert len(fake.seen) == 1
    assert [result.state for result in results] == ["failed", "failed"]
    assert "401" in (results[0].error or "")
    assert "S3cretTok" not in (results[0].error or "")
    assert "credentials" in (results[0].remedy or "")


REFRESH = (
    BASE.format(name="fake").replace("[settings.token]", "[settings.refresh_token]")
    + """
[auth]
type = "refresh"
token_url = "{settings.base_url}/token"
client_id = "id"
client_secret = "shh"
"""
)


class RotatingServer:
    """Access tokens that live for two calls, refresh tokens that work once."""

    def __init__(self) -> None:
        self.refresh, self.serial, self.calls = "r0", 0, 0

    def __call__(self, seen: Seen) -> Any:
        if seen.path == "/token":
            if f"refresh_token={self.refresh}" not in seen.body:
                return reply(400, {"error": "invalid_grant", "error_description": "unknown refresh token"})
            self.serial += 1
            self.calls = 0
            self.refresh = f"r{self.serial}-rotated"
            return {"access_token": f"a{self.serial}-token", "refresh_token": self.refresh}
        self.calls += 1
        if seen.headers.get("authorization") != f"Bearer a{self.serial}-token" or self.calls > 2:
            return reply(401, {"message": "expired"})
        return page(seen)


@pytest.mark.parametrize("kind", ["file", "env"])
def test_token_expiry_in_mid_run_and_rotation(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(RotatingServer()) as fake:
        instance = make_instance(tmp_path, fake.url, STREAM, head=REFRESH)
        secrets.write("rt", "r0", instance.secrets)
        monkeypatch.setenv("RT", "r0")
        instance.config.sources[0].settings["refresh_token"] = "file:rt" if kind == "file" else "env:RT"
        for _ in range(2):
            (result,) = sync(instance, "src")
            assert result.error is None, result
        tokens = sum(seen.path == "/token" for seen in fake.seen)
    assert tokens == 4
    assert len(documents(instance, "things")) == 25
    kept = instance.secrets / ("rt" if kind == "file" else "src-refresh_token")
    assert "rotated" in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600


def test_error_inside_200_by_rule(tmp_path: Path) -> None:
    head = BASE.format(name="fake").replace(
        'error_path = ["message"]', 'success = { path = "code", values = ["0"] }\nerror_path = ["message"]'
    )
    with serving(lambda _: {"code": 40013, "message": "invalid app"}) as fake:
        instance = make_instance(tmp_path, fake.url, STREAM, head=head)
        (result,) = sync(instance, "src")
    assert "40013" in (result.error or "")
    assert "invalid app" in (result.error or "")


def test_one_bad_source_never_stops_the_others(tmp_path: Path) -> None:
    with serving(page) as fake:
        instance = make_instance(tmp_path, fake.url, STREAM)
        add_connector(tmp_path, "broken", '[[stream]]\nname = "x"\nid = "id"\npaeg = 1\n')
        add_connector(tmp_path, "crash", STREAM, hooks="def records(call, payload):\n    return payload['nope']\n")
        url = {"base_url": fake.url}
        instance.config.sources += [
            SourceConfig(name="bad-spec", connector="broken", role="erp", settings=url),
            SourceConfig(name="bad-hook", connector="crash", role="erp", settings=url),
            SourceConfig(name="bad-setting", connector="fake", role="erp", settings={"base_ulr": fake.url}),
            SourceConfig(name="bad-name", connector="nobody", role="erp"),
            SourceConfig(name="off", connector="fake", role="erp", settings=url, status="off"),
        ]
        results = {result.source: result for result in sync_all(instance)}
    assert results["src"].error is None
    assert "did you mean 'page'" in (results["bad-spec"].error or "")
    assert "KeyError" in (results["bad-hook"].error or "")
    assert "did you mean 'base_url'" in (results["bad-setting"].error or "")
    assert "nobody" in (results["bad-name"].error or "")
    assert "off" not in results
    from ops.tables import runs

    with instance.store.read() as connection:
        states = {row.source: row.state for row in connection.execute(select(runs))}
    assert states == {
        "src": "done",
        **dict.fromkeys(("bad-spec", "bad-hook", "bad-setting", "bad-name"), "failed"),
    }


def test_credentials_are_not_sent_to_another_host(tmp_path: Path) -> None:
    stream = STREAM.replace('type = "keyset", key = "id", limit = 10', 'type = "next_url", path = "next"')
    with serving(lambda _: {"items": ROWS, "next": "http://evil.example/x"}) as fake:
        instance = make_instance(tmp_path, fake.url, stream)
        (result,) = sync(instance, "src")
    assert "evil.example" in (result.error or "")


def test_demo_instance_speaks_to_loopback_only(tmp_path: Path) -> None:
    instance = make_instance(tmp_path, "https://erp.example.com", STREAM)
    instance.config.mode = "demo"
    (result,) = sync(instance, "src")
    assert "demo instance" in (result.error or "")


def test_bytes_in_gbk(tmp_path: Path) -> None:
    body = '{"items": [{"id": 1, "name": "云岚（上海）科技"}]}'.encode("gb18030")
    with serving(lambda seen: reply(200, body) if not int(seen.query.get("after", 0)) else {"items": []}) as fake:
        instance = make_instance(tmp_path, fake.url, STREAM)
        sync(instance, "src")
    assert documents(instance, "things")["1"]["name"] == "云岚（上海）科技"


def test_a_filter_the_source_ignores_is_noticed(tmp_path: Path) -> None:
    with serving(lambda _: {"items": ROWS[:10]}) as fake:
        instance = make_instance(tmp_path, fake.url, STREAM)
        (result,) = sync(instance, "src")
    assert "ignores the filter" in (result.error or "")
