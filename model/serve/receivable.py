"""What one customer owes: open items with days past due, per currency, with cash and credits apart."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from model.policy import Viewer
from model.receivables import BUCKETS, bucket_of, open_items_sql
from model.receivables.items import OVERDUE, allocations_sql, known_instant, versions
from model.serve import money
from model.serve.connection import Served

ZERO = Decimal(0)
_ELSEWHERE = """a.customer_key <> $key
    and coalesce(a.receipt_key, a.credit_key) in (select record_key from kept)"""


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
    parameters = {"as_of": day, "customer_key": key} | ({} if known is None else {"known": known})
    sql = open_items_sql(known=known is not None, where="p.customer_key = $customer_key")
    return db.rows(f"select * from ({sql}) where open_amount <> 0", parameters)


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
        "bucket": bucket_of(days, is_term_open=row["is_term_open"]),
        "currency": row["currency"],
        "amount": row["amount"],
        "open_amount": row["open_amount"],
        "is_retention": bool(row["is_retention"]),
        "is_header_filled": row["is_header_filled"],
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
    """Receipts and credit notes of the customer less what is allocated of them, also to other customers' invoices.

    Allocations stand under the invoice's customer, so only documents with something left look through the others.
    """
    has = known is not None
    parameters = {"as_of": day, "key": key} | ({} if known is None else {"known": known})
    return db.rows(
        f"""with document as (
                select record_key, currency, amount, 'unallocated' as what from core.fct_receipt as r
                where r.customer_key = $key and {versions("r", known=has)} and excluded_reason is null
                  and posted_on <= $as_of
                union all
                select record_key, currency, gross_amount, 'credits' from core.fct_credit_note as c
                where c.customer_key = $key and {versions("c", known=has)} and excluded_reason is null
                  and posted_on <= $as_of
            ),
            used as (
                select coalesce(receipt_key, credit_key) as document_key, sum(amount) as amount
                from ({allocations_sql(known=has, where="a.customer_key = $key")}) group by all
            ),
            kept as materialized (
                select document.*, document.amount - coalesce(used.amount, 0) as left_amount
                from document left join used on used.document_key = document.record_key
                where document.amount <> coalesce(used.amount, 0)
            ),
            elsewhere as (
                select coalesce(receipt_key, credit_key) as document_key, sum(amount) as amount
                from ({allocations_sql(known=has, where=_ELSEWHERE)}) group by all
            )
            select kept.currency, kept.what, sum(kept.left_amount - coalesce(elsewhere.amount, 0)) as amount
            from kept left join elsewhere on elsewhere.document_key = kept.record_key
            group by all""",
        parameters,
    )
