"""Frames into DuckDB and back, as Arrow; texts are not copied on the way in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import polars as pl
import pyarrow as pa

BATCH = 10_240


class _Lent:
    """A table that DuckDB reads and that is taken away again.

    A transaction remembers every name it was shown until it ends, and would keep the tables behind them.
    """

    def __init__(self, table: pa.Table) -> None:
        self.table: pa.Table | None = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        if self.table is None:
            raise ValueError("the table was taken away")
        return self.table.__arrow_c_stream__(requested_schema)


@contextmanager
def shown(con: duckdb.DuckDBPyConnection, **frames: pl.DataFrame) -> Iterator[None]:
    """The frames as tables of `con`, called as the arguments, for the block."""
    lent = {name: _Lent(_in_batches(frame)) for name, frame in frames.items()}
    for name, one in lent.items():
        con.register(name, one)
    try:
        yield
    finally:
        for name, one in lent.items():
            con.unregister(name)
            one.table = None


def _in_batches(frame: pl.DataFrame) -> pa.Table:
    """The rows as Arrow in batches of at most BATCH: DuckDB's threads take one at a time."""
    table = frame.to_arrow(compat_level=pl.CompatLevel.newest())
    if table.num_rows <= BATCH:
        return table
    return pa.Table.from_batches(table.to_batches(max_chunksize=BATCH), schema=table.schema)


def fetched(relation: duckdb.DuckDBPyRelation) -> pl.DataFrame:
    """The rows of a relation."""
    table: pa.Table = relation.to_arrow_table()
    frame = pl.from_arrow(table)
    if not isinstance(frame, pl.DataFrame):
        raise TypeError("an Arrow table did not become a frame")
    return frame
