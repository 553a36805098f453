"""The only door to what is published: typed questions, the viewer first. Row rules and masks hold here."""

from model.serve.acting import ACTIONS, act, act_many
from model.serve.aging import aging
from model.serve.aging_movement import aging_movement
from model.serve.aging_rows import aging_rows
from model.serve.alerting import alert_rules, alerts, try_alert
from model.serve.chain import chain
from model.serve.connection import Served, open_published
from model.serve.currency import currency_report
from model.serve.customer import customer
from model.serve.expected import expected_backtest, expected_cash, expected_days
from model.serve.exposure import exposure, exposure_orders
from model.serve.faults import ledger_control, ledger_faults
from model.serve.find import Ambiguous, NotFound, resolve, search
from model.serve.freshness import freshness
from model.serve.invoices import record_invoice_received
from model.serve.letters import Document, letter, record_letter, statement_document
from model.serve.overview import overview
from model.serve.people import personas, sign_in
from model.serve.promising import promise_performance
from model.serve.ratio_rows import ratio_rows
from model.serve.ratios import ratios
from model.serve.record import record
from model.serve.renewals import renewal_card, renewal_history, renewals
from model.serve.sources import quarantine, sources, status
from model.serve.statement import statement
from model.serve.statements import answer_statement, send_statement, statement_file, statements
from model.serve.syncing import has_scheduler, may_sync, request_sync, streams, sync_state
from model.serve.terms import entered_late, terms_report
from model.serve.timeline import timeline
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
    "act",
    "act_many",
    "aging",
    "aging_movement",
    "aging_rows",
    "alert_rules",
    "alerts",
    "answer_statement",
    "chain",
    "changes_since",
    "currency_report",
    "customer",
    "disputes",
    "entered_late",
    "expected_backtest",
    "expected_cash",
    "expected_days",
    "exposure",
    "exposure_orders",
    "freshness",
    "has_scheduler",
    "ledger_control",
    "ledger_faults",
    "letter",
    "log_call",
    "may_sync",
    "open_published",
    "overview",
    "personas",
    "pin",
    "pinned",
    "promise_performance",
    "quarantine",
    "ratio_rows",
    "ratios",
    "recent",
    "record",
    "record_invoice_received",
    "record_letter",
    "renewal_card",
    "renewal_history",
    "renewals",
    "request_sync",
    "resolve",
    "search",
    "seen",
    "send_statement",
    "sign_in",
    "sources",
    "statement",
    "statement_document",
    "statement_file",
    "statements",
    "status",
    "streams",
    "sync_state",
    "tell_finance",
    "terms_report",
    "timeline",
    "try_alert",
    "unapplied",
    "unpin",
    "withdraw_suggestion",
    "work_codes",
    "work_history",
    "work_items",
    "worklist",
    "worklist_page",
]
