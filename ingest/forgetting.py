"""How long the ledger of targeted reads is kept: webhooks make one for every record, so it grows fastest."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete

from ops import clock
from ops.store import Store, stamp
from ops.tables import target_requests, target_runs

KEPT = timedelta(days=90)
ENDED = ("done", "failed")


def forget(store: Store) -> int:
    """Remove targeted reads, and requests for them that have ended, older than KEPT; how many rows."""
    before = stamp(clock.now() - KEPT)
    old = delete(target_requests).where(
        target_requests.c.state.in_(ENDED), target_requests.c.requested_at < before
    )  # fmt: skip
    with store.begin() as connection:
        reads = connection.execute(delete(target_runs).where(target_runs.c.ended_at < before)).rowcount
        return int(reads + connection.execute(old).rowcount)
