"""Landing → staging: every committed run not yet staged, in order, one transaction per run."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field

import duckdb

from ingest import landing
from model import schema, staging
from model.conform import held
from model.conform.compile import Compiler
from model.conform.early import Early
from model.conform.mapper import Mapper
from model.conform.sources import mapping_of
from model.conform.stream import Counts, StreamJob
from ops import clock
from ops.errors import C360Error
from ops.instance import Instance, SourceConfig


@dataclass
class StageResult:
    """What one call of `stage` did. `errors`: source → text."""

    counts: Counts = field(default_factory=Counts)
    by_stream: dict[tuple[str, str], Counts] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def stage(
    instance: Instance,
    sources: Iterable[str] | None = None,
    *,
    con: duckdb.DuckDBPyConnection | None = None,
    early: Early | None = None,
) -> StageResult:
    """Stage every landed run that is not yet staged, of the named sources or of all that are not off.

    A source with a broken mapping is reported in `errors` and does not stop the others. `con` is an open warehouse
    that has its staging tables; `early` has mapped parts while they were collected.
    """
    started = clock.monotonic()
    result = StageResult()
    chosen = (
        [instance.config.source(name) for name in sources]
        if sources is not None
        else [source for source in instance.config.sources if source.status != "off"]
    )
    holds = held.holds(instance.store)
    opened = staging.open_warehouse(instance) if con is None else nullcontext(con)
    with opened as connection:
        for source in chosen:
            try:
                _stage_source(instance, connection, source, result, early, holds.get(source.name))
            except C360Error as error:
                result.errors[source.name] = str(error)
    result.seconds = clock.monotonic() - started
    return result


def replay(instance: Instance, source: str, *, con: duckdb.DuckDBPyConnection | None = None) -> StageResult:
    """Forget what was staged of `source` and stage its landing again with today's mapping: up to its hold, if held.

    Rejects of runs behind a hold are taken out of the worklist; they come again when the source is let go on.
    """
    config = instance.config.source(source)
    opened = staging.open_warehouse(instance) if con is None else nullcontext(con)
    with opened as connection:
        staging.create(connection)
        mapping_of(instance, config)  # a broken mapping must not cost the staged rows
        connection.execute("BEGIN")
        for entity in schema.entities():
            connection.execute(
                f'INSERT INTO meta.changes SELECT DISTINCT ?, source, source_id, now() FROM staging."{entity}" '
                "WHERE source = ?",
                [entity, source],
            )
            connection.execute(f'DELETE FROM staging."{entity}" WHERE source = ?', [source])
        for table in ("staged_runs", "documents", "document_rows"):
            connection.execute(f"DELETE FROM meta.{table} WHERE source = ?", [source])
        connection.execute("COMMIT")
        if (hold := held.holds(instance.store).get(source)) is not None:
            held.forget_later_rejects(instance.store, hold)
        return stage(instance, [source], con=connection)


def _stage_source(
    instance: Instance,
    con: duckdb.DuckDBPyConnection,
    source: SourceConfig,
    result: StageResult,
    early: Early | None,
    hold: held.Hold | None,
) -> None:
    mapping = mapping_of(instance, source)
    compiler = Compiler(mapping, instance.config.zone)
    done = dict(
        con.execute(
            "SELECT stream, max(run_id) FROM meta.staged_runs WHERE source = ? GROUP BY stream", [source.name]
        ).fetchall()
    )
    for stream in mapping.streams:
        waiting = landing.runs(instance.landing, source.name, stream, done.get(stream))
        waiting = [run_id for run_id in waiting if hold is None or hold.covers(run_id)]
        if not waiting:
            continue
        job = StreamJob(instance, con, Mapper(mapping, compiler, source.name, stream), early)
        for run_id in waiting:
            con.execute("BEGIN")
            try:
                counts = job.run(run_id)
                con.execute("COMMIT")
            except BaseException:
                con.execute("ROLLBACK")
                raise
            result.counts.add(counts)
            result.by_stream.setdefault((source.name, stream), Counts()).add(counts)
