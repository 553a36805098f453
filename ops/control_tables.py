"""Table of the operational store about what sources say of themselves, against what is shown of them."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, Text

from ops.metadata import metadata

control_totals = Table(
    "control_totals",
    metadata,
    Column("total_id", Integer, primary_key=True, autoincrement=True),
    Column("source", String(100), nullable=False),
    Column("name", String(100), nullable=False),
    Column("entity", String(60), nullable=False),
    Column("currency", String(10)),
    Column("asked_at", String(40), nullable=False),
    Column("stated_count", Integer),
    Column("stated_amount", String(30)),
    Column("field", String(100), nullable=False, comment="canonical column that stated_amount is the sum of"),
    Column("includes", String(100), nullable=False, comment="classes the source counts although they are not shown"),
    Column("error", Text),
    Column("state", String(20), nullable=False, comment="open, agrees, settling, gap, failed, skipped"),
    Column("found_at", String(40), comment="when the gap was first seen"),
    Column("version", String(60), comment="published build it was judged on"),
    Column("shown_count", Integer),
    Column("shown_amount", String(30)),
    Column("rejected_count", Integer),
    Column("rejected_amount", String(30)),
    Column("unreadable", Integer, comment="rejected documents whose amount or currency cannot be read"),
    Column("excluded", Text, comment="JSON: class to [count, amount]"),
    Column("gap_count", Integer),
    Column("gap_amount", String(30)),
    Index("control_totals_by_source", "source", "name", "currency", "total_id"),
)
