"""Frames in and out of the warehouse connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import polars as pl


def fetch(con: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any] = ()) -> pl.DataFrame:
    """The result of `sql` as a frame."""
    frame = pl.from_arrow(con.sql(sql, params=list(parameters)).to_arrow_table())
    if not isinstance(frame, pl.DataFrame):
        raise TypeError(f"not a table: {sql}")
    return frame


def store(con: duckdb.DuckDBPyConnection, frame: pl.DataFrame, table: str) -> None:
    """Create (or replace) `table` with the rows of `frame`."""
    con.register("frame_in", frame.to_arrow())
    try:
        con.execute(f"create or replace table {table} as select * from frame_in")
    finally:
        con.unregister("frame_in")
