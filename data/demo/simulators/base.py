"""What the four simulators share: JSON answers, request counts, injected faults, rate budgets."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from data.demo import clock
from data.demo.company import Company

Handler = Callable[[Request], Awaitable[Response]]
LOGIN_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><form>Please sign in</form></body></html>"
KINDS = ("none", "status", "garbage", "html_login", "slow", "expire_session")


def answer(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON response; orjson, no ASCII escapes."""
    return Response(orjson.dumps(content), status, headers, "application/json")


def basic_auth(request: Request) -> tuple[str, str] | None:
    """User and password of a Basic header, or None."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(value).decode().partition(":")
    except ValueError:
        return None
    return user, password


@dataclass
class Fault:
    """A fault to inject into the next `times` requests whose path contains `path`."""

    kind: str = "none"
    status: int = 500
    retry_after: int | None = None
    times: int = 1
    path: str = ""
    seconds: float = 1.0


class Budget:
    """At most `limit` requests within any 60 seconds."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken: deque[float] = deque()

    def take(self) -> int:
        """0 when allowed, else the seconds to wait."""
        moment = clock.tick()
        while self.taken and self.taken[0] <= moment - 60:
            self.taken.popleft()
        if len(self.taken) >= self.limit:
            return max(1, int(60 - (moment - self.taken[0])) + 1)
        self.taken.append(moment)
        return 0


@dataclass
class Stats:
    """Requests served so far."""

    total: int = 0
    paths: Counter[str] = field(default_factory=Counter)
    faults: int = 0


class Door:
    """ASGI front of a simulator: admin routes, counting and faults come before the vendor's own routes."""

    def __init__(self, name: str, company: Company, inner: ASGIApp, sessions: set[str] | None = None) -> None:
        self.name, self.company, self.inner = name, company, inner
        self.sessions = set() if sessions is None else sessions
        self.stats = Stats()
        self.fault = Fault(times=0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        path = str(scope["path"])
        if path.startswith("/__"):
            response = await self._admin(Request(scope, receive))
            await response(scope, receive, send)
            return
        self.stats.total += 1
        self.stats.paths[path if len(self.stats.paths) < 2000 else "other"] += 1
        broken = await self._broken(path)
        if broken is not None:
            await broken(scope, receive, send)
            return
        await self.inner(scope, receive, send)

    async def _broken(self, path: str) -> Response | None:
        fault = self.fault
        if fault.times <= 0 or fault.kind == "none" or fault.path not in path:
            return None
        fault.times -= 1
        self.stats.faults += 1
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
            return None
        if fault.kind == "garbage":
            return Response(b'{"records": [{"Id": "00', 200, media_type="application/json")
        if fault.kind == "html_login":
            return Response(LOGIN_PAGE, 200, media_type="text/html")
        headers = {"Retry-After": str(fault.retry_after)} if fault.retry_after is not None else {}
        return answer({"error": "injected", "description": "injected fault"}, fault.status, headers)

    async def _admin(self, request: Request) -> Response:
        route = request.url.path
        if route == "/__stats":
            stats = self.stats
            return answer(
                {
                    "name": self.name,
                    "requests": stats.total,
                    "faults": stats.faults,
                    "paths": dict(stats.paths),
                }
            )
        body = orjson.loads(await request.body() or b"{}")
        if route == "/__fault" and request.method == "POST":
            unknown = set(body) - set(Fault.__dataclass_fields__)
            if unknown or body.get("kind", "status") not in KINDS:
                return answer(
                    {
                        "error": "bad fault",
                        "valid": {"keys": sorted(Fault.__dataclass_fields__), "kinds": KINDS},
                    },
                    400,
                )
            if body.get("kind") == "expire_session":
                self.sessions.clear()
                return answer({"ok": True})
            self.fault = Fault(**body)
            return answer({"ok": True})
        if route == "/__advance" and request.method == "POST":
            return answer(self.company.advance(int(body.get("changes", 20))))
        if route == "/__truth":
            return answer(self.company.truth)
        return answer({"error": "not found", "valid": ["/__stats", "/__fault", "/__advance", "/__truth"]}, 404)
