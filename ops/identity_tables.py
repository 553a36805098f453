"""Tables of the operational store that say which records are one customer, employee or product; see ops.tables."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, Text

from ops.metadata import metadata

match_decisions = Table(
    "match_decisions",
    metadata,
    Column("decision_id", Integer, primary_key=True, autoincrement=True),
    Column("left_source", String(100), nullable=False),
    Column("left_id", String(300), nullable=False),
    Column("right_source", String(100), nullable=False),
    Column("right_id", String(300), nullable=False),
    Column("decision", String(20), nullable=False, comment="same, different, unsure, unmerge (takes back the last)"),
    Column("decided_by", String(100), nullable=False),
    Column("decided_at", String(40), nullable=False),
    Column("reason", Text),
    Column("origin", String(20), nullable=False, default="steward", comment="steward, always, never (imported lists)"),
    Column("batch_id", String(40), comment="decisions taken together"),
    Column("seen", String(40), comment="until when the two records' versions went that were looked at"),
)

kept_links = Table(
    "kept_links",
    metadata,
    Column("left_source", String(100), primary_key=True),
    Column("left_id", String(300), primary_key=True),
    Column("right_source", String(100), primary_key=True),
    Column("right_id", String(300), primary_key=True),
    Column("since", String(40), nullable=False, comment="when a namesake, or a record that fits better, came"),
)

registry = Table(
    "registry",
    metadata,
    Column("kind", String(20), primary_key=True, comment="customer, employee, product"),
    Column("source", String(100), primary_key=True),
    Column("source_id", String(300), primary_key=True),
    Column("golden_key", String(40), nullable=False),
    Column("since", String(40), nullable=False),
    Index("registry_by_key", "kind", "golden_key"),
)

registry_history = Table(
    "registry_history",
    metadata,
    Column("event_id", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(20), nullable=False),
    Column("event", String(20), nullable=False, comment="create, merge, split, move, retire"),
    Column("golden_key", String(40), nullable=False),
    Column("other_key", String(40)),
    Column("at", String(40), nullable=False),
)

registry_moves = Table(
    "registry_moves",
    metadata,
    Column("move_id", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(20), nullable=False),
    Column("source", String(100), nullable=False),
    Column("source_id", String(300), nullable=False),
    Column("from_key", String(40), nullable=False),
    Column("to_key", String(40), nullable=False),
    Column("at", String(40), nullable=False),
    Index("registry_moves_from", "kind", "from_key"),
    Index("registry_moves_to", "kind", "to_key"),
)

golden_keys = Table(
    "golden_keys",
    metadata,
    Column("kind", String(20), primary_key=True),
    Column("golden_key", String(40), primary_key=True),
    Column("source", String(100), comment="anchor: the record a key is bound to, and resolves by when it is retired"),
    Column("source_id", String(300)),
    Column("created_at", String(40), nullable=False),
    Index("golden_keys_by_anchor", "kind", "source", "source_id"),
)

aliases = Table(
    "aliases",
    metadata,
    Column("kind", String(20), primary_key=True),
    Column("alias_key", String(40), primary_key=True),
    Column("golden_key", String(40), nullable=False),
    Column("since", String(40), nullable=False),
)
