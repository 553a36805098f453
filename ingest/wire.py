"""The transport beneath httpx: the standard library's HTTP/1.1 client, which reads an answer in one piece.

httpx stays the client: addresses, cookies, decoding and the kinds of its errors are as before, and where the
environment names a proxy for a host, httpx's own transport speaks to it. That transport takes a third of the processor
time of a call.
"""

from __future__ import annotations

import http.client
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from ssl import SSLContext
from urllib.request import getproxies, proxy_bypass

import httpx

from ops import clock

Origin = tuple[str, str, int]
_PORTS = {"http": 80, "https": 443}


class Wire(httpx.BaseTransport):
    """At most `connections` calls at once, connections kept for `idle_s`; safe to share between threads.

    Raises httpx.TransportError, as httpx's own transport does.
    """

    def __init__(self, connections: int, idle_s: float) -> None:
        self._free = threading.BoundedSemaphore(connections)
        self._limits = httpx.Limits(max_connections=connections, keepalive_expiry=idle_s)
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._idle: dict[Origin, list[tuple[http.client.HTTPConnection, float]]] = {}
        self._proxies: dict[Origin, httpx.HTTPTransport | None] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request`, read the whole answer."""
        url = request.url
        if url.scheme not in _PORTS or not url.raw_host:
            raise httpx.UnsupportedProtocol(f"no http or https address: {url}", request=request)
        origin = (url.scheme, url.raw_host.decode("ascii"), url.port or _PORTS[url.scheme])
        proxy = self._proxy(origin)
        if proxy:
            return proxy.handle_request(request)
        timeouts = request.extensions.get("timeout", {})
        with self._free, _told(request):
            connection = self._taken(origin, timeouts)
            try:
                answer, body = _exchange(connection, request)
            except BaseException:
                connection.close()
                raise
            if answer.will_close:
                connection.close()
            else:
                self._keep(origin, connection)
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()]
        extensions = {"reason_phrase": answer.reason.encode("latin-1"), "http_version": b"HTTP/1.1"}
        return httpx.Response(answer.status, headers=headers, stream=httpx.ByteStream(body), extensions=extensions)

    def close(self) -> None:
        """Close what is kept open."""
        with self._lock:
            kept = [connection for some in self._idle.values() for connection, _ in some]
            proxies = [proxy for proxy in self._proxies.values() if proxy]
            self._idle.clear()
            self._proxies.clear()
        for connection in kept:
            connection.close()
        for proxy in proxies:
            proxy.close()

    def _proxy(self, origin: Origin) -> httpx.HTTPTransport | None:
        """The way to `origin` through the proxy that the environment names for it, if any."""
        with self._lock:
            if origin not in self._proxies:
                named = getproxies()
                url = named.get(origin[0]) or named.get("all")
                is_direct = not url or proxy_bypass(origin[1])
                self._proxies[origin] = None if is_direct else httpx.HTTPTransport(proxy=url, limits=self._limits)
            return self._proxies[origin]

    def _taken(self, origin: Origin, timeouts: dict[str, float | None]) -> http.client.HTTPConnection:
        """A kept connection that is still open, else a new one."""
        while True:
            with self._lock:
                kept = self._idle.get(origin)
                if not kept:
                    break
                connection, since = kept.pop()
            if clock.monotonic() - since < self._idle_s and not _has_ended(connection):
                connection.sock.settimeout(timeouts.get("read"))
                return connection
            connection.close()
        return _opened(origin, timeouts)

    def _keep(self, origin: Origin, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            self._idle.setdefault(origin, []).append((connection, clock.monotonic()))


def _opened(origin: Origin, timeouts: dict[str, float | None]) -> http.client.HTTPConnection:
    scheme, host, port = origin
    made = (
        http.client.HTTPSConnection(host, port, timeout=timeouts.get("connect"), context=_secure())
        if scheme == "https"
        else http.client.HTTPConnection(host, port, timeout=timeouts.get("connect"))
    )
    try:
        made.connect()
    except TimeoutError as error:
        raise httpx.ConnectTimeout(str(error)) from error
    except OSError as error:
        raise httpx.ConnectError(str(error)) from error
    made.sock.settimeout(timeouts.get("read"))
    return made


@cache
def _secure() -> SSLContext:
    """The certificates httpx trusts, read once."""
    made = httpx.create_ssl_context()
    made.set_alpn_protocols(["http/1.1"])
    return made


def _has_ended(connection: http.client.HTTPConnection) -> bool:
    """Whether the source has closed a connection on which nothing is expected."""
    if connection.sock is None:
        return True
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))


def _exchange(connection: http.client.HTTPConnection, request: httpx.Request) -> tuple[http.client.HTTPResponse, bytes]:
    connection.sock.sendall(_head(request) + request.read())
    answer = http.client.HTTPResponse(connection.sock, method=request.method)
    answer.begin()
    return answer, answer.read()


def _head(request: httpx.Request) -> bytes:
    """The request line and headers, in one piece; ValueError where a part of them would pass for another."""
    target = request.url.raw_path
    lines = [b"%s %s HTTP/1.1" % (request.method.encode("ascii"), target)]
    lines += [b"%s: %s" % header for header in request.headers.raw]
    head = b"\r\n".join(lines)
    breaks = len(lines) - 1
    if b" " in target or b"\0" in head or head.count(b"\r") != breaks or head.count(b"\n") != breaks:
        raise ValueError("a header or the address holds a line break")
    return head + b"\r\n\r\n"


@contextmanager
def _told(request: httpx.Request) -> Iterator[None]:
    """The standard library's errors as httpx's."""
    try:
        yield
    except httpx.TransportError as error:
        error.request = request
        raise
    except TimeoutError as error:
        raise httpx.ReadTimeout("the source does not answer in time", request=request) from error
    except (http.client.InvalidURL, ValueError) as error:
        raise httpx.LocalProtocolError(str(error), request=request) from error
    except http.client.HTTPException as error:
        raise httpx.RemoteProtocolError(f"{type(error).__name__} {error}", request=request) from error
    except OSError as error:
        raise httpx.ReadError(str(error), request=request) from error
