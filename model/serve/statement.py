"""Statements of account as data: opening balance, movements, closing balance and open items, per currency."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from model.policy import Viewer
from model.receivables import open_items_sql
from model.receivables.items import open_credits_sql, received_parameters
from model.receivables.statement import BALANCE, MOVEMENTS
from model.serve import work
from model.serve.connection import Served
from model.serve.find import resolve
from ops.errors import FatalError

ZERO = Decimal(0)


def statement(
    viewer: Viewer, db: Served, customer: str, start: date | None = None, end: date | None = None,
    currency: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """What `customer` (key or code) owed before `start`, each movement up to `end`, and what it owes then.

    {customer_key, name, address, company, from_on, to_on, build, currencies: [{currency, opening_amount, lines,
    closing_amount, unexplained_amount, items, open_amount, overdue_amount, unallocated_amount, credits_amount,
    provisional_amount}]}. lines: {moved_on, kind, number, amount (positive: owed more), balance_amount, due_on,
    method, document_key}; opening + lines = closing = the ledger on that day; `unexplained_amount` is what they would
    be apart (zero). Default: the month so far. FatalError when the period ends before it begins.
    """
    until = end or db.today()
    since = start or until.replace(day=1)
    if since > until:
        raise FatalError(f"the period {since} to {until} ends before it begins", valid="a start on or before the end")
    key = resolve(viewer, db, customer)
    header = db.rows("select customer_key, name, address from core.dim_customer where customer_key = ?", [key])[0]
    opening, closing = _balance(db, key, since - timedelta(days=1)), _balance(db, key, until)
    lines: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in db.rows(MOVEMENTS, {"customer_key": key, "start": since, "end": until}):
        lines[row["currency"]].append(row)
    items, apart = _items(db, key, until), _apart(db, key, until)
    names = sorted({*(name for name, amount in [*opening.items(), *closing.items()] if amount), *lines, *items})
    return {
        **header,
        "company": db.instance.config.company,
        "from_on": since,
        "to_on": until,
        "build": db.version,
        "currencies": [
            _currency(name, opening.get(name, ZERO), closing.get(name, ZERO), lines[name], items[name], apart[name])
            for name in names
            if currency is None or name == currency
        ],
    }


def _currency(
    name: str, opening: Decimal, closing: Decimal, rows: list[dict[str, Any]], items: list[dict[str, Any]],
    apart: dict[str, Decimal],
) -> dict[str, Any]:  # fmt: skip
    balance, lines = opening, []
    for row in rows:
        balance += row["amount"]
        lines.append(
            {field: value for field, value in row.items() if field != "currency"} | {"balance_amount": balance}
        )
    owed = [item for item in items if item["kind"] != "provisional" and item["open_amount"] > 0]
    return {
        "currency": name,
        "opening_amount": opening,
        "lines": lines,
        "closing_amount": closing,
        "unexplained_amount": closing - balance,
        "items": owed,
        "open_amount": sum((item["open_amount"] for item in owed), ZERO),
        "overdue_amount": sum((item["open_amount"] for item in owed if (item["days_past_due"] or 0) > 0), ZERO),
        "unallocated_amount": apart.get("unallocated", ZERO),
        "credits_amount": apart.get("credits", ZERO)
        - sum((i["open_amount"] for i in items if i["open_amount"] < 0 and i["kind"] != "provisional"), ZERO),
        "provisional_amount": sum((i["open_amount"] for i in items if i["kind"] == "provisional"), ZERO),
    }


def _balance(db: Served, key: str, day: date) -> dict[str, Decimal]:
    return {row["currency"]: row["amount"] for row in db.rows(BALANCE, {"customer_key": key, "as_of": day})}


def _items(db: Served, key: str, day: date) -> dict[str, list[dict[str, Any]]]:
    received = work.recorded_receipts(db)
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in db.rows(
        f"""select record_key, invoice_number, plan_row, kind, invoice_on, due_on, days_past_due, currency, amount,
                   open_amount, is_retention, contract_number
            from ({open_items_sql(customer=True, received=bool(received))}) where open_amount <> 0
            order by due_on nulls last, record_key""",
        {"customer_key": key, "as_of": day, **received_parameters(received)},
    ):
        found[row["currency"]].append(row)
    return found


def _apart(db: Served, key: str, day: date) -> dict[str, dict[str, Decimal]]:
    """Currency → class → what is left of receipts and credit notes."""
    found: dict[str, dict[str, Decimal]] = defaultdict(dict)
    for row in db.rows(
        f"""select currency, class, sum(left_amount) as amount from ({open_credits_sql(customer=True)})
            group by currency, class""",
        {"customer_key": key, "as_of": day},
    ):
        found[row["currency"]][row["class"]] = row["amount"]
    return found
