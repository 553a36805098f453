"""Table of the operational store that keeps letters and statements which went, or are about to go, out by mail."""

from __future__ import annotations

from sqlalchemy import Column, Integer, String, Table, Text

from ops.metadata import metadata

letters = Table(
    "letters",
    metadata,
    Column("letter_id", Integer, primary_key=True, autoincrement=True),
    Column("message_id", String(200), nullable=False, unique=True, comment="of the outbox and the delivery ledger"),
    Column("anchor", String(300), nullable=False, index=True, comment="source record that resolves to the customer"),
    Column(
        "kind", String(40), nullable=False, comment="reminder, demand_letter (the stage its items reach), statement"
    ),
    Column("language", String(5), nullable=False),
    Column("person", String(300), comment="the customer's finance contact"),
    Column("recipient", String(300), nullable=False),
    Column("details", Text, nullable=False, comment="JSON: item key to currency, totals, zone, statement_id"),
    Column("file", Text, nullable=False, comment="the letter as sent, inside the instance folder"),
    Column("file_hash", String(64), nullable=False),
    Column("state", String(20), nullable=False, comment="queued, sent, dead, dropped; kept: a demo, nothing leaves"),
    Column("confirmed_by", String(100), nullable=False),
    Column("confirmed_at", String(40), nullable=False),
    Column("ended_at", String(40)),
)
