"""Processes of a running instance: the web server and the scheduler daemon."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import typer

from ops import clock
from ops.errors import FatalError
from ops.instance import Instance

ROOT = Path(__file__).parent.parent
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def up(instance: Instance, *, port: int | None, schedule: bool) -> None:
    """Run the web app (and the daemon, if `schedule`) until one ends or a signal comes."""
    host = instance.config.web.host
    if instance.config.mode == "demo" and host not in LOOPBACK:
        raise FatalError(f"a demo instance does not listen on {host}", valid="127.0.0.1", remedy="remove web.host")
    chosen = port or instance.config.web.port
    environment = {**os.environ, "C360_HOME": str(instance.home)}
    web = [
        sys.executable,
        "-m",
        "uvicorn",
        "app:app",
        "--host",
        host,
        "--port",
        str(chosen),
        "--log-level",
        "warning",
    ]
    children = [subprocess.Popen(web, cwd=ROOT, env=environment)]
    if schedule:
        daemon = [sys.executable, "-m", "run.cli", "--home", str(instance.home), "schedule"]
        children.append(subprocess.Popen(daemon, cwd=ROOT, env=environment))
    typer.echo(f"Customer 360 is at http://{host}:{chosen} (Ctrl-C stops it).")
    _wait(children)


def _wait(children: list[subprocess.Popen[bytes]]) -> None:
    def stop(_number: int, _frame: object) -> None:
        for child in children:
            if child.poll() is None:
                child.terminate()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    while all(child.poll() is None for child in children):
        clock.sleep(0.3)
    stop(0, None)
    for child in children:
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
