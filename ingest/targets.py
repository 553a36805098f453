"""Reading what was asked for by name: the records of a webhook, or all that belongs to one customer.

Under the source's lease like any collection; each read is in the ledger of targeted runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ingest import collect
from ingest.hook_spec import AskSpec
from ingest.http import SourceClient
from ingest.spec import SourceSpec, StreamSpec
from ingest.target_run import NotYet, TargetRun
from ingest.template import render
from ingest.webhooks import is_id
from ingest.writing import Outcome
from ops import clock
from ops.errors import C360Error
from ops.instance import Instance
from ops.leases import lease
from ops.secrets import Redactor
from ops.store import stamp
from ops.tables import target_runs

Progress = Callable[["TargetResult"], None]
Read = dict[str, list[tuple[str, str]]]
CUSTOMER = "customer"
_LONGEST = 140
NO_WAY = "the connector cannot read single records of it"


@dataclass
class TargetResult:
    """One targeted read. state: done | failed | skipped; `asked` counts records or customers asked for."""

    source: str
    stream: str
    run_id: str = ""
    state: str = "done"
    asked: int = 0
    requests: int = 0
    rows_landed: int = 0
    seconds: float = 0.0
    error: str | None = None
    remedy: str | None = None


@dataclass(frozen=True)
class Cause:
    """Why something is read: webhook or customer, and the request of it."""

    by: str
    request_id: int | None = None


def can(spec: SourceSpec) -> list[str]:
    """Streams of which the records of one customer can be read."""
    return [stream.name for stream in spec.streams if _of_customer(spec, stream) is not None]


def read_records(
    instance: Instance, source_name: str, wanted: dict[str, list[str]], cause: Cause, progress: Progress | None = None
) -> list[TargetResult]:
    """Read these records (stream → ids) and their children; a stream that cannot, or with no ids, as an increment.

    LeaseHeld while the source is collected by another process. A fault is in its result.
    """
    spec = SourceSpec.load(instance.config.source(source_name).connector, instance.config_dir)
    asks = {name: _by_id(spec, spec.stream(name)) for name in wanted}
    named = {name: (ask, safe) for name, ask in asks.items() if ask is not None and (safe := _safe(ask, wanted[name]))}
    whole = [name for name in wanted if name not in named]
    done = _Reading(instance, source_name, spec, cause, progress)
    late = done.read(named) if named else []
    for name in [*whole, *late]:
        done.increment(name)
    return done.results


def read_customer(
    instance: Instance, source_name: str, ids: list[str], cause: Cause, progress: Progress | None = None
) -> list[TargetResult]:
    """Read what belongs to the customer whose records in this source are `ids`; streams that cannot are skipped.

    LeaseHeld while the source is collected by another process. A fault is in its result.
    """
    spec = SourceSpec.load(instance.config.source(source_name).connector, instance.config_dir)
    done = _Reading(instance, source_name, spec, cause, progress)
    named = {}
    for stream in spec.streams:
        ask = _of_customer(spec, stream)
        if ask is not None and (safe := _safe(ask, ids)):
            named[stream.name] = (ask, safe)
        elif stream.parent is None:
            done.skipped(stream.name, NO_WAY)
    for name in done.read(named) if named else []:
        done.skipped(name, "it has not been collected whole yet")
    return done.results


class _Reading:
    """The reads of one source for one cause."""

    def __init__(
        self, instance: Instance, source: str, spec: SourceSpec, cause: Cause, progress: Progress | None
    ) -> None:
        self.instance, self.source, self.spec, self.cause, self.progress = instance, source, spec, cause, progress
        self.redactor = Redactor()
        self.results: list[TargetResult] = []

    def read(self, named: dict[str, tuple[AskSpec, list[str]]]) -> list[str]:
        """Read what is named; the streams whose collection must go on first."""
        config = self.instance.config.source(self.source)
        found: Read = {}
        late: list[str] = []
        with lease(self.instance.store, f"source:{self.source}"):
            try:
                client = collect.client_of(self.instance, config, self.spec, self.redactor)
            except Exception as error:
                self._ended(TargetResult(self.source, "*"), error)
                return []
            try:
                for stream in self.spec.streams:
                    if stream.when and not render(stream.when, client.context()):
                        continue
                    if not self._one(client, stream, named, found):
                        late.append(stream.name)
            finally:
                client.close()
        return late

    def _one(
        self, client: SourceClient, stream: StreamSpec, named: dict[str, tuple[AskSpec, list[str]]], found: Read
    ) -> bool:
        """Read one stream if anything of it is wanted; False when it must be collected first."""
        parents = found.get(stream.parent.stream, []) if stream.parent else []
        if stream.name not in named and not parents:
            return True
        result = TargetResult(self.source, stream.name, asked=len(parents or named[stream.name][1]))
        began, calls = clock.monotonic(), client.requests
        try:
            run = TargetRun(client, stream, self.instance.store, self.instance.landing)
            outcome = run.children(parents) if parents else run.ask(*named[stream.name])
            found[stream.name] = run.read
            self._fill(result, outcome)
        except NotYet:
            return stream.parent is not None
        except Exception as error:
            self._failed(result, error)
        result.seconds, result.requests = round(clock.monotonic() - began, 3), client.requests - calls
        self._ended(result)
        return True

    def increment(self, stream: str) -> None:
        """Collect what has changed in the whole stream, as its schedule does."""
        for run in collect.sync(self.instance, self.source, stream):
            state = "done" if run.error is None else "failed"
            self._ended(
                TargetResult(
                    self.source, stream, run.run_id, state, 0, run.requests, run.rows_landed, run.seconds, run.error,
                    run.remedy,
                )
            )  # fmt: skip

    def skipped(self, stream: str, why: str) -> None:
        """Note a stream that was not read."""
        self.results.append(TargetResult(self.source, stream, state="skipped", error=why))

    def _fill(self, result: TargetResult, outcome: Outcome) -> None:
        result.run_id, result.rows_landed = outcome.run_id, outcome.landed
        result.error = "; ".join(outcome.warnings) or None

    def _failed(self, result: TargetResult, error: BaseException) -> None:
        result.state = "failed"
        result.error = self.redactor.clean(error.what if isinstance(error, C360Error) else f"{error!r}")
        result.remedy = error.remedy if isinstance(error, C360Error) else "report this defect of the connector"

    def _ended(self, result: TargetResult, error: Exception | None = None) -> None:
        if error is not None:
            self._failed(result, error)
        self.results.append(result)
        row: dict[str, Any] = {
            **vars(result),
            "run_id": result.run_id or f"{stamp()}-{result.stream}"[:64],
            "caused_by": self.cause.by,
            "request_id": self.cause.request_id,
            "started_at": stamp(),
            "ended_at": stamp(),
        }
        with self.instance.store.begin() as connection:
            self.instance.store.upsert(connection, target_runs, row, ["run_id", "stream"])
        if self.progress:
            self.progress(result)


def _by_id(spec: SourceSpec, stream: StreamSpec) -> AskSpec | None:
    target = spec.targets.get(stream.name)
    if target and target.by_id:
        return target.by_id
    return AskSpec(filter=stream.incremental.by_id, at_once=50) if stream.incremental.by_id else None


def _of_customer(spec: SourceSpec, stream: StreamSpec) -> AskSpec | None:
    """How the customer's rows of this stream are asked for: by their own id where the stream feeds customers."""
    target = spec.targets.get(stream.name)
    if target and target.of_customer:
        return target.of_customer
    return _by_id(spec, stream) if "customer" in stream.entities and not stream.parent else None


def _safe(ask: AskSpec, ids: list[str]) -> list[str]:
    """Ids that can be put into the call without becoming more than an id."""
    if ask.quoted:
        return sorted({row_id for row_id in ids if row_id.strip() and len(row_id) <= _LONGEST})
    return sorted({row_id for row_id in ids if is_id(row_id)})
