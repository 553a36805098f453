"""Books of two account managers, every kind of document filled in; the other one's come in two variants.

What north's viewer is told must not depend on south's variant: a name, a total or a count that differs came from there.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from model import alerts, policy, serve
from model.policy import Viewer
from model.serve import Served
from ops.instance import Instance
from ops.store import stamp
from ops.tables import quarantine, scores
from tests.warehouse import helpers

PHONE = {"north": "13811112222", "south": "13933334444", "head": "13955556666"}
BANK = "6222020000001234567"
START, END = date(2026, 8, 1), date(2026, 11, 20)


class Books(NamedTuple):
    """A published instance and what finance did about south: ids that north's viewer might guess."""

    db: Served
    statement_id: int
    suggestion_id: int
    letter: Any
    paper: Any


def _customers(word: str, factor: int) -> list[dict[str, Any]]:
    names = {"north": "北岭精密仪器有限公司", "south": f"{word}精密仪器有限公司", "head": "总部集团有限公司"}
    return [
        {"id": f"C-{side}", "code": f"K-{side}", "name": name,
         "owner_id": f"E-{'north' if side == 'north' else 'south'}", "phone": PHONE[side],
         "bank_account": BANK, "payment_terms": "月结30天",
         "parent_id": None if side == "head" else "C-head", "region": "华东",
         **({"credit_limit_amount": 50000 * factor, "credit_currency": "CNY"} if side != "north" else {})}
        for side, name in names.items()
    ]  # fmt: skip


def _documents(con: Any, side: str, word: str, factor: int) -> None:
    customer = {"customer_id": f"C-{side}"}
    money = {"currency": "CNY"}
    big = 100000 * factor
    helpers.put(con, "contact", "erp", [
        {"id": f"P-{side}", **customer, "name": f"王{word}", "mobile": PHONE[side], "phone": PHONE[side],
         "is_finance": True, "is_active": True}])  # fmt: skip
    helpers.put(con, "contract", "erp", [
        {"id": f"CT-{side}", **customer, **money, "number": f"CT-{side}", "name": f"{word}年度维保", "amount": big,
         "status": "in_force", "start_on": "2026-01-01", "end_on": "2026-12-31", "is_recurring": True}])  # fmt: skip
    helpers.put(con, "sales_order", "erp", [
        {"id": f"SO-{side}", **customer, **money, "number": f"SO-{side}", "order_on": "2026-08-01", "gross_amount": big,
         "contract_number": f"CT-{side}"}])  # fmt: skip
    helpers.put(con, "shipment", "erp", [
        {"id": f"SH-{side}", **customer, **money, "number": f"SH-{side}", "order_id": f"SO-{side}",
         "shipped_on": "2026-08-05", "gross_amount": big * 2 // 5}])  # fmt: skip
    helpers.put(con, "invoice", "erp", [
        {"id": f"I-{side}-{n}", **customer, **money, "number": f"INV-{side}-{n}", "order_id": f"SO-{side}",
         "contract_number": f"CT-{side}", "invoice_on": f"2026-0{n + 6}-01", "due_on": f"2026-0{n + 6}-28",
         "payment_terms": "月结30天",
         "gross_amount": big // 10 * n} for n in range(1, 2 + factor)
    ])  # fmt: skip
    helpers.put(con, "receipt", "erp", [
        {"id": f"R-{side}-{n}", **customer, **money, "number": f"RC-{side}-{n}", "received_on": f"2026-1{n}-02",
         "amount": big // 50 * (n + 1), "payer_name": f"{word}付款"} for n in (0, 1)
    ])  # fmt: skip
    helpers.put(con, "allocation", "erp", [
        {"id": f"A-{side}", "kind": "cash", "receipt_id": f"R-{side}-0", "invoice_id": f"I-{side}-1",
         "amount": big // 50, "allocated_on": "2026-10-03"}])  # fmt: skip
    helpers.put(con, "credit_note", "erp", [
        {"id": f"CN-{side}", **customer, **money, "number": f"CN-{side}", "credit_on": "2026-10-01",
         "gross_amount": factor * 10}])  # fmt: skip
    helpers.put(con, "opportunity", "erp", [
        {"id": f"O-{side}", **customer, **money, "number": f"O-{side}", "name": f"{word}商机", "amount": big,
         "stage": "报价", "probability_percent": 50, "is_closed": False, "created_at": "2026-08-01"}])  # fmt: skip
    helpers.put(con, "asset", "erp", [
        {"id": f"AS-{side}", **customer, "serial_number": f"SN-{side}", "serial_key": f"SN{side.upper()}",
         "product_name": f"{word}设备", "shipped_on": "2026-08-05", "warranty_end_on": f"2027-0{factor}-05",
         "contract_number": f"CT-{side}", "location": word}])  # fmt: skip
    helpers.put(con, "ticket", "erp", [
        {"id": f"T-{side}", **customer, "number": f"T-{side}", "subject": f"{word}报修", "status": "open",
         "priority": "urgent", "created_at": "2026-10-01", "resolution_due_at": "2026-10-05"}])  # fmt: skip
    helpers.put(con, "ticket_event", "erp", [
        {"id": f"TE-{side}", "ticket_id": f"T-{side}", "happened_at": "2026-10-02", "field": "status",
         "from_value": "new", "to_value": "open"}])  # fmt: skip
    helpers.put(
        con,
        "interaction",
        "erp",
        [{"id": f"IA-{side}", **customer, "kind": "call", "subject": f"{word}来电", "happened_at": "2026-11-18"}],
    )
    helpers.put(con, "project", "erp", [
        {"id": f"PJ-{side}", **customer, "code": f"PJ-{side}", "name": f"{word}项目", "status": "active",
         "start_on": "2026-07-01", "planned_end_on": "2026-10-01"}])  # fmt: skip
    helpers.put(con, "milestone", "erp", [
        {"id": f"M-{side}", "project_id": f"PJ-{side}", "name": f"{word}验收", "kind": "milestone",
         "status": "open", "planned_on": "2026-10-01"}])  # fmt: skip


def stage(inst: Instance, word: str, factor: int) -> None:
    with helpers.open_staging(inst) as con:
        helpers.put(con, "employee", "erp", [
            {"id": f"E-{side}", "code": f"E-{side}", "name": name, "email": f"{side}@example.com", "team": side,
             "is_active": True} for side, name in (("north", "林北"), ("south", "林南"))])  # fmt: skip
        helpers.put(con, "customer", "erp", _customers(word, factor))
        helpers.put(con, "customer", "erp", [
            {"id": f"C-south-{n}", "code": f"K-south-{n}", "name": f"{word}分部{n}", "owner_id": "E-south",
             "parent_id": "C-head"} for n in range(1, factor)])  # fmt: skip
        for side, own, times in (("north", "北岭", 1), ("south", word, factor), ("head", f"{word}本部", factor)):
            _documents(con, side, own, times)
        helpers.put(con, "receipt", "erp", [
            {"id": "R-lost", "number": "RC-lost-south", "received_on": "2026-11-02", "currency": "CNY",
             "amount": 12345 * factor, "payer_name": f"{word}不明"}])  # fmt: skip


def person(db: Served, role: str, side: str, scope: str | None = None) -> Viewer:
    """The employee of `side` in `role`; `scope` instead of the role's own."""
    rows = db.rows("select employee_key, team from core.dim_employee where email = ?", [f"{side}@example.com"])
    made = policy.viewer(f"{role}@{side}", side, role, employee_key=rows[0]["employee_key"], team=rows[0]["team"])
    return made if scope is None else Viewer(**{**made.__dict__, "scope": scope})


def work(db: Served, side: str, word: str, amount: str) -> tuple[int, int, Any]:
    """What finance does about one customer: promise, dispute, note, call, stage, statement, letter, suggestion, pin."""
    finance = replace(person(db, "finance", "south"), user="chen")
    open_items = {row["record_key"] for row in serve.customer(finance, db, f"K-{side}")["receivables"]["items"]}
    item = next(key for key in sorted(open_items) if f"I-{side}-1" in key)
    serve.act(finance, db, item, "promise", on="2026-12-01", amount=amount, note=f"{word}答应")
    serve.act(finance, db, item, "dispute", amount=amount, reason="quality", note=f"{word}异议")
    serve.act(finance, db, item, "note", note=f"{word}备注")
    serve.act(finance, db, item, "call", result="promised", contact=f"王{word}", note=f"{word}电话")
    serve.record_invoice_received(finance, db, f"erp:I-{side}-1", date(2026, 8, 1))
    serve.log_call(finance, db, f"K-{side}", result="promised", contact=f"王{word}")
    letter = serve.letter(finance, db, f"K-{side}", "reminder", item_keys=[item])
    serve.record_letter(finance, db, letter, note=f"{word}催款")
    statement = serve.send_statement(finance, db, f"K-{side}", "CNY", START, END, note=f"{word}对账")
    told = serve.tell_finance(finance, db, f"erp:R-{side}-1", {item: "1.00"}, note=f"{word}核销")
    serve.seen(finance, db, f"K-{side}")
    serve.pin(finance, db, f"K-{side}")
    return statement, told, letter


def made(home: Path, word: str, factor: int) -> Books:
    """A published instance with work state, alerts judged; the clock is the caller's."""
    inst = helpers.instance(home, mode="demo")
    inst.config.sources[0].max_age_minutes = 60
    stage(inst, word, factor)
    helpers.make(inst)
    db = serve.open_published(inst)
    found = {side: work(db, side, own, str(10 * times)) for side, own, times in
             (("north", "北岭", 1), ("south", word, factor))}  # fmt: skip
    with inst.store.begin() as connection:
        for side, likelihood in (("north", 0.7), ("south", 0.1 * factor)):
            connection.execute(scores.insert().values(
                model="renewal", model_version="1", record_key=f"erp:CT-{side}", scored_at=stamp(), as_of="2026-11-01",
                likelihood=likelihood, base_rate=0.5, drivers_up="[]", drivers_down=json.dumps([])))  # fmt: skip
        connection.execute(quarantine.insert().values(
            source="erp", stream="invoice", record_id=f"INV-south-{factor}", entity="invoice", field="due_on",
            value=f"{word}坏值", reason="is not a date", run_id="r", status="open", created_at=stamp(),
            updated_at=stamp()))  # fmt: skip
    alerts.evaluate(inst)
    statement, told, letter = found["south"]
    paper = serve.statement_document(person(db, "finance", "south"), db, "K-south", START, END, currency="CNY")
    return Books(db, statement, told, letter, paper)
