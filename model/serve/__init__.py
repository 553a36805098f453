"""The only door to what is published: typed questions, the viewer first. Row rules and masks hold here."""

from model.serve.accepting import accept_difference, withdraw_acceptance
from model.serve.acting import ACTIONS, act, act_many
from model.serve.aging import aging
from model.serve.aging_movement import aging_movement
from model.serve.aging_rows import aging_rows
from model.serve.alerting import alert_rules, alerts, try_alert
from model.serve.assets import assets, entitlement, serial_key
from model.serve.caring import adopt_landing, care_state, landing_bucket, landing_state, request_care
from model.serve.chain import chain
from model.serve.configuring import (
    add_source,
    configure_source,
    connectors,
    full_cost,
    request_full,
    resolves,
    setup_mark,
    source_setup,
    switch_source,
    upcoming,
)
from model.serve.connection import Served, open_published
from model.serve.control import control_balances
from model.serve.currency import currency_report
from model.serve.customer import customer
from model.serve.customer_sync import customer_sources, customer_sync_state, request_customer
from model.serve.drifting import (
    acknowledge_drift,
    announce_change,
    announced_changes,
    drifts,
    settle_change,
)
from model.serve.employees import employee_proposals, employees
from model.serve.expected import expected_backtest, expected_cash, expected_days
from model.serve.exposure import exposure, exposure_orders
from model.serve.faults import ledger_control, ledger_faults
from model.serve.field_conflicts import field_conflicts, field_decisions, retract_field, settle_field
from model.serve.find import Ambiguous, NotFound, resolve, search
from model.serve.freshness import freshness
from model.serve.hooks import hook_state, try_host
from model.serve.integration import integration_report
from model.serve.invoices import record_invoice_received
from model.serve.leavers import leavers
from model.serve.letters import Document, letter, record_letter, statement_document
from model.serve.mailing import mail_letter, mailed_letters
from model.serve.mapping import apply_mapping, mapping_difference, mapping_signatures, mapping_workbook
from model.serve.notices import close_notice, may_close, notices
from model.serve.overview import overview
from model.serve.people import names, personas, sign_in
from model.serve.promising import promise_performance
from model.serve.provenance import provenance
from model.serve.quality import quality, quality_trend
from model.serve.quality_worklist import quality_worklist
from model.serve.ratio_rows import ratio_rows
from model.serve.ratios import ratios
from model.serve.recipients import contact_language
from model.serve.reconciling import difference, reconciliation, reconciliation_periods, reconciliation_rows
from model.serve.record import record
from model.serve.rejects import alike, request_replay, set_reject
from model.serve.renewals import renewal_card, renewal_history, renewals
from model.serve.shadowing import shadow_report, shadow_sources
from model.serve.source_state import (
    held_sources,
    kept_builds,
    resume_source,
    roll_back_build,
    roll_back_source,
    set_source_status,
    source_history,
    source_points,
)
from model.serve.sources import quarantine, sources, status
from model.serve.statement import statement
from model.serve.statement_mail import mail_statement
from model.serve.statements import answer_statement, send_statement, statement_file, statements
from model.serve.stewards import may_decide
from model.serve.stewardship import conflicts, open_pairs, review_queue
from model.serve.stewardship_build import build_state, request_build
from model.serve.stewardship_cluster import cluster, key_history, resolution
from model.serve.stewardship_decide import decide, decisions, import_list, take_apart
from model.serve.stewardship_pair import pair
from model.serve.stewardship_preview import preview
from model.serve.stewardship_training import training_due
from model.serve.syncing import has_scheduler, may_sync, request_sync, stop_sync, streams, sync_state
from model.serve.terms import entered_late, terms_report
from model.serve.timeline import timeline
from model.serve.totals import control_totals
from model.serve.unapplied import tell_finance, unapplied, withdraw_suggestion
from model.serve.visits import changes_since, pin, pinned, recent, seen, unpin
from model.serve.work_history import disputes, log_call, work_codes, work_history
from model.serve.work_items import work_items
from model.serve.worklist import worklist, worklist_page

__all__ = [
    "ACTIONS",
    "Ambiguous",
    "Document",
    "NotFound",
    "Served",
    "accept_difference",
    "acknowledge_drift",
    "act",
    "act_many",
    "add_source",
    "adopt_landing",
    "aging",
    "aging_movement",
    "aging_rows",
    "alert_rules",
    "alerts",
    "alike",
    "announce_change",
    "announced_changes",
    "answer_statement",
    "apply_mapping",
    "assets",
    "build_state",
    "care_state",
    "chain",
    "changes_since",
    "close_notice",
    "cluster",
    "configure_source",
    "conflicts",
    "connectors",
    "contact_language",
    "control_balances",
    "control_totals",
    "currency_report",
    "customer",
    "customer_sources",
    "customer_sync_state",
    "decide",
    "decisions",
    "difference",
    "disputes",
    "drifts",
    "employee_proposals",
    "employees",
    "entered_late",
    "entitlement",
    "expected_backtest",
    "expected_cash",
    "expected_days",
    "exposure",
    "exposure_orders",
    "field_conflicts",
    "field_decisions",
    "freshness",
    "full_cost",
    "has_scheduler",
    "held_sources",
    "hook_state",
    "import_list",
    "integration_report",
    "kept_builds",
    "key_history",
    "landing_bucket",
    "landing_state",
    "leavers",
    "ledger_control",
    "ledger_faults",
    "letter",
    "log_call",
    "mail_letter",
    "mail_statement",
    "mailed_letters",
    "mapping_difference",
    "mapping_signatures",
    "mapping_workbook",
    "may_close",
    "may_decide",
    "may_sync",
    "names",
    "notices",
    "open_pairs",
    "open_published",
    "overview",
    "pair",
    "personas",
    "pin",
    "pinned",
    "preview",
    "promise_performance",
    "provenance",
    "quality",
    "quality_trend",
    "quality_worklist",
    "quarantine",
    "ratio_rows",
    "ratios",
    "recent",
    "reconciliation",
    "reconciliation_periods",
    "reconciliation_rows",
    "record",
    "record_invoice_received",
    "record_letter",
    "renewal_card",
    "renewal_history",
    "renewals",
    "request_build",
    "request_care",
    "request_customer",
    "request_full",
    "request_replay",
    "request_sync",
    "resolution",
    "resolve",
    "resolves",
    "resume_source",
    "retract_field",
    "review_queue",
    "roll_back_build",
    "roll_back_source",
    "search",
    "seen",
    "send_statement",
    "serial_key",
    "set_reject",
    "set_source_status",
    "settle_change",
    "settle_field",
    "setup_mark",
    "shadow_report",
    "shadow_sources",
    "sign_in",
    "source_history",
    "source_points",
    "source_setup",
    "sources",
    "statement",
    "statement_document",
    "statement_file",
    "statements",
    "status",
    "stop_sync",
    "streams",
    "switch_source",
    "sync_state",
    "take_apart",
    "tell_finance",
    "terms_report",
    "timeline",
    "training_due",
    "try_alert",
    "try_host",
    "unapplied",
    "unpin",
    "upcoming",
    "withdraw_acceptance",
    "withdraw_suggestion",
    "work_codes",
    "work_history",
    "work_items",
    "worklist",
    "worklist_page",
]
