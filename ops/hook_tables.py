"""Tables of the operational store for webhooks, targeted reads and hosts that are left alone for a while."""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, Integer, String, Table, Text

from ops.metadata import metadata

target_requests = Table(
    "target_requests",
    metadata,
    Column("request_id", Integer, primary_key=True, autoincrement=True),
    Column("source", String(100), nullable=False),
    Column("stream", String(100), comment="empty: all streams that hold records of the customer"),
    Column("kind", String(20), nullable=False, comment="records, stream (its increment), customer"),
    Column("wanted", Text, nullable=False, comment="JSON: ids of the records; of a customer: stream to ids"),
    Column("subject", String(100), comment="the customer's key when it was asked for"),
    Column("caused_by", String(20), nullable=False, comment="webhook, customer"),
    Column("hooks", Integer, nullable=False, default=1, comment="deliveries that became this one request"),
    Column("requested_by", String(100), nullable=False),
    Column("requested_at", String(40), nullable=False),
    Column("due_at", String(40), nullable=False, comment="until then further hooks join it"),
    Column("state", String(20), nullable=False, comment="waiting, running, done, failed"),
    Column("message", Text),
    Index("target_requests_waiting", "state", "source", "stream"),
)

target_runs = Table(
    "target_runs",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("source", String(100), nullable=False),
    Column("stream", String(100), primary_key=True),
    Column("caused_by", String(20), nullable=False, comment="webhook, customer"),
    Column("request_id", Integer),
    Column("started_at", String(40), nullable=False),
    Column("ended_at", String(40), nullable=False),
    Column("state", String(20), nullable=False, comment="done, failed, skipped"),
    Column("asked", Integer, nullable=False, default=0, comment="records or customers that were asked for"),
    Column("requests", Integer, nullable=False, default=0),
    Column("rows_landed", Integer, nullable=False, default=0),
    Column("seconds", Float),
    Column("error", Text),
    Column("remedy", Text),
    Index("target_runs_by_source", "source", "started_at"),
)

hook_counts = Table(
    "hook_counts",
    metadata,
    Column("source", String(100), primary_key=True),
    Column("outcome", String(20), primary_key=True, comment="accepted, duplicate, unsigned, stale, malformed, ignored"),
    Column("count", Integer, nullable=False),
    Column("last_at", String(40), nullable=False),
)

hook_deliveries = Table(
    "hook_deliveries",
    metadata,
    Column("source", String(100), primary_key=True),
    Column("delivery_id", String(200), primary_key=True),
    Column("at", String(40), nullable=False, index=True),
)

breakers = Table(
    "breakers",
    metadata,
    Column("host", String(300), primary_key=True),
    Column("state", String(20), nullable=False, comment="closed, open, probing"),
    Column("failures", Integer, nullable=False, comment="calls in a row that failed after all attempts"),
    Column("pause_s", Float, nullable=False),
    Column("until_at", String(40), nullable=False, comment="open: not asked before; probing: the probe has until then"),
    Column("opened_at", String(40)),
    Column("reason", Text),
)
