"""Serve the demo company: four simulators over real HTTP in one background thread."""

from __future__ import annotations

import asyncio
import socket
import threading
from types import TracebackType
from typing import Any

import httpx
import uvicorn

from data.demo.company import Company
from data.demo.simulators import jira, kingdee, salesforce, zendesk
from data.demo.simulators.base import Door

NAMES = ("salesforce", "kingdee", "zendesk", "jira")


class Simulators:
    """Four servers on 127.0.0.1. Use as a context manager, or `start()` and `stop()`."""

    def __init__(
        self,
        company: Company,
        host: str,
        ports: dict[str, int] | None,
        *,
        zendesk_exports: int,
        withhold: int,
        tick: float,
    ) -> None:
        self.company, self.host, self.tick = company, host, tick
        self.salesforce = salesforce.Salesforce(company)
        self.kingdee = kingdee.Kingdee(company)
        self.zendesk = zendesk.Zendesk(company, zendesk_exports, withhold)
        self.jira = jira.Jira(company)
        apps = (self.salesforce.app(), self.kingdee.app(), self.zendesk.app(), self.jira.app())
        sessions = {"salesforce": self.salesforce.tokens, "kingdee": self.kingdee.sessions}
        self.doors = {name: Door(name, company, app, sessions.get(name)) for name, app in zip(NAMES, apps, strict=True)}
        self._sockets = {name: self._bind((ports or {}).get(name, 0)) for name in NAMES}
        roots = {name: f"http://{host}:{sock.getsockname()[1]}" for name, sock in self._sockets.items()}
        self.roots = roots
        self.urls = {**roots, "kingdee": roots["kingdee"] + "/k3cloud/"}
        self.credentials: dict[str, dict[str, str]] = {
            "salesforce": {
                **salesforce.CREDENTIALS,
                "login_url": roots["salesforce"],
                "instance_url": roots["salesforce"],
            },
            "kingdee": {**kingdee.CREDENTIALS, "base_url": self.urls["kingdee"]},
            "zendesk": {**zendesk.CREDENTIALS, "base_url": roots["zendesk"]},
            "jira": {**jira.CREDENTIALS, "base_url": roots["jira"]},
        }
        self._thread: threading.Thread | None = None
        self._servers: list[uvicorn.Server] = []
        self._stopping = threading.Event()

    def _bind(self, port: int) -> socket.socket:
        # asyncio turns Nagle's algorithm off only where the protocol is named; 40 ms a request otherwise
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((self.host, port))
        sock.listen(256)  # calls made before the servers run wait instead of being refused
        return sock

    def start(self) -> Simulators:
        """Serve from a daemon thread; returns when all four answer."""
        self._servers = [
            uvicorn.Server(
                uvicorn.Config(door, log_level="critical", access_log=False, lifespan="off", timeout_keep_alive=30)
            )
            for door in self.doors.values()
        ]
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="demo-simulators", daemon=True)
        self._thread.start()
        for root in self.roots.values():
            httpx.get(root + "/__stats", timeout=30, trust_env=False)
        return self

    async def _serve(self) -> None:
        pairs = zip(self._servers, self._sockets.values(), strict=True)
        jobs = [asyncio.create_task(server.serve(sockets=[sock])) for server, sock in pairs]
        if self.tick > 0:
            jobs.append(asyncio.create_task(self._ticker()))
        await asyncio.gather(*jobs)

    async def _ticker(self) -> None:
        while not self._stopping.is_set():
            for _ in range(max(1, int(self.tick * 10))):
                if self._stopping.is_set():
                    return
                await asyncio.sleep(min(0.1, self.tick))
            self.company.advance(3)

    def stop(self) -> None:
        """End the servers and their thread."""
        self._stopping.set()
        for server in self._servers:
            server.should_exit = True
        if self._thread is not None:
            self._thread.join(timeout=10)
        for sock in self._sockets.values():
            sock.close()

    def __enter__(self) -> Simulators:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def advance(self, changes: int = 20) -> dict[str, int]:
        """Change records in all four systems, stamped now; counts by kind."""
        root = self.roots["salesforce"]
        result: dict[str, int] = httpx.post(
            root + "/__advance", json={"changes": changes}, timeout=60, trust_env=False
        ).json()
        return result

    def fault(self, system: str, kind: str = "status", **options: Any) -> None:
        """Make the next requests of one system fail (README: kinds and options)."""
        response = httpx.post(
            self.roots[system] + "/__fault", json={"kind": kind, **options}, timeout=30, trust_env=False
        )
        response.raise_for_status()

    def stats(self, system: str) -> dict[str, Any]:
        """Requests served by one system."""
        result: dict[str, Any] = httpx.get(self.roots[system] + "/__stats", timeout=30, trust_env=False).json()
        return result


def serve(
    company: Company,
    *,
    host: str = "127.0.0.1",
    ports: dict[str, int] | None = None,
    zendesk_exports: int = 600,
    withhold_seconds: int = 1,
    tick: float = 0,
) -> Simulators:
    """The four simulators of `company`, not started yet; `with serve(company) as demo:` starts and stops them.

    `ports` maps system names to ports (missing = any free one); `tick` > 0 changes three records every `tick` seconds.
    """
    return Simulators(company, host, ports, zendesk_exports=zendesk_exports, withhold=withhold_seconds, tick=tick)
