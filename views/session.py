"""Who is asking: the seam between a signed-in browser and the `Viewer` that every serve function takes.

The browser holds one signed, HTTP-only cookie with the user id and nothing else. A demo instance fills it from the
persona page; an identity provider will fill it from its own answer. Nothing in a URL can change who is signed in.
"""

from __future__ import annotations

import os
import secrets as randomness
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from model import serve
from ops import secrets
from ops.instance import Instance

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

COOKIE = "c360_session"
LIFETIME_S = 12 * 3600
PAGES = ("customer", "receivables", "finance", "renewals", "overview", "trust", "sources")
PARAMETERS = (
    "lang", "customer", "q", "kind", "as_of", "record", "source", "currency", "item", "rule", "owner", "state",
    "bucket", "ccy", "min", "text", "view", "basis", "by", "net", "show", "pair", "why", "class", "field", "order",
    "notice",
)  # fmt: skip
_SECRET = "web-session"  # noqa: S105 - the name of the file, not a secret
LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}


def home() -> Path:
    """The instance folder this process shows (environment C360_HOME, else ./instance)."""
    return Path(os.environ.get("C360_HOME", "instance"))


def signer(instance: Instance) -> URLSafeTimedSerializer:
    """The signer of session cookies; its key is made once per instance and kept in its secrets folder."""
    if not (instance.secrets / _SECRET).is_file():
        secrets.write(_SECRET, randomness.token_urlsafe(48), instance.secrets)
    return URLSafeTimedSerializer(
        secrets.resolve(f"file:{_SECRET}", instance.secrets), salt=f"c360-session-{instance.config.mode}"
    )


def user_of(instance: Instance, cookie: str | None) -> str | None:
    """The user id a cookie vouches for; None when there is none, it was altered or it is too old."""
    if not cookie:
        return None
    try:
        return str(signer(instance).loads(cookie, max_age=LIFETIME_S))
    except BadSignature:
        return None


async def sign_in(request: Request) -> Response:
    """POST /session with `user`: demo personas only; anything else is refused."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return PlainTextResponse("Sign-in must start on this site's own page.", status_code=403)
    instance = Instance.load(home())
    form = await request.form()
    user = str(form.get("user", ""))
    # The command line's own users (operator) are no personas: a browser cannot become one of them.
    if instance.config.mode != "demo" or user not in {one["user"] for one in serve.personas(instance)}:
        return PlainTextResponse("Choose one of the demo's persons on the sign-in page.", status_code=403)
    viewer = serve.sign_in(instance, user)
    response = RedirectResponse(destination(str(form.get("page", "")), str(form.get("query", ""))), status_code=303)
    response.set_cookie(
        COOKIE,
        str(signer(instance).dumps(viewer.user)),
        max_age=LIFETIME_S,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return response


def destination(page: str, query: str) -> str:
    """An address of this site: one of its pages with the parameters it knows, whatever the form said."""
    path = page if page in PAGES else ""
    known = [(key, value) for key, value in parse_qsl(query) if key in PARAMETERS]
    return f"/{path}" + (f"?{urlencode(known)}" if known else "")


async def sign_out(_request: Request) -> Response:
    """GET /session/out: forget the cookie and show the sign-in page."""
    response = RedirectResponse("/", status_code=303)
    response.delete_cookie(COOKIE)
    return response


class DemoGuard:
    """Refuses, on a demo instance, whatever is not plain loopback: other hosts and forwarded requests.

    Personas need no password, so a demo must never be reachable through a proxy or from another machine.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on or answer 403."""
        if scope["type"] in {"http", "websocket"} and refused(scope):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            answer = PlainTextResponse(
                "This is a demo instance: it answers only on this machine, directly.", status_code=403
            )
            await answer(scope, receive, send)
            return
        await self.app(scope, receive, send)


def refused(scope: Mapping[str, Any]) -> bool:
    """Whether a demo instance must not answer this request: a foreign host name, or one that was forwarded."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    forwarded = any(name == "forwarded" or name.startswith("x-forwarded-") for name in headers)
    host = headers.get("host", "")
    name = host.split("]")[0] + "]" if host.startswith("[") else host.rsplit(":", 1)[0]
    return (forwarded or name not in LOOPBACK) and Instance.load(home()).config.mode == "demo"
