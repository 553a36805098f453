"""Tables of the operational store about mappings: who signed which version of a source's mapping."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table

from ops.metadata import metadata

mapping_signatures = Table(
    "mapping_signatures",
    metadata,
    Column("signature_id", Integer, primary_key=True, autoincrement=True),
    Column("source", String(100), nullable=False),
    Column("version", String(40), nullable=False, comment="fingerprint of the mapping that was signed"),
    Column("side", String(20), nullable=False, comment="business, it"),
    Column("name", String(200), nullable=False),
    Column("signed_on", String(10), nullable=False),
    Column("entered_by", String(100), nullable=False),
    Column("entered_at", String(40), nullable=False),
    Index("mapping_signatures_by_source", "source", "side"),
)
