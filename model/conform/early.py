"""Parts mapped as soon as they land, while the collection goes on.

Nothing of this is visible: the rows are kept (KEPT_BYTES in memory, more in a file without a name) until `stage` asks
for them, which it does only for runs whose manifest is written. What is not here (after a kill, a changed mapping, too
much to keep) is read from landing.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

import duckdb
import polars as pl

from model.conform.compile import Compiler, Mapped
from model.conform.mapper import Mapper, marks, size_of
from model.conform.sources import mapping_of
from model.conform.spill import Spill, Spilled
from ops.instance import Instance

KEPT_BYTES = 64 * 1024 * 1024
SPILLED_BYTES = 4 * 1024 * 1024 * 1024
WAITING_PARTS = 4


@dataclass(frozen=True)
class Ready:
    """One landed part: the marks of its documents, the rows they make by entity table, the documents' bytes."""

    marks: pl.DataFrame
    tables: list[Mapped]
    digest: str
    stamp: tuple[int, int, int]
    bytes: int
    spilled: Spilled | None = None

    @property
    def size(self) -> int:
        """Bytes of the rows in memory; they take two or three times as much there."""
        return int(sum(frame.estimated_size() for frame in (self.marks, *(table.rows for table in self.tables))))

    @property
    def height(self) -> int:
        """Documents of the part."""
        return self.marks.height


class Early:
    """Maps parts in a thread of its own; use as a context around collecting and staging."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._pool: ThreadPoolExecutor | None = None
        self._parts: dict[Path, Future[Ready | None]] = {}
        self._mappers: dict[tuple[str, str], Mapper | None] = {}
        self._con: duckdb.DuckDBPyConnection | None = None
        self._lock = threading.Lock()
        self._waiting = self._kept = self._written = 0
        self._spill = Spill(instance.warehouse)

    def __enter__(self) -> Early:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the thread and forget what nobody asked for."""
        if self._pool:
            self._pool.shutdown(cancel_futures=True)
        self._parts.clear()
        self._spill.close()
        if self._con:
            self._con.close()

    def landed(self, source: str, stream: str, path: Path, frame: pl.DataFrame) -> None:
        """Take up the part at `path`, which holds `frame`; left to `stage` when too much waits or is kept."""
        with self._lock:
            if self._waiting >= WAITING_PARTS or self._written >= SPILLED_BYTES:
                return
            self._waiting += 1
            self._pool = self._pool or ThreadPoolExecutor(1, thread_name_prefix="early")
            self._parts[path] = self._pool.submit(self._map, source, stream, frame, _stamp(path))

    def ready(self, path: Path, digest: str) -> Ready | None:
        """The part at `path` as the mapping with this digest maps it, handed over; None if it is not here."""
        future = self._parts.pop(path, None)
        made = future.result() if future else None
        if made is None:
            return None
        with self._lock:
            self._kept -= made.size
        if made.digest != digest or made.stamp != _stamp(path):
            return None
        if made.spilled:
            known, tables = self._spill.take(made.spilled)
            return replace(made, marks=known, tables=tables, spilled=None)
        return made

    def _map(self, source: str, stream: str, frame: pl.DataFrame, stamp: tuple[int, int, int]) -> Ready | None:
        try:
            made = self._made(source, stream, frame, stamp)
            return self._put(made) if made else None
        except Exception:  # whatever is wrong, `stage` meets it again and tells it
            return None
        finally:
            with self._lock:
                self._waiting -= 1

    def _put(self, made: Ready) -> Ready:
        """`made`, or where its rows stand if there is too much in memory."""
        with self._lock:
            is_kept = self._kept + made.size <= KEPT_BYTES
            self._kept += made.size if is_kept else 0
        if is_kept:
            return made
        spilled = self._spill.put(made.marks, made.tables)
        self._written += spilled.size
        return replace(made, marks=made.marks.clear(), tables=[], spilled=spilled)

    def _made(self, source: str, stream: str, frame: pl.DataFrame, stamp: tuple[int, int, int]) -> Ready | None:
        mapper = self._mapper(source, stream)
        if mapper is None:
            return None
        if self._con is None:
            self._con = duckdb.connect()
            self._con.execute("SET timezone = 'UTC'")
        documents = frame.with_columns(ordinal=pl.int_range(frame.height, dtype=pl.Int64))
        tables = []
        for _entity, mapped, is_json in mapper.map(self._con, documents, {}):
            if not is_json:
                return None  # `stage` names the documents that are broken
            tables.append(mapped)
        return Ready(marks(frame), tables, mapper.digest, stamp, size_of(frame))

    def _mapper(self, source: str, stream: str) -> Mapper | None:
        """None where staging needs the documents: no mapping reads them, or a function looks at many at once."""
        key = (source, stream)
        if key not in self._mappers:
            mapping = mapping_of(self._instance, self._instance.config.source(source))
            compiler = Compiler(mapping, self._instance.config.zone)
            mapper = Mapper(mapping, compiler, source, stream)
            self._mappers[key] = mapper if mapper.tables and not mapper.has_frame_hook else None
        return self._mappers[key]


def _stamp(path: Path) -> tuple[int, int, int]:
    """What tells one content of a file from another."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns
