"""The ledger as SQL on both axes of time.

As known now, a question reads the marts that the build made: open items and their dated movements. As known earlier,
the very same models run inside the question over the versions that were known then, so that both answers come from
one definition (model/core/fct_receivable_item.sql and its neighbours).
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from model import warehouse

# the models of the ledger in the order they read each other
MODELS = (
    "core.fct_receivable_item",
    "core.fct_provisional_reversal",
    "core.fct_settlement",
    "core.fct_provisional_movement",
    "core.fct_pool_movement",
    "marts.mart_item_movement",
    "marts.mart_open_item",
    "marts.mart_credit_movement",
    "marts.mart_open_credit",
)
VERSIONED = ("core.fct_plan_row", "core.fct_allocation", "core.fct_receipt", "core.fct_credit_note")
_ALLOCATION_RULE = "is_receipt_unknown or receipt_key is not null or is_credit_unknown or credit_key is not null"


def known_instant(known_at: date | datetime | None, zone: str) -> datetime | None:
    """The instant up to which knowledge counts: the end of a date in the company's zone; None = everything."""
    if known_at is None or isinstance(known_at, datetime):
        return known_at
    return datetime.combine(known_at + timedelta(days=1), time(0), ZoneInfo(zone))


def versions(alias: str, *, known: bool) -> str:
    """The condition that picks the version of a row known at `$known` (or the present one)."""
    if not known:
        return f"{alias}.known_to is null"
    return f"{alias}.known_from < $known and ({alias}.known_to is null or {alias}.known_to >= $known)"


def tables(*, known: bool, customer: bool = False) -> tuple[str, dict[str, str]]:
    """(common table expressions, name of each model's table) for a question.

    The expressions are "" as known now, else "with …" that the question's own SELECT follows, with its further
    expressions joined by a comma. With `customer` they only hold what concerns `$customer_key`.
    """
    if not known:
        return "", {name: name for name in MODELS}
    return _replayed(customer), {name: _cte(name) for name in MODELS}


def question(select: str, ctes: str = "", *, known: bool, customer: bool = False) -> str:
    """One statement out of `select` with its own `ctes` ("name as (…), …"), over the tables of `tables`."""
    prefix, _ = tables(known=known, customer=customer)
    parts = [part for part in (prefix, ctes) if part]
    return (f"with {', '.join(parts)}\n" if parts else "") + select


def _cte(name: str) -> str:
    return "known_" + name.split(".")[1]


@cache
def _replayed(customer: bool) -> str:
    found = {model.name: model for model in warehouse.models()}
    names = {name: _cte(name) for name in (*VERSIONED, *MODELS)}
    parts = [f"{names[name]} as ({_version(name, customer)})" for name in VERSIONED]
    parts += [f"{names[name]} as ({warehouse.redirect(found[name].sql, names)})" for name in MODELS]
    return ",\n".join(parts)


def _version(name: str, customer: bool) -> str:
    """The rows of one versioned fact as they stood at `$known`, shaped as the present ledger is."""
    columns = "* replace (cast(null as timestamptz) as known_to)"
    rule = versions("v", known=True)
    only = ""
    if name == "core.fct_allocation":
        # whether a document counted is judged by its own version of then
        columns = (
            "* replace (cast(null as timestamptz) as known_to,"
            " case when is_invoice_unknown then excluded_reason end as excluded_reason)"
        )
        if customer:
            only = (
                " and (v.customer_key = $customer_key"
                " or v.receipt_key in (select record_key from core.fct_receipt where customer_key = $customer_key)"
                " or v.credit_key in (select record_key from core.fct_credit_note where customer_key = $customer_key)"
                " or v.credit_key in (select invoice_key from core.fct_plan_row where customer_key = $customer_key))"
            )
    elif customer and name == "core.fct_plan_row":
        only = (
            " and (v.customer_key = $customer_key"
            " or v.invoice_key in (select credit_key from core.fct_allocation where customer_key = $customer_key)"
            " or v.invoice_key in (select invoice_key from core.fct_allocation as a"
            " where a.receipt_key in (select record_key from core.fct_receipt where customer_key = $customer_key)"
            " or a.credit_key in (select record_key from core.fct_credit_note where customer_key = $customer_key)"
            " or a.credit_key in (select invoice_key from core.fct_plan_row where customer_key = $customer_key)))"
        )
    return f"select {columns} from {name} as v where {rule}{only}"
