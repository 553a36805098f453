"""ERPNext over Frappe's REST v1: twenty rows unless asked, names as keys, the site's own zone, child tables apart."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from data.sim import dataset, paging
from data.sim.access import Call, Key
from data.sim.engine import Simulator, route
from data.sim.table import START, Record, Table

KEY, SECRET = "demo-erpnext-key", "demo-erpnext-secret"
ZONE = ZoneInfo("Asia/Kolkata")
_FUNCTION = re.compile(r"(count|sum)\((\w+)\) as (\w+)")
COMPANY = {"company": "Our Company", "owner": "staff1@example.com"}
LABEL = {
    "User": "full_name", "Customer": "customer_name", "Contact": "full_name", "Item": "item_name",
    "Opportunity": "title", "Project": "project_name", "Task": "subject", "Issue": "subject",
}  # fmt: skip
TICKET = {"open": "Open", "pending": "Replied", "solved": "Resolved", "closed": "Closed"}


def local(moment: datetime) -> str:
    """2026-05-04 13:30:00.000000, in the zone of the site without saying so."""
    return moment.astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S.%f")


def customer(number: int) -> str:
    """The name of a customer: people's words, quotation marks among them."""
    return f'{dataset.customers()[number]["name"]} "{number}"'


class Vendor(Simulator):
    """`is_manager`: whether the key's user may read Deleted Document; `version`: how sums are written in a list."""

    connector = "erpnext"
    version = 15
    is_manager = False

    def setup(self) -> None:
        """Every DocType the connector reads, and child tables by DocType."""
        self.auth = Key(f"token {KEY}:{SECRET}")
        self.kids: dict[str, list[Record]] = {}
        self.tombs: list[Record] = []
        self.journals = [{"name": "ACC-JV-1", "voucher_type": "Bank Entry", "modified": local(START)}]
        self.journals += [{"name": "ACC-JV-2", "voucher_type": "Write Off Entry", "modified": local(START)}]
        self.foreign: dict[str, list[Record]] = {}
        for doctype, rows in {**self._masters(), **self._sales(), **self._money(), **self._work()}.items():
            fixed = {**COMPANY, "creation": local(START), "modified": "", "_seen": '["someone"]'}
            made = [{**fixed, **row} for row in rows]
            label = LABEL.get(doctype, "remarks")
            self.tables[doctype.replace(" ", "_")] = Table(
                self.clock, made, key="name", stamps=("modified",), label=label, write=local
            )
        stranger = {"User": {"user_type": "Website User"}, "Payment Entry": {"party_type": "Supplier"}}
        for doctype, changes in stranger.items():
            first = next(iter(self.tables[doctype.replace(" ", "_")].rows.values()))
            self.foreign[doctype] = [{**first, "name": "ZZ-FOREIGN", **changes}]

    def settings(self) -> dict[str, Any]:
        """Small pages, no waiting; projects and issues are read in one test."""
        keys = {"api_key": KEY, "api_secret": SECRET}
        rare = {"projects": False, "issues": False}
        return {"base_url": self.url, **keys, "page_size": 10, "calls_per_second": 100_000, **rare}

    def error(self, status: int, reason: str) -> Any:
        """JSON inside JSON; a limit is plain text."""
        if status == 429:
            return "Too Many Requests"
        kind = {401: "AuthenticationError", 403: "PermissionError", 404: "DoesNotExistError"}.get(status, "DataError")
        told = json.dumps([json.dumps({"message": reason})])
        exception = f"frappe.exceptions.{kind}: {reason}"
        return {"exception": exception, "exc_type": kind, "exc": '["Traceback"]', "_server_messages": told}

    def new_id(self, stream: str) -> str:
        """Names are text."""
        return f"ZZZ-{len(self.tables[stream].rows)}"

    def add(self, stream: str) -> str:
        """A copy of the first document, its child rows included."""
        first = next(iter(self.tables[stream].rows))
        name = super().add(stream)
        for rows in self.kids.values():
            rows += [{**row, "parent": name} for row in rows if row["parent"] == first]
        return name

    def remove(self, stream: str, row_id: str) -> None:
        """Deleted: kept as a document of its own."""
        super().remove(stream, row_id)
        doctype = stream.replace("_", " ")
        number = f"{len(self.tombs):09}"
        tomb = {"name": number, "deleted_doctype": doctype, "deleted_name": row_id, "restored": 0}
        self.tombs.append({**tomb, "creation": local(self.clock.now), "modified": local(self.clock.now)})

    def restore(self, stream: str, row_id: str) -> None:
        """Restored from there."""
        super().restore(stream, row_id)
        for tomb in self.tombs:
            tomb["restored"] |= int(tomb["deleted_name"] == row_id)

    def rename(self, stream: str, name: str, new_name: str) -> None:
        """Another key, no new stamp and nothing in Deleted Document."""
        table = self.tables[stream]
        table.rows[new_name] = {**table.rows.pop(name), "name": new_name}
        table.changed[new_name] = table.changed.pop(name)

    def _children(self, doctype: str, parenttype: str, parent: str, field: str, rows: list[Record]) -> None:
        fixed = {"parent": parent, "parenttype": parenttype, "parentfield": field}
        kept = self.kids.setdefault(doctype, [])
        kept += [{"name": f"row{len(kept) + n:05}", "idx": n + 1, **fixed, **row} for n, row in enumerate(rows)]

    def _masters(self) -> dict[str, list[Record]]:
        users = [
            {"name": one["email"], "full_name": one["name"], "enabled": int(one["active"]), "mobile_no": None}
            | {"user_type": "System User", "reset_password_key": "not to be read"}
            for one in dataset.people()
        ]
        customers = [
            {"name": customer(n), "customer_name": one["name"], "customer_type": "Company", "tax_id": f"DE{n:09}"}
            | {"customer_group": "Commercial", "territory": one["country"], "disabled": int(n == 4), "is_frozen": 0}
            | {"account_manager": f"staff{one['owner']}@example.com", "mobile_no": one["phone"], "email_id": None}
            for n, one in enumerate(dataset.customers())
        ]
        contacts = []
        for n, one in enumerate(dataset.contacts()):
            name = f"{one['first']} {one['last']}"
            contacts.append({"name": name, "full_name": name, "email_id": one["email"], "designation": one["title"]})
            link = {"link_doctype": "Customer", "link_name": customer(one["customer"])}
            other = {"link_doctype": "Supplier", "link_name": "Some Supplier"}
            self._children("Dynamic Link", "Contact", name, "links", [other] if n == 30 else [other, link])
        items = [
            {"name": one["code"], "item_code": one["code"], "item_name": one["name"], "stock_uom": "Nos", "disabled": 0}
            for one in dataset.products()
        ]
        return {"User": users, "Customer": customers, "Contact": contacts, "Item": items}

    def _sales(self) -> dict[str, list[Record]]:
        stage = {"open": "Open", "won": "Converted", "lost": "Lost"}
        deals = [
            {"name": f"CRM-OPP-{n:05}", "title": one["name"], "opportunity_from": "Lead" if n == 9 else "Customer"}
            | {"party_name": customer(one["customer"]), "status": stage[one["stage"]], "currency": one["currency"]}
            | {"opportunity_amount": float(one["amount"]), "expected_closing": one["close"], "probability": 40.0}
            for n, one in enumerate(dataset.deals())
        ]
        orders, notes = [], []
        for n, one in enumerate(dataset.orders()):
            name, facts = f"SAL-ORD-{n:05}", {"customer": customer(one["customer"]), "currency": one["currency"]}
            facts |= {
                "docstatus": 0 if n == 5 else 2 if n == 6 else 1,
                "remarks": "",
                "grand_total": float(one["gross"]),
            }
            sums = {"net_total": float(one["net"]), "total_taxes_and_charges": float(one["tax"])}
            lines = [
                {"item_code": f"P-{line['product']:03}", "item_name": "Wärmepumpe", "qty": float(line["quantity"])}
                | {"uom": "Nos", "net_amount": float(line["net"]), "delivered_qty": 0.0, "against_sales_order": name}
                for line in one["lines"]
            ]
            state = {"status": "To Bill", "transaction_date": one["date"], "conversion_rate": 1.0, "per_billed": 0.0}
            orders.append({"name": name, **facts, **sums, **state})
            self._children("Sales Order Item", "Sales Order", name, "items", lines)
            note = f"MAT-DN-{n:05}"
            notes.append({"name": note, **facts, "docstatus": 1, "posting_date": one["date"], "is_return": int(n == 3)})
            self._children("Delivery Note Item", "Delivery Note", note, "items", lines)
        return {"Opportunity": deals, "Sales Order": orders, "Delivery Note": notes}

    def _money(self) -> dict[str, list[Record]]:
        invoices = []
        for n, one in enumerate(dataset.invoices()):
            name, total = f"ACC-SINV-{n:05}", float(one["gross"])
            owed = 0.0 if one["paid"] == one["gross"] else total - float(one["paid"])
            facts = {"customer": customer(one["customer"]), "currency": one["currency"], "conversion_rate": 1.0}
            sums = {"net_total": float(one["net"]), "total_taxes_and_charges": float(one["tax"]), "grand_total": total}
            days = {"posting_date": one["date"], "due_date": one["due"], "docstatus": 0 if n == 7 else 1, "remarks": ""}
            rounded = {"rounded_total": 1000.0 if n == 1 else 0.0, "outstanding_amount": round(owed, 2)}
            invoices.append(
                {
                    "name": name,
                    **facts,
                    **sums,
                    **days,
                    **rounded,
                    "is_return": 0,
                    "is_opening": "No",
                    "is_pos": int(n == 4),
                }
            )
            halves = [{"due_date": one["date"], "payment_amount": 1.0}, {"due_date": one["due"], "payment_amount": 2.0}]
            self._children("Payment Schedule", "Sales Invoice", name, "payment_schedule", halves if n == 2 else [])
            self._children("Sales Invoice Item", "Sales Invoice", name, "items", [{"sales_order": f"SAL-ORD-{n:05}"}])
        back = {"name": "ACC-SINV-RET-1", "is_return": 1, "return_against": "ACC-SINV-00001", "outstanding_amount": 0.0}
        invoices.append({**invoices[1], **back, "grand_total": -100.5, "rounded_total": 0.0})
        payments, ledger = [], []
        for n, one in enumerate(dataset.receipts()):
            name, money = f"ACC-PAY-{n:05}", float(one["amount"])
            kind = {"payment_type": "Receive", "party_type": "Customer", "party": customer(one["customer"])}
            both = {"paid_amount": money, "received_amount": money, "docstatus": 1, "posting_date": one["date"]}
            sides = {"paid_from_account_currency": one["currency"], "paid_to_account_currency": "EUR", "remarks": ""}
            payments.append({"name": name, **kind, **both, **sides, "mode_of_payment": "Wire Transfer"})
            invoice = f"ACC-SINV-{one['invoice']:05}"
            link = {"reference_doctype": "Sales Invoice", "reference_name": invoice, "allocated_amount": money}
            self._children("Payment Entry Reference", "Payment Entry", name, "references", [link])
            ledger.append(self._entry(f"ple{n:05}", ("Payment Entry", name), invoice, -money, one))
        out = {"name": "ACC-PAY-OUT", "payment_type": "Pay", "received_amount": 12.5, "paid_to_account_currency": "EUR"}
        payments.append({**payments[0], **out})
        base = dataset.receipts()[0]
        own = ("Sales Invoice", "ACC-SINV-00001")
        ledger.append(self._entry("ple00100", own, own[1], 950.21, base))
        ledger.append(self._entry("ple00101", ("Sales Invoice", "ACC-SINV-RET-1"), own[1], -100.5, base))
        ledger.append(self._entry("ple00102", ("Journal Entry", "ACC-JV-1"), own[1], -20.0, base))
        ledger.append(self._entry("ple00104", ("Sales Invoice", "ACC-SINV-00004"), "ACC-SINV-00004", -50.0, base))
        ledger.append(self._entry("ple00103", ("Journal Entry", "ACC-JV-2"), own[1], -3.25, base))
        return {"Sales Invoice": invoices, "Payment Entry": payments, "Payment Ledger Entry": ledger}

    @staticmethod
    def _entry(name: str, voucher: tuple[str, str], against: str, amount: float, one: Record) -> Record:
        facts = {"account_type": "Receivable", "party_type": "Customer", "party": customer(one["customer"])}
        refers = {"against_voucher_type": "Sales Invoice", "against_voucher_no": against, "remarks": ""}
        money = {"amount": amount, "amount_in_account_currency": amount, "account_currency": one["currency"]}
        posted = {"posting_date": one["date"], "delinked": 0}
        return {
            "name": name,
            "voucher_type": voucher[0],
            "voucher_no": voucher[1],
            **facts,
            **refers,
            **money,
            **posted,
        }

    @staticmethod
    def _work() -> dict[str, list[Record]]:
        plans = [
            {"name": f"PROJ-{n:04}", "project_name": one["name"], "customer": customer(one["customer"])}
            | {"status": "Open", "expected_start_date": one["start"], "expected_end_date": one["end"]}
            for n, one in enumerate(dataset.projects())
        ]
        steps = [
            {"name": f"TASK-{n:05}", "subject": one["name"], "project": f"PROJ-{one['project']:04}"}
            | {"status": "Completed" if one["done"] else "Open", "is_milestone": int(one["milestone"])}
            | {"exp_end_date": one["due"]}
            for n, one in enumerate(dataset.tasks())
        ]
        issues = [
            {"name": f"ISS-{n:05}", "subject": one["subject"], "customer": customer(one["customer"])}
            | {"status": TICKET[one["status"]], "priority": ["Low", "Medium", "High", "Urgent"][one["priority"]]}
            | {"sla_resolution_date": local(START) if one["status"] == "closed" else None, "description": one["text"]}
            for n, one in enumerate(dataset.tickets())
        ]
        return {"Project": plans, "Task": steps, "Issue": issues}

    @route("GET", "/api/method/frappe.client.get_time_zone")
    def zone(self, call: Call) -> Any:
        """The zone of the site; further parameters are not looked at."""
        return {"message": {"time_zone": ZONE.key}}

    @route("GET", "/api/resource/{doctype}")
    def listed(self, call: Call) -> Any:
        """A list: names only unless fields are named, newest first unless ordered, twenty unless asked."""
        doctype = unquote(call.at["doctype"])
        if doctype == "Deleted Document" and not self.is_manager:
            return self.refuse(403, "Insufficient Permission for Deleted Document")
        if doctype in self.kids and not call.query.get("parent"):
            return self.refuse(403, f"Insufficient Permission for {doctype}")
        rows = self._rows_of(doctype)
        if rows is None:
            return self.refuse(404, f"DocType {doctype} not found")
        known = {name for row in rows for name in row}
        for name, test, bound in json.loads(call.query.get("filters", "[]")):
            if rows and name not in known:
                return self.refuse(417, f"Unknown column '{name}' in 'WHERE'")
            rows = [row for row in rows if self._holds(row.get(name), test, bound)]
        by = [part.split() for part in call.query.get("order_by", "modified desc").split(", ")]
        for name, way in reversed(by):
            rows = sorted(rows, key=lambda row: row.get(name) or "", reverse=way == "desc")
        size = call.number("limit_page_length", 20) or len(rows)
        part, _ = paging.offset(rows, call.number("limit_start", 0), size)
        fields = json.loads(call.query.get("fields", '["name"]'))
        if by_column := call.query.get("group_by"):
            if any((self.version >= 16) == bool(isinstance(one, str) and "(" in one) for one in fields[1:]):
                return self.refuse(417, "Invalid field format")
            return {"data": _grouped(rows, by_column, [_text(one) for one in fields])}
        shown = known if fields == ["*"] else set(fields)
        return {"data": [{name: value for name, value in row.items() if name in shown} for row in part]}

    def _rows_of(self, doctype: str) -> list[Record] | None:
        if doctype in self.kids:
            return self.kids[doctype]
        if doctype in {"Deleted Document", "Journal Entry"}:
            return self.tombs if doctype == "Deleted Document" else self.journals
        table = self.tables.get(doctype.replace(" ", "_"))
        return None if table is None else [*table.rows.values(), *self.foreign.get(doctype, [])]

    @staticmethod
    def _holds(value: Any, test: str, bound: Any) -> bool:
        if test in {"in", "not in"}:
            listed = [one.strip() for one in bound.split(",")] if isinstance(bound, str) else bound
            return (value in listed) == (test == "in")
        return value is not None and bool(paging.COMPARE[test](value, bound))


def _text(field: str | dict[str, str]) -> str:
    """{"SUM": "grand_total", "as": "amount"} (version 16) as `sum(grand_total) as amount`."""
    if isinstance(field, str):
        return field
    function, column = next((key, value) for key, value in field.items() if key != "as")
    return f"{function.lower()}({column}) as {field['as']}"


def _grouped(rows: list[Record], column: str, fields: list[str]) -> list[Record]:
    """One row per value of `column`: the column itself, `count(x) as y` and `sum(x) as y`."""
    found = []
    for value in sorted({row.get(column) or "" for row in rows}):
        mine = [row for row in rows if (row.get(column) or "") == value]
        one: Record = {}
        for field in fields:
            made = _FUNCTION.fullmatch(field)
            if made is None:
                one[field] = value
            else:
                one[made[3]] = len(mine) if made[1] == "count" else sum(float(row.get(made[2]) or 0) for row in mine)
        found.append(one)
    return found
