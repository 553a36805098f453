"""Mapped parts that are too much to keep in memory, in a file without a name that ends with its owner."""

from __future__ import annotations

import io
import os
import tempfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO

import polars as pl

from model.conform.compile import Mapped

_FRAMES = [one.name for one in fields(Mapped)]


@dataclass(frozen=True)
class Spilled:
    """Where the frames of one part stand: the begin and the length of each."""

    places: list[tuple[int, int]]

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return sum(length for _, length in self.places)


class Spill:
    """One writer; readers may be other threads. `folder` should be where there is room, as the warehouse has."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._end = 0

    def put(self, marks: pl.DataFrame, tables: list[Mapped]) -> Spilled:
        """Write the frames of a part. OSError when there is no room."""
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - open as long as its owner
        places = []
        for frame in (marks, *(getattr(table, name) for table in tables for name in _FRAMES)):
            text = io.BytesIO()
            frame.write_ipc(text, compression="lz4")
            self._file.seek(self._end)
            self._file.write(text.getbuffer())
            places.append((self._end, len(text.getbuffer())))
            self._end += len(text.getbuffer())
        self._file.flush()
        return Spilled(places)

    def take(self, spilled: Spilled) -> tuple[pl.DataFrame, list[Mapped]]:
        """The frames as they were put."""
        marks, *rest = [self._read(place) for place in spilled.places]
        step = len(_FRAMES)
        return marks, [Mapped(*rest[at : at + step]) for at in range(0, len(rest), step)]

    def close(self) -> None:
        """Give the room back."""
        if self._file:
            self._file.close()
            self._file = None

    def _read(self, place: tuple[int, int]) -> pl.DataFrame:
        if self._file is None:
            raise ValueError("the file is closed")
        begin, length = place
        return pl.read_ipc(os.pread(self._file.fileno(), length, begin))
