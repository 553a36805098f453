"""A vendor of the demo company for the harness of the others: what was asked of it, and answers given instead."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import parse_qs

import orjson
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from data.demo.company import Company, generate
from data.demo.simulators import Simulators
from data.sim.access import Call, Reply
from data.sim.table import Clock

TODAY = date(2026, 1, 15)
NOW = datetime(2026, 1, 20, 1, 0, tzinfo=UTC)


def company() -> Company:
    """Thirty customers and two years of them."""
    return generate(customers=30, seed=20260101, months=24, today=TODAY)


class DemoVendor:
    """The part of a simulator that the harness needs. `instead` is asked before each answer and may give another."""

    def __init__(self, simulators: Simulators, connector: str) -> None:
        self.simulators, self.connector = simulators, connector
        self.company, self.site = simulators.company, getattr(simulators, connector)
        self.clock = Clock()
        self.clock.now = NOW
        self.tables: dict[str, Any] = {}
        self.children: dict[str, Any] = {}
        self.calls: list[Call] = []
        self.instead: Callable[[Call], Reply | None] = lambda _call: None
        door = simulators.doors[connector]
        door.inner = _Tap(door.inner, self)

    def settings(self) -> dict[str, Any]:
        """What c360.toml would hold, secrets in clear."""
        return dict(self.simulators.credentials[self.connector])

    def asked(self, words: str) -> list[Call]:
        """The calls whose path holds `words`."""
        return [call for call in self.calls if words in call.path]


class _Tap:
    """Notes each call on its way to the vendor."""

    def __init__(self, inner: ASGIApp, vendor: DemoVendor) -> None:
        self.inner, self.vendor = inner, vendor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw, more = b"", True
        while more:
            message = await receive()
            raw, more = raw + message.get("body", b""), message.get("more_body", False)
        call = _call(scope, raw)
        self.vendor.calls.append(call)
        reply = self.vendor.instead(call)
        if reply is not None:
            headers = {"content-type": "application/json", **reply.headers}
            await Response(reply.content(), reply.status, headers)(scope, receive, send)
            return

        async def again() -> Message:
            return {"type": "http.request", "body": raw, "more_body": False}

        await self.inner(scope, again, send)


def _call(scope: Scope, raw: bytes) -> Call:
    headers = {key.decode().lower(): value.decode() for key, value in scope["headers"]}
    query = {key: values[-1] for key, values in parse_qs(scope["query_string"].decode()).items()}
    body: Any = None
    if raw and "json" in headers.get("content-type", ""):
        body = orjson.loads(raw)
    elif raw:
        body = {key: values[-1] for key, values in parse_qs(raw.decode()).items()}
    return Call(scope["method"], str(scope["path"]), query, body, headers)
