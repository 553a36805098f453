"""Compaction: the small parts of a stream's old runs are packed into few files (ingest/packs.py).

The new files are written first, then the catalogue is replaced by rename, and only then, when nobody reads, does leave
what the catalogue has made superfluous. A kill at any point leaves the rows as they were; the next call tidies up.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ingest import holding, landing, landing_remote, packs
from ingest.landing import PART_BYTES, PART_ROWS
from ops.errors import FatalError
from ops.instance import Instance
from ops.leases import LeaseHeld, lease

LEASE = "landing"
"""Held by a backup: nothing leaves while it copies."""
READERS = ("build", LEASE)
PACK_BYTES = 64 * 1024 * 1024
SMALL_BYTES = 4 * 1024 * 1024
_TAIL_BYTES = PACK_BYTES // 4
Keep = Callable[[packs.Part, pl.DataFrame], pl.DataFrame]
"""The rows of a part that stay."""


@dataclass(frozen=True)
class Compacted:
    """One stream: runs packed by this call; files (with manifests) and bytes that hold its committed runs."""

    source: str
    stream: str
    runs: int
    files_before: int
    bytes_before: int
    files_after: int
    bytes_after: int
    is_tidy: bool
    """Whether the superfluous files have left; False while a build or a backup may read them."""


def compact(
    instance: Instance, source: str, *, at_least: int = 2, told: Callable[[Compacted], None] = lambda _one: None
) -> list[Compacted]:
    """Pack each stream of `source` that has `at_least` files worth packing. LeaseHeld while the source is collected.

    `told` hears of every stream when it is done.
    """
    instance.config.source(source)
    done: list[Compacted] = []
    with lease(instance.store, f"source:{source}"):
        for stream in landing.streams(instance.landing, source):
            folder = instance.landing / source / stream
            landing_remote.refresh(instance.landing, source, stream)
            before = extent(folder)
            chosen = _chosen(folder, at_least)
            if chosen:
                rewrite(folder, chosen)
            is_tidy = tidy_up(instance, folder)
            done.append(Compacted(source, stream, len(chosen), *before, *extent(folder), is_tidy))
            told(done[-1])
    if any(one.runs for one in done):
        holding.note_packed(instance.store, source, vars(total(done)))
    return done


def extent(folder: Path) -> tuple[int, int]:
    """Files and bytes that hold the committed runs of a stream's folder: parts, packs, manifests, the catalogue."""
    packed = packs.catalogue(folder)
    loose = [path for path in folder.glob("*/manifest.json") if path.parent.name not in packed]
    files: dict[Path, int] = {path: path.stat().st_size for path in loose}
    if packed:
        files[folder / packs.CATALOGUE] = (folder / packs.CATALOGUE).stat().st_size
    told: dict[Path, int] = {}
    for run_id in [*packed, *(path.parent.name for path in loose)]:
        for part in packs.parts_of(folder, run_id):
            told[part.path] = told.get(part.path, 0) + part.bytes
    files |= {path: path.stat().st_size if path.is_file() else size for path, size in told.items()}
    return len(files), sum(files.values())


def _chosen(folder: Path, at_least: int) -> list[str]:
    """Runs to pack, oldest first: those with small parts of their own, and those in packs that are small."""
    packed = packs.catalogue(folder)
    loose = []
    files = 0
    for run_id in sorted(path.parent.name for path in folder.glob("*/manifest.json")):
        parts = [] if run_id in packed else packs.parts_of(folder, run_id)
        if run_id not in packed and sum(part.bytes for part in parts) <= SMALL_BYTES * max(len(parts), 1):
            loose.append(run_id)
            files += len(parts)
    if not loose:
        return []
    sizes: dict[str, int] = {}
    runs: dict[str, list[str]] = {}
    for run_id in packed:
        for name in {part.pack for part in packs.parts_of(folder, run_id)}:
            runs.setdefault(name, []).append(run_id)
        for part in packs.parts_of(folder, run_id):
            sizes[part.pack] = sizes.get(part.pack, 0) + part.bytes
    small = [name for name in sizes if sizes[name] < _TAIL_BYTES]
    if files + len(small) < at_least:
        return []
    again = {run_id for name in small for run_id in runs[name]}
    return sorted({*loose, *again})


def rewrite(folder: Path, chosen: Iterable[str], keep: Keep | None = None) -> int:
    """Pack these runs and switch to the new catalogue; with `keep` only the rows that it lets through. Rows written.

    A run of which no row stays keeps its manifest: where its source was, and its merges.
    """
    made = _Packs(folder)
    written = 0
    runs: dict[str, dict[str, Any]] = {}
    try:
        for run_id in chosen:
            facts = packs.manifest_of(folder, run_id)
            listed = []
            for part in packs.parts_of(folder, run_id):
                frame = part.read()
                frame = keep(part, frame) if keep else frame
                if frame.height:
                    listed.append(made.add(part.name, frame))
                    written += frame.height
            made.end_run()
            runs[run_id] = {**facts, "parts": listed, "rows": sum(int(one["rows"]) for one in listed)}
        made.close()
    except BaseException:
        made.abandon()
        raise
    for facts in runs.values():
        for one in facts["parts"]:
            one["bytes"] = round(one["rows"] * made.bytes_a_row(one["pack"]))
            one["mark"] = made.marks[one["pack"]]
    everything = packs.listed({**packs.catalogue(folder), **runs})
    landing_remote.publish_packs(folder, everything, made.marks)
    landing.write_json(folder / packs.CATALOGUE, everything)
    _sync(folder)
    return written


def tidy_up(instance: Instance, folder: Path) -> bool:
    """Remove what the catalogue does not need; False, and nothing, while a build or a backup is at work.

    To be called with the source's lease held. A run's manifest leaves first: without it the folder counts for nothing.
    """
    with ExitStack() as stack:
        try:
            for name in READERS:
                stack.enter_context(lease(instance.store, name))
        except LeaseHeld:
            return False
        sweep(folder)
    return True


def sweep(folder: Path) -> None:
    """Remove every run's folder and every pack that the catalogue makes superfluous. Nobody may read meanwhile."""
    packed = packs.catalogue(folder)
    for run_id in packed:
        if (folder / run_id).is_dir():
            (folder / run_id / "manifest.json").unlink(missing_ok=True)
            shutil.rmtree(folder / run_id)
    needed = {part.path.name for run_id in packed for part in packs.parts_of(folder, run_id)}
    for path in folder.glob(f"{packs.PREFIX}*"):
        if path.name not in needed:
            path.unlink()
    landing_remote.sweep(folder, needed)


class _Packs:
    """Files of row groups, each of which holds whole parts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        taken = [int(path.name.split("-")[1][:6]) for path in folder.glob(f"{packs.PREFIX}*")]
        self._number = max(taken, default=-1)
        self._file: pq.ParquetWriter | None = None
        self._held: list[pl.DataFrame] = []
        self._group = self._rows = self._size = 0
        self._sums: list[tuple[int, int]] = []
        self._extents: dict[str, float] = {}
        self.marks: dict[str, str] = {}

    @property
    def _name(self) -> str:
        return f"{packs.PREFIX}{self._number:06d}.parquet"

    @property
    def _temporary(self) -> Path:
        return self._folder / f"{self._name}.tmp"

    def add(self, name: str, frame: pl.DataFrame) -> dict[str, Any]:
        """Take up one part; where it will stand."""
        if self._rows and (self._rows + frame.height > PART_ROWS or self._size >= PART_BYTES):
            self._end_group()
        if self._file is None:
            self._number += 1
            self._group, self._sums = 0, []
            schema = frame.clear().to_arrow(compat_level=pl.CompatLevel.oldest()).schema
            self._file = pq.ParquetWriter(self._temporary, schema, compression="zstd", compression_level=3)
        place = {"name": name, "rows": frame.height, "pack": self._name, "group": self._group, "first": self._rows}
        self._held.append(frame)
        self._rows += frame.height
        self._size += int(frame["document"].str.len_bytes().sum())
        return place

    def _end_group(self) -> None:
        if self._file is None or not self._held:
            return
        frame = pl.concat(self._held)
        self._sums.append((frame.height, int(frame.hash_rows().sum())))
        table: pa.Table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        self._file.write_table(table, row_group_size=max(frame.height, 1))
        self._held, self._rows, self._size = [], 0, 0
        self._group += 1

    def end_run(self) -> None:
        """A run is complete: a file that is large enough ends here, so that no run stands in two."""
        if self._file is not None and self._temporary.stat().st_size >= PACK_BYTES:
            self.close()

    def _end_file(self) -> None:
        if self._file is None:
            return
        self._file.close()
        self._file = None
        self._check()
        with self._temporary.open("rb") as file:
            os.fsync(file.fileno())
        self._extents[self._name] = self._temporary.stat().st_size / sum(rows for rows, _ in self._sums)
        self.marks[self._name] = landing_remote.mark(self._temporary.read_bytes())
        self._temporary.replace(self._folder / self._name)

    def _check(self) -> None:
        """What was written is read again: the rows it replaces will be removed."""
        with pq.ParquetFile(self._temporary) as file:
            for number, (height, total) in enumerate(self._sums):
                frame = pl.DataFrame(file.read_row_group(number))
                if (frame.height, int(frame.hash_rows().sum())) != (height, total):
                    raise FatalError(
                        f"{self._temporary} does not hold what was written to it",
                        remedy="check the disk; landing is as it was",
                    )

    def close(self) -> None:
        """End the last file."""
        self._end_group()
        self._end_file()

    def abandon(self) -> None:
        """Give up the file that was begun."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._temporary.unlink(missing_ok=True)

    def bytes_a_row(self, name: str) -> float:
        """Bytes of the finished file `name` per row."""
        return self._extents[name]


def _sync(folder: Path) -> None:
    """The renames are on disk before anything leaves."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def total(done: list[Compacted]) -> Compacted:
    """The sum of several streams, named by the first."""
    sums = {
        name: sum(getattr(one, name) for one in done)
        for name in ("runs", "files_before", "bytes_before", "files_after", "bytes_after")
    }
    return replace(done[0], stream="", is_tidy=all(one.is_tidy for one in done), **sums)
