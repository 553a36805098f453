"""What one customer owes: open items with days past due, per currency, with cash and credits apart."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from model.policy import Viewer
from model.receivables import BUCKETS, open_items_sql
from model.receivables.items import OVERDUE, open_credits_sql, received_parameters
from model.receivables.ledger import known_instant
from model.serve import money, work
from model.serve.connection import Served

ZERO = Decimal(0)


def receivables(viewer: Viewer, db: Served, key: str, day: date, known_at: date | datetime | None) -> dict[str, Any]:
    """{open, overdue, buckets, currency, by_currency, items, unallocated, credits, missing_rates} of customer `key`.

    The first figures are in the company's currency; by_currency has each currency apart. The caller has checked that
    the viewer may see the customer. Two queries.
    """
    known = known_instant(known_at, db.instance.config.zone)
    items = [_item(row) for row in _items(db, key, day, known)]
    currencies: dict[str, dict[str, Any]] = {}
    for item in items:
        _count(currencies, item)
    for row in _cash(db, key, day, known):
        _entry(currencies, row["currency"])[row["what"]] += row["amount"]
    by_currency = [currencies[name] for name in sorted(currencies)]
    answer = {name: _total(db, by_currency, name, day) for name in ("open", "overdue", "unallocated", "credits")}
    return {
        **{name: value["amount"] for name, value in answer.items()},
        "currency": db.instance.config.base_currency,
        "missing_rates": answer["open"]["missing_rates"],
        "buckets": {name: _bucket(db, by_currency, name, day) for name in BUCKETS},
        "by_currency": by_currency,
        "items": sorted((item for item in items if item["open_amount"] > 0), key=_order),
    }


def _items(db: Served, key: str, day: date, known: datetime | None) -> list[dict[str, Any]]:
    received = work.recorded_receipts(db)
    parameters = {"as_of": day, "customer_key": key} | ({} if known is None else {"known": known})
    sql = open_items_sql(known=known is not None, customer=True, received=bool(received))
    return db.rows(f"select * from ({sql}) where open_amount <> 0", parameters | received_parameters(received))


def _item(row: dict[str, Any]) -> dict[str, Any]:
    days = row["days_past_due"]
    return {
        "record_key": row["record_key"],
        "invoice_number": row["invoice_number"],
        "plan_row": row["plan_row"],
        "kind": row["kind"],
        "invoice_on": row["invoice_on"],
        "due_on": row["due_on"],
        "days_past_due": days if days is None or days > 0 else None,
        "bucket": row["bucket"],
        "currency": row["currency"],
        "amount": row["amount"],
        "open_amount": row["open_amount"],
        "is_retention": bool(row["is_retention"]),
        "is_header_filled": row["is_header_filled"],
        "is_due_derived": row["is_due_derived"],
        "is_estimated": row["is_estimated"],
        "is_awaiting_release": row["is_awaiting_release"],
        "original_due_on": row["original_due_on"],
        "recognised_on": row["recognised_on"],
        "payment_terms": row["payment_terms"],
        "contract_number": row["contract_number"],
        "source": row["source"],
        "source_id": row["source_id"],
    }


def _entry(currencies: dict[str, dict[str, Any]], currency: str) -> dict[str, Any]:
    return currencies.setdefault(
        currency,
        {
            "currency": currency,
            **dict.fromkeys(("open", "overdue", "unallocated", "credits", "provisional"), ZERO),
            "buckets": dict.fromkeys(BUCKETS, ZERO),
        },
    )


def _count(currencies: dict[str, dict[str, Any]], item: dict[str, Any]) -> None:
    entry, amount = _entry(currencies, item["currency"]), item["open_amount"]
    if item["kind"] == "provisional":
        entry["provisional"] += amount
    elif amount < 0:
        entry["credits"] -= amount
    else:
        entry["open"] += amount
        entry["buckets"][item["bucket"]] += amount
        entry["overdue"] += amount if item["bucket"] in OVERDUE else ZERO


def _total(db: Served, by_currency: list[dict[str, Any]], name: str, day: date) -> dict[str, Any]:
    return money.total(db, {entry["currency"]: entry[name] for entry in by_currency}, day)


def _bucket(db: Served, by_currency: list[dict[str, Any]], name: str, day: date) -> Decimal:
    amount: Decimal = money.total(db, {item["currency"]: item["buckets"][name] for item in by_currency}, day)["amount"]
    return amount


def _order(item: dict[str, Any]) -> tuple[bool, date, str]:
    return item["due_on"] is None, item["due_on"] or date.max, item["record_key"]


def _cash(db: Served, key: str, day: date, known: datetime | None) -> list[dict[str, Any]]:
    """What is left of the customer's receipts and credit notes; grain: currency × what."""
    parameters = {"as_of": day, "customer_key": key} | ({} if known is None else {"known": known})
    return db.rows(
        f"""select currency, class as what, sum(left_amount) as amount
            from ({open_credits_sql(known=known is not None, customer=True)}) group by all""",
        parameters,
    )
