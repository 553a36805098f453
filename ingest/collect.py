"""Collecting: sources side by side, the streams of one source in order, every run in the ledger.

A fault of a source is recorded and returned, never raised; it stops neither other sources nor, where the rest can
still be read, the other streams.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import update

from ingest import drift, settings, totals
from ingest.breaker import Breakers
from ingest.errors import LoginError, SourceBusy, SpecError
from ingest.hooks import load_hooks
from ingest.http import SourceClient
from ingest.landing import Watch
from ingest.spec import SourceSpec, StreamSpec
from ingest.stopping import Stopped, Wish
from ingest.stream_run import StreamRun
from ingest.template import render
from ops import clock
from ops.errors import C360Error
from ops.instance import Instance, SourceConfig
from ops.leases import LeaseHeld, lease
from ops.secrets import Redactor
from ops.store import Store, stamp
from ops.tables import runs

log = logging.getLogger("c360.collect")
Progress = Callable[["RunResult"], None]
_SOURCES_AT_ONCE = 8
_BUSY_STREAMS = 2


@dataclass
class RunResult:
    """One stream's run. state: done | failed | interrupted (stopped by somebody) | busy (lease held elsewhere).

    Seconds are wall time.
    """

    source: str
    stream: str
    run_id: str = ""
    state: str = "done"
    requests: int = 0
    rows_received: int = 0
    rows_landed: int = 0
    rows_deleted: int = 0
    bytes: int = 0
    seconds: float = 0.0
    error: str | None = None
    remedy: str | None = None
    warnings: list[str] = field(default_factory=list)


def sync(
    instance: Instance,
    source_name: str,
    stream: str | None = None,
    *,
    full: bool = False,
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> list[RunResult]:
    """Collect one source (or one of its streams) into landing; one result per stream, in the connector's order.

    `watch` sees every part as it is written, before its run is committed.
    Never raises for a fault of the source: the result carries `.error` and the ledger has it. FatalError for a
    source or stream that does not exist.
    """
    source = instance.config.source(source_name)
    redactor = Redactor()
    try:
        spec = SourceSpec.load(source.connector, instance.config_dir)
        wanted = [spec.stream(stream)] if stream else spec.streams
    except SpecError as error:
        if stream and "has no stream" in error.what:
            raise
        return [_recorded(instance.store, _failed(RunResult(source.name, stream or "*"), error, redactor))]
    try:
        with lease(instance.store, f"source:{source.name}"):
            _close_interrupted(instance.store, source.name)
            _look_at_contract(instance, source.name, spec)
            wish = Wish(instance.store, source.name)
            return _collect(instance, source, spec, wanted, redactor, full, progress, watch, wish)
    except LeaseHeld as held:
        return [RunResult(source.name, stream or "*", state="busy", error=held.what, remedy=held.remedy)]


def sync_all(
    instance: Instance, *, full: bool = False, progress: Progress | None = None, watch: Watch | None = None
) -> list[RunResult]:
    """Collect every source that is not off, side by side; one failing never stops the others."""
    names = [source.name for source in instance.config.sources if source.status != "off"]
    if not names:
        return []
    instance.store.engine.connect().close()  # opened and migrated once, before the threads
    with ThreadPoolExecutor(min(_SOURCES_AT_ONCE, len(names))) as pool:
        done = pool.map(lambda name: sync(instance, name, full=full, progress=progress, watch=watch), names)
        return [result for results in done for result in results]


def _collect(
    instance: Instance,
    source: SourceConfig,
    spec: SourceSpec,
    wanted: list[StreamSpec],
    redactor: Redactor,
    full: bool,
    progress: Progress | None,
    watch: Watch | None,
    wish: Wish,
) -> list[RunResult]:
    results: list[RunResult] = []
    try:
        client = client_of(instance, source, spec, redactor)
    except Exception as error:
        return [_recorded(instance.store, _failed(RunResult(source.name, "*"), error, redactor))]
    try:
        stopped: BaseException | None = None
        busy = 0
        for stream in wanted:
            if stream.when and not render(stream.when, client.context()):
                continue
            result = RunResult(source.name, stream.name)
            fault = stopped or _one(instance, client, stream, result, full, watch, wish)
            if fault is not None:
                _failed(result, fault, redactor)
            busy = busy + 1 if isinstance(fault, SourceBusy) else 0
            if isinstance(fault, LoginError | SpecError) or busy >= _BUSY_STREAMS:
                stopped = fault
            results.append(_recorded(instance.store, result))
            if progress:
                progress(result)
            if isinstance(fault, Stopped):
                return results
        if stopped is None and len(wanted) == len(spec.streams):
            totals.note(instance.store, client, spec, redactor)
    finally:
        client.close()
    return results


def client_of(instance: Instance, source: SourceConfig, spec: SourceSpec, redactor: Redactor) -> SourceClient:
    """A client for one source with its settings and secrets resolved; SpecError, and what a secret's lack raises."""
    values = settings.resolve(spec, source, instance.secrets, redactor)
    client = SourceClient(
        spec,
        source,
        values,
        load_hooks(spec.folder),
        secrets_dir=instance.secrets,
        redactor=redactor,
        loopback_only=instance.config.mode == "demo",
        breakers=Breakers(instance.store),
    )
    if spec.connector.kind == "sql":
        client.server_offset = client.database.offset()
    return client


def _one(
    instance: Instance,
    client: SourceClient,
    stream: StreamSpec,
    result: RunResult,
    full: bool,
    watch: Watch | None,
    wish: Wish,
) -> BaseException | None:
    """Run one stream, fill `result`; the fault if there was one."""
    began, requests, size = clock.monotonic(), client.requests, client.bytes
    fault: BaseException | None = None
    try:
        run = StreamRun(client, stream, instance.store, instance.landing, full=full, watch=watch, wish=wish)
        result.run_id = run.outcome.run_id
        _started(instance.store, result)
        wish.look()
        outcome = run.run()
        result.rows_received, result.rows_landed = outcome.received, outcome.landed
        result.rows_deleted, result.warnings = outcome.deleted, outcome.warnings
        if outcome.landed:
            _look(instance, result)
    except Exception as error:
        fault = error
    result.seconds = round(clock.monotonic() - began, 3)
    result.requests, result.bytes = client.requests - requests, client.bytes - size
    return fault


def _look_at_contract(instance: Instance, source: str, spec: SourceSpec) -> None:
    try:
        drift.look_at_contract(instance, source, spec)
    except Exception:  # what is collected matters more than how the description has changed
        log.exception("%s: the connector's spec was not compared with the last one", source)


def _look(instance: Instance, result: RunResult) -> None:
    """Look for drift in what landed; a fault of the looking is a warning of the run, whose rows are safe."""
    try:
        drift.look(instance, result.source, result.stream, result.run_id)
    except Exception as error:
        result.warnings.append(f"the documents were not compared with earlier ones: {type(error).__name__} {error}")


def _failed(result: RunResult, fault: BaseException, redactor: Redactor) -> RunResult:
    result.state = "interrupted" if isinstance(fault, Stopped) else "failed"
    if isinstance(fault, C360Error):
        result.error, result.remedy = redactor.clean(fault.what), fault.remedy
        if fault.valid:
            result.error += f" (valid: {redactor.clean(fault.valid)})"
    else:
        result.error = redactor.clean(f"{type(fault).__name__} in the connector: {fault}")
        result.remedy = "this is a defect of the connector: report it with the run id"
    return result


def _row(result: RunResult, state: str) -> dict[str, Any]:
    return {
        "run_id": result.run_id,
        "source": result.source,
        "stream": result.stream,
        "state": state,
        "requests": result.requests,
        "rows_landed": result.rows_landed,
        "rows_changed": result.rows_landed - result.rows_deleted,
        "rows_deleted": result.rows_deleted,
        "bytes": result.bytes,
        "seconds": result.seconds,
        "error": result.error,
        "remedy": result.remedy,
        "warnings": json.dumps(result.warnings, ensure_ascii=False) if result.warnings else None,
    }


def _started(store: Store, result: RunResult) -> None:
    with store.begin() as connection:
        row = {**_row(result, "running"), "started_at": stamp(), "ended_at": None}
        store.upsert(connection, runs, row, ["run_id", "stream"])


def _recorded(store: Store, result: RunResult) -> RunResult:
    """Write the end of a run; a run that never got an id (bad settings, refused login) gets one of its own."""
    if not result.run_id:
        result.run_id = f"{clock.now():%Y%m%dT%H%M%S%fZ}-{uuid.uuid4().hex[:8]}"
    row = {**_row(result, result.state), "ended_at": stamp()}
    with store.begin() as connection:
        known = connection.execute(
            update(runs).where(runs.c.run_id == result.run_id, runs.c.stream == result.stream).values(**row)
        )
        if known.rowcount == 0:
            store.upsert(connection, runs, {**row, "started_at": stamp()}, ["run_id", "stream"])
    return result


def _close_interrupted(store: Store, source: str) -> None:
    """Under the source's lease nothing else runs: what is still marked running was killed."""
    with store.begin() as connection:
        connection.execute(
            update(runs)
            .where(runs.c.source == source, runs.c.state == "running")
            .values(state="interrupted", ended_at=stamp())
        )
