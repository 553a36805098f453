"""The scheduler daemon: exactly one per instance, due times derived from the ledger, sync-now requests, clean shutdown.

APScheduler ticks; what is due is decided here from the run ledger, so a restart neither loses nor repeats a run
and missed runs coalesce into one.
"""

from __future__ import annotations

import logging
import signal
import threading
from datetime import datetime
from types import FrameType

from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import func, or_, select, update

from model import conform, delivery
from ops import clock
from ops.care import FULL, MARK
from ops.errors import C360Error
from ops.instance import Instance, SourceConfig
from ops.leases import lease
from ops.schedule import next_after
from ops.store import stamp, unstamp
from ops.tables import BUILD_ONLY, REPLAY, kv, runs, sync_requests, target_runs
from run import caring, chain, targeting, tending

log = logging.getLogger("c360.scheduler")
TICK_SECONDS = 1.0
DELIVER_SECONDS = 60.0


def next_due(source: SourceConfig, last_started: datetime | None, zone: str) -> datetime | None:
    """When `source` is due next (UTC); None when it is off or has no schedule."""
    return None if source.status == "off" else next_after(source.schedule, last_started, zone)


def last_started(instance: Instance, source: str) -> datetime | None:
    """When the newest run of `source` began, from the ledger; one stream read for a webhook is no run of it."""
    hooked = select(target_runs.c.run_id).where(target_runs.c.source == source)
    mine = (runs.c.source == source, runs.c.run_id.not_in(hooked))
    with instance.store.read() as connection:
        value = connection.execute(select(func.max(runs.c.started_at)).where(*mine)).scalar()
    return unstamp(value) if value else None


def due_sources(instance: Instance) -> list[str]:
    """Sources whose due time has come, oldest first."""
    due = []
    for source in instance.config.sources:
        when = next_due(source, last_started(instance, source.name), instance.config.zone)
        if when is not None and when <= clock.now():
            due.append((when, source.name))
    return [name for _, name in sorted(due)]


def take_requests(instance: Instance) -> list[str]:
    """Mark waiting sync-now requests as running and return what they want without repeats: `source` or `source/stream`.

    A request without a source means every source that is not off; a source covers requests for its streams.
    """
    with instance.store.begin() as connection:
        asked = select(sync_requests).where(sync_requests.c.state == "waiting")
        is_sync = (
            sync_requests.c.source.is_distinct_from(BUILD_ONLY),
            or_(sync_requests.c.stream.is_(None), ~sync_requests.c.stream.startswith(MARK, autoescape=True)),
        )
        waiting = connection.execute(asked.where(*is_sync)).all()
        if not waiting:
            return []
        connection.execute(
            update(sync_requests)
            .where(sync_requests.c.request_id.in_([row.request_id for row in waiting]))
            .values(state="running")
        )
    everything = [source.name for source in instance.config.sources if source.status != "off"]
    if any(row.source is None for row in waiting):
        return everything
    whole = {row.source for row in waiting if row.stream is None}
    parts = {f"{row.source}/{row.stream}" for row in waiting if row.stream and row.source not in whole}
    return sorted(whole | parts)


def take_builds(instance: Instance) -> bool:
    """Mark waiting requests for a build without a collection as running; whether there was one."""
    with instance.store.begin() as connection:
        found = connection.execute(
            update(sync_requests)
            .where(sync_requests.c.state == "waiting", sync_requests.c.source == BUILD_ONLY)
            .values(state="running")
        )
        return found.rowcount > 0


def take_marked(instance: Instance, marker: str) -> list[str]:
    """Mark waiting requests for a replay (REPLAY) or full reading (FULL) as running; their sources, each once."""
    waits = (sync_requests.c.state == "waiting", sync_requests.c.stream == marker)
    with instance.store.begin() as connection:
        found = connection.execute(select(sync_requests.c.source).where(*waits)).scalars().all()
        if found:
            connection.execute(update(sync_requests).where(*waits).values(state="running"))
    return sorted({str(source) for source in found})


class Daemon:
    """One scheduler for one instance; `run` blocks until SIGTERM, SIGINT or `stop`."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self._stop = threading.Event()
        self._busy = threading.Lock()
        self._deliver_at = 0.0
        for source in instance.config.sources:
            next_due(source, None, instance.config.zone)

    def tick(self) -> list[str]:
        """Do what is due once; returns the sources that were collected."""
        if not self._busy.acquire(blocking=False):
            return []
        try:
            self.instance.reread_sources()
            wanted = list(dict.fromkeys(take_requests(self.instance) + due_sources(self.instance)))
            replays, again = (take_marked(self.instance, marker) for marker in (REPLAY, FULL))
            wanted = [one for one in wanted if one.partition("/")[0] not in again]
            read = targeting.read(self.instance, targeting.take(self.instance))
            problem = None
            if take_builds(self.instance) or wanted or replays or again or read.landed:
                problem = self._refresh(wanted, replays, again)
            targeting.settle(self.instance, read, problem)
            caring.work(self.instance)
            self._roll_business_day()
            self._deliver()
            if not wanted and not again:
                tending.tend(self.instance)
            return again + wanted
        finally:
            self._busy.release()

    def take_back(self) -> None:
        """What a scheduler that was killed had begun waits again. Under the lease no other one is at work."""
        with self.instance.store.begin() as connection:
            connection.execute(update(sync_requests).where(sync_requests.c.state == "running").values(state="waiting"))
        targeting.take_back(self.instance)

    def _refresh(self, wanted: list[str], replays: list[str], again: list[str]) -> str | None:
        """Collect (the sources `again` as a whole), build, publish; what went wrong."""
        state, message = "done", None
        what = ", ".join(again + wanted) or "the build"
        try:
            failed = self._replay(replays)
            result = chain.refresh(self.instance, sources=wanted, again=again, progress=log.info)
            if result.problems or failed:
                is_stopped = not failed and all(run.state == "interrupted" for run in result.runs if run.error)
                state = "stopped" if is_stopped and result.runs else "failed"
                message = "; ".join([*failed, *result.problems])
                log.warning("refresh of %s: %s", what, message)
        except C360Error as error:
            state, message = "failed", str(error)
            log.error("refresh of %s failed: %s", what, error)  # noqa: TRY400 - expected failures need no trace
        with self.instance.store.begin() as connection:
            connection.execute(
                update(sync_requests).where(sync_requests.c.state == "running").values(state=state, message=message)
            )
        return message

    def _replay(self, sources: list[str]) -> list[str]:
        """Stage these sources' landing again; what went wrong, which keeps neither the others nor collections."""
        failed = []
        for source in sources:
            try:
                log.info("%s is replayed: %s", source, conform.replay(self.instance, source).counts)
            except C360Error as error:
                failed.append(f"replay of {source}: {error}")
        return failed

    def _roll_business_day(self) -> None:
        today = clock.today(self.instance.config.zone).isoformat()
        with self.instance.store.read() as connection:
            row = connection.execute(select(kv.c.value).where(kv.c.key == "alerts.business_day")).scalar()
        if row == today:
            return
        problems: list[str] = []
        chain.judge(self.instance, problems)
        if gap := delivery.calendar_gap(self.instance):
            problems.append(gap)
        for problem in problems:
            log.warning("business-day roll: %s", problem)
        with self.instance.store.begin() as connection:
            entry = {"key": "alerts.business_day", "value": today, "updated_at": stamp()}
            self.instance.store.upsert(connection, kv, entry, ["key"])

    def _deliver(self) -> None:
        """Retries, and what quiet hours held back, do not wait for the next collection."""
        config = self.instance.config
        if config.mode != "live" or not delivery.is_configured(self.instance) or clock.monotonic() < self._deliver_at:
            return
        self._deliver_at = clock.monotonic() + DELIVER_SECONDS
        try:
            delivery.deliver(self.instance)
        except C360Error as error:
            log.warning("delivery: %s", error)

    def stop(self, *_: object) -> None:
        """End after the step under way."""
        self._stop.set()

    def run(self) -> None:
        """Hold the scheduler lease and tick until stopped."""
        with lease(self.instance.store, "scheduler", ttl_s=30):
            self.take_back()
            scheduler = BackgroundScheduler(timezone="UTC")
            scheduler.add_job(self.tick, "interval", seconds=TICK_SECONDS, max_instances=1, coalesce=True)
            previous = {number: signal.signal(number, self._on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
            scheduler.start()
            log.info("scheduler started for %s", self.instance.home)
            try:
                self._stop.wait()
            finally:
                scheduler.shutdown(wait=True)
                for number, handler in previous.items():
                    signal.signal(number, handler)
                log.info("scheduler stopped")

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        log.info("signal %s: stopping after the step under way", number)
        self.stop()
