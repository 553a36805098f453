"""The chain sync → build → publish → score → alert, each step safe to repeat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ingest import collect
from ingest.collect import RunResult
from ingest.landing import Watch
from model import alerts, build, conform, control_totals, delivery, renewal
from model.build import BuildResult
from model.identity import match_train
from model.quality import history as quality_history
from ops import clock
from ops.errors import C360Error
from ops.instance import Instance
from ops.progress import Progress, quiet


@dataclass
class ChainResult:
    """What one pass of the chain did; `problems` are readable sentences."""

    runs: list[RunResult] = field(default_factory=list)
    build: BuildResult | None = None
    problems: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


def refresh(
    instance: Instance,
    *,
    sources: list[str] | None = None,
    again: Sequence[str] = (),
    full: bool = False,
    progress: Progress = quiet,
) -> ChainResult:
    """Collect (all active sources, or those named), build, publish, evaluate alerts, send what is due.

    Sources in `again` are read as a whole instead of what has changed; the build stays one of what has changed.
    A failing source is reported and never stops the others; a failing build leaves the last one served.
    """
    result = ChainResult()
    started = clock.monotonic()
    with conform.Early(instance) as early:
        anew = gather(instance, list(again), full=True, progress=progress, watch=early)
        result.runs = anew + gather(instance, sources, full=full, progress=progress, watch=early)
        result.problems += problems(result.runs)
        result.seconds["collect"] = clock.monotonic() - started
        after_collection(instance, result, full=full, progress=progress, early=early)
    return result


def gather(
    instance: Instance,
    sources: list[str] | None,
    *,
    full: bool = False,
    progress: Progress = quiet,
    watch: Watch | None = None,
) -> list[RunResult]:
    """Collect all active sources side by side, or those named (`source` or `source/stream`); a line per stream."""

    def tell(run: RunResult) -> None:
        progress(f"{run.source:9} {run.stream:20} {run.rows_landed:>9,} rows landed" + (" FAILED" if run.error else ""))

    if sources is None:
        return collect.sync_all(instance, full=full, progress=tell, watch=watch)
    parts = [name.partition("/") for name in sources]
    return [
        run
        for source, _, stream in parts
        for run in collect.sync(instance, source, stream or None, full=full, progress=tell, watch=watch)
    ]


def problems(runs: list[RunResult]) -> list[str]:
    """One readable sentence for every run that failed."""
    return [
        f"{run.source}/{run.stream}: {run.error}" + (f" To do: {run.remedy}" if run.remedy else "")
        for run in runs
        if run.error
    ]


def after_collection(
    instance: Instance,
    result: ChainResult,
    *,
    full: bool = False,
    progress: Progress = quiet,
    early: conform.Early | None = None,
) -> None:
    """Build, publish, judge the alert rules on the new build and hand due messages to the mail server.

    `early` has watched the collection and mapped its parts meanwhile. Before the first build the matcher's parameters
    are trained on what has landed; later only `identity train` does.
    """
    started = clock.monotonic()
    match_train.ensure(instance, early=early)
    result.build = build.build(instance, full=full, progress=progress, early=early)
    result.seconds["build"] = clock.monotonic() - started
    judge(instance, result.problems)


def judge(instance: Instance, found: list[str]) -> None:
    """Score renewals, note the build's data quality and evaluate alert rules; problems are added to `found`."""
    try:
        quality_history.record(instance)
    except C360Error as error:
        found.append(str(error))
    try:
        control_totals.judge(instance)
    except C360Error as error:
        found.append(str(error))
    try:
        renewal.score(instance)
    except C360Error as error:
        found.append(str(error))
    try:
        alerts.evaluate(instance)
        if delivery.is_configured(instance) and instance.config.mode == "live":
            delivery.deliver(instance)
    except C360Error as error:
        found.append(str(error))
