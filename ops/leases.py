"""Leases in the operational store: one holder per name, kept alive by a heartbeat, taken over when they expire."""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.exc import OperationalError

from ops import clock
from ops.errors import RetriableError
from ops.store import Store, stamp
from ops.tables import leases


class LeaseHeld(RetriableError):  # noqa: N818 - named after the state it reports
    """Another process works on the same thing right now."""


def _expiry(ttl_s: float) -> str:
    return stamp(clock.wall() + timedelta(seconds=ttl_s))


def acquire(store: Store, name: str, holder: str, ttl_s: float) -> None:
    """Take the lease `name` or raise LeaseHeld, which names the holder and when it ends."""
    with store.begin() as connection:
        row = connection.execute(select(leases).where(leases.c.name == name)).first()
        if row is not None and row.holder != holder and row.expires_at > _expiry(0):
            raise LeaseHeld(
                f"{name} is being worked on by {row.holder} until {row.expires_at}",
                remedy="wait for it to end, or for the lease to expire if that process was killed",
            )
        store.upsert(connection, leases, {"name": name, "holder": holder, "expires_at": _expiry(ttl_s)}, ["name"])


def release(store: Store, name: str, holder: str) -> None:
    """Give the lease back; a lease that was taken over meanwhile is left alone."""
    with store.begin() as connection:
        connection.execute(delete(leases).where(leases.c.name == name, leases.c.holder == holder))


@contextmanager
def lease(store: Store, name: str, ttl_s: float = 60.0) -> Iterator[None]:
    """Hold the lease `name` for the block. A heartbeat renews it; a killed holder's lease ends after `ttl_s`.

    A holder on this machine whose process is gone is taken over at once.
    """
    holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    _evict_dead(store, name)
    acquire(store, name, holder, ttl_s)
    stop = threading.Event()

    def beat() -> None:
        pause = ttl_s / 3
        while not stop.wait(pause):
            try:
                _renew(store, name, holder, ttl_s)
                pause = ttl_s / 3
            except OperationalError:
                # a transaction longer than the store's patience; while it lasts, nobody can take the lease over either
                pause = min(0.1, ttl_s / 3)

    thread = threading.Thread(target=beat, name=f"lease-{name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=min(5.0, ttl_s))
        release(store, name, holder)


def _renew(store: Store, name: str, holder: str, ttl_s: float) -> None:
    with store.begin() as connection:
        mine = update(leases).where(leases.c.name == name, leases.c.holder == holder)
        connection.execute(mine.values(expires_at=_expiry(ttl_s)))


def _evict_dead(store: Store, name: str) -> None:
    with store.begin() as connection:
        row = connection.execute(select(leases).where(leases.c.name == name)).first()
        if row is None:
            return
        host, _, rest = row.holder.partition(":")
        pid = rest.partition(":")[0]
        if host == socket.gethostname() and pid.isdigit() and not _alive(int(pid)):
            connection.execute(delete(leases).where(leases.c.name == name, leases.c.holder == row.holder))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
