"""Retention: of what landed long ago only the newest version of each record stays, with its deletion.

A source's setting `keep_versions_days` says how long every version is kept; `legal_hold` keeps everything. What a
replay needs for today's values never leaves: the caller names it (model.conform.needed).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import polars as pl
from sqlalchemy import select

from ingest import compacting, holding, landing, landing_remote, packs
from ingest.writing import TOMBSTONE
from ops import clock
from ops.errors import FatalError
from ops.instance import Instance
from ops.leases import lease
from ops.store import Store, stamp
from ops.tables import audit, quarantine

_STAMP = "%Y%m%dT%H%M%S%fZ"
ACTION = holding.PRUNED


@dataclass(frozen=True)
class Needed:
    """What a replay needs: landed rows (columns run, id); per stream that is staged, the last run that has been."""

    rows: pl.DataFrame
    upto: Mapping[str, str]


@dataclass(frozen=True)
class Pruned:
    """One stream: rows of runs older than `before` (UTC), those of them that leave, bytes of their documents."""

    source: str
    stream: str
    before: str
    rows: int
    leaving: int
    document_bytes: int
    is_tidy: bool = True
    """False while the files still hold them: a build or a backup was at work, the next call removes them."""


def prune(
    instance: Instance,
    source: str,
    *,
    needed: Needed,
    days: int | None = None,
    dry_run: bool = False,
    actor: str = "scheduler",
    told: Callable[[Pruned], None] = lambda _one: None,
) -> list[Pruned]:
    """Let superseded versions of `source` leave, older than `days` (default: its setting); the audit says what left.

    FatalError when the source has neither or is under legal hold; LeaseHeld while it is collected.
    """
    config = instance.config.source(source)
    if config.legal_hold:
        raise FatalError(
            f"{source} is under legal hold: nothing of it leaves",
            remedy="set legal_hold = false in c360.toml when the hold has ended",
        )
    kept_days = config.keep_versions_days if days is None else days
    if kept_days is None:
        raise FatalError(
            f"nothing says how long versions of {source} are kept",
            remedy="set keep_versions_days of the source in c360.toml, or give --days",
        )
    if kept_days < 1:
        raise FatalError(f"{kept_days} days", valid="1 or more")
    before = (clock.now() - timedelta(days=kept_days)).strftime(_STAMP)
    with lease(instance.store, f"source:{source}"):
        done: list[Pruned] = []
        for stream in landing.streams(instance.landing, source):
            done.append(_stream(instance, source, stream, before, needed, dry_run=dry_run))
            told(done[-1])
        left = [one for one in done if one.leaving]
        if left and not dry_run:
            _note(instance.store, actor, source, kept_days, left)
    return done


def _stream(instance: Instance, source: str, stream: str, before: str, needed: Needed, *, dry_run: bool) -> Pruned:
    folder = instance.landing / source / stream
    landing_remote.refresh(instance.landing, source, stream)
    runs = landing.runs(instance.landing, source, stream)
    upto = needed.upto.get(stream)
    old = [one for one in runs if one < before and (upto is None or one <= upto)]
    rows = _rows(folder, old)
    stays = _stays(rows, _rejected(instance.store, source, stream), needed.rows)
    leaving = rows.filter(~stays)
    facts = (source, stream, before, rows.height, leaving.height, int(leaving["size"].sum()))
    if dry_run:
        return Pruned(*facts)
    if leaving.height:
        gone = {(run, name): group["row"] for (run, name), group in leaving.group_by("run", "name")}
        touched = sorted({str(run) for run, _ in gone})

        def keep(part: packs.Part, frame: pl.DataFrame) -> pl.DataFrame:
            dropped = gone.get((part.run_id, part.name))
            return frame if dropped is None else frame.filter(~pl.int_range(pl.len()).is_in(dropped.implode()))

        compacting.rewrite(folder, _with_neighbours(folder, touched), keep)
    return Pruned(*facts, is_tidy=compacting.tidy_up(instance, folder))


def _rows(folder: Path, runs: list[str]) -> pl.DataFrame:
    """(run, name, row, id, size of the document, is_tomb) of every row of these runs, in landed order."""
    columns = {
        "run": pl.String, "name": pl.String, "row": pl.Int64, "id": pl.String, "size": pl.Int64, "is_tomb": pl.Boolean,
    }  # fmt: skip
    return pl.concat([pl.DataFrame(schema=columns), *_marks(folder, runs)])


def _marks(folder: Path, runs: list[str]) -> Iterator[pl.DataFrame]:
    for run_id in runs:
        for part in packs.parts_of(folder, run_id):
            yield part.read(["id", "document", "deleted"]).select(
                run=pl.lit(run_id),
                name=pl.lit(part.name),
                row=pl.int_range(pl.len(), dtype=pl.Int64),
                id="id",
                size=pl.col("document").str.len_bytes().cast(pl.Int64),
                is_tomb=pl.col("deleted") & (pl.col("document") == TOMBSTONE.decode()),
            )


def _stays(rows: pl.DataFrame, rejected: set[str], needed: pl.DataFrame) -> pl.Series:
    """Per row whether it stays: a record's newest row, the last document before its deletion, what is needed.

    Of a record whose newest document was rejected an older one is shown, so all of them stay.
    """
    known = needed.unique().with_columns(is_needed=True)
    marked = rows.with_row_index("place").join(known, on=["run", "id"], how="left", maintain_order="left")
    is_last = pl.col("place") == pl.col("place").max().over("run", "id")  # within a run only a record's last row counts
    marked = marked.with_columns(document=pl.when(is_last & ~pl.col("is_tomb")).then("place"))
    marked = marked.with_columns(
        is_newest=pl.col("place") == pl.col("place").max().over("id"),
        is_last_document=pl.col("document") == pl.col("document").max().over("id"),
        waits=pl.col("id").is_in(sorted(rejected)),
    )
    reasons = ("is_newest", "is_last_document", "waits", "is_needed")
    return marked.select(stays=pl.any_horizontal([pl.col(name).fill_null(value=False) for name in reasons]))["stays"]


def _rejected(store: Store, source: str, stream: str) -> set[str]:
    """Ids of the records of which a document is in the quarantine and not put right."""
    c = quarantine.c
    query = select(c.record_id).where(c.source == source, c.stream == stream, c.status != "fixed")
    with store.read() as connection:
        return set(connection.execute(query.distinct()).scalars())


def _with_neighbours(folder: Path, touched: list[str]) -> list[str]:
    """These runs and those in the same packs, which are written anew with them."""
    where = {run_id: {part.pack for part in packs.parts_of(folder, run_id)} for run_id in packs.catalogue(folder)}
    files = {name for run_id in touched for name in where.get(run_id, set())}
    return sorted({*touched, *(run_id for run_id, names in where.items() if names & files)})


def _note(store: Store, actor: str, source: str, days: int, left: list[Pruned]) -> None:
    details = json.dumps({"source": source, "days": days, "streams": [asdict(one) for one in left]})
    with store.begin() as connection:
        connection.execute(
            audit.insert().values(at=stamp(), actor=actor, action=ACTION, subject=source, details=details)
        )
