"""POST /hooks/SOURCE: where vendors send their webhooks. Answers say nothing that a stranger could use."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from ingest.hook_intake import Intake
from ingest.webhooks import MAX_BODY, Incoming
from ops.errors import C360Error
from ops.instance import Instance
from views import session

if TYPE_CHECKING:
    from starlette.requests import Request

WORDS = {200: "ok", 400: "bad request", 401: "unauthorized", 404: "not found", 413: "too large", 429: "too many",
         503: "unavailable"}  # fmt: skip
_lock = threading.Lock()
_intakes: dict[tuple[str, int], Intake] = {}


async def hook(request: Request) -> Response:
    """Check the hook and keep what it asks for: 200, or 400, 401, 404, 413, 429, 503 without a reason."""
    body = await _body(request)
    if body is None:
        return _answer(413)
    headers = {key.lower(): value for key, value in request.headers.items()}
    incoming = Incoming(body, headers, dict(request.query_params), request.method, str(request.url))
    try:
        reception = await run_in_threadpool(lambda: intake().receive(request.path_params["source"], incoming))
    except C360Error:
        return _answer(503)
    return _answer(reception.status, reception.headers, reception.body)


async def _body(request: Request) -> bytes | None:
    """The body, None as soon as it is longer than MAX_BODY, whatever its header says."""
    said = request.headers.get("content-length", "0")
    if said.isdigit() and int(said) > MAX_BODY:
        return None
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            return None
    return bytes(body)


def intake() -> Intake:
    """The door of the instance that is served; made anew when its configuration changes."""
    home = session.home()
    path = home / "c360.toml"
    key = (str(home), path.stat().st_mtime_ns if path.is_file() else 0)
    with _lock:
        if key not in _intakes:
            _intakes.clear()
            _intakes[key] = Intake(Instance.load(home))
        return _intakes[key]


def _answer(status: int, headers: dict[str, str] | None = None, body: dict[str, str] | None = None) -> Response:
    return JSONResponse(body or {"status": WORDS[status]}, status_code=status, headers=headers)
