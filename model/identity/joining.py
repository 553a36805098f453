"""What letting a shadow source in would do to the customers, by the very clustering that the build would use."""

from __future__ import annotations

import duckdb
import polars as pl

from model.identity import match_build, match_kept
from model.identity.customers import CUSTOMER_ENTITIES, clustered, numbered, records_query, with_named
from model.identity.frames import fetch
from model.identity.identifiers import company_identifiers
from model.identity.match_model import Matcher
from model.identity.match_pairs import matched_rows
from ops.store import Store

_KEYS = ["source", "source_id"]


def clusters_with(con: duckdb.DuckDBPyConnection, store: Store, matcher: Matcher | None, shadow: str) -> pl.DataFrame:
    """Every customer record of the live sources and of `shadow` with its cluster, as if `shadow` were live.

    Columns source, source_id, cluster, rule, evidence. `con` reads a warehouse and is not written to.
    """
    records = with_named(con, fetch(con, records_query("", also=shadow)), _named(), also=shadow)
    scratch = duckdb.connect()
    try:
        scratch.execute("attach ':memory:' as delta")
        scratch.execute("create schema delta.identity")
        pairs = match_build.match_all(scratch, matcher, fetch(con, records_query("", also=shadow))) if matcher else None
        pairs = None if pairs is None else match_kept.hold(store, pairs, match_kept.taken(con))
    finally:
        scratch.close()
    records = numbered(records)
    matched = None if pairs is None else matched_rows(pairs, records)
    found, _ = clustered(con, store, records, company_identifiers(records), matched, matcher)
    return records.select(*_KEYS, "row").join(found.members, on="row").drop("row")


def _named() -> str:
    return " union ".join(
        f"select source, customer_id as source_id from staging.{entity} where customer_id is not null"
        for entity in CUSTOMER_ENTITIES
    )
