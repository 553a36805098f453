"""Calls and answers, ways to sign in, and budgets of calls, as tables a vendor fills in."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from data.sim.engine import Simulator


@dataclass
class Call:
    """One request; `at` holds the steps of the path that the route names, `body` JSON or the fields of a form."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]
    at: dict[str, str] = field(default_factory=dict)

    def number(self, name: str, default: int) -> int:
        """A query parameter as a whole number; the default when it is missing or no number."""
        text = self.query.get(name, "")
        return int(text) if text.isdigit() else default


@dataclass
class Reply:
    """One answer; a body that is neither text nor bytes is sent as JSON. `cut`: truncate | reset."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: str = ""

    def content(self) -> bytes:
        """The body's bytes; none where there is no body."""
        if self.body is None:
            return b""
        if isinstance(self.body, bytes):
            return self.body
        return self.body.encode() if isinstance(self.body, str) else orjson.dumps(self.body)


class Auth:
    """No sign-in at all; the base of the others."""

    secret = ""

    def knows(self, call: Call) -> bool:
        """Whether the call proves who it is from."""
        return True

    def sign_in(self, call: Call, vendor: Simulator) -> Reply | None:
        """The answer when this call is a sign-in."""
        return None

    def expire(self) -> None:
        """End every session; nothing for keys that never end."""


class Key(Auth):
    """A key in a header: `value` is the whole header, prefix included."""

    def __init__(self, value: str, header: str = "authorization") -> None:
        self.value, self.header = value, header

    def knows(self, call: Call) -> bool:
        """Whether the header is the key."""
        return call.headers.get(self.header) == self.value


class Basic(Auth):
    """HTTP Basic, with whatever the vendor expects as user and password."""

    def __init__(self, user: str, password: str) -> None:
        self.value = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def knows(self, call: Call) -> bool:
        """Whether the header is this pair."""
        return call.headers.get("authorization") == self.value


class OAuth(Auth):
    """Tokens from a token address; a refresh token that `rotates` works once."""

    def __init__(self, path: str, form: dict[str, str], *, rotates: bool = False, prefix: str = "Bearer ") -> None:
        self.path, self.form, self.rotates, self.prefix = path, dict(form), rotates, prefix
        self.more: dict[str, Any] = {"token_type": "Bearer", "expires_in": 1800}
        self.tokens: set[str] = set()
        self.issued = 0

    def knows(self, call: Call) -> bool:
        """Whether the token is one that was given out and has not ended."""
        given = call.headers.get("authorization", "")
        return given.startswith(self.prefix) and given[len(self.prefix) :] in self.tokens

    def sign_in(self, call: Call, vendor: Simulator) -> Reply | None:
        """A token for the right form; the vendor's error for any other."""
        if call.path != self.path:
            return None
        body = call.body or {}
        if any(body.get(key) != value for key, value in self.form.items()):
            return Reply(400, {"error": "invalid_grant", "error_description": "the credentials are not valid"})
        self.issued += 1
        token = f"demo-access-{self.issued:04}"
        self.tokens.add(token)
        answer = {"access_token": token, **self.more}
        if self.rotates:
            self.form["refresh_token"] = answer["refresh_token"] = f"demo-refresh-{self.issued:04}"
        return Reply(200, answer)

    def expire(self) -> None:
        """End every token."""
        self.tokens.clear()


class Budget:
    """At most `limit` calls in any `period_s` seconds of the vendor's clock."""

    def __init__(self, limit: int, period_s: int = 60) -> None:
        self.limit, self.period = limit, timedelta(seconds=period_s)
        self.taken: list[datetime] = []

    def take(self, now: datetime) -> int:
        """0 when the call is allowed, else the seconds to wait."""
        self.taken = [moment for moment in self.taken if moment > now - self.period]
        if len(self.taken) >= self.limit:
            return max(1, int((self.taken[0] + self.period - now).total_seconds()))
        self.taken.append(now)
        return 0
