"""Landing: append-only Parquet parts per source, stream and run; a manifest commits them.

landing/<source>/<stream>/<run_id>/part-00000.parquet …   parts of bounded size
                                   progress.json          where a running collection stands (gone once committed)
                                   manifest.json          written last, by rename: only now the run exists
Old runs may be packed (ingest/packs.py); they keep id, manifest and parts.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from ingest import landing_remote, packs
from ops import clock

PART_ROWS = 20_000
PART_BYTES = 16 * 1024 * 1024
SCHEMA: dict[str, Any] = {
    "id": pl.Utf8,
    "document": pl.Utf8,
    "hash": pl.Utf8,
    "seen_at": pl.Datetime("us", "UTC"),
    "run_id": pl.Utf8,
    "deleted": pl.Boolean,
    "parent_id": pl.Utf8,
}
Row = tuple[str, bytes, str, bool]
"""Id, document (JSON in UTF-8), hash, deleted."""
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_STAMP = "%Y%m%dT%H%M%S%fZ"


def runs(landing: Path, source: str, stream: str, after: str | None = None) -> list[str]:
    """Ids of the committed runs, oldest first; only those later than `after` when given."""
    folder = landing / source / stream
    # the folders first: a run that is packed between the two looks is met in the catalogue
    names = {path.parent.name for path in folder.glob("*/manifest.json")}
    names.update(packs.catalogue(folder))
    return sorted(name for name in names if after is None or name > after)


def streams(landing: Path, source: str) -> list[str]:
    """Streams of `source` that have at least one committed run."""
    found = {path.parent.parent.name for path in (landing / source).glob("*/*/manifest.json")}
    return sorted(found | {path.parent.name for path in (landing / source).glob(f"*/{packs.CATALOGUE}")})


def manifest(landing: Path, source: str, stream: str, run_id: str) -> dict[str, Any]:
    """A committed run's manifest."""
    return packs.manifest_of(landing / source / stream, run_id)


def parts(landing: Path, source: str, stream: str, run_id: str) -> list[packs.Part]:
    """A committed run's parts, in the order in which they were landed."""
    return packs.parts_of(landing / source / stream, run_id)


def read(landing: Path, source: str, stream: str, after: str | None = None) -> Iterator[pl.DataFrame]:
    """Frames (columns of SCHEMA) of every committed run later than `after`, in the order they were landed."""
    for run_id in runs(landing, source, stream, after):
        yield from read_run(landing, source, stream, run_id)


def read_run(landing: Path, source: str, stream: str, run_id: str) -> Iterator[pl.DataFrame]:
    """Frames of one committed run."""
    for part in parts(landing, source, stream, run_id):
        yield part.read()


def new_run_id(landing: Path, source: str, stream: str) -> str:
    """A fresh id: UTC stamp, counter, mark of the source. Later than every run there, even if the clock stands."""
    mark = hashlib.blake2b(source.encode(), digest_size=3).hexdigest()
    folder = landing / source / stream
    last = max((path.name for path in folder.glob("*Z-*") if path.is_dir()), default="")
    last = max(last, *packs.catalogue(folder), "")
    now = clock.now().strftime(_STAMP)
    if last and last.split("-")[0] >= now:
        return f"{last.split('-')[0]}-{int(last.split('-')[1]) + 1:04d}-{mark}"
    return f"{now}-0000-{mark}"


def write_json(path: Path, value: Any) -> None:
    """Write JSON by rename, flushed to disk."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


class Watch(Protocol):
    """Who wants to see parts as they are written."""

    def landed(self, source: str, stream: str, path: Path, frame: pl.DataFrame) -> None:
        """The part at `path`, which holds `frame` (columns of SCHEMA), is on disk; its run may yet be discarded.

        Called in the writing thread; must not raise and should not take long.
        """


class RunWriter:
    """The parts of one run. `flush` makes what was added, and the state to go on from, survive a kill.

    Parts are written in a thread, one at a time and in order: a part first, then the state that counts on it.
    """

    def __init__(self, landing: Path, source: str, stream: str, run_id: str) -> None:
        self.folder = landing / source / stream / run_id
        self.run_id = run_id
        self.watch: Watch | None = None
        self._place = (source, stream)
        self.parts: list[dict[str, Any]] = []
        self.progress: dict[str, Any] = {}
        self._held = _Held()
        self._written = 0
        self._pool: ThreadPoolExecutor | None = None
        self._flushing: Future[None] | None = None

    @classmethod
    def unfinished(cls, landing: Path, source: str, stream: str) -> RunWriter | None:
        """The run a killed process left; parts it had not yet recorded are removed. Older leftovers go too."""
        folder = landing / source / stream
        left = [path for path in sorted(folder.glob("*Z-*")) if path.is_dir() and not _committed(path)]
        for path in left[:-1]:
            shutil.rmtree(path)
        if not left:
            return None
        if not (left[-1] / "progress.json").is_file():
            shutil.rmtree(left[-1])
            return None
        writer = cls(landing, source, stream, left[-1].name)
        saved = json.loads((left[-1] / "progress.json").read_text(encoding="utf-8"))
        writer.parts, writer.progress = saved["parts"], saved["progress"]
        writer._written = sum(int(part["rows"]) for part in writer.parts)
        known = {part["name"] for part in writer.parts}
        for path in left[-1].glob("part-*"):
            if path.name not in known:
                path.unlink()
        return writer

    @property
    def rows(self) -> int:
        """Rows in parts, being written ones included, and in memory."""
        return self._written + len(self._held.ids)

    @property
    def is_full(self) -> bool:
        """Whether the rows in memory fill a part."""
        return len(self._held.ids) >= PART_ROWS or self._held.size >= PART_BYTES

    def add(self, rows: list[Row], parent_id: str | None) -> None:
        """Add rows; they are kept in memory until `flush`."""
        self._held.add(rows, parent_id)

    def extend(self, ids: list[str], documents: list[bytes], marks: list[str]) -> None:
        """Add living rows without a parent, by column: ids, documents, hashes."""
        self._held.extend(ids, documents, marks, [False] * len(ids), None)

    def flush(self, progress: dict[str, Any]) -> None:
        """Write the rows in memory as one part, then the state to go on from. Raises what the last write raised."""
        self.settle()
        held, self._held = self._held, _Held()
        self._written += len(held.ids)
        self._pool = self._pool or ThreadPoolExecutor(1)
        self._flushing = self._pool.submit(self._flush, held, json.dumps(progress, ensure_ascii=False))

    def settle(self) -> None:
        """Wait until everything handed to `flush` is on disk; raises what writing it raised."""
        flushing, self._flushing = self._flushing, None
        if flushing:
            flushing.result()

    def close(self) -> None:
        """Settle, and end the writing thread."""
        try:
            self.settle()
        finally:
            if self._pool:
                self._pool.shutdown()
                self._pool = None

    def _flush(self, held: _Held, progress: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        name, frame = "", None
        if held.ids:
            name = f"part-{len(self.parts):05d}.parquet"
            temporary = self.folder / (name + ".tmp")
            frame = held.frame(self.run_id)
            frame.write_parquet(temporary, compression="zstd", compression_level=1)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(self.folder / name)
            size = (self.folder / name).stat().st_size
            self.parts.append({"name": name, "rows": len(held.ids), "bytes": size})
        self.progress = json.loads(progress)
        write_json(self.folder / "progress.json", {"parts": self.parts, "progress": self.progress})
        if self.watch and frame is not None:
            self.watch.landed(*self._place, self.folder / name, frame)

    def frames(self) -> Iterator[pl.DataFrame]:
        """The recorded parts."""
        for part in self.parts:
            yield pl.read_parquet(self.folder / part["name"])

    def commit(self, facts: dict[str, Any]) -> None:
        """Write the manifest: from now on readers see the run."""
        self.settle()
        manifest = {"run_id": self.run_id, "parts": self.parts, "rows": self.rows, **facts}
        landing_remote.publish(self.folder, manifest)
        write_json(self.folder / "manifest.json", manifest)
        (self.folder / "progress.json").unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove the run, which found nothing new or must begin anew."""
        self.settle()
        shutil.rmtree(self.folder, ignore_errors=True)


class _Held:
    """Rows in memory, by column."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.documents: list[bytes] = []
        self.marks: list[str] = []
        self.deleted: list[bool] = []
        self.parents: list[str | None] = []
        self.seen: list[int] = []
        self.size = 0

    def add(self, rows: list[Row], parent_id: str | None) -> None:
        if not rows:
            return
        ids, documents, marks, deleted = zip(*rows, strict=True)
        self.extend(ids, documents, marks, deleted, parent_id)

    def extend(
        self,
        ids: Sequence[str],
        documents: Sequence[bytes],
        marks: Sequence[str],
        deleted: Sequence[bool],
        parent_id: str | None,
    ) -> None:
        self.ids += ids
        self.documents += documents
        self.marks += marks
        self.deleted += deleted
        self.parents += [parent_id] * len(ids)
        self.seen += [(clock.now() - _EPOCH) // _MICROSECOND] * len(ids)
        self.size += sum(map(len, documents))

    def frame(self, run_id: str) -> pl.DataFrame:
        """The rows with the columns of SCHEMA."""
        columns = {
            "id": pl.Series(self.ids, dtype=pl.String),
            "document": pl.Series(self.documents, dtype=pl.Binary).cast(pl.String),
            "hash": pl.Series(self.marks, dtype=pl.String),
            "seen_at": pl.Series(self.seen, dtype=pl.Int64).cast(SCHEMA["seen_at"]),
            "run_id": pl.repeat(run_id, len(self.ids), dtype=pl.String, eager=True),
            "deleted": pl.Series(self.deleted, dtype=pl.Boolean),
            "parent_id": pl.Series(self.parents, dtype=pl.String),
        }
        return pl.DataFrame(columns, schema=SCHEMA)


def _committed(folder: Path) -> bool:
    return (folder / "manifest.json").is_file()
