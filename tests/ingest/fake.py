"""A small source on a real socket, and an instance that collects from it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ops.instance import Instance, InstanceConfig, SourceConfig

Reply = tuple[int, dict[str, str], bytes]
Handler = Callable[["Seen"], Any]


@dataclass
class Seen:
    """One request as the server got it."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]
    number: int


@dataclass
class FakeSource:
    """`handle` answers a request with a JSON value or (status, headers, body)."""

    handle: Handler
    seen: list[Seen] = field(default_factory=list)
    url: str = ""


def reply(status: int, body: Any = "", **headers: str) -> Reply:
    """A raw answer; header names with _ for -."""
    content = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    return status, {key.replace("_", "-"): value for key, value in headers.items()}, content


@contextmanager
def serving(handle: Handler) -> Iterator[FakeSource]:
    """Serve on a free loopback port for the block."""
    fake = FakeSource(handle)
    lock = threading.Lock()

    class _Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("content-length") or 0)
            raw = self.rfile.read(length) if length else b""
            query = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
            with lock:
                body: Any = raw.decode()
                if "json" in (self.headers.get("content-type") or "") and raw:
                    body = json.loads(raw)
                headers = {key.lower(): value for key, value in self.headers.items()}
                seen = Seen(self.command, parts.path, query, body, headers, len(fake.seen))
                fake.seen.append(seen)
                answer = fake.handle(seen)
            if not (isinstance(answer, tuple) and len(answer) == 3):
                answer = (200, {"content-type": "application/json"}, json.dumps(answer).encode())
            status, headers, content = answer
            # the library would add the machine's own time to a Date that the test gives
            (self.send_response_only if "Date" in headers else self.send_response)(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _serve  # noqa: N815 - the names http.server looks for

        def log_message(self, *_: Any) -> None:
            pass

    class _Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """A killed client cuts its connection; that is what the test is about."""

    server = _Server(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()


BASE = """
[connector]
name = "{name}"
label = "Fake"
role = "crm"

[settings.base_url]
required = true
help = "address"

[settings.token]
secret = true
help = "token"

[http]
base_url = "{{settings.base_url}}"
attempts = 3
error_path = ["message"]
"""


def make_instance(
    home: Path, url: str, streams: str, *, name: str = "fake", head: str = "", hooks: str = ""
) -> Instance:
    """An instance with one source `src` whose connector (in config/sources) has `streams`."""
    (home / "config" / "sources").mkdir(parents=True, exist_ok=True)
    add_connector(home, name, streams, head=head, hooks=hooks)
    config = InstanceConfig(source=[SourceConfig(name="src", connector=name, role="crm", settings={"base_url": url})])
    return Instance.create(home, config)


def add_connector(home: Path, name: str, streams: str, *, head: str = "", hooks: str = "") -> None:
    """Write a connector of the company's own."""
    folder = home / "config" / "sources" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "source.toml").write_text((head or BASE.format(name=name)) + streams, encoding="utf-8")
    if hooks:
        (folder / "hooks.py").write_text(hooks, encoding="utf-8")


def documents(instance: Instance, stream: str, source: str = "src") -> dict[str, dict[str, Any]]:
    """The newest living document of every record, after checking that no run repeats what was known."""
    from ingest import landing

    newest: dict[str, tuple[str, bool]] = {}
    for frame in landing.read(instance.landing, source, stream):
        for row_id, text, mark, gone in frame.select("id", "document", "hash", "deleted").iter_rows():
            assert newest.get(row_id, ("", None))[:2] != (mark, gone), f"{row_id} landed twice unchanged"
            newest[row_id] = (mark, gone)
            _TEXTS[(mark)] = text
    return {key: json.loads(_TEXTS[mark]) for key, (mark, gone) in newest.items() if not gone}


_TEXTS: dict[str, str] = {}
