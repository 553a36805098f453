"""Proving who we are. Every strategy logs in once, puts headers on calls, and may be asked to renew."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from ingest.answers import holds, text_in
from ingest.documents import find, loads, text_of
from ingest.errors import LoginError, SourceBusy, SpecError
from ingest.spec import AuthSpec
from ingest.template import render
from ops import clock

Send = Callable[[httpx.Request], httpx.Response]


@dataclass
class Auth:
    """The state of a login: headers for every call and the last login's answer ({auth.…}).

    `login` is hooks.login bound to its call, `rotate` keeps a new refresh token (setting name, value).
    """

    spec: AuthSpec
    client: httpx.Client
    context: Callable[[], dict[str, Any]]
    absolute: Callable[[str], str]
    login: Callable[[], dict[str, str]] | None
    rotate: Callable[[str, str], None]
    learn: Callable[[str], None]
    headers: dict[str, str] = field(default_factory=dict)
    answer: dict[str, Any] = field(default_factory=dict)
    generation: int = 0
    _logged_in_at: float | None = None
    _refused: str = ""
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def renewable(self) -> bool:
        """Whether logging in again can help."""
        return self.spec.type in {"refresh", "client", "session"} or self.login is not None

    def ensure(self) -> None:
        """Log in if that has not happened yet."""
        with self._lock:
            if self.generation == 0:
                self._log_in()

    def renew(self, seen: int, why: str) -> None:
        """Log in again unless another thread has done so since generation `seen`."""
        with self._lock:
            if self.generation != seen:
                return
            if not self.renewable:
                raise LoginError(why, remedy="check the credentials of this source")
            self._respect_cooldown(why)
            self._log_in()

    def _respect_cooldown(self, why: str) -> None:
        since = clock.monotonic() - (self._logged_in_at or 0.0)
        if self.generation > 1 and since < self.spec.cooldown_s:
            raise SourceBusy(
                f"{why}; the last login is only {since:.0f} s old",
                remedy="check whether another program uses the same user",
                retry_after=self.spec.cooldown_s - since,
            )

    def _log_in(self) -> None:
        if self._refused:
            raise LoginError(self._refused, remedy="correct the credentials of this source, then run again")
        try:
            self._by_type()
        except LoginError as error:
            self._refused = error.what
            raise
        self.generation += 1
        self._logged_in_at = clock.monotonic()

    def _by_type(self) -> None:
        kind, context = self.spec.type, self.context()
        if kind == "header":
            self.headers = {str(render(self.spec.name, context)): str(render(self.spec.value, context))}
        elif kind == "basic":
            pair = f"{render(self.spec.username, context)}:{render(self.spec.password, context)}"
            self.headers = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        elif kind in {"refresh", "client"}:
            self._token(context)
        elif kind == "session":
            self._session(context)
        elif kind == "hook" and self.login:
            self.headers = self.login()

    def _token(self, context: dict[str, Any]) -> None:
        spec = self.spec
        form = {
            "client_id": render(spec.client_id, context),
            "client_secret": render(spec.client_secret, context),
            **render(spec.form, context),
        }
        if spec.type == "refresh":
            form |= {
                "grant_type": "refresh_token",
                "refresh_token": context["settings"].get(spec.refresh_setting),
            }
        else:
            form["grant_type"] = "client_credentials"
        url = self.absolute(str(render(spec.token_url, context)))
        self.answer = self._ask(self.client.build_request("POST", url, data=form), "token")
        token = find(self.answer, spec.token_path)
        if not token:
            raise LoginError(f"the token answer has no {spec.token_path}: {_reason(self.answer)}")
        self.learn(str(token))
        self.headers = {spec.name: spec.prefix + str(token)}
        fresh = self.answer.get("refresh_token")
        if spec.type == "refresh" and fresh and fresh != form["refresh_token"]:
            self.learn(str(fresh))
            self.rotate(spec.refresh_setting, str(fresh))

    def _session(self, context: dict[str, Any]) -> None:
        self.client.cookies.clear()
        url = self.absolute(str(render(self.spec.path, context)))
        self.answer = self._ask(self.client.build_request("POST", url, json=render(self.spec.body, context)), "login")
        if self.spec.success and not holds(self.spec.success, self.answer):
            raise LoginError(
                f"the login was refused: {_reason(self.answer)}",
                remedy="correct the credentials before the next run: repeated failures lock the user",
            )
        self.headers = {name: text_of(find(self.answer, path)) for name, path in self.spec.headers.items()}

    def _ask(self, request: httpx.Request, what: str) -> dict[str, Any]:
        try:
            response = self.client.send(request)
        except httpx.TransportError as error:
            raise SourceBusy(f"{what} at {request.url.host}: {type(error).__name__} {error}", is_down=True) from error
        if response.status_code >= 500 or response.status_code == 429:
            is_down = response.status_code >= 500
            raise SourceBusy(f"{what} at {request.url.host}: {response.status_code}", is_down=is_down)
        try:
            payload = loads(text_in(response))
        except ValueError as error:
            raise LoginError(
                f"{what} at {request.url.host}: {response.status_code}, the answer is not JSON",
                remedy="check the address of the source",
            ) from error
        if response.status_code >= 400:
            raise LoginError(
                f"{what} at {request.url.host}: {response.status_code}, {_reason(payload)}",
                remedy="check the credentials of this source",
            )
        return payload if isinstance(payload, dict) else {}


def _reason(payload: Any) -> str:
    for path in ("error_description", "error", "Message", "message", "msg"):
        value = find(payload, path)
        if value:
            return text_of(value)
    return "no reason given"


def chosen(spec: AuthSpec, settings: dict[str, Any]) -> AuthSpec:
    """The strategy in force: `spec` itself, or the option its `choose` names. SpecError lists the options."""
    if not spec.choose:
        return spec
    name = str(render(spec.choose, {"settings": settings}))
    if name not in spec.options:
        raise SpecError(f"there is no way to log in called {name!r}", valid=", ".join(sorted(spec.options)))
    return spec.options[name]
