"""From a vendor's hook over the real route to the record in landing: what the scheduler reads, and what it leaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.routing import Route

from data import sim
from data.sim import hooking
from data.sim.engine import serving
from data.sim.table import START
from ingest.hook_intake import COALESCE_S
from ingest.hook_spec import WebhookSpec
from ingest.spec import SourceSpec
from ingest.webhooks import MAX_BODY, Incoming, sign
from ops import secrets
from ops.leases import lease
from ops.store import stamp
from ops.tables import target_requests, target_runs
from run import receiving, targeting
from run.scheduler import last_started
from tests.connectors.harness import Harness

SECRET = "secret-of-the-hook"


class Browser:
    """A caller of the route as app.py mounts it."""

    def __init__(self) -> None:
        app = Starlette(routes=[Route("/hooks/{source}", receiving.hook, methods=["POST"])])
        self._door = httpx.ASGITransport(app)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def once() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._door, base_url="http://127.0.0.1") as client:
                return await client.request(method, path, **more)

        return asyncio.run(once())

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self.ask("POST", path, **more)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Harness]:
    """A shop that has been collected once, on a fixed clock; its hooks have a secret."""
    monkeypatch.setattr("ops.clock.sleep", lambda _seconds: None)
    monkeypatch.setenv("C360_HOME", str(tmp_path / "i"))
    with serving(sim.load("shopify")()) as vendor:
        harness = Harness(tmp_path / "i", vendor, monkeypatch)
        secrets.write("hook", SECRET, harness.instance.secrets)
        harness.instance.config.source("src").settings["webhook_secret"] = "file:hook"
        harness.instance.save()
        harness.sync()
        yield harness


@pytest.fixture
def browser(shop: Harness) -> Browser:
    """Calls the route of the shop's instance."""
    return Browser()


def spec() -> WebhookSpec:
    found = SourceSpec.load("shopify").webhook
    assert found is not None
    return found


def send(browser: Browser, row_id: str, *, delivery: int = 0) -> int:
    """What the simulated shop sends; `delivery` is the moment, which is in the delivery's id."""
    hook = hooking.VENDORS["shopify"]("orders", row_id, SECRET, START + timedelta(seconds=delivery), "")
    return browser.post("/hooks/src", content=hook.body, headers=hook.headers).status_code


def later(harness: Harness, seconds: float) -> None:
    now = harness.vendor.clock.advance(seconds=seconds)
    harness.monkeypatch.setenv("C360_NOW", now.isoformat())


def ledger(harness: Harness) -> list[tuple[str, str, str, int, int]]:
    names = target_runs.c
    chosen = select(names.stream, names.caused_by, names.state, names.asked, names.rows_landed)
    with harness.instance.store.read() as connection:
        return [tuple(row) for row in connection.execute(chosen.order_by(names.started_at, names.stream))]


def test_a_hook_brings_its_record_within_seconds_and_one_read_for_many(shop: Harness, browser: Browser) -> None:
    before = shop.documents("orders")
    first, second = sorted(before)[:2]
    shop.vendor.clock.advance(seconds=60)
    for row_id in (first, second):
        shop.vendor.tables["orders"].edit(row_id)
    started = last_started(shop.instance, "src")
    for place, row_id in enumerate((first, second, first)):
        assert send(browser, row_id, delivery=place) == 200
    assert send(browser, first, delivery=0) == 200  # delivered again
    assert targeting.take(shop.instance) == [], "further hooks may still join"
    later(shop, COALESCE_S + 1)
    calls = len(shop.vendor.calls)
    done = targeting.read(shop.instance, targeting.take(shop.instance))
    targeting.settle(shop.instance, done, None)
    assert done.landed == 2
    assert len(shop.vendor.calls) - calls <= 4
    after = shop.documents("orders")
    assert {row_id for row_id in before if after[row_id] != before[row_id]} == {first, second}
    assert ledger(shop) == [("orders", "webhook", "done", 2, 2)]
    assert targeting.take(shop.instance) == []
    assert last_started(shop.instance, "src") == started, "the schedule is not put off"
    assert shop.sync(minutes=5)["orders"].rows_landed == 0


def test_a_payload_is_never_believed(shop: Harness, browser: Browser) -> None:
    """What a hook says of a record does not land, and a record that it says is gone stays."""
    known = shop.documents("orders")
    row_id = min(known)
    body = json.dumps({"id": int(row_id), "name": "forged", "deleted": True}).encode()
    headers = {"X-Shopify-Hmac-Sha256": sign(spec(), SECRET, Incoming(body, {})), "X-Shopify-Topic": "orders/delete"}
    assert browser.post("/hooks/src", content=body, headers=headers).status_code == 200
    later(shop, COALESCE_S + 1)
    done = targeting.read(shop.instance, targeting.take(shop.instance))
    assert done.landed == 0
    assert shop.documents("orders") == known


def test_what_is_refused_says_nothing(shop: Harness, browser: Browser) -> None:
    good = b'{"id": 1}'
    headers = {"X-Shopify-Topic": "orders/updated", "X-Shopify-Hmac-Sha256": "AAAA"}
    answers = {
        401: browser.post("/hooks/src", content=good, headers=headers),
        404: browser.post("/hooks/nobody", content=good, headers=headers),
        413: browser.post("/hooks/src", content=b"x" * (MAX_BODY + 1), headers=headers),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert answer.json() == {"status": receiving.WORDS[status]}
    assert browser.ask("GET", "/hooks/src").status_code == 405
    broken = {"X-Shopify-Topic": "orders/updated", "X-Shopify-Hmac-Sha256": sign(spec(), SECRET, Incoming(b"{", {}))}
    assert browser.post("/hooks/src", content=b"{", headers=broken).status_code == 400
    assert targeting.take(shop.instance) == []


def test_a_long_body_without_a_length_is_cut_off(shop: Harness, browser: Browser) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(2 * MAX_BODY // 1024):
            yield b"x" * 1024

    assert browser.post("/hooks/src", content=parts()).status_code == 413


def test_a_source_that_is_being_collected_is_asked_later(shop: Harness, browser: Browser) -> None:
    row_id = min(shop.documents("orders"))
    assert send(browser, row_id) == 200
    later(shop, COALESCE_S + 1)
    with lease(shop.instance.store, "source:src"):
        done = targeting.read(shop.instance, targeting.take(shop.instance))
        targeting.settle(shop.instance, done, None)
        assert ledger(shop) == []
    assert [row.state for row in targeting.take(shop.instance)] == ["waiting"]
    targeting.take_back(shop.instance)
    done = targeting.read(shop.instance, targeting.take(shop.instance))
    assert len(done.results) == 1


def test_a_source_that_fails_leaves_a_reason_and_loses_nothing(shop: Harness, browser: Browser) -> None:
    from data.sim.engine import Fault

    row_id = min(shop.documents("orders"))
    shop.vendor.tables["orders"].edit(row_id)
    assert send(browser, row_id) == 200
    later(shop, COALESCE_S + 1)
    shop.vendor.faults = [Fault("status", times=100, status=500)]
    done = targeting.read(shop.instance, targeting.take(shop.instance))
    targeting.settle(shop.instance, done, None)
    with shop.instance.store.read() as connection:
        (row,) = connection.execute(select(target_requests)).all()
    assert row.state == "failed"
    assert "500" in str(row.message)
    shop.vendor.faults = []
    shop.sync(minutes=30)
    assert shop.missing("orders") == (set(), set())
    label = shop.vendor.tables["orders"].rows[row_id]
    assert label["updatedAt"] == shop.documents("orders")[row_id]["updatedAt"]


def test_take_back_and_due_times(shop: Harness) -> None:
    now = shop.vendor.clock.now
    rows = [("records", now + timedelta(seconds=1)), ("stream", now)]
    with shop.instance.store.begin() as connection:
        for kind, due in rows:
            row = {"source": "src", "stream": "orders", "kind": kind, "wanted": "[]", "caused_by": "webhook",
                   "requested_by": "webhook", "requested_at": stamp(), "due_at": stamp(due),
                   "state": "waiting"}  # fmt: skip
            connection.execute(target_requests.insert().values(**row))
    assert [row.kind for row in targeting.take(shop.instance)] == ["stream"]
    targeting.take_back(shop.instance)
    later(shop, 2)
    assert [row.kind for row in targeting.take(shop.instance)] == ["records", "stream"]


def test_a_hook_without_a_usable_id_reads_the_stream_and_does_not_put_off_the_schedule(
    shop: Harness, browser: Browser
) -> None:
    started = last_started(shop.instance, "src")
    shop.vendor.clock.advance(seconds=60)
    new = shop.vendor.add("orders")
    body = b'{"id": "1 OR id:>0"}'
    headers = {"X-Shopify-Hmac-Sha256": sign(spec(), SECRET, Incoming(body, {})), "X-Shopify-Topic": "orders/create"}
    assert browser.post("/hooks/src", content=body, headers=headers).status_code == 200
    later(shop, COALESCE_S + 1)
    assert targeting.read(shop.instance, targeting.take(shop.instance)).landed == 1
    assert new in shop.documents("orders")
    assert ledger(shop) == [("orders", "webhook", "done", 0, 1)]
    assert last_started(shop.instance, "src") == started


def test_what_a_killed_scheduler_had_begun_is_read_with_what_came_later(shop: Harness, browser: Browser) -> None:
    first, second = sorted(shop.documents("orders"))[:2]
    shop.vendor.clock.advance(seconds=60)
    for row_id in (first, second):
        shop.vendor.tables["orders"].edit(row_id)
    assert send(browser, first, delivery=1) == 200
    later(shop, COALESCE_S + 1)
    assert len(targeting.take(shop.instance)) == 1  # and killed
    assert send(browser, second, delivery=2) == 200
    later(shop, COALESCE_S + 1)
    targeting.take_back(shop.instance)
    rows = targeting.take(shop.instance)
    assert len(rows) == 2
    assert targeting.read(shop.instance, rows).landed == 2
