"""Tables of the operational store about how sources change: shapes seen, contracts, drift, announced changes."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, Text

from ops.metadata import metadata

stream_shapes = Table(
    "stream_shapes",
    metadata,
    Column("source", String(100), primary_key=True),
    Column("stream", String(100), primary_key=True),
    Column("fields", Text, nullable=False, comment="JSON: documents looked at and, per field, its types and values"),
    Column("run_id", String(64), nullable=False, comment="the newest run that is counted"),
    Column("updated_at", String(40), nullable=False),
)

source_contracts = Table(
    "source_contracts",
    metadata,
    Column("source", String(100), primary_key=True),
    Column("contract", Text, nullable=False, comment="JSON: the connector's spec as the last collection used it"),
    Column("updated_at", String(40), nullable=False),
)

drifts = Table(
    "drifts",
    metadata,
    Column("drift_id", Integer, primary_key=True, autoincrement=True),
    Column("source", String(100), nullable=False),
    Column("stream", String(100), nullable=False, comment="* where a change of contract is about the whole source"),
    Column("field", Text, nullable=False),
    Column("kind", String(20), nullable=False, comment="appeared, vanished, emptied, retyped, new_value, contract"),
    Column("before", Text),
    Column("after", Text),
    Column("documents", Integer, nullable=False, comment="documents of the run that were looked at"),
    Column("run_id", String(64), nullable=False),
    Column("found_at", String(40), nullable=False),
    Column("state", String(20), nullable=False, comment="open, acknowledged, ended: it is as it was before"),
    Column("planned_id", Integer, comment="the announced change that this is"),
    Column("settled_by", String(100)),
    Column("settled_at", String(40)),
    Column("note", Text),
    Index("drifts_by_stream", "source", "stream", "state"),
)

planned_changes = Table(
    "planned_changes",
    metadata,
    Column("planned_id", Integer, primary_key=True, autoincrement=True),
    Column("source", String(100), nullable=False),
    Column("stream", String(100), comment="null: any stream of the source"),
    Column("field", Text, comment="null: any field"),
    Column("title", Text, nullable=False),
    Column("expected_on", String(10), nullable=False, comment="a day in the company's time zone"),
    Column("owner", Text, nullable=False, comment="who answers for it"),
    Column("check", Text, nullable=False, comment="how one sees that it went well"),
    Column("rollback", Text, nullable=False, comment="what is done if it did not"),
    Column("entered_by", String(100), nullable=False),
    Column("entered_at", String(40), nullable=False),
    Column("state", String(20), nullable=False, comment="announced, done, cancelled, rolled_back"),
    Column("settled_by", String(100)),
    Column("settled_at", String(40)),
    Column("note", Text),
)
