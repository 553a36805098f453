"""Starting servers and stopping exactly those."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict, Unpack

import httpx

from realsystems.environments import NotRun, User


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has, of those that the system gives to no connection by itself."""
    for port in random.SystemRandom().sample(range(15_000, 32_000), 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port among 200 tried")


def run(
    command: list[str],
    *,
    user: User | None = None,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    given: str | None = None,
) -> str:
    """The output of a command that must succeed; NotRun carries the end of what it said."""
    done = subprocess.run(  # type: ignore[call-overload]
        command,
        capture_output=True,
        text=True,
        check=False,
        input=given,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        **(user.popen() if user else {}),
    )
    if done.returncode != 0:
        raise NotRun(f"{' '.join(command)[:160]} failed: {(done.stderr or done.stdout).strip()[-600:]}")
    return str(done.stdout)


class How(TypedDict, total=False):
    """How a process runs: as whom, with what added to the environment, where, and how long it may take to be ready."""

    user: User | None
    env: dict[str, str] | None
    cwd: Path | None
    wait_s: float


@contextmanager
def server(command: list[str], url: str, log: Path, **how: Unpack[How]) -> Iterator[int]:
    """A running server (its pid) that answers at `url`; its whole process group is stopped at the end."""
    with started(command, lambda: _answers(url), log, **how) as pid:
        yield pid


@contextmanager
def started(command: list[str], is_ready: Callable[[], bool], log: Path, **how: Unpack[How]) -> Iterator[int]:
    """A running process (its pid) that `is_ready`; its whole process group is stopped at the end."""
    user = how.get("user")
    with log.open("wb") as out:
        process = subprocess.Popen(  # type: ignore[call-overload]
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=how.get("cwd"),
            env={**os.environ, **(how.get("env") or {})},
            start_new_session=True,
            **(user.popen() if user else {}),
        )
    try:
        _wait(process, is_ready, log, how.get("wait_s", 180))
        yield process.pid
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it started: politely, then for good after ten seconds."""
    for way in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        os.killpg(process.pid, way)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            continue


def _answers(url: str) -> bool:
    try:
        httpx.get(url, timeout=20)
    except httpx.TransportError:
        return False
    return True


def _wait(process: subprocess.Popen[bytes], is_ready: Callable[[], bool], log: Path, wait_s: float) -> None:
    end = time.monotonic() + wait_s
    while time.monotonic() < end and process.poll() is None:
        if is_ready():
            return
        time.sleep(0.2)  # a foreign process tells nobody that it is ready: it is asked until it answers
    name = Path(str(process.args[0] if isinstance(process.args, list) else process.args)).name
    raise NotRun(f"{name} was not ready within {wait_s:.0f} s: {log.read_text(errors='replace')[-600:]}")
