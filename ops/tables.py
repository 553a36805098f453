"""Tables of the operational store. Landing and this store rebuild everything else without loss.

Instants are ISO 8601 UTC text with microseconds, which sorts as time does and is the same in SQLite and PostgreSQL.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, Index, Integer, String, Table, Text, UniqueConstraint

from ops.control_tables import control_totals as control_totals
from ops.drift_tables import drifts as drifts
from ops.drift_tables import planned_changes as planned_changes
from ops.drift_tables import source_contracts as source_contracts
from ops.drift_tables import stream_shapes as stream_shapes
from ops.hook_tables import breakers as breakers
from ops.hook_tables import hook_counts as hook_counts
from ops.hook_tables import hook_deliveries as hook_deliveries
from ops.hook_tables import target_requests as target_requests
from ops.hook_tables import target_runs as target_runs
from ops.identity_tables import aliases as aliases
from ops.identity_tables import golden_keys as golden_keys
from ops.identity_tables import kept_links as kept_links
from ops.identity_tables import match_decisions as match_decisions
from ops.identity_tables import registry as registry
from ops.identity_tables import registry_history as registry_history
from ops.identity_tables import registry_moves as registry_moves
from ops.letter_tables import letters as letters
from ops.mapping_tables import mapping_signatures as mapping_signatures
from ops.metadata import metadata as metadata
from ops.quality_tables import quality_history as quality_history

runs = Table(
    "runs",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("source", String(100), nullable=False),
    Column("stream", String(100), primary_key=True),
    Column("started_at", String(40), nullable=False),
    Column("ended_at", String(40)),
    Column("state", String(20), nullable=False, comment="running, done, failed, interrupted"),
    Column("requests", Integer, nullable=False, default=0),
    Column("rows_landed", Integer, nullable=False, default=0),
    Column("rows_changed", Integer, nullable=False, default=0),
    Column("rows_deleted", Integer, nullable=False, default=0),
    Column("bytes", Integer, nullable=False, default=0),
    Column("seconds", Float),
    Column("error", Text),
    Column("remedy", Text),
    Column("warnings", Text),
    Index("runs_by_source", "source", "stream", "started_at"),
)

cursors = Table(
    "cursors",
    metadata,
    Column("source", String(100), primary_key=True),
    Column("stream", String(100), primary_key=True),
    Column(
        "value",
        Text,
        nullable=False,
        comment="JSON: the watermark or cursor after the last committed manifest",
    ),
    Column("run_id", String(64), nullable=False),
    Column("updated_at", String(40), nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("holder", String(200), nullable=False),
    Column("expires_at", String(40), nullable=False),
)

# the source of a request for a build without a collection
BUILD_ONLY = ""
# the stream of a request to stage what has landed of a source again, with today's mapping
REPLAY = "*replay"

sync_requests = Table(
    "sync_requests",
    metadata,
    Column("request_id", Integer, primary_key=True, autoincrement=True),
    Column("source", String(100)),
    Column("stream", String(100)),
    Column("requested_by", String(100), nullable=False),
    Column("requested_at", String(40), nullable=False),
    Column("state", String(20), nullable=False, comment="waiting, running, done, failed, stopped"),
    Column("message", Text),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("quarantine_id", Integer, primary_key=True, autoincrement=True),
    Column("source", String(100), nullable=False),
    Column("stream", String(100), nullable=False),
    Column("record_id", String(300), nullable=False),
    Column("entity", String(60), nullable=False),
    Column("field", String(100), nullable=False),
    Column("value", Text),
    Column("reason", Text, nullable=False),
    Column("run_id", String(64), nullable=False),
    Column("document_hash", String(40)),
    Column("status", String(20), nullable=False, comment="open, fixed, ignored"),
    Column("created_at", String(40), nullable=False),
    Column("updated_at", String(40), nullable=False),
    UniqueConstraint("source", "stream", "record_id", "entity", "field", "document_hash", name="quarantine_once"),
    Index("quarantine_open", "status", "source", "stream"),
)

alerts = Table(
    "alerts",
    metadata,
    Column("alert_id", String(40), primary_key=True),
    Column("rule", String(100), nullable=False),
    Column("subject", String(300), nullable=False, comment="record key of what the alert is about"),
    Column("anchor", String(300), nullable=False, comment="source record that resolves to the customer when read"),
    Column("episode", Integer, nullable=False),
    Column("step", Integer, nullable=False, default=0),
    Column("state", String(20), nullable=False),
    Column("severity", String(10), nullable=False),
    Column("owner_key", String(100)),
    Column("fired_at", String(40), nullable=False),
    Column("updated_at", String(40), nullable=False),
    Column("snoozed_until", String(40)),
    Column("version", String(60), nullable=False, comment="published build it was judged on"),
    Column("details", Text, nullable=False, comment="JSON: amounts as strings, days, document numbers"),
    UniqueConstraint("rule", "subject", "episode", name="alert_once"),
    Index("alerts_by_state", "state", "owner_key"),
)

alert_events = Table(
    "alert_events",
    metadata,
    Column("event_id", Integer, primary_key=True, autoincrement=True),
    Column("alert_id", String(40), nullable=False, index=True),
    Column("at", String(40), nullable=False),
    Column("actor", String(100), nullable=False),
    Column("event", String(30), nullable=False),
    Column("details", Text),
)

outbox = Table(
    "outbox",
    metadata,
    Column("message_id", String(200), primary_key=True),
    Column("channel", String(20), nullable=False),
    Column("recipient", String(300), nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False, comment="the whole MIME message"),
    Column("created_at", String(40), nullable=False),
    Column("state", String(20), nullable=False, comment="waiting, sending, sent, dead, dropped"),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_try_at", String(40), nullable=False),
    Column("last_error", Text),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("delivery_id", Integer, primary_key=True, autoincrement=True),
    Column("message_id", String(200), nullable=False, index=True),
    Column("at", String(40), nullable=False),
    Column("outcome", String(20), nullable=False, comment="sent, failed, uncertain, dead, dropped"),
    Column("detail", Text),
)

promises = Table(
    "promises",
    metadata,
    Column("promise_id", Integer, primary_key=True, autoincrement=True),
    Column("item_key", String(300), nullable=False, index=True),
    Column("amount", String(30), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("promised_on", String(10), nullable=False),
    Column("made_by", String(100), nullable=False),
    Column("made_at", String(40), nullable=False),
    Column("withdrawn_at", String(40)),
    Column("note", Text),
    Column("withdrawn_by", String(100)),
)

disputes = Table(
    "disputes",
    metadata,
    Column("dispute_id", Integer, primary_key=True, autoincrement=True),
    Column("item_key", String(300), nullable=False, index=True),
    Column("amount", String(30), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("reason", String(60), nullable=False),
    Column("opened_by", String(100), nullable=False),
    Column("opened_at", String(40), nullable=False),
    Column("closed_at", String(40)),
    Column("note", Text),
    Column("owner_key", String(100), comment="employee who must resolve it"),
    Column("closed_by", String(100)),
    Column("outcome", String(40)),
)

notes = Table(
    "notes",
    metadata,
    Column("note_id", Integer, primary_key=True, autoincrement=True),
    Column("anchor", String(300), nullable=False, index=True),
    Column("kind", String(30), nullable=False, comment="note, acknowledge, escalate, snooze"),
    Column("body", Text),
    Column("until", String(40)),
    Column("made_by", String(100), nullable=False),
    Column("made_at", String(40), nullable=False),
)

work_events = Table(
    "work_events",
    metadata,
    Column("event_id", Integer, primary_key=True, autoincrement=True),
    Column("at", String(40), nullable=False),
    Column("actor", String(100), nullable=False),
    Column("action", String(40), nullable=False),
    Column("item_key", String(300), index=True, comment="the open item it is about; empty: the customer as a whole"),
    Column("anchor", String(300), index=True, comment="source record that resolves to the customer when read"),
    Column("happened_on", String(10), nullable=False, comment="business date of what happened"),
    Column("until_on", String(10), comment="promised, snoozed or next step on"),
    Column("amount", String(30)),
    Column("currency", String(3)),
    Column("person", String(300), comment="who it is for, or who was spoken to"),
    Column("code", String(60), comment="stage, reason, result or outcome"),
    Column("body", Text),
    Column("batch_id", String(40), comment="actions taken together"),
)

statements = Table(
    "statements",
    metadata,
    Column("statement_id", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(20), nullable=False, comment="statement (of account), confirmation (asked by auditors)"),
    Column("anchor", String(300), nullable=False, index=True, comment="source record that resolves to the customer"),
    Column("currency", String(3), nullable=False),
    Column("from_on", String(10), nullable=False),
    Column("to_on", String(10), nullable=False),
    Column("opening_amount", String(30), nullable=False),
    Column("closing_amount", String(30), nullable=False),
    Column("state", String(20), nullable=False, comment="queued sent failed confirmed difference resolved cancelled"),
    Column("version", String(60), nullable=False, comment="published build it was made from"),
    Column("items", Text, nullable=False, comment="JSON: open items it names, key to amount"),
    Column("file", Text, nullable=False, comment="the document as sent, inside the instance folder"),
    Column("file_hash", String(64), nullable=False),
    Column("sent_by", String(100), nullable=False),
    Column("sent_at", String(40), nullable=False),
    Column("sent_to", Text),
    Column("confirmed_on", String(10)),
    Column("confirmed_amount", String(30)),
    Column("copy_file", Text, comment="the sealed copy that came back, inside the instance folder"),
    Column("copy_hash", String(64)),
    Column("reason", String(60)),
    Column("owner_key", String(100), comment="employee who must resolve the difference"),
    Column("outcome", String(60)),
    Column("note", Text),
    Column("updated_at", String(40), nullable=False),
)

suggestions = Table(
    "suggestions",
    metadata,
    Column("suggestion_id", Integer, primary_key=True, autoincrement=True),
    Column("receipt_key", String(300), nullable=False, index=True),
    Column("anchor", String(300), nullable=False, comment="source record of the customer whose items they are"),
    Column("currency", String(3), nullable=False),
    Column("left_amount", String(30), nullable=False, comment="unallocated when finance was told"),
    Column("items", Text, nullable=False, comment="JSON: item key to amount"),
    Column("reason", String(40), nullable=False),
    Column("told_by", String(100), nullable=False),
    Column("told_at", String(40), nullable=False),
    Column("withdrawn_at", String(40)),
    Column("withdrawn_by", String(100)),
    Column("note", Text),
)

accepted_differences = Table(
    "accepted_differences",
    metadata,
    Column("acceptance_id", Integer, primary_key=True, autoincrement=True),
    Column("rule", String(100), nullable=False),
    Column("anchor", String(300), nullable=False, comment="what both sides name: contract, order, account, invoice"),
    Column("currency", String(3), comment="empty where nothing has one"),
    Column("left_amount", String(30), comment="what was accepted: other amounts or counts end it"),
    Column("right_amount", String(30)),
    Column("left_count", Integer, nullable=False),
    Column("right_count", Integer, nullable=False),
    Column("reason", String(60), nullable=False),
    Column("note", Text),
    Column("accepted_by", String(100), nullable=False),
    Column("accepted_at", String(40), nullable=False),
    Column("withdrawn_by", String(100)),
    Column("withdrawn_at", String(40)),
    Index("accepted_by_rule", "rule", "anchor"),
)

field_decisions = Table(
    "field_decisions",
    metadata,
    Column("decision_id", Integer, primary_key=True, autoincrement=True),
    Column("source", String(100), nullable=False),
    Column("source_id", String(300), nullable=False, comment="the record whose value it is about"),
    Column("field", String(60), nullable=False),
    Column("decision", String(20), nullable=False, comment="right, retract (takes back what was said before)"),
    Column("value", Text, comment="what the record said; a decision holds while it still says so"),
    Column("decided_by", String(100), nullable=False),
    Column("decided_at", String(40), nullable=False),
    Column("reason", Text),
    Index("field_decisions_by_record", "source", "source_id", "field"),
)

notice_events = Table(
    "notice_events",
    metadata,
    Column("event_id", Integer, primary_key=True, autoincrement=True),
    Column("notice_key", String(700), nullable=False, index=True, comment="event and the record it asks about"),
    Column("at", String(40), nullable=False),
    Column("actor", String(100), nullable=False),
    Column("state", String(20), nullable=False, comment="done, not_needed, open (opened again)"),
    Column("note", Text),
)

audit = Table(
    "audit",
    metadata,
    Column("audit_id", Integer, primary_key=True, autoincrement=True),
    Column("at", String(40), nullable=False),
    Column("actor", String(100), nullable=False),
    Column("action", String(60), nullable=False),
    Column("subject", String(300)),
    Column("details", Text),
)

model_versions = Table(
    "model_versions",
    metadata,
    Column("model", String(40), primary_key=True),
    Column("version", String(60), primary_key=True),
    Column("trained_at", String(40), nullable=False),
    Column("is_current", Boolean, nullable=False, default=False),
    Column("card", Text, nullable=False, comment="JSON: figures, grade, features"),
    Column("path", Text),
)

scores = Table(
    "scores",
    metadata,
    Column("score_id", Integer, primary_key=True, autoincrement=True),
    Column("model", String(40), nullable=False),
    Column("model_version", String(60), nullable=False),
    Column("record_key", String(300), nullable=False, index=True),
    Column("scored_at", String(40), nullable=False),
    Column("as_of", String(10), nullable=False),
    Column("likelihood", Float),
    Column("low", Float),
    Column("high", Float),
    Column("base_rate", Float),
    Column("drivers_up", Text),
    Column("drivers_down", Text),
)

visits = Table(
    "visits",
    metadata,
    Column("user", String(100), primary_key=True),
    Column("anchor", String(300), primary_key=True),
    Column("last_at", String(40), nullable=False),
    Column("last_data", String(40), comment="until when the data went that were looked at"),
    Column("mark_at", String(40), comment="the visit before the present one: what came later has changed since"),
    Column("mark_data", String(40)),
)

pins = Table(
    "pins",
    metadata,
    Column("user", String(100), primary_key=True),
    Column("anchor", String(300), primary_key=True, comment="source record that resolves to the customer when read"),
    Column("pinned_at", String(40), nullable=False),
)

kv = Table(
    "kv",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("value", Text, nullable=False),
    Column("updated_at", String(40), nullable=False),
)
