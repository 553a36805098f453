"""Odoo: JSON-2 and JSON-RPC over the same models, domains in prefix form, `false` for nothing, archived rows hidden."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from data.sim import dataset, paging
from data.sim.access import Auth, Call, Reply
from data.sim.engine import Simulator, route
from data.sim.table import START, Record, Table
from data.sim.vendors._odoo_groups import grouped

KEY, DATABASE, USER, UID = "demo-odoo-key", "acme", "collector@example.com", 9
CURRENCY = {"EUR": [1, "EUR"], "CNY": [7, "CNY"], "USD": [2, "USD"]}
INSTANTS = {"create_date", "write_date", "date_order", "date_done", "date_closed"}
YES_NO = {"active", "share", "is_company", "partner_share", "locked", "is_reached", "is_internal_transfer", "sale_ok"}
FOREIGN: dict[str, Record] = {
    "crm.lead": {"type": "lead"},
    "sale.order.line": {"display_type": "line_section", "product_id": False},
    "stock.picking": {"picking_type_id.code": "incoming", "picking_type_code": "incoming", "sale_id": False},
    "account.move": {"move_type": "in_invoice"},
    "account.payment": {"partner_type": "supplier"},
}
"""What these models hold besides, and is not the connector's to read."""
ARGUMENTS = {"domain", "fields", "offset", "limit", "order", "load", "context", "attributes", "allfields", "ids",
             "groupby", "aggregates", "lazy"}  # fmt: skip


def wire(moment: datetime) -> str:
    """2026-05-04 08:00:00, UTC without saying so; the database keeps microseconds."""
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def partner(row: Record) -> list[Any]:
    """The customer of a neutral row as a link."""
    return [100 + row["customer"], dataset.customers()[row["customer"]]["name"]]


def owner(row: Record) -> list[Any]:
    """The salesperson of a neutral row as a link."""
    return [30 + row["owner"], dataset.people()[row["owner"]]["name"]]


class Door(Auth):
    """A bearer key for JSON-2; JSON-RPC carries user and key in every call, the version is open to all."""

    def knows(self, call: Call) -> bool:
        """Whether the call may pass; /jsonrpc asks by itself."""
        return call.path in {"/jsonrpc", "/web/version"} or call.headers.get("authorization") == f"bearer {KEY}"


class Refused(Exception):  # noqa: N818 - the vendor's own word is in `name`
    """An exception of the server: HTTP status, the class it names, its message."""

    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(message)
        self.status, self.name, self.message = status, name, message


class Vendor(Simulator):
    """`version` decides which protocols there are; `denied` and `missing` are models nobody may read or nobody has."""

    connector = "odoo"
    version = 19

    def setup(self) -> None:
        """Every model the connector reads, and the journal items behind invoices and payments."""
        self.auth = Door()
        self.denied: set[str] = set()
        self.missing: set[str] = set()
        self.others: dict[str, list[Record]] = {"account.move.line": []}
        fixed = {"create_date": wire(START), "write_date": ""}
        for model, rows in self._rows().items():
            made = [{**row, **fixed} for row in rows]
            label = "max_date" if model == "account.partial.reconcile" else "name"
            self.tables[model] = Table(self.clock, made, stamps=("write_date",), label=label, write=wire)
        for model, foreign in FOREIGN.items():
            self.others[model] = [{**next(iter(self.tables[model].rows.values())), "id": 99_000, **foreign}]

    def settings(self) -> dict[str, Any]:
        """Small pages, no waiting; both ways to sign in are possible with these."""
        signing = {"api_key": KEY, "database": DATABASE, "user": USER}
        return {"base_url": self.url, **signing, "page_size": 10, "calls_per_second": 100_000, "projects": False}

    def error(self, status: int, reason: str) -> Any:
        """The serialised exception of JSON-2."""
        return {"name": "werkzeug.exceptions.HTTPException", "message": reason, "arguments": [reason], "context": {}}

    def _rows(self) -> dict[str, list[Record]]:
        return {**self._masters(), **self._sales(), **self._accounting(), **self._projects()}

    @staticmethod
    def _masters() -> dict[str, list[Record]]:
        staff, companies, people = dataset.people(), dataset.customers(), dataset.contacts()
        user = [
            {"id": 30 + n, "name": one["name"], "login": one["email"], "email": one["email"], "phone": False}
            | {"active": one["active"], "share": False}
            for n, one in enumerate(staff)
        ]
        empty = {"ref": False, "vat": False, "parent_id": False, "active": True, "supplier_rank": 0, "user_id": False}
        empty |= {"email": False, "phone": False, "website": False, "city": False, "function": False}
        kind = {"is_company": True, "type": "contact", "partner_share": True, "ref_company_ids": [], "customer_rank": 1}
        own = {
            **empty,
            **kind,
            "id": 1,
            "name": "Our Company",
            "ref_company_ids": [1],
            "commercial_partner_id": [1, ""],
        }
        colleague = {**empty, **kind, "id": 3, "name": "Mara", "is_company": False, "partner_share": False}
        found = [own, {**colleague, "commercial_partner_id": [3, "Mara"]}]
        for n, one in enumerate(companies):
            facts = {"name": one["name"], "ref": one["code"], "vat": f"DE{n:09}", "phone": one["phone"]}
            facts |= {"website": f"https://{one['domain']}", "city": one["city"], "user_id": owner(one)}
            found.append({**empty, **kind, **facts, "id": 100 + n, "commercial_partner_id": [100 + n, one["name"]]})
        for n, one in enumerate(people):
            link = partner(one)
            facts = {"name": f"{one['first']} {one['last']}", "email": one["email"], "function": one["title"]}
            facts |= {"parent_id": link, "commercial_partner_id": link, "is_company": False, "customer_rank": 0}
            found.append({**empty, **kind, **facts, "id": 300 + n, "type": "invoice" if n == 30 else "contact"})
        found[3]["active"] = False
        products = [
            {"id": 700 + n, "default_code": one["code"] if n else False, "name": one["name"], "active": n != 3}
            | {"uom_id": [1, "Units"], "categ_id": [4, "All"], "list_price": float(one["price"])}
            for n, one in enumerate(dataset.products())
        ]
        return {"res.users": user, "res.partner": found, "product.product": products}

    @staticmethod
    def _sales() -> dict[str, list[Record]]:
        stages, chance = {"open": [1, "Angebot"], "won": [4, "Gewonnen"], "lost": [1, "Angebot"]}, {"won": 100.0}
        leads = [
            {"id": 800 + n, "name": one["name"], "type": "opportunity", "partner_id": partner(one)}
            | {"user_id": owner(one), "stage_id": stages[one["stage"]], "probability": chance.get(one["stage"], 20.5)}
            | {"expected_revenue": float(one["amount"]), "company_currency": CURRENCY["EUR"], "date_closed": False}
            | {"date_deadline": one["close"], "active": one["stage"] != "lost", "lost_reason_id": False}
            for n, one in enumerate(dataset.deals())
        ]
        orders, lines, pickings = [], [], []
        for n, one in enumerate(dataset.orders()):
            buyer = [300, "Person of company 0"] if n == 0 else partner(one)
            link = [900 + n, one["number"]]
            amounts = {"amount_untaxed": float(one["net"]), "amount_tax": float(one["tax"])}
            order = {"id": 900 + n, "name": one["number"], "partner_id": buyer, "user_id": owner(one)}
            order |= {"state": "draft" if n == 5 else "sale", "date_order": f"{one['date']} 20:30:00"}
            order |= {"currency_id": CURRENCY[one["currency"]], "amount_total": float(one["gross"]), **amounts}
            orders.append({**order, "invoice_status": "invoiced", "locked": False, "opportunity_id": False})
            for place, line in enumerate(one["lines"]):
                sold = {"product_id": [700 + line["product"], "Wärmepumpe"], "product_uom_qty": float(line["quantity"])}
                sold |= {"price_subtotal": float(line["net"]), "price_unit": float(line["price"]), "name": "Wärmepumpe"}
                sold |= {"product_uom_id": [1, "Units"], "qty_delivered": 0.0, "display_type": False, "sequence": 10}
                status = {"order_id.state": "sale", "order_id.invoice_status": "invoiced"}
                lines.append({"id": 10 * (n + 100) + place, "order_id": link, **sold, **status})
            done = {"state": "done", "date_done": f"{one['date']} 10:00:00", "origin": one["number"], "sale_id": link}
            way = {"picking_type_code": "outgoing", "picking_type_id.code": "outgoing"}
            pickings.append({"id": 2000 + n, "name": f"WH/OUT/{n:05}", "partner_id": buyer, **done, **way})
        back = {"picking_type_code": "incoming", "picking_type_id.code": "incoming"}
        pickings.append({**pickings[1], "id": 2100, "name": "WH/IN/00001", **back})
        return {"crm.lead": leads, "sale.order": orders, "sale.order.line": lines, "stock.picking": pickings}

    def _accounting(self) -> dict[str, list[Record]]:
        moves = [self._move(n, one) for n, one in enumerate(dataset.invoices())]
        sample = {**moves[1], "id": 3100, "name": "RINV/2026/00001", "move_type": "out_refund"}
        refund = {**sample, "amount_total": 100.5, "amount_total_signed": -100.5, "reversed_entry_id": [3001, "INV"]}
        draft = {**moves[2], "id": 3300, "name": "/", "state": "draft", "invoice_date": False}
        payments, banked, partials = [], [], []
        self._line(5500, 3100, -100.5, [7, "CNY"])
        receipts = dataset.receipts()
        for n, one in enumerate(receipts):
            is_bank, link = n >= len(receipts) - 2, partner(one)
            facts = {"partner_id": link, "date": one["date"], "currency_id": CURRENCY[one["currency"]]}
            if is_bank:
                item = {
                    "id": 6500 + n,
                    "move_name": "BNK1/2026/1",
                    "name": "transfer",
                    "credit": 1.0,
                    "payment_id": False,
                }
                item |= {"parent_state": "posted", "statement_line_id": [77, "transfer"], "move_id": [4500, "BNK1"]}
                hidden = {"account_id.account_type": "asset_receivable", "amount_currency": -float(one["amount"])}
                banked.append({**facts, **item, **hidden})
            else:
                kind = {"payment_type": "inbound", "partner_type": "customer", "is_internal_transfer": False}
                pay = {
                    "id": 4000 + n,
                    "name": f"PBNK1/{n:04}",
                    "amount": float(one["amount"]),
                    "state": "paid",
                    "memo": "",
                    "move_id": [4600 + n, "PBNK1"],
                }
                payments.append({**pay, **facts, **kind})
                self._line(6000 + n, 4600 + n, -float(one["amount"]), facts["currency_id"], [4000 + n, pay["name"]])
            partials.append(self._partial(7000 + n, 5000 + one["invoice"], (6500 if is_bank else 6000) + n, one))
        payments.append({**payments[0], "id": 4400, "payment_type": "outbound", "amount": 12.5, "name": "PBNK1/OUT"})
        early = {"id": 4300, "name": "PBNK1/EARLY", "state": "in_process", "move_id": False}
        payments.append({**payments[1], **early})
        partials.append(self._partial(7100, 5001, 5500, {"amount": "100.50", "currency": "CNY", "date": "2026-03-01"}))
        partials.append({**partials[0], "id": 7200, "debit_amount_currency": 0.0, "amount": 1.25})
        return {
            "account.move": [*moves, refund, draft],
            "account.payment": payments,
            "account.move.line": banked,
            "account.partial.reconcile": partials,
        }

    def _move(self, n: int, one: Record) -> Record:
        is_paid, half = one["paid"] == one["gross"], one["paid"] != "0.00"
        total, currency = float(one["gross"]), CURRENCY[one["currency"]]
        rate = 1.0 if one["currency"] == "EUR" else 0.125
        self._line(5000 + n, 3000 + n, total, currency, due=one["due"])
        return {
            "id": 3000 + n,
            "name": one["number"],
            "move_type": "out_invoice",
            "state": "posted",
            "payment_state": "paid" if is_paid else "partial" if half else "not_paid",
            "partner_id": partner(one),
            "commercial_partner_id": partner(one),
            "invoice_user_id": owner(one),
            "invoice_date": one["date"],
            "invoice_date_due": one["due"],
            "date": one["date"],
            "ref": False,
            "currency_id": currency,
            "company_currency_id": CURRENCY["EUR"],
            "invoice_origin": False,
            "amount_untaxed": float(one["net"]),
            "amount_tax": float(one["tax"]),
            "amount_total": total,
            "amount_total_signed": round(total * rate, 2),
            "amount_residual": round(total - float(one["paid"]), 2),
            "reversed_entry_id": False,
            "invoice_payment_term_id": False,
            "company_id": [1, "Our Company"],
        }

    def _line(
        self, line: int, move: int, amount: float, currency: list[Any], payment: Any = False, due: Any = False
    ) -> None:
        """A journal item on the receivable account."""
        facts = {"id": line, "move_id": [move, "move"], "amount_currency": amount, "date_maturity": due, "balance": 0.0}
        hidden = {"account_id.account_type": "asset_receivable", "credit": 0.0, "write_date": wire(START)}
        self.others["account.move.line"].append(
            {**facts, **hidden, "payment_id": payment, "statement_line_id": False, "currency_id": currency}
        )

    @staticmethod
    def _partial(number: int, debit: int, credit: int, one: Record) -> Record:
        money, currency = float(one["amount"]), CURRENCY[one["currency"]]
        sides = {"debit_move_id": [debit, "INV"], "credit_move_id": [credit, "BNK"], "amount": money}
        amounts = {"debit_amount_currency": money, "credit_amount_currency": money, "exchange_move_id": False}
        more = {"debit_currency_id": currency, "credit_currency_id": currency, "max_date": one["date"]}
        return {"id": number, **sides, **amounts, **more, "debit_move_id.account_id.account_type": "asset_receivable"}

    @staticmethod
    def _projects() -> dict[str, list[Record]]:
        plans = [
            {"id": 50 + n, "name": one["name"], "partner_id": partner(one), "user_id": owner(one)}
            | {"date_start": one["start"], "date": one["end"], "active": one["active"], "last_update_status": "at_risk"}
            for n, one in enumerate(dataset.projects())
        ]
        marks, steps = [], []
        for n, one in enumerate(dataset.tasks()):
            row = {"name": one["name"], "project_id": [50 + one["project"], "project"]}
            if one["milestone"]:
                reached = one["due"] if one["done"] else False
                row |= {"deadline": one["due"], "is_reached": one["done"], "reached_date": reached}
                marks.append({"id": 60 + n, **row})
            else:
                row |= {"date_deadline": one["due"], "state": "1_done" if one["done"] else "01_in_progress"}
                steps.append({"id": 60 + n, **row, "user_ids": [30 + one["owner"]], "active": True})
        return {"project.project": plans, "project.milestone": marks, "project.task": steps}

    # the two protocols

    @route("GET", "/web/version")
    def told(self, call: Call) -> Any:
        """Since Odoo 19."""
        if self.version < 19:
            return Reply(404, b"<!doctype html><title>404 Not Found</title>", {"content-type": "text/html"})
        return {"version_info": [self.version, 0, 0, "final", 0, ""], "version": f"{self.version}.0"}

    @route("POST", "/json/2/{model}/{method}")
    def json2(self, call: Call) -> Any:
        """The bare result, or a true HTTP error with the exception."""
        if self.version < 19:
            return self.refuse(404, "not found")
        try:
            return self._run(call.at["model"], call.at["method"], dict(call.body or {}))
        except Refused as error:
            return Reply(error.status, {**self.error(error.status, error.message), "name": error.name})

    @route("POST", "/jsonrpc")
    def jsonrpc(self, call: Call) -> Any:
        """Errors are HTTP 200; a wrong login is `false`."""
        if self.version >= 22:
            return self.refuse(404, "not found")
        params = call.body["params"]
        given = params["args"]
        envelope = {"jsonrpc": "2.0", "id": call.body.get("id")}
        if params["method"] == "authenticate":
            return {**envelope, "result": UID if given[:3] == [DATABASE, USER, KEY] else False}
        try:
            return {**envelope, "result": self._run(given[3], given[4], dict(given[6]), who=given[:3])}
        except Refused as error:
            data = {"name": error.name, "message": error.message, "arguments": [], "debug": "Traceback"}
            return {**envelope, "error": {"code": 200, "message": "Odoo Server Error", "data": data}}

    def _run(self, model: str, method: str, body: dict[str, Any], who: list[Any] | None = None) -> Any:
        if who not in (None, [DATABASE, UID, KEY]):
            raise Refused(403, "odoo.exceptions.AccessDenied", "Access Denied")
        if method == "context_get":
            return {"lang": "en_US", "tz": "Europe/Berlin", "uid": UID}
        if model in self.missing or model not in self.tables:
            raise Refused(404, "builtins.KeyError", f"Object {model} doesn't exist")
        if unknown := sorted(set(body) - ARGUMENTS):
            raise Refused(422, "werkzeug.exceptions.UnprocessableEntity", f"unexpected argument {unknown[0]}")
        if method == "fields_get":
            return {name: {"type": self._type(name)} for name in self._known(model) if "." not in name}
        if model in self.denied:
            raise Refused(403, "odoo.exceptions.AccessError", f"You are not allowed to access {model}")
        if method == "read_group" or (method == "formatted_read_group" and self.version >= 19):
            return grouped(lambda asked: self._search_read(model, asked), body, is_new=method != "read_group")
        return self._search_read(model, body)

    def _everything(self, model: str) -> list[Record]:
        return [*self.tables[model].ordered(), *self.others.get(model, [])]

    def _known(self, model: str) -> set[str]:
        return {name for row in [*self._everything(model), *self.tables[model].gone.values()] for name in row}

    @staticmethod
    def _type(name: str) -> str:
        return "datetime" if name in INSTANTS else "boolean" if name in YES_NO else "char"

    def _search_read(self, model: str, body: dict[str, Any]) -> list[Record]:
        domain, context, known = body.get("domain") or [], body.get("context") or {}, self._known(model)
        named = [name for name in body.get("fields") or [] if name not in known]
        named += [term[0] for term in domain if isinstance(term, list) and term[0] not in known]
        if named:
            raise Refused(500, "builtins.ValueError", f"Invalid field {named[0]!r} on model {model!r}")
        rows = [row for row in self._everything(model) if self._holds(model, row, domain)]
        if context.get("active_test", True) and not any(term[0] == "active" for term in domain):
            rows = [row for row in rows if row.get("active", True)]
        if companies := context.get("allowed_company_ids"):
            rows = [row for row in rows if not row.get("company_id") or row["company_id"][0] in companies]
        rows = sorted(rows, key=lambda row: int(row["id"]))
        part, _ = paging.offset(rows, int(body.get("offset") or 0), int(body.get("limit") or len(rows)))
        wanted = {"id", *(body.get("fields") or known)}
        return [{name: value for name, value in row.items() if name in wanted and "." not in name} for row in part]

    def _holds(self, model: str, row: Record, domain: list[Any]) -> bool:
        stack: list[bool] = []
        for term in reversed(domain):
            if term in ("&", "|"):
                left, right = stack.pop(), stack.pop()
                stack.append((left and right) if term == "&" else (left or right))
            else:
                stack.append(self._leaf(model, row, *term))
        return all(stack)

    def _leaf(self, model: str, row: Record, name: str, test: str, bound: Any) -> bool:
        value = row.get(name, False)
        if name == "write_date":
            value, bound = (
                self.tables[model].changed.get(str(row["id"]), START),
                datetime.fromisoformat(bound).replace(tzinfo=UTC),
            )
        if isinstance(value, list) and value and isinstance(value[0], int):
            value = value[0]
        if test == "in":
            return value in bound
        if test == "child_of":
            return self._descends(value, bound)
        if test in {"=", "!="}:
            return bool(paging.COMPARE[test](value, bound))
        return value is not False and bool(paging.COMPARE[test](value, bound))

    def _descends(self, partner: Any, above: int) -> bool:
        """Whether a partner is `above` or a contact of it, at any depth."""
        while partner and partner != above:
            parent = self.tables["res.partner"].rows.get(str(partner), {}).get("parent_id")
            partner = parent[0] if parent else False
        return bool(partner)
