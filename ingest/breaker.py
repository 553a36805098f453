"""A circuit breaker per host: one that fails again and again is left alone for a while, then asked once.

Kept in the operational store, so that every stream, source and process knows it, and the sources page shows it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from ingest.errors import SourceBusy
from ops import clock
from ops.errors import C360Error
from ops.store import Store, stamp, unstamp
from ops.tables import breakers

FAILURES = 3
"""Calls in a row that failed after all their attempts."""
PAUSE_S, PAUSE_MAX_S = 60.0, 1800.0
PROBE_S = 300.0
"""How long one probe may take before another is allowed: its process may have been killed."""


class Breakers:
    """The breakers that one client asks. A host without failures costs one look per client."""

    def __init__(self, store: Store) -> None:
        self._store, self._lock = store, threading.Lock()
        self._known: dict[str, str] = {}
        self._failing: set[str] = set()

    def enter(self, host: str) -> bool:
        """Before a call: whether it is the one probe of an open host. SourceBusy when the host is left alone."""
        with self._lock:
            if self._known.get(host) == "closed":
                return False
            row = self._row(host)
            if row is None or row.state == "closed":
                self._known[host] = "closed"
                if row is not None and row.failures:
                    self._failing.add(host)
                return False
            if self._is_probe(host, row):
                self._known[host] = "probing"
                return True
            raise SourceBusy(
                f"{host} is left alone until {row.until_at[:19]}Z: {row.failures} calls in a row failed, the last one:"
                f" {row.reason}",
                remedy="one call is tried then; if it succeeds, collecting goes on",
                retry_after=max(0.0, (unstamp(row.until_at) - clock.now()).total_seconds()),
            )

    @contextmanager
    def guard(self, host: str) -> Iterator[bool]:
        """Around one call with all its attempts; yields whether it is a probe, and notes how it ended."""
        is_probe = self.enter(host)
        try:
            yield is_probe
        except SourceBusy as busy:
            if busy.is_down:
                self.failed(host, busy.what)
            else:
                self.succeeded(host)
            raise
        except C360Error:  # an answer, if not a good one
            self.succeeded(host)
            raise
        self.succeeded(host)

    def succeeded(self, host: str) -> None:
        """A call was answered: the host is asked freely again."""
        with self._lock:
            if self._known.get(host) == "closed" and host not in self._failing:
                return
            self._known[host] = "closed"
            self._failing.discard(host)
            with self._store.begin() as connection:
                row = {"host": host, "state": "closed", "failures": 0, "pause_s": PAUSE_S, "until_at": stamp(),
                       "opened_at": None, "reason": None}  # fmt: skip
                self._store.upsert(connection, breakers, row, ["host"])

    def failed(self, host: str, why: str) -> None:
        """A call failed after all its attempts; the last of FAILURES in a row, or a probe, opens the breaker."""
        with self._lock, self._store.begin() as connection:
            before = connection.execute(select(breakers).where(breakers.c.host == host)).first()
            failures = (before.failures if before else 0) + 1
            was_open = before is not None and before.state != "closed"
            pause = min(PAUSE_MAX_S, before.pause_s * 2) if before is not None and was_open else PAUSE_S
            is_open = was_open or failures >= FAILURES
            row = {
                "host": host,
                "state": "open" if is_open else "closed",
                "failures": failures,
                "pause_s": pause,
                "until_at": stamp(clock.now() + timedelta(seconds=pause)),
                "opened_at": (before.opened_at if before is not None and was_open else stamp()) if is_open else None,
                "reason": why[:500],
            }
            self._store.upsert(connection, breakers, row, ["host"])
            self._failing.add(host)
            self._known[host] = "open" if is_open else "closed"

    def _row(self, host: str) -> Any:
        with self._store.read() as connection:
            return connection.execute(select(breakers).where(breakers.c.host == host)).first()

    def _is_probe(self, host: str, row: Any) -> bool:
        """Whether this caller, and no other of any process, may try once."""
        if row.until_at > stamp():
            return False
        mine = (breakers.c.host == host, breakers.c.state == row.state, breakers.c.until_at == row.until_at)
        until = stamp(clock.now() + timedelta(seconds=PROBE_S))
        with self._store.begin() as connection:
            taken = connection.execute(update(breakers).where(*mine).values(state="probing", until_at=until))
        return taken.rowcount == 1


def at_work(store: Store) -> list[dict[str, Any]]:
    """Hosts that are left alone or tried now: host, state, failures, since and until (instants), reason."""
    with store.read() as connection:
        rows = connection.execute(select(breakers).where(breakers.c.state != "closed").order_by(breakers.c.host)).all()
    return [
        {
            "host": row.host,
            "state": row.state,
            "failures": row.failures,
            "since": unstamp(row.opened_at) if row.opened_at else None,
            "until": unstamp(row.until_at),
            "reason": row.reason,
        }
        for row in rows
    ]


def try_now(store: Store, host: str) -> bool:
    """Let the next call to a host that is left alone be its probe, without waiting; whether it was left alone."""
    waits = (breakers.c.host == host, breakers.c.state == "open")
    with store.begin() as connection:
        return connection.execute(update(breakers).where(*waits).values(until_at=stamp())).rowcount == 1
