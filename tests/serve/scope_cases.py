"""What an attacker would ask of every question of model.serve: with no argument, and with all that names south."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from model import serve
from model.alerts import rule as rules_of
from model.policy import Viewer
from model.quality import history as quality_history
from model.serve import console
from model.serve.aging import GROUPS
from tests.serve import scoped_books
from tests.serve.scoped_books import END, PHONE, START, Books

Case = Callable[[Viewer, Books, str], Any]
DAY = date(2026, 9, 30)
DIFFERENCES = tuple(f"{rule}|{anchor}|CNY" for rule in ("contract_order", "order_invoice", "contract_invoice")
                    for anchor in ("CT-south", "SO-south", "CT-head"))  # fmt: skip

# question → what an attacker would ask: with no argument, and with everything that names south
CASES: dict[str, list[Case]] = {
    "acting.act": [lambda v, b, _: serve.act(v, b.db, _item(b, "south"), "note", note="x")],
    "acting.act_many": [
        lambda v, b, _: {**serve.act_many(v, b.db, [_item(b, "south")], "acknowledge", preview=True), "problems": 1},
        lambda v, b, _: serve.act_many(v, b.db, [_item(b, "south"), _item(b, "north")], "acknowledge"),
    ],
    "acting.record": [],  # writes what act and act_many have checked
    "acting.may_work": [lambda v, b, _: serve.acting.may_work(v)],
    "aging.aging": [
        *(lambda v, b, key, by=by: serve.aging(v, b.db, by=by) for by in GROUPS),
        lambda v, b, key: serve.aging(v, b.db, customer_key=key),
        lambda v, b, key: serve.aging(v, b.db, as_of=DAY, known_at=DAY, net=("credits", "unallocated")),
    ],
    "aging.table": [],  # the table behind aging
    "aging_movement.aging_movement": [lambda v, b, _: serve.aging_movement(v, b.db)],
    "aging_rows.aging_rows": [
        lambda v, b, _: serve.aging_rows(v, b.db),
        lambda v, b, key: serve.aging_rows(v, b.db, group=key),
        lambda v, b, key: serve.aging_rows(v, b.db, by="owner", group=_other(b)),
        lambda v, b, _: serve.aging_rows(v, b.db, by="group", as_of=DAY, known_at=DAY),
    ],
    "alerting.alerts": [lambda v, b, _, s=s: serve.alerts(v, b.db, s) for s in (None, "new", "disputed", "promised")],
    "alerting.alert_rules": [lambda v, b, _: serve.alert_rules(v, b.db)],
    "alerting.try_alert": [
        lambda v, b, _: serve.try_alert(v, b.db, "overdue", DAY, DAY + timedelta(days=3)),
        lambda v, b, _: serve.try_alert(v, b.db, _prying(), DAY, DAY + timedelta(days=3)),
    ],
    "anchors.customers_of": [lambda v, b, _: serve.anchors.customers_of(v, b.db, ["erp:C-south", "erp:C-head"])],
    "assets.assets": [
        lambda v, b, key: serve.assets(v, b.db, key), lambda v, b, _: serve.assets(v, b.db, key_of(b)),
        lambda v, b, _: serve.assets(v, b.db, key_of(b), DAY, "south"),
    ],
    "assets.entitlement": [
        *(lambda v, b, _, n=n: serve.entitlement(v, b.db, n) for n in ("SN-SOUTH", "SN-NORTH", "SN-HEAD", "SN-NOBODY")),
        lambda v, b, key: serve.entitlement(v, b.db, "SN-SOUTH", key),
        lambda v, b, _: serve.entitlement(v, b.db, "SN-SOUTH", key_of(b), DAY),
    ],
    "card.contacts": [], "card.credit": [], "card.identity": [], "card.kpis": [],  # parts of customer
    "chain.chain": [lambda v, b, key: serve.chain(v, b.db, key), lambda v, b, _: serve.chain(v, b.db, key_of(b))],
    "changes.since_visit": [],  # part of changes_since
    "console.query": [
        lambda v, b, _: console.query(v, b.db, "select count(*), max(name) from core.dim_customer"),
        lambda v, b, key: console.query(v, b.db, f"select * from core.fct_invoice where customer_key = '{key}'"),
        lambda v, b, _: console.query(v, b.db, "select name from core.dim_customer where name = 'Robert''); --'"),
    ],
    "console.tables": [lambda v, b, _: console.tables(v, b.db)],
    "currency.currency_report": [lambda v, b, _: serve.currency_report(v, b.db)],
    "customer.customer": [
        lambda v, b, key: serve.customer(v, b.db, key),
        lambda v, b, _: serve.customer(v, b.db, "K-south"),
        lambda v, b, _: serve.customer(v, b.db, "erp:K-south"),
        lambda v, b, _: serve.customer(v, b.db, "C-head"),
        lambda v, b, _: serve.customer(v, b.db, PHONE["south"]),
        lambda v, b, _: serve.customer(v, b.db, "K-north"),
        lambda v, b, _: serve.customer(v, b.db, "K-north", as_of=DAY, known_at=DAY),
    ],
    "drifting.drifts": [lambda v, b, _: serve.drifts(v, b.db, state=None)],
    "drifting.announced_changes": [lambda v, b, _: serve.announced_changes(v, b.db)],
    "drifting.acknowledge_drift": [lambda v, b, _: serve.acknowledge_drift(v, b.db, 1)],
    "drifting.announce_change": [
        lambda v, b, _: serve.announce_change(
            v, b.db, "erp", "x", expected_on=DAY, owner="x", check="x", rollback="x"
        ),
    ],
    "drifting.settle_change": [lambda v, b, _: serve.settle_change(v, b.db, 1, "done")],
    "employees.employees": [lambda v, b, _: serve.employees(v, b.db)],
    "employees.employee_proposals": [lambda v, b, _: serve.employee_proposals(v, b.db)],
    "expected.expected_days": [
        lambda v, b, _: serve.expected_days(v, b.db), lambda v, b, key: serve.expected_days(v, b.db, key),
    ],
    "expected.expected_cash": [lambda v, b, _: serve.expected_cash(v, b.db)],
    "expected.expected_backtest": [],  # how good the estimate is over the whole company; says nothing about one
    "exposure.exposure": [
        lambda v, b, _: serve.exposure(v, b.db), lambda v, b, key: serve.exposure(v, b.db, key),
        lambda v, b, _: serve.exposure(v, b.db, key_of(b)), lambda v, b, _: serve.exposure(v, b.db, as_of=DAY),
    ],
    "exposure.exposure_orders": [lambda v, b, key: serve.exposure_orders(v, b.db, key)],
    "faults.ledger_faults": [lambda v, b, _: serve.ledger_faults(v, b.db)],
    "control.control_balances": [lambda v, b, _: serve.control_balances(v, b.db)],
    "faults.ledger_control": [lambda v, b, _: serve.ledger_control(v, b.db)],
    "find.search": [
        lambda v, b, _, text=text: serve.search(v, b.db, text, 50)
        for text in ("精密", "K-", "INV", "1", "13", "jingmi", "nljm", "K-south", PHONE["south"], "总部", "own", "*")
    ],
    "find.resolve": [
        lambda v, b, key: serve.resolve(v, b.db, key), lambda v, b, _: serve.resolve(v, b.db, "INV-south-1"),
        lambda v, b, _: serve.resolve(v, b.db, "CT-head"),
    ],
    "integration.integration_report": [lambda v, b, _: serve.integration_report(v, b.db)],
    "invoices.record_invoice_received": [
        lambda v, b, _: serve.record_invoice_received(v, b.db, "erp:I-south-1", date(2026, 8, 2)),
    ],
    "letters.letter": [
        lambda v, b, key: serve.letter(v, b.db, key, "reminder"),
        lambda v, b, _: serve.letter(v, b.db, "K-north", "reminder", item_keys=[_item(b, "south")]),
        lambda v, b, _: serve.letter(v, b.db, "K-north", "reminder").facts,
    ],
    "letters.statement_document": [
        lambda v, b, key: serve.statement_document(v, b.db, key),
        lambda v, b, _: serve.statement_document(v, b.db, "K-north", START, END, file="xlsx").facts,
    ],
    "mailing.mail_letter": [
        lambda v, b, _: serve.mail_letter(v, b.db, b.letter),
        lambda v, b, key: serve.mail_letter(v, b.db, replace(b.letter, customer_key=key)),
    ],
    "mailing.mailed_letters": [lambda v, b, _: serve.mailed_letters(v, b.db)],
    "letters.record_letter": [
        lambda v, b, _: serve.record_letter(v, b.db, b.letter),
        lambda v, b, key: serve.record_letter(
            v, b.db, replace(b.letter, item_keys=(_item(b, "north"),), customer_key=key)),
    ],
    "overview.overview": [lambda v, b, _: serve.overview(v, b.db)],
    "promising.promise_performance": [
        lambda v, b, _, by=by: serve.promise_performance(v, b.db, START, date(2026, 12, 31), by)
        for by in (None, "owner", "customer")
    ],
    "ratio_rows.ratio_rows": [
        lambda v, b, _, what=what: serve.ratio_rows(v, b.db, what, "CNY", START, END)
        for what in ("receivables", "overdue", "sales", "payments", "unallocated", "credits")
    ],
    "ratios.ratios": [lambda v, b, _: serve.ratios(v, b.db)],
    "receivable.receivables": [],  # part of customer
    "record.record": [
        *(lambda v, b, _, pair=pair: serve.record(v, b.db, "erp", *pair) for pair in (
            ("customer", "C-south"), ("customer", "C-head"), ("contact", "P-south"), ("invoice", "I-south-1"),
            ("receipt", "R-south-1"), ("receipt", "R-lost"), ("allocation", "A-south"), ("ticket", "T-south"),
            ("ticket_event", "TE-south"), ("project", "PJ-south"), ("milestone", "M-south"),
            ("interaction", "IA-south"), ("opportunity", "O-south"), ("contract", "CT-south"),
            ("sales_order", "SO-south"), ("shipment", "SH-south"), ("credit_note", "CN-south"),
            ("asset", "AS-south"))),
        *(lambda v, b, _, pair=pair: serve.record(v, b.db, "erp", *pair) for pair in (
            ("customer", "C-north"), ("invoice", "I-north-1"), ("contact", "P-north"))),
    ],
    "rejects.alike": [lambda v, b, _: serve.alike(v, b.db, 1)],
    "rejects.set_reject": [lambda v, b, _: serve.set_reject(v, b.db, 1, "ignored", "x")],
    "rejects.request_replay": [lambda v, b, _: serve.request_replay(v, b.db, "erp")],
    "renewals.renewals": [lambda v, b, _: serve.renewals(v, b.db)],
    "renewals.renewal_history": [lambda v, b, _: serve.renewal_history(v, b.db, "erp:CT-south")],
    "renewals.renewal_card": [lambda v, b, _: serve.renewal_card(v, b.db)],
    "mapping.mapping_workbook": [lambda v, b, _: serve.mapping_workbook(v, b.db)],
    "mapping.mapping_signatures": [lambda v, b, _: serve.mapping_signatures(v, b.db)],
    "mapping.mapping_difference": [lambda v, b, _: serve.mapping_difference(v, b.db, b"x")],
    "mapping.apply_mapping": [lambda v, b, _: serve.apply_mapping(v, b.db, b"x")],
    "shadowing.shadow_sources": [lambda v, b, _: serve.shadow_sources(v, b.db)],
    "shadowing.shadow_report": [lambda v, b, _: serve.shadow_report(v, b.db, "erp")],
    "source_state.held_sources": [lambda v, b, _: serve.held_sources(v, b.db)],
    "source_state.source_history": [lambda v, b, _: serve.source_history(v, b.db)],
    "source_state.source_points": [lambda v, b, _: serve.source_points(v, b.db, "erp")],
    "source_state.roll_back_source": [lambda v, b, _: serve.roll_back_source(v, b.db, "erp", "2026-11-01", "x")],
    "source_state.resume_source": [lambda v, b, _: serve.resume_source(v, b.db, "erp")],
    "source_state.set_source_status": [lambda v, b, _: serve.set_source_status(v, b.db, "erp", "shadow")],
    "source_state.kept_builds": [lambda v, b, _: serve.kept_builds(v, b.db)],
    "source_state.roll_back_build": [lambda v, b, _: serve.roll_back_build(v, b.db, "x")],
    "customer_sync.customer_sources": [
        lambda v, b, key: serve.customer_sources(v, b.db, key),
        lambda v, b, _: serve.customer_sources(v, b.db, key_of(b)),
    ],
    "customer_sync.request_customer": [lambda v, b, key: serve.request_customer(v, b.db, key)],
    "customer_sync.customer_sync_state": [lambda v, b, key: serve.customer_sync_state(v, b.db, key)],
    "hooks.hook_state": [lambda v, b, _: serve.hook_state(v, b.db)],
    "hooks.try_host": [lambda v, b, _: serve.try_host(v, b.db, "erp.example.com")],
    "caring.landing_state": [lambda v, b, _: serve.landing_state(v, b.db)],
    "caring.adopt_landing": [lambda v, b, _: serve.adopt_landing(v, b.db)],
    "caring.landing_bucket": [lambda v, b, _: serve.landing_bucket(v, b.db)],
    "caring.request_care": [lambda v, b, _: serve.request_care(v, b.db, "erp", "pack")],
    "configuring.connectors": [lambda v, b, _: serve.connectors(v, b.db)],
    "configuring.source_setup": [lambda v, b, _: serve.source_setup(v, b.db, "erp")],
    "configuring.setup_mark": [lambda v, b, _: serve.setup_mark(v, b.db)],
    "configuring.resolves": [lambda v, b, _: serve.resolves(v, b.db, "env:C360_NOTHING")],
    "configuring.upcoming": [lambda v, b, _: serve.upcoming(v, b.db, "every 15m", "erp")],
    "configuring.add_source": [lambda v, b, _: serve.add_source(v, b.db, {"name": "Wrong name"})],
    "configuring.configure_source": [lambda v, b, _: serve.configure_source(v, b.db, "erp", {"status": "off"})],
    "configuring.switch_source": [lambda v, b, _: serve.switch_source(v, b.db, "erp", is_on=True)],
    "configuring.full_cost": [lambda v, b, _: serve.full_cost(v, b.db, "erp")],
    "configuring.request_full": [lambda v, b, _: serve.request_full(v, b.db, "erp")],
    "caring.care_state": [lambda v, b, _: serve.care_state(v, b.db, "erp", "pack")],
    "sources.status": [],  # counts rows per source, no customer's
    "sources.sources": [lambda v, b, _: serve.sources(v, b.db)["rejects"]],
    "sources.quarantine": [lambda v, b, _: serve.quarantine(v, b.db)],
    "statement.statement": [
        lambda v, b, key: serve.statement(v, b.db, key),
        lambda v, b, _: serve.statement(v, b.db, "K-north", START, END),
    ],
    "recipients.contact_language": [lambda v, b, key: serve.contact_language(v, b.db, key)],
    "statement_mail.mail_statement": [
        lambda v, b, _: serve.mail_statement(v, b.db, b.paper),
        lambda v, b, _: serve.mail_statement(v, b.db, b.paper, confirmed=True),
        lambda v, b, _: serve.mail_statement(v, b.db, replace(b.paper, customer_key=key_of(b))),
    ],
    "statements.send_statement": [lambda v, b, key: serve.send_statement(v, b.db, key, "CNY", START, END)],
    "statements.answer_statement": [
        lambda v, b, _: serve.answer_statement(v, b.db, b.statement_id, "confirm"),
        lambda v, b, _: serve.answer_statement(v, b.db, b.statement_id, "cancel"),
    ],
    "statements.statements": [
        lambda v, b, _: serve.statements(v, b.db), lambda v, b, key: serve.statements(v, b.db, customer_key=key),
    ],
    "statements.statement_file": [lambda v, b, _: serve.statement_file(v, b.db, b.statement_id)],
    "syncing.must_look_after": [lambda v, b, _: serve.syncing.must_look_after(v)],
    "syncing.stop_sync": [lambda v, b, _: serve.stop_sync(v, b.db, "erp")],
    "syncing.may_sync": [], "syncing.request_sync": [], "syncing.sync_state": [], "syncing.streams": [],
    "terms.terms_report": [lambda v, b, _: serve.terms_report(v, b.db)],
    "terms.entered_late": [lambda v, b, _: serve.entered_late(v, b.db, DAY)],
    "timeline.timeline": [
        lambda v, b, key: serve.timeline(v, b.db, key), lambda v, b, _: serve.timeline(v, b.db, "K-north"),
    ],
    "timeline.events": [],  # part of timeline
    "totals.control_totals": [lambda v, b, _: serve.control_totals(v, b.db)],
    "unapplied.unapplied": [lambda v, b, _: serve.unapplied(v, b.db)],
    "unapplied.tell_finance": [
        lambda v, b, _: serve.tell_finance(v, b.db, "erp:R-south-1", {_item(b, "south"): "1"}),
        lambda v, b, _: serve.tell_finance(v, b.db, "erp:R-lost", {_item(b, "north"): "1"}),
        lambda v, b, _: serve.tell_finance(v, b.db, "erp:R-north-1", {_item(b, "south"): "1"}),
    ],
    "unapplied.withdraw_suggestion": [lambda v, b, _: serve.withdraw_suggestion(v, b.db, b.suggestion_id)],
    "visits.changes_since": [
        lambda v, b, key: serve.changes_since(v, b.db, key), lambda v, b, _: serve.changes_since(v, b.db, "K-north"),
    ],
    "visits.seen": [lambda v, b, key: serve.seen(v, b.db, key)],
    "visits.recent": [lambda v, b, _: serve.recent(replace(v, user="chen"), b.db)],
    "visits.pinned": [lambda v, b, _: serve.pinned(replace(v, user="chen"), b.db)],
    "visits.pin": [lambda v, b, key: serve.pin(v, b.db, key)],
    "visits.unpin": [lambda v, b, key: serve.unpin(v, b.db, key)],
    "work_history.work_codes": [lambda v, b, _: serve.work_codes(v, b.db)],
    "work_history.work_history": [
        lambda v, b, key: serve.work_history(v, b.db, customer=key),
        lambda v, b, _: serve.work_history(v, b.db, item_key=_item(b, "south")),
        lambda v, b, _: _said_of(serve.work_history(v, b.db, customer="K-north")),
    ],
    "work_history.log_call": [lambda v, b, key: serve.log_call(v, b.db, key, result="promised")],
    "work_history.disputes": [
        lambda v, b, _: serve.disputes(v, b.db, closed=True), lambda v, b, _: serve.disputes(v, b.db, "unowned"),
    ],
    "work_items.work_items": [
        lambda v, b, _: serve.work_items(v, b.db), lambda v, b, key: serve.work_items(v, b.db, customer_key=key),
        lambda v, b, _: serve.work_items(v, b.db, owner=_other(b)),
        lambda v, b, _: serve.work_items(v, b.db, text="岭"),
    ],
    "work_items.lines": [], "work_items.overdue": [],  # parts of work_items
    "worklist.worklist": [
        lambda v, b, _: serve.worklist(v, b.db), lambda v, b, _: serve.worklist(v, b.db, owner=_other(b)),
    ],
    "worklist.worklist_page": [lambda v, b, _: serve.worklist_page(v, b.db, text="岭")],
    "accepting.accept_difference": [
        lambda v, b, _, d=d: serve.accept_difference(v, b.db, d, reason="timing") for d in DIFFERENCES
    ],
    "accepting.withdraw_acceptance": [lambda v, b, _: serve.withdraw_acceptance(v, b.db, DIFFERENCES[0])],
    "card_rows.header": [],  # part of customer
    "field_conflicts.field_conflicts": [
        lambda v, b, _: serve.field_conflicts(v, b.db), lambda v, b, _: serve.field_conflicts(v, b.db, text="岭"),
        lambda v, b, _: serve.field_conflicts(v, b.db, owner_key=_other(b)),
    ],
    "field_conflicts.settle_field": [lambda v, b, _: serve.settle_field(v, b.db, "erp:C-south", "name")],
    "field_conflicts.retract_field": [lambda v, b, _: serve.retract_field(v, b.db, "K-south", "name")],
    "field_conflicts.field_decisions": [
        lambda v, b, _: serve.field_decisions(v, b.db), lambda v, b, _: serve.field_decisions(v, b.db, "K-south"),
    ],
    "leavers.leavers": [
        lambda v, b, _: serve.leavers(v, b.db), lambda v, b, _: serve.leavers(v, b.db, owner_key=_other(b)),
    ],
    "notices.notices": [
        lambda v, b, _: serve.notices(v, b.db), lambda v, b, key: serve.notices(v, b.db, customer_key=key),
    ],
    "notices.close_notice": [lambda v, b, _: serve.close_notice(v, b.db, "erp:C-south", "done")],
    "notices.may_close": [],  # about a row that notices has shown
    "provenance.provenance": [
        lambda v, b, key: serve.provenance(v, b.db, key), lambda v, b, _: serve.provenance(v, b.db, "K-north"),
    ],
    "provenance.of_customers": [], "provenance.masked": [],  # parts of provenance
    "reconciling.reconciliation": [
        lambda v, b, _: serve.reconciliation(v, b.db), lambda v, b, key: serve.reconciliation(v, b.db, customer=key),
        lambda v, b, _: serve.reconciliation(v, b.db, owner=_other(b)),
    ],
    "reconciling.difference": [lambda v, b, _, d=d: serve.difference(v, b.db, d) for d in DIFFERENCES],
    "reconciling.reconciliation_rows": [
        lambda v, b, _, d=d: serve.reconciliation_rows(v, b.db, d) for d in DIFFERENCES
    ],
    "reconciling.reconciliation_periods": [
        lambda v, b, _, r=r: serve.reconciliation_periods(v, b.db, r) for r in ("contract_order", "order_invoice")
    ],
    "quality.quality": [
        lambda v, b, _: serve.quality(v, b.db), lambda v, b, key: serve.quality(v, b.db, customer=key),
        lambda v, b, _: serve.quality(v, b.db, customer="K-north"),
        lambda v, b, _: serve.quality(v, b.db, source="erp", as_of=DAY),
    ],
    "quality.quality_trend": [
        lambda v, b, _: (quality_history.record(b.db.instance), serve.quality_trend(v, b.db))[1],
    ],
    "quality.failures": [], "quality_counts.tallies": [],  # parts of quality
    "quality_worklist.quality_worklist": [
        lambda v, b, _: serve.quality_worklist(v, b.db),
        lambda v, b, _: serve.quality_worklist(v, b.db, order="failures", rule="customer_terms"),
        lambda v, b, key: serve.quality_worklist(v, b.db, customer=key),
        lambda v, b, _: serve.quality_worklist(v, b.db, owner_key=_other(b)),
    ],
    "reconciling_state.with_state": [],  # part of reconciliation
    "stewards.may_decide": [], "stewards.assert_may_decide": [],
    "stewards.heads": [], "stewards.found": [],  # of records that the questions below have checked
    "stewardship.review_queue": [lambda v, b, _: serve.review_queue(v, b.db)],
    "stewardship.open_pairs": [
        lambda v, b, _: serve.open_pairs(v, b.db, "erp:C-north", "erp:C-south"),
        lambda v, b, _: serve.open_pairs(v, b.db, "erp:C-south", "erp:C-head"),
    ],
    "stewardship.conflicts": [lambda v, b, _: serve.conflicts(v, b.db)],
    "stewardship_build.request_build": [], "stewardship_build.build_state": [],  # about no customer
    "stewardship_cluster.cluster": [
        lambda v, b, key: serve.cluster(v, b.db, key), lambda v, b, _: serve.cluster(v, b.db, "K-north"),
    ],
    "stewardship_cluster.key_history": [lambda v, b, key: serve.key_history(v, b.db, key)],
    "stewardship_cluster.others": [],  # part of cluster
    "stewardship_cluster.resolution": [
        lambda v, b, key: serve.resolution(v, b.db, key), lambda v, b, _: serve.resolution(v, b.db, "K-south"),
    ],
    "stewardship_decide.decide": [
        lambda v, b, _: serve.decide(v, b.db, [("erp:C-north", "erp:C-south")], "same", reason="x"),
    ],
    "stewardship_decide.take_apart": [lambda v, b, _: serve.take_apart(v, b.db, ["erp:C-south"], reason="x")],
    "stewardship_decide.decisions": [lambda v, b, _: serve.decisions(v, b.db)],
    "stewardship_decide.import_list": [],  # for roles that decide; the file is the asker's own
    "stewardship_pair.pair": [
        lambda v, b, _: serve.pair(v, b.db, "erp:C-north", "erp:C-south"),
        lambda v, b, _: serve.pair(v, b.db, "erp:C-south", "erp:C-head"),
    ],
    "stewardship_preview.preview": [
        lambda v, b, _: serve.preview(v, b.db, "same", [("erp:C-north", "erp:C-south")]),
    ],
    "stewardship_preview.effect": [],  # part of preview
    "stewardship_training.training_due": [],  # about no customer
}  # fmt: skip


def key_of(books: Books, code: str = "K-north") -> str:
    return serve.resolve(Viewer.operator(), books.db, code)


def _other(books: Books) -> str:
    return scoped_books.person(books.db, "finance", "south").employee_key or ""


def _item(books: Books, side: str) -> str:
    rows = books.db.rows(
        "select record_key from marts.mart_open_item where source_id = ? order by record_key", [f"I-{side}-1"]
    )
    return str(rows[0]["record_key"])


def _prying() -> rules_of.Rule:
    """A rule whose rows bear north's customer and south's name."""
    known = rules_of.find("overdue")
    sql = """select a.anchor as subject, a.anchor, a.customer_key, a.owner_key, 1 as measure, 'CNY' as currency,
                    1 as amount, 1 as days, cast($as_of as date) as due_on,
                    (select string_agg(other.name) from core.dim_customer as other) as document,
                    cast(null as varchar) as hold from work_customer as a
             where cast($as_of as date) > date '2026-09-30'"""
    return known.model_copy(update={"condition": rules_of.Condition(sql=sql), "steps": [1]})


def _said_of(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """History without what follows from the order of writing."""
    return [{name: value for name, value in row.items() if name not in {"event_id", "batch_id"}} for row in history]
