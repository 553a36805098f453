"""Table of the operational store that keeps how data quality went; see ops.tables."""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, Integer, String, Table

from ops.metadata import metadata

quality_history = Table(
    "quality_history",
    metadata,
    Column("version", String(60), primary_key=True, comment="published build it was judged on"),
    Column("source", String(100), primary_key=True, comment="empty: all sources together"),
    Column("dimension", String(40), primary_key=True, comment="all: every dimension together"),
    Column("score", Float, nullable=False, comment="0 to 100"),
    Column("checked", Integer, nullable=False, comment="records × rules that apply to them"),
    Column("failed", Integer, nullable=False),
    Column("taken_at", String(40), nullable=False),
    Column("as_of", String(10), nullable=False, comment="business date that freshness was judged on"),
    Index("quality_history_by_time", "taken_at"),
)
