"""Documents of one stream made into rows: the part of staging that needs no warehouse, only the documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import duckdb
import polars as pl

from model.conform import links, paths, upsert
from model.conform.compile import Compiled, Compiler, Mapped, apply, wanted
from model.conform.spec import EntityMapping, Mapping

_UNUSED = ("hash", "ordinal")


def marks(frame: pl.DataFrame) -> pl.DataFrame:
    """What staging must know of documents besides their rows.

    Columns id, hash, seen_at, run_id, deleted, is_empty (nothing but an empty object), is_blank (no text at all).
    """
    return frame.select(
        "id",
        "hash",
        "seen_at",
        "run_id",
        "deleted",
        is_empty=pl.col("document").is_in(["{}", ""]),
        is_blank=pl.col("document") == "",
    )


def size_of(frame: pl.DataFrame) -> int:
    """Bytes of the documents."""
    return int(frame["document"].str.len_bytes().sum())


class Mapper:
    """The entity tables of one stream of one source."""

    def __init__(self, mapping: Mapping, compiler: Compiler, source: str, stream: str) -> None:
        self.mapping, self.compiler, self.source, self.stream = mapping, compiler, source, stream
        self.digest = mapping.digest
        self.tables: list[tuple[EntityMapping, Compiled]] = [
            (entity, compiler.compile(entity)) for entity in mapping.of(stream)
        ]

    @property
    def has_frame_hook(self) -> bool:
        """Whether a connector's function looks at many rows at once, so that how they are cut may matter."""
        return any(entity.hook for entity, _ in self.tables)

    def map(
        self, con: duckdb.DuckDBPyConnection, documents: pl.DataFrame, merges: dict[str, str]
    ) -> Iterator[tuple[EntityMapping, Mapped, bool]]:
        """Each entity table with the rows it makes of `documents`, and whether every document is JSON.

        `documents` has the columns of landing.SCHEMA and ordinal; `merges` is id → id of the record that took it in.
        Columns without any value are left out of the rows; column `version` is the hash of what a version holds.
        """
        frame = documents.filter(~pl.col("document").is_in(["{}", ""])).with_columns(
            source=pl.lit(self.source),
            stream=pl.lit(self.stream),
            merged_to=pl.col("id").replace_strict(merges, default=None, return_dtype=pl.String),
        )
        for entity, compiled in self.tables:
            extracted, is_json = paths.extract(
                con,
                frame,
                wanted(entity, self.mapping.locate),
                explode=entity.explode,
                is_flat=self.mapping.is_flat,
            )
            mapped = apply(extracted.filter("is_valid").sort("ordinal", "position"), entity, compiled)
            hook = self.compiler.frame_hook(entity)
            if hook:
                mapped.rows = cast("pl.DataFrame", hook(mapped.rows))
            yield entity, _slim(con, entity.entity, mapped), is_json


def _slim(con: duckdb.DuckDBPyConnection, entity: str, mapped: Mapped) -> Mapped:
    rows = mapped.rows.drop(_UNUSED, strict=False)
    empty = [name for name in rows.columns if rows[name].null_count() == rows.height and name not in links.GONE]
    return Mapped(
        upsert.hashed(con, entity, rows.drop(empty)),
        mapped.rejects,
        mapped.filtered.select(list(links.GONE)),
        mapped.scrubbed.select(list(links.GONE)),
    )


def joined(parts: list[Mapped]) -> Mapped:
    """The rows of several batches as one, in their order."""
    if len(parts) == 1:
        return parts[0]
    return Mapped(
        pl.concat([part.rows for part in parts], how="diagonal"),
        pl.concat([part.rejects for part in parts]),
        pl.concat([part.filtered for part in parts]),
        pl.concat([part.scrubbed for part in parts]),
    )
