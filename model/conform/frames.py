"""Frames into DuckDB and back, as Arrow; texts are not copied on the way in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import polars as pl
import pyarrow as pa


@contextmanager
def shown(con: duckdb.DuckDBPyConnection, **frames: pl.DataFrame) -> Iterator[None]:
    """The frames as tables of `con`, called as the arguments, for the block."""
    for name, frame in frames.items():
        con.register(name, frame.to_arrow(compat_level=pl.CompatLevel.newest()))
    try:
        yield
    finally:
        for name in frames:
            con.unregister(name)


def fetched(relation: duckdb.DuckDBPyRelation) -> pl.DataFrame:
    """The rows of a relation."""
    table: pa.Table = relation.to_arrow_table()
    frame = pl.from_arrow(table)
    if not isinstance(frame, pl.DataFrame):
        raise TypeError("an Arrow table did not become a frame")
    return frame
