"""The engine of every simulated vendor: a real HTTP server, routes, sign-in, budget, faults; a vendor adds its quirks.

A vendor is a class: tables (its data), `auth`, routes by `@route`, and how it words an error. See vendors/freshdesk.py.
"""

from __future__ import annotations

import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import orjson

from data.sim.access import Auth, Budget, Call, Reply
from data.sim.table import Clock, Record, Table

Handler = Callable[[Any, Call], Any]
LOGIN_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in</body></html>"


def route(method: str, pattern: str) -> Callable[[Handler], Handler]:
    """Serve `METHOD pattern`; `{name}` in the pattern is one step of the path, found in `call.at`."""

    def mark(handler: Handler) -> Handler:
        places: list[tuple[str, re.Pattern[str]]] = getattr(handler, "places", [])
        expression = re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(pattern)))
        handler.places = [*places, (method, expression)]  # type: ignore[attr-defined]
        return handler

    return mark


@dataclass
class Fault:
    """What happens instead of an answer, `times` times, from the call number `after` on whose path holds `path`.

    kind: status (with `status`, `retry_after`) | garbage | truncate | reset | page (a web page) | expire (the sign-in).
    """

    kind: str
    times: int = 1
    path: str = ""
    status: int = 500
    retry_after: int | None = None
    after: int = 0


class Simulator(ABC):
    """One vendor. `tables` holds its data by stream, `children` tells what a stream without a table of its own holds;
    `between` is called before each answer and may change them."""

    connector: ClassVar[str]
    auth: Auth

    def __init__(self) -> None:
        self.clock = Clock()
        self.tables: dict[str, Table] = {}
        self.children: dict[str, Callable[[], dict[str, Record]]] = {}
        self.budget: Budget | None = None
        self.faults: list[Fault] = []
        self.calls: list[Call] = []
        self.between: Callable[[Call], None] = lambda _call: None
        self.url = ""
        self._routes = [
            (method, pattern, handler)
            for name in dir(type(self))
            for handler in [getattr(type(self), name)]
            for method, pattern in getattr(handler, "places", [])
        ]
        self.setup()

    # what a vendor says

    @abstractmethod
    def setup(self) -> None:
        """Make `self.auth` and `self.tables`."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What c360.toml would hold, secrets in clear; `self.url` is where this server listens."""

    def error(self, status: int, reason: str) -> Any:
        """The body of an error in the vendor's words: JSON value, text or bytes."""
        return {"message": reason}

    def add(self, stream: str) -> str:
        """A new record like the first one, made now; its id under which it should land."""
        return self.tables[stream].like(self.new_id(stream))

    def new_id(self, stream: str) -> Any:
        """An id that no record of the stream has or had."""
        table = self.tables[stream]
        return max(int(row_id) for row_id in (*table.rows, *table.gone)) + 1000

    def remove(self, stream: str, row_id: str) -> None:
        """Delete a record the vendor's way."""
        self.tables[stream].remove(row_id)

    def restore(self, stream: str, row_id: str) -> None:
        """Take a deletion back the vendor's way."""
        self.tables[stream].restore(row_id)

    def merge(self, stream: str, loser: str, survivor: str) -> None:
        """Merge two records the vendor's way; only where the connector knows merges."""
        raise LookupError(f"{self.connector} merges nothing in {stream}")

    def expected(self, stream: str) -> dict[str, Record]:
        """The living records of a stream by the id under which they should land."""
        return self.children[stream]() if stream in self.children else self.tables[stream].rows

    # how it is served

    def refuse(self, status: int, reason: str, **headers: str) -> Reply:
        """An error as the vendor sends it."""
        return Reply(status, self.error(status, reason), {key.replace("_", "-"): text for key, text in headers.items()})

    def handle(self, call: Call) -> Reply:
        """The answer to one call."""
        self.calls.append(call)
        self.between(call)
        broken = self._broken(call)
        if broken is not None:
            return broken
        reply = self.auth.sign_in(call, self)
        if reply is not None:
            return reply
        if not self.auth.knows(call):
            return self.refuse(401, "invalid credentials")
        if self.budget and (wait := self.budget.take(self.clock.now)):
            return self.refuse(429, "rate limit exceeded", Retry_After=str(wait))
        for method, pattern, handler in self._routes:
            found = pattern.fullmatch(call.path)
            if found and method == call.method:
                call.at = found.groupdict()
                answer = handler(self, call)
                return answer if isinstance(answer, Reply) else Reply(200, answer)
        return self.refuse(404, f"no such address: {call.path}")

    def _broken(self, call: Call) -> Reply | None:
        for fault in self.faults:
            if fault.times <= 0 or fault.path not in call.path:
                continue
            if fault.after > 0:
                fault.after -= 1
                continue
            fault.times -= 1
            return self._fault(fault)
        return None

    def _fault(self, fault: Fault) -> Reply | None:
        if fault.kind == "expire":
            self.auth.expire()
            return None
        if fault.kind == "page":
            return Reply(200, LOGIN_PAGE, {"content-type": "text/html"})
        if fault.kind == "garbage":
            return Reply(200, b'{"results": [{"id": "00', {"content-type": "application/json"})
        if fault.kind in {"truncate", "reset"}:
            return Reply(200, b'{"results": []}', cut=fault.kind)
        headers = {} if fault.retry_after is None else {"Retry_After": str(fault.retry_after)}
        return self.refuse(fault.status, "injected fault", **headers)


@dataclass
class _Server:
    simulator: Simulator
    lock: threading.Lock = field(default_factory=threading.Lock)

    def reply(self, method: str, target: str, headers: dict[str, str], raw: bytes) -> Reply:
        parts = urlsplit(target)
        query = {key: values[-1] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        kind, body = headers.get("content-type", ""), None
        if raw and "json" in kind:
            body = orjson.loads(raw)
        elif raw:
            body = {key: values[-1] for key, values in parse_qs(raw.decode(), keep_blank_values=True).items()}
        with self.lock:
            return self.simulator.handle(Call(method, parts.path, query, body, headers))


@contextmanager
def serving(simulator: Simulator) -> Iterator[Simulator]:
    """Serve on a free loopback port for the block; `simulator.url` is the address."""
    inner = _Server(simulator)

    class _Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {key.lower(): value for key, value in self.headers.items()}
            reply = inner.reply(self.command, self.path, headers, raw)
            if reply.cut == "reset":
                self.close_connection = True
                return
            content = reply.content()
            head = {"content-type": "application/json", **{key.lower(): text for key, text in reply.headers.items()}}
            head["content-length"] = str(len(content) + (50 if reply.cut else 0))
            lines = [f"HTTP/1.1 {reply.status} -", *(f"{key}: {text}" for key, text in head.items())]
            self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1") + content)
            self.close_connection = self.close_connection or bool(reply.cut)

        do_GET = do_POST = _serve  # noqa: N815 - the names http.server looks for

        def log_message(self, *_: Any) -> None:
            pass

    class _Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A collector that stops in mid-answer cuts its connection."""

    server = _Quiet(("127.0.0.1", 0), _Handler)
    simulator.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield simulator
    finally:
        server.shutdown()
        server.server_close()
