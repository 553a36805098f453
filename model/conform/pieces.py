"""A run's parts joined to pieces, each of which is staged in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

from ingest.packs import Part
from model.conform.compile import Mapped
from model.conform.early import Ready
from model.conform.mapper import Mapper, joined, marks, size_of
from model.conform.spec import EntityMapping

CHUNK = 100_000
CHUNK_BYTES = 128 * 1024 * 1024


@dataclass
class Piece:
    """Documents that are staged in one pass: their marks (with column ordinal) and, by part, they or their rows."""

    marks: pl.DataFrame
    parts: list[Ready | pl.DataFrame]
    files: list[Part]
    first: int

    def read(self, fresh: pl.DataFrame) -> pl.DataFrame:
        """The documents that `fresh` (column ordinal) marks, with their ordinals."""
        wanted = fresh.select("ordinal")
        found = [self._part(number) for number in range(len(self.parts))]
        return pl.concat([part.join(wanted, on="ordinal", how="semi", maintain_order="left") for part in found])

    def _part(self, number: int) -> pl.DataFrame:
        """The documents of one part, with their ordinals."""
        part = self.parts[number]
        frame = self.files[number].read() if isinstance(part, Ready) else part
        first = self.first + sum(before.height for before in self.parts[:number])
        return frame.with_columns(ordinal=pl.int_range(first, first + frame.height, dtype=pl.Int64))

    def tables(
        self, mapper: Mapper, con: duckdb.DuckDBPyConnection, fresh: pl.DataFrame, merges: dict[str, str]
    ) -> Iterator[tuple[EntityMapping, Mapped, bool]]:
        """Each entity table with the rows of the fresh documents, and whether every document is JSON."""
        has_rows = any(isinstance(part, Ready) for part in self.parts)
        if not has_rows or fresh.height < self.marks.height:
            yield from mapper.map(con, self.read(fresh), merges)
            return
        made, is_json = [], True
        for place, part in enumerate(self.parts):
            if isinstance(part, Ready):
                made.append(part.tables)
                continue
            mapped = list(mapper.map(con, self._part(place), merges))
            made.append([table for _, table, _ in mapped])
            is_json = is_json and all(sound for _, _, sound in mapped)
        for number, (entity, _) in enumerate(mapper.tables):
            yield entity, joined([tables[number] for tables in made]), is_json


def pieces(files: Iterable[Part], early: Callable[[Path], Ready | None]) -> Iterator[Piece]:
    """Parts of a run, joined to pieces of about CHUNK rows or CHUNK_BYTES so that each costs one pass.

    Where a run is cut does not depend on which parts `early` has rows of.
    """
    held: list[tuple[Part, Ready | pl.DataFrame]] = []
    offset = rows = size = 0
    for file in files:
        part: Ready | pl.DataFrame = early(file.path) or file.read()
        held.append((file, part))
        rows += part.height
        size += part.bytes if isinstance(part, Ready) else size_of(part)
        if rows >= CHUNK or size >= CHUNK_BYTES:
            yield _piece(held, offset)
            held, offset, rows, size = [], offset + rows, 0, 0
    if held:
        yield _piece(held, offset)


def _piece(held: list[tuple[Part, Ready | pl.DataFrame]], offset: int) -> Piece:
    known = pl.concat([part.marks if isinstance(part, Ready) else marks(part) for _, part in held])
    ordinal = pl.int_range(offset, offset + known.height, dtype=pl.Int64).alias("ordinal")
    return Piece(known.with_columns(ordinal), [part for _, part in held], [file for file, _ in held], offset)
