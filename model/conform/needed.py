"""Which landed rows a replay needs for what staging shows today."""

from __future__ import annotations

import duckdb
import polars as pl

from ingest.retention import Needed
from model import schema
from model.conform.frames import fetched
from model.conform.sources import mapping_of
from ops.instance import Instance


def needed(instance: Instance, con: duckdb.DuckDBPyConnection, source: str) -> Needed:
    """The rows that today's versions were made of, and those before a deletion, whose values a deleted row keeps.

    A stream that a mapping reads is needed whole from its first run on that is not staged (a held source's, too).
    """
    texts = [
        f'SELECT run_id, source_id FROM staging."{entity}" AS s WHERE s.source = $source AND (s.seen_to IS NULL OR '
        f'(s.source_id, s.seen_to) IN (SELECT (d.source_id, d.seen_from) FROM staging."{entity}" AS d '
        "WHERE d.source = $source AND d.seen_to IS NULL AND d.is_deleted))"
        for entity in schema.entities()
    ]
    rows = fetched(
        con.sql(
            f"WITH shown AS ({' UNION ALL '.join(texts)}) SELECT run_id AS run, source_id AS id FROM shown "
            "UNION SELECT s.run_id, r.id FROM shown AS s JOIN meta.document_rows AS r "
            "ON r.source_id = s.source_id AND r.source = $source",
            params={"source": source},
        )
    ).select(pl.col("run", "id").cast(pl.String))
    upto = dict.fromkeys(mapping_of(instance, instance.config.source(source)).streams, "")
    found = con.execute(
        "SELECT stream, max(run_id) FROM meta.staged_runs WHERE source = ? GROUP BY stream", [source]
    ).fetchall()
    return Needed(rows, {**upto, **dict(found)})
