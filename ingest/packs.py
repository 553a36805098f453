"""Packed runs: the small parts of a stream in few files, listed by one catalogue that a rename replaces.

landing/<source>/<stream>/packs.json        every packed run with its manifest; it counts, not the run's own folder
landing/<source>/<stream>/pack-….parquet    their parts one after the other, many in one row group

A packed run keeps its id, its manifest and the bounds of its parts: who reads it cannot tell that it was packed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

CATALOGUE = "packs.json"
PREFIX = "pack-"
_COLUMNS = ("id", "document", "hash", "seen_at", "run_id", "deleted", "parent_id")


@dataclass(frozen=True)
class Part:
    """One part of a committed run, wherever its rows stand; `pack` is "" while it has a file of its own."""

    stream: Path
    run_id: str
    name: str
    rows: int
    bytes: int
    pack: str = ""
    group: int = 0
    first: int = 0
    mark: str = ""

    @property
    def path(self) -> Path:
        """The file that holds its rows."""
        return self.stream / self.pack if self.pack else self.stream / self.run_id / self.name

    def read(self, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Its rows (columns of landing.SCHEMA, or those named). A part that was packed meanwhile is read there."""
        try:
            return _rows(self, columns)
        except FileNotFoundError:
            return self._elsewhere(columns)

    def _elsewhere(self, columns: Sequence[str] | None) -> pl.DataFrame:
        """Where it is now: packed, or not yet fetched from the store that holds landing."""
        from ingest import landing_remote

        known = parts_of(self.stream, self.run_id)
        now = next((part for part in known if part.name == self.name), self)
        if now != self and now.path.is_file():
            return _rows(now, columns)
        if not landing_remote.fetch(now):
            raise FileNotFoundError(now.path)
        return _rows(now, columns)


def _rows(part: Part, columns: Sequence[str] | None) -> pl.DataFrame:
    if not part.pack:
        return pl.read_parquet(part.path, columns=list(columns) if columns else None)
    frame = _group(part.path, part.path.stat().st_ino, part.group).slice(part.first, part.rows)
    return frame.select(columns) if columns else frame


@lru_cache(maxsize=1)
def _group(path: Path, _inode: int, group: int) -> pl.DataFrame:
    """One row group; its parts are read one after the other, so the last one read is kept."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        return pl.DataFrame(file.read_row_group(group, columns=list(_COLUMNS)))


def catalogue(stream: Path) -> dict[str, dict[str, Any]]:
    """Run id → manifest of the packed runs of the stream's folder; not to be changed."""
    path = stream / CATALOGUE
    try:
        facts = path.stat()
        return _loaded(path, facts.st_ino, facts.st_size, facts.st_mtime_ns)
    except FileNotFoundError:
        return {}


@lru_cache(maxsize=32)
def _loaded(path: Path, _inode: int, _size: int, _changed: int) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["runs"]
    return found


def listed(runs: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """What the catalogue's file holds for these runs."""
    return {"format": 1, "runs": dict(sorted(runs.items()))}


def manifest_of(stream: Path, run_id: str) -> dict[str, Any]:
    """A committed run's manifest; FileNotFoundError when there is no such run."""
    packed = catalogue(stream).get(run_id)
    if packed is not None:
        return packed
    try:
        found: dict[str, Any] = json.loads((stream / run_id / "manifest.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        packed = catalogue(stream).get(run_id)  # packed since the first look
        if packed is None:
            raise
        return packed
    return found


def parts_of(stream: Path, run_id: str) -> list[Part]:
    """A committed run's parts, in the order in which they were landed."""
    return [
        Part(
            stream, run_id, one["name"], int(one["rows"]), int(one.get("bytes", 0)), one.get("pack", ""),
            int(one.get("group", 0)), int(one.get("first", 0)), one.get("mark", ""),
        )
        for one in manifest_of(stream, run_id)["parts"]
    ]  # fmt: skip
