"""Tryton's JSON-RPC: typed values, errors inside 200, dates of change that are null, inactive rows hidden."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

from data.sim import dataset
from data.sim.access import Auth, Call, Reply
from data.sim.engine import Simulator, route
from data.sim.paging import COMPARE
from data.sim.table import START, Record, Table

USER, PASSWORD, DATABASE = "reader", "demo-tryton-password", "demo"
OURS = 99


def moment(instant: datetime) -> Record:
    """An instant as Tryton writes it."""
    parts = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    return {"__class__": "datetime", **{part: getattr(instant, part) for part in parts}}


def day(text: str) -> Record:
    """A date as Tryton writes it."""
    year, month, number = map(int, text.split("-"))
    return {"__class__": "date", "year": year, "month": month, "day": number}


def money(text: str) -> Record:
    """An amount as Tryton writes it."""
    return {"__class__": "Decimal", "decimal": text}


class Sessions(Auth):
    """A session opened by name and password; its header is user:id:session in base64."""

    def __init__(self) -> None:
        self.open: set[str] = set()
        self.count = 0

    def knows(self, call: Call) -> bool:
        """Whether the session is open."""
        return call.headers.get("authorization", "") in self.open

    def sign_in(self, call: Call, vendor: Simulator) -> Reply | None:
        """A session for the right password; any other is refused with a web page, as the server does."""
        if not isinstance(call.body, dict) or call.body.get("method") != "common.db.login":
            return None
        user, given = call.body["params"][:2]
        if (user, given.get("password")) != (USER, PASSWORD):
            return Reply(401, "<!doctype html><title>401 Unauthorized</title>", {"content-type": "text/html"})
        self.count += 1
        token = f"demo-session-{self.count}"
        self.open.add("Session " + base64.b64encode(f"{USER}:2:{token}".encode()).decode())
        return Reply(200, {"id": call.body["id"], "result": [2, token, ""]})

    def expire(self) -> None:
        """End every session."""
        self.open.clear()


def _linked(place: int, **values: Any) -> Record:
    return {"id": place, **values}


def _invoice(place: int, row: Record) -> Record:
    """The second one is a credit note: a customer invoice with negative amounts."""
    sign = "-" if place == 1 else ""
    paid = row["paid"] if place != 1 else "0.00"
    open_line = {
        "id": 7000 + place,
        "debit": money(row["gross"]),
        "credit": money("0"),
        "maturity_date": day(row["due"]),
    }
    payment = {"id": 8000 + place, "debit": money("0"), "credit": money(paid), "date": day(row["due"])}
    foreign = {"amount_second_currency": None, "second_currency": None}
    return {
        "id": 400 + place,
        "type": "out",
        "number": row["number"],
        "reference": None,
        "description": None,
        "party": 10 + row["customer"],
        "state": "paid" if row["paid"] == row["gross"] else "posted",
        "invoice_date": day(row["date"]),
        "accounting_date": None,
        "currency": 1,
        "currency.": _linked(1, code="EUR"),
        **{
            f"{kind}_amount": money(sign + row[name])
            for kind, name in [("untaxed", "net"), ("tax", "tax"), ("total", "gross")]
        },
        "payment_term": None,
        "payment_term.": None,
        "origins": None,
        "lines_to_pay": [open_line["id"]],
        "lines_to_pay.": [{**open_line, **foreign}],
        "payment_lines": [] if paid == "0.00" else [payment["id"]],
        "payment_lines.": [] if paid == "0.00" else [{**payment, **foreign}],
        "cancel_move": None,
    }


def _credit(place: int, row: Record) -> Record:
    return {
        "id": 8000 + row["invoice"],
        "party": 10 + row["customer"],
        "date": day(row["date"]),
        "debit": money("0"),
        "credit": money(row["amount"]),
        "amount_second_currency": None,
        "second_currency": None,
        "second_currency.": None,
        "maturity_date": None,
        "reconciliation": None,
        "description": f"Zahlung 收款 {place}",
        "origin": None,
        "move_origin": None,
        "move": 600 + place,
        "move.": _linked(600 + place, number=row["number"], post_date=day(row["date"]), state="posted"),
        "journal": 3,
        "journal.": _linked(3, type="cash"),
        "currency": 1,
        "currency.": _linked(1, code="EUR"),
        "account.type.receivable": True,
    }


def _party(place: int, row: Record) -> Record:
    return {
        "id": 10 + place,
        "name": row["name"],
        "code": row["code"],
        "active": place != 4,
        "lang": None,
        "lang.": None,
        "identifiers": [],
        "identifiers.": [],
        "addresses": [place],
        "addresses.": [{"id": place, "street": None, "city": row["city"], "postal_code": None}],
        "contact_mechanisms": [place],
        "contact_mechanisms.": [{"id": place, "type": "phone", "value": row["phone"]}],
        "customer_payment_term": None,
        "customer_payment_term.": None,
        "replaced_by": None,
    }


EURO = {"currency": lambda *_: 1, "currency.": lambda *_: _linked(1, code="EUR")}
PRODUCT = {
    "id": lambda n, _row: 70 + n,
    "code": "code",
    "active": lambda n, _row: n != 8,
    "template": lambda n, _row: 70 + n,
    "template.": lambda n, row: _linked(70 + n, name=row["name"]),
    "default_uom": lambda *_: 1,
    "default_uom.": lambda *_: _linked(1, symbol="u"),
    "label": "name",
}
DEAL = {
    "id": lambda n, _row: 200 + n,
    "number": lambda n, _row: f"OP-{n}",
    "party": ("customer", 10),
    "employee": ("owner", 1),
    "description": "name",
    "state": ("stage", {"open": "opportunity", "won": "won", "lost": "lost"}),
    "amount": lambda _n, row: money(row["amount"]),
    **EURO,
    **{
        name: lambda *_: None
        for name in ("reference", "conversion_probability", "start_date", "end_date", "lost_reason")
    },
}
SALE = {
    "id": lambda n, _row: 300 + n,
    "number": "number",
    "party": ("customer", 10),
    "state": lambda n, _row: ["draft", "confirmed", "processing", "done"][n % 4],
    "sale_date": lambda _n, row: day(row["date"]),
    **EURO,
    "untaxed_amount": lambda _n, row: money(row["net"]),
    "tax_amount": lambda _n, row: money(row["tax"]),
    "total_amount": lambda _n, row: money(row["gross"]),
    "payment_term.": lambda *_: None,
    **{
        name: lambda *_: None
        for name in (
            "reference",
            "description",
            "invoice_state",
            "shipment_state",
            "payment_term",
            "quoted_by",
            "confirmed_by",
        )
    },
}
WORK = {
    "id": lambda n, _row: 500 + n,
    "name": "name",
    "number": "code",
    "type": lambda *_: "project",
    "party": ("customer", 10),
    "party.": lambda _n, row: _linked(10 + row["customer"], name="x"),
    "status": lambda *_: 1,
    "status.": lambda *_: _linked(1, name="Open", progress=None),
    "effort_duration": lambda *_: {"__class__": "timedelta", "seconds": 7200.0},
    **{
        name: lambda *_: None
        for name in ("parent", "progress", "total_progress", "total_effort", "timesheet_duration", "comment")
    },
}


def _lines() -> list[Record]:
    """The lines of all sales."""
    return [
        {
            "id": 3000 + 10 * n + place,
            "sale": 300 + n,
            "sequence": place,
            "type": "line",
            "product": 70 + line["product"],
        }
        | {"product.": _linked(70 + line["product"], code=f"P-{line['product']}", rec_name="P"), "description": None}
        | {"quantity": float(line["quantity"]), "unit": 1, "unit.": _linked(1, symbol="u")}
        | {"unit_price": money(line["price"]), "amount": money(line["net"])}
        for n, row in enumerate(dataset.orders())
        for place, line in enumerate(row["lines"])
    ]


class Vendor(Simulator):
    """`hidden` are models that the user may not read."""

    connector = "tryton"

    def setup(self) -> None:
        """Parties (we are the first), employees, sales, invoices and the credits on receivable accounts."""
        self.auth = Sessions()
        self.hidden: set[str] = set()
        ours = {**_party(0, dataset.customers()[0]), "id": OURS, "name": "Wir 我们", "code": "OWN"}
        people = [
            {
                "id": 1 + n,
                "party": OURS if n == 0 else 900 + n,
                "party.": _linked(900 + n, name=row["name"], code=row["code"]),
            }
            | {"supervisor": None, "start_date": None, "end_date": None}
            for n, row in enumerate(dataset.people())
        ]
        rows = {
            "party.party": ([ours, *(_party(n, row) for n, row in enumerate(dataset.customers()))], "name"),
            "company.employee": (people, "start_date"),
            "account.invoice": ([_invoice(n, row) for n, row in enumerate(dataset.invoices())], "reference"),
            "product.product": (dataset.shaped(dataset.products(), PRODUCT), "code"),
            "sale.opportunity": (dataset.shaped(dataset.deals(), DEAL), "description"),
            "sale.sale": (dataset.shaped(dataset.orders(), SALE), "description"),
            "sale.line": (_lines(), "description"),
            "project.work": (dataset.shaped(dataset.projects(), WORK), "name"),
            "account.move.line": ([_credit(n, row) for n, row in enumerate(dataset.receipts())], "description"),
        }
        for name, (made, label) in rows.items():
            full = [{**row, "create_date": moment(START), "write_date": None} for row in made]
            self.tables[name] = Table(self.clock, full, stamps=("write_date",), label=label, write=moment)
        for row in self.tables["party.party"].rows.values():
            row["write_date"] = None  # never changed since it was made

    def settings(self) -> dict[str, Any]:
        """The database and a user that may read it."""
        return {"base_url": self.url, "database": DATABASE, "user": USER, "password": PASSWORD}

    def merge(self, stream: str, loser: str, survivor: str) -> None:
        """The wizard leaves the loser inactive, with the party that replaces it."""
        self.tables[stream].edit(loser, active=False, replaced_by=int(survivor))

    @route("POST", f"/{DATABASE}/rpc/")
    def call(self, call: Call) -> Any:
        """One method; with any other keys than id, method and params an error would be a plain status."""
        if set(call.body) != {"id", "method", "params"}:
            return self.refuse(400, "plain status")
        model, _, method = call.body["method"].removeprefix("model.").rpartition(".")
        if model == "company.company" and method == "search_read":
            return self._said(call, [{"id": 1, "party": OURS}])
        if model not in self.tables:
            return self._failed(call, "KeyError", repr(model))
        if model in self.hidden and method != "fields_get":
            return self._failed(call, "AccessError", f'You are not allowed to access "{model}".')
        rows = self.tables[model].ordered()
        names = {name.partition(".")[0] for row in rows for name in row}
        if method == "fields_get":
            return self._said(call, {name: {"name": name} for name in names})
        return self._read(call, rows, names)

    def _read(self, call: Call, rows: list[Record], names: set[str]) -> Any:
        domain, offset, limit, order, fields, context = call.body["params"]
        if unknown := [name for name in fields if name.partition(".")[0] not in names | {"rec_name"}]:
            return self._failed(call, "KeyError", repr(unknown[0]))
        if context.get("active_test", True) and "active" not in str(domain):
            rows = [row for row in rows if row.get("active", True)]
        found = [row for row in rows if holds(domain, row)]
        if not order:
            found.reverse()
        end = None if limit is None else offset + limit
        return self._said(call, [_shown(row, fields) for row in found[offset:end]])

    def _said(self, call: Call, result: Any) -> Record:
        return {"id": call.body["id"], "result": result}

    def _failed(self, call: Call, kind: str, words: str) -> Record:
        return {"id": call.body["id"], "error": [kind, [words, "", None]]}


def _shown(row: Record, fields: list[str]) -> Record:
    """The fields asked for; those of linked records under a key that ends in a dot, `id` is always there."""
    linked: dict[str, set[str]] = {}
    for head, dot, rest in (name.partition(".") for name in fields):
        linked.setdefault(head + dot, {"id"}).add(rest)
    return {"id": row["id"], **{name: _cut(row.get(name), wanted) for name, wanted in linked.items()}}


def _cut(value: Any, wanted: set[str]) -> Any:
    if isinstance(value, list):
        return [_cut(item, wanted) for item in value]
    if not isinstance(value, dict) or "__class__" in value:
        return value
    return {name: item for name, item in value.items() if name in wanted}


def holds(domain: Any, row: Record) -> bool:
    """Whether a row passes a domain: a clause, or clauses joined by AND (the default) or OR."""
    if not domain:
        return True
    first = domain[0]
    if isinstance(first, str) and first not in {"AND", "OR"}:
        return _clause(row, *domain)
    parts = domain[1:] if isinstance(first, str) else domain
    return (any if first == "OR" else all)(holds(part, row) for part in parts)


def _clause(row: Record, name: str, sign: str, wanted: Any) -> bool:
    head, _, last = name.rpartition(".")
    value = row.get(name) if name in row else (row.get(head + ".") or {}).get(last)
    if sign in {"=", "!="}:
        return (value == wanted) is (sign == "=")
    if sign == "in":
        return value in wanted
    left, right = _number(value), _number(wanted)
    return left is not None and bool(COMPARE[sign](left, right))


def _number(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple(number for name, number in value.items() if name != "__class__")
    return value
