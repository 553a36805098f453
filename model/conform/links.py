"""Which staged rows came out of which landed document, and which rows therefore disappear."""

from __future__ import annotations

import duckdb
import polars as pl

from model.conform.frames import fetched, shown

GONE = pl.Schema(
    {"id": pl.String(), "source_id": pl.String(), "seen_at": pl.Datetime("us", "UTC"), "run_id": pl.String()}
)
_INSERT = "INSERT INTO meta.document_rows SELECT ?, ?, ?, id, source_id FROM made_frame"


def replace(
    con: duckdb.DuckDBPyConnection,
    source: str,
    stream: str,
    mapping: str,
    siblings: list[str],
    documents: pl.DataFrame,
    made: pl.DataFrame,
) -> pl.DataFrame:
    """Set the rows that `documents` (id, seen_at, run_id) make to `made` (id, source_id).

    Returns the rows that no document makes any more, through this mapping or its `siblings` (the tables of the same
    entity), as id, source_id, seen_at, run_id.
    """
    where = "source = ? AND stream = ? AND mapping = ?"
    key = [source, stream, mapping]
    docs = documents.select("id", "seen_at", "run_id").unique("id", keep="last")
    with shown(con, docs_frame=docs, made_frame=made.select("id", "source_id").unique()):
        known = f"SELECT 1 FROM meta.document_rows WHERE {where} AND id IN (SELECT id FROM docs_frame) LIMIT 1"
        if not con.execute(known, key).fetchall():
            con.execute(_INSERT, key)
            return pl.DataFrame(schema=GONE)
        con.execute(
            "CREATE OR REPLACE TEMP TABLE lost AS SELECT l.id, l.source_id, d.seen_at, d.run_id "
            f"FROM meta.document_rows AS l JOIN docs_frame AS d ON d.id = l.id WHERE {where} "
            "AND (l.id, l.source_id) NOT IN (SELECT (m.id, m.source_id) FROM made_frame AS m)",
            key,
        )
        con.execute(f"DELETE FROM meta.document_rows WHERE {where} AND id IN (SELECT id FROM docs_frame)", key)
        con.execute(_INSERT, key)
        return fetched(
            con.sql(
                "SELECT id, source_id, seen_at, run_id FROM lost WHERE source_id NOT IN "
                "(SELECT r.source_id FROM meta.document_rows AS r WHERE r.source = ? AND list_contains(?, r.mapping))",
                params=[source, siblings],
            )
        )
