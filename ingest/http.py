"""One HTTP client per source: kept connections, budgets, random growing waits, one renewal of the login per expiry."""

from __future__ import annotations

import random
import threading
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from ingest import settings as source_settings
from ingest.answers import Answer, Verdict, judge
from ingest.auth import Auth, chosen
from ingest.breaker import Breakers
from ingest.budget import Budgets
from ingest.database import Database
from ingest.errors import ContractError, LoginError, SourceBusy
from ingest.hooks import Call, Hooks
from ingest.slices import Slicer
from ingest.spec import SourceSpec, StreamSpec
from ingest.template import render
from ingest.wire import Wire
from ops import clock
from ops.instance import SourceConfig
from ops.secrets import Redactor

BASE_DELAY_S = 0.5
MAX_DELAY_S = 30.0
IDLE_S = 30.0
_PAGE_REMEDY = "the address may be that of the web page, a proxy or a login page: check base_url and the credentials"


class SourceClient:
    """Calls one source. Safe to share between threads; close it at the end."""

    def __init__(
        self,
        spec: SourceSpec,
        source: SourceConfig,
        settings: dict[str, Any],
        hooks: Hooks,
        *,
        secrets_dir: Path,
        redactor: Redactor,
        loopback_only: bool = False,
        breakers: Breakers | None = None,
    ) -> None:
        self.spec, self.source, self.settings, self.hooks = spec, source, settings, hooks
        self.requests = self.bytes = 0
        self.server_offset = timedelta(0)
        self._said = ""
        self.memo: dict[str, Any] = {}
        self._loopback_only = loopback_only
        self._secrets_dir, self._redactor = secrets_dir, redactor
        self._lock = threading.Lock()
        self._budgets = Budgets()
        self._breakers = breakers
        self._wire = Wire(spec.http.concurrency, IDLE_S)
        self._http = httpx.Client(timeout=spec.http.timeout_s, transport=self._wire, follow_redirects=False)
        self.call = Call(source.name, settings, spec, self, secrets_dir.parent)
        self.auth = Auth(
            chosen(spec.auth, settings),
            self._http,
            self.context,
            self.absolute,
            (lambda: hooks.login(self.call) if hooks.login else {}) if hooks.login else None,
            self._rotate,
            redactor.add,
        )

    @cached_property
    def database(self) -> Database:
        """The database of a source of kind "sql"."""
        return Database(self)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()
        if self.spec.connector.kind == "sql":
            self.database.close()

    def context(self) -> dict[str, Any]:
        """The placeholders that do not depend on a stream."""
        auth = self.auth.answer if hasattr(self, "auth") else {}
        return {"settings": self.settings, "auth": auth}

    def absolute(self, path: str) -> str:
        """`path` as a whole address: joined to base_url, taken from the host's root when it begins with /."""
        base = str(render(self.spec.http.base_url, self.context()))
        url = path if "://" in path else _join(base, path)
        self._check_host(url, base)
        return url

    def request(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        body: Any = None,
        headers: dict[str, str] | None = None,
        stream: StreamSpec | None = None,
        slicer: Slicer | None = None,
    ) -> Answer:
        """The good answer to one call; `path` as in `absolute`. With a slicer its records are cut, not read.

        Raises SourceBusy after all attempts, or at once for a host that is left alone (ingest/breaker.py), LoginError,
        ContractError or StreamRefused.
        """
        if self._breakers is None:
            self.auth.ensure()
            return self._attempts(method, path, params, body, headers, stream, slicer)
        with self._breakers.guard(self._host()) as is_probe:
            self.auth.ensure()
            return self._attempts(method, path, params, body, headers, stream, slicer, 1 if is_probe else 0)

    def bare(self, method: str, path: str, *, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """The JSON value of one call made without a login: for hooks that log in. Errors as in `request`."""
        return self._attempts(method, path, None, body, headers, None).payload

    def file(self, url: str, slicer: Slicer) -> Answer:
        """A file that the source has put on another host: asked for without a login and followed nowhere.

        The caller has checked the host. Errors as in `request`.
        """
        host = urlsplit(url).hostname or ""
        if self._loopback_only and not _is_loopback(host):
            raise ContractError(f"source {self.source.name}: a demo instance does not speak to {host}")
        verdict: Verdict | None = None
        for attempt in range(self.spec.http.attempts):
            if verdict is not None:
                self._pause(verdict, attempt, self.source.name)
            try:
                response = httpx.get(url, timeout=self.spec.http.timeout_s)
            except httpx.TransportError as error:
                verdict = Verdict("retry", f"{host}: {type(error).__name__} {error}")
                continue
            self.count(len(response.content))
            outcome = judge(response, self.spec.http, self.source.name, slicer)
            if isinstance(outcome, Answer):
                return outcome
            verdict = outcome
        raise SourceBusy(f"{verdict.why if verdict else host} (after {self.spec.http.attempts} attempts)")

    def _attempts(
        self,
        method: str,
        path: str,
        params: dict[str, Any] | None,
        body: Any,
        headers: dict[str, str] | None,
        stream: StreamSpec | None,
        slicer: Slicer | None = None,
        attempts: int = 0,
    ) -> Answer:
        where = f"{self.source.name}/{stream.name}" if stream else self.source.name
        renewed = 0
        verdict: Verdict | None = None
        for attempt in range(attempts or self.spec.http.attempts):
            if verdict is not None and verdict.action == "retry":
                self._pause(verdict, attempt, where)
            generation = self.auth.generation
            outcome = self._once(method, path, params, body, headers, stream, where, slicer)
            if isinstance(outcome, Answer):
                return outcome
            verdict = outcome
            if verdict.action == "renew":
                renewed += 1
                self._renew(verdict, generation, renewed)
        why = verdict.why if verdict else where
        said = f"{why} (after {attempts or self.spec.http.attempts} attempts)"
        raise SourceBusy(said, remedy="the next run goes on here", is_down=verdict is not None and verdict.is_down)

    def _renew(self, verdict: Verdict, generation: int, renewed: int) -> None:
        page = "web page" in verdict.why
        if renewed > 1 or not self.auth.renewable or self.auth.generation == 0:
            raise (ContractError if page else LoginError)(
                verdict.why,
                remedy=_PAGE_REMEDY if page else verdict.remedy or "check the credentials of this source",
            )
        self.auth.renew(generation, verdict.why)

    def _pause(self, verdict: Verdict, attempt: int, where: str) -> None:
        wait = verdict.delay
        if wait is None:
            wait = random.uniform(0.5, 1.0) * min(MAX_DELAY_S, BASE_DELAY_S * 2 ** (attempt - 1))  # noqa: S311 - spreads retries, guards nothing
        if wait > self.spec.http.max_wait_s:
            raise SourceBusy(
                f"{verdict.why}; the source asks to wait {wait:.0f} s",
                remedy=verdict.remedy or "the next run goes on here",
                retry_after=wait,
                is_down=verdict.is_down,
            )
        clock.sleep(wait)

    def _once(
        self,
        method: str,
        path: str,
        params: dict[str, Any] | None,
        body: Any,
        headers: dict[str, str] | None,
        stream: StreamSpec | None,
        where: str,
        slicer: Slicer | None = None,
    ) -> Answer | Verdict:
        self._take_budget(stream)
        context = self.context()
        query = {**render(self.spec.http.params, context), **(params or {})}
        if self.spec.http.body and isinstance(body, dict):
            body = {**render(self.spec.http.body, context), **body}
        request = self._http.build_request(
            method,
            _with(self.absolute(path), _plain(query)),
            json=body,
            headers={**render(self.spec.http.headers, context), **(headers or {}), **self.auth.headers},
        )
        if self.hooks.sign and self.auth.spec.type == "hook":
            request.headers.update(self.hooks.sign(self.call, request))
        try:
            response = self._sent(request)
        except httpx.TransportError as error:
            self.count(0)
            return Verdict("retry", f"{where}: {request.url.host} {type(error).__name__} {error}", is_down=True)
        self.count(len(response.content))
        self._notice_clock(response)
        return judge(response, self.spec.http, where, slicer)

    def _sent(self, request: httpx.Request) -> httpx.Response:
        """What `httpx.Client.send` returns, without its work for redirects and streams, which are not used."""
        if request.url.userinfo or any(self._http.event_hooks.values()):
            return self._http.send(request)  # httpx makes a login of it, or a connector looks at answers
        response = self._wire.handle_request(request)
        response.request = request
        if "set-cookie" in response.headers:
            self._http.cookies.extract_cookies(response)
        try:
            response.read()
        except BaseException:
            response.close()
            raise
        return response

    def _host(self) -> str:
        """The host and port that is asked; before the first login maybe only that of the login is known."""
        base = urlsplit(str(render(self.spec.http.base_url, self.context()))).netloc
        return base or urlsplit(self.auth_url()).netloc or self.source.name

    def _take_budget(self, stream: StreamSpec | None) -> None:
        context = self.context()
        self._budgets.of("", str(render(self.spec.http.rate, context))).take()
        if stream and stream.rate:
            self._budgets.of(stream.bucket or stream.name, str(render(stream.rate, context))).take()

    def count(self, size: int) -> None:
        """Count one call and the bytes it brought."""
        with self._lock:
            self.requests += 1
            self.bytes += size

    def _notice_clock(self, response: httpx.Response) -> None:
        said = response.headers.get("date")
        if said is None or said == self._said:
            return
        self._said = said
        try:
            sent = parsedate_to_datetime(said)
        except ValueError:
            return
        offset = sent.astimezone(UTC) - clock.wall()
        self.server_offset = offset if abs(offset) > timedelta(seconds=5) else timedelta(0)

    def _rotate(self, name: str, value: str) -> None:
        source_settings.rotate(self.source, name, value, self._secrets_dir)
        self.settings[name] = value

    def _check_host(self, url: str, base: str) -> None:
        host = urlsplit(url).hostname or ""
        self.check_loopback(host or url)
        allowed = {urlsplit(base).hostname, urlsplit(str(self.auth_url())).hostname} if base else {host}
        if host not in allowed:
            raise ContractError(
                f"source {self.source.name}: the address {host!r} is not the source's own host",
                valid=", ".join(sorted(name for name in allowed if name)),
                remedy="credentials are never sent elsewhere; correct base_url if the host has moved",
            )

    def hide(self, text: str) -> None:
        """Keep a form of a secret out of every message."""
        self._redactor.add(text)

    def check_loopback(self, host: str) -> None:
        """A demo instance speaks to this machine only: ContractError otherwise."""
        if self._loopback_only and not _is_loopback(host):
            raise ContractError(
                f"source {self.source.name}: a demo instance does not speak to {host!r}",
                remedy="set mode = live in c360.toml to collect from real systems",
            )

    def auth_url(self) -> str:
        """Where tokens come from; the only other host that may be spoken to."""
        spec = chosen(self.spec.auth, self.settings)
        return str(render(spec.token_url, self.context())) if spec.token_url else ""


def _join(base: str, path: str) -> str:
    if path.startswith("/"):
        return urljoin(base, path)
    return f"{base.rstrip('/')}/{path}" if path else base


def _with(url: str, query: dict[str, Any]) -> httpx.URL:
    """`url` with `query` added to its own; parsed once where it has none."""
    return httpx.URL(url).copy_merge_params(query) if "?" in url or not query else httpx.URL(url, params=query)


def _plain(params: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in params.items() if value is not None}


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
