"""The transport beneath httpx, over real sockets against a server that sends what it is told to, byte by byte."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from ingest.wire import Wire

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Answers each connection with the next list of replies, one per request, then closes it."""

    def __init__(self, scripts: list[list[bytes]]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.scripts, self.connections, self.requests = scripts, 0, list[bytes]()
        self.closed = threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        for replies in self.scripts:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                for reply in replies:
                    self.requests.append(_request(connection))
                    connection.sendall(reply)
            self.closed.set()


def _request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            break
        data += piece
    return data


@contextmanager
def speaking(*scripts: list[bytes], timeout: float = 20.0) -> Iterator[tuple[Server, httpx.Client]]:
    """A server with these scripts, one per connection, and a client on the wire."""
    server = Server(list(scripts))
    with httpx.Client(transport=Wire(2, 30.0), timeout=timeout) as client:
        yield server, client
    server.listener.close()
    server.thread.join(10)


def test_calls_share_a_connection_and_cookies_come_back() -> None:
    cookie = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n"
    with speaking([cookie, GOOD]) as (server, client):
        assert client.get(f"{server.url}/one?x=%E4%BD%A0").content == b""
        assert client.get(f"{server.url}/two").text == "ok"
        assert client.cookies["b"] == "2"
    assert server.connections == 1
    assert server.requests[0].startswith(b"GET /one?x=%E4%BD%A0 HTTP/1.1\r\n")
    assert server.requests[0].lower().count(b"host:") == 1
    assert b"a=1; b=2" in server.requests[1]


def test_a_kept_connection_that_the_server_closed_is_replaced_unseen() -> None:
    with speaking([GOOD], [GOOD]) as (server, client):
        assert client.get(server.url).text == "ok"
        assert server.closed.wait(10)
        assert client.get(server.url).text == "ok"
    assert server.connections == 2


def test_a_connection_that_the_answer_ends_is_not_kept() -> None:
    ending = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end"
    with speaking([ending], [GOOD]) as (server, client):
        assert client.get(server.url).text == "to the end"
        assert client.get(server.url).text == "ok"


def test_chunked_and_compressed_answers_are_whole() -> None:
    body = gzip.compress("样例".encode() * 1000)
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:]))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    with speaking([head + pieces + b"0\r\n\r\n", GOOD]) as (server, client):
        assert client.get(server.url).text == "样例" * 1000
        assert client.get(server.url).text == "ok"
    assert server.connections == 1


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut short", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\ncut", httpx.RemoteProtocolError),
        (b"no HTTP at all\r\n\r\n", httpx.RemoteProtocolError),
        (b"", httpx.RemoteProtocolError),
    ],
)
def test_a_broken_answer_is_a_transport_error_and_the_next_call_works(
    reply: bytes, kind: type[httpx.TransportError]
) -> None:
    with speaking([reply], [GOOD]) as (server, client):
        with pytest.raises(kind) as caught:
            client.get(server.url)
        assert caught.value.request.url == server.url
        assert client.get(server.url).text == "ok"


def test_silence_is_a_timeout() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        httpx.Client(transport=Wire(1, 30.0), timeout=0.2) as client,
        pytest.raises(httpx.ReadTimeout),
    ):
        client.get(f"http://127.0.0.1:{silent.getsockname()[1]}")


def test_nobody_there_is_a_connect_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with httpx.Client(transport=Wire(1, 30.0)) as client, pytest.raises(httpx.ConnectError):
        client.get(f"http://127.0.0.1:{port}")


def test_a_header_that_would_split_the_call_is_refused() -> None:
    with speaking([GOOD]) as (server, client), pytest.raises(httpx.LocalProtocolError):
        client.get(server.url, headers={"x-test": "a\r\nx-other: b"})


@pytest.mark.parametrize("url", ["ftp://source.example/x", "http:///x"])
def test_an_address_of_another_kind_is_refused(url: str) -> None:
    with httpx.Client(transport=Wire(1, 30.0)) as client, pytest.raises(httpx.UnsupportedProtocol):
        client.get(url)


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        """Say nothing."""


def test_many_threads_get_their_own_answers() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    with httpx.Client(transport=Wire(3, 30.0), timeout=60) as client, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: client.post(url, json={"n": number}).json()["n"], range(200)))
    server.shutdown()
    server.server_close()
    assert answers == list(range(200))


def test_the_proxy_that_the_environment_names_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Server([[GOOD]])
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with httpx.Client(transport=Wire(1, 30.0), timeout=20) as client:
        assert client.get("http://source.example/records").text == "ok"
        with speaking([GOOD]) as (server, _):
            assert client.get(f"{server.url}/direct").text == "ok"
    proxy.listener.close()
    assert proxy.requests[0].startswith(b"GET http://source.example/records HTTP/1.1")
