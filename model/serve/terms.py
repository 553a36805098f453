"""Two reports on the ledger: due dates against the terms, and what was entered after the day it counts for."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from model.policy import Viewer
from model.receivables.items import open_items_sql, received_parameters
from model.receivables.ledger import known_instant
from model.serve import links, work
from model.serve.aging import aging
from model.serve.connection import Served

ZERO = Decimal(0)
FIGURES = ("open", "overdue", "unallocated", "credits", "provisional")
_COLUMNS = """i.customer_key, customer.name, i.record_key, i.invoice_number, i.plan_row, i.source, i.source_id,
    i.currency, i.invoice_on, i.payment_terms, i.terms_anchor, i.term_days"""


def terms_report(viewer: Viewer, db: Served, as_of: date | None = None) -> dict[str, Any]:
    """{as_of, differs, derived, not_started}: lists of plan rows, largest open amount first.

    differs: the source's due date is not the one its terms give (source_due_on, derived_due_on, days: positive when
    the source allows more time); also settled ones. derived: open without a source's date, due by their terms.
    not_started: open, and the terms wait (terms_anchor invoice_received or milestone) for a day recorded nowhere.
    """
    day = as_of or db.today()
    rule, named = viewer.named_rows()
    received = work.recorded_receipts(db)
    items = open_items_sql(received=bool(received))
    parameters = {"as_of": day, **named, **received_parameters(received)}
    join = "join core.dim_customer as customer on customer.customer_key = i.customer_key"
    differs = db.rows(
        f"""select {_COLUMNS}, i.source_due_on, i.derived_due_on,
                   date_diff('day', i.derived_due_on, i.source_due_on) as days,
                   coalesce(o.open_amount, 0) as open_amount
            from marts.mart_ledger_fault as f
            join marts.mart_open_item as i on i.record_key = f.record_key
            left join ({items}) as o on o.record_key = i.record_key
            {join}
            where f.fault = 'due_differs' and i.posted_on <= $as_of and {rule}
            order by coalesce(o.open_amount, 0) desc, i.record_key""",
        parameters,
    )
    waiting = db.rows(
        f"""select {_COLUMNS}, i.due_on, i.open_amount, i.is_due_derived, i.is_term_open
            from ({items}) as i {join}
            where i.open_amount > 0 and i.kind <> 'provisional' and (i.is_due_derived or i.is_term_open) and {rule}
            order by i.open_amount desc, i.record_key""",
        parameters,
    )
    return {
        "as_of": day,
        "differs": links.linked(db, "invoice", differs),
        "derived": links.linked(db, "invoice", [row for row in waiting if not row["is_term_open"]]),
        "not_started": links.linked(db, "invoice", [row for row in waiting if row["is_term_open"]]),
    }


def entered_late(viewer: Viewer, db: Served, as_of: date) -> dict[str, Any]:
    """{as_of, currencies, documents}: `as_of` as known now against as known on that very day.

    currencies: per figure (open, overdue, unallocated, credits, provisional) {then, now, difference}, only currencies
    in any. documents: what bears a day up to `as_of` and was entered or changed after it: entity, record_key, number,
    customer, dated_on, known_from, amount, currency. Documents known for the first time by collection itself count as
    known since their own day.
    """
    now = {row["currency"]: row for row in aging(viewer, db, as_of, by="region")["totals"]}
    then = {row["currency"]: row for row in aging(viewer, db, as_of, as_of, by="region")["totals"]}
    currencies = []
    for code in sorted({*now, *then}):
        figures = {}
        for name in FIGURES:
            before, after = (found.get(code, {}).get(name, ZERO) for found in (then, now))
            figures[name] = {"then": before, "now": after, "difference": after - before}
        currencies.append({"currency": code, **figures})
    return {"as_of": as_of, "currencies": currencies, "documents": _documents(viewer, db, as_of)}


def _documents(viewer: Viewer, db: Served, as_of: date) -> list[dict[str, Any]]:
    rule, named = viewer.named_rows()
    rows = db.rows(
        f"""with entered as (
                select customer_key, 'invoice' as entity, record_key, invoice_number as number, source, source_id,
                       posted_on as dated_on, known_from, amount, currency, excluded_reason
                from core.fct_plan_row where known_to is null
                union all
                select customer_key, 'receipt', record_key, number, source, source_id, posted_on, known_from, amount,
                       currency, excluded_reason from core.fct_receipt where known_to is null
                union all
                select customer_key, 'credit_note', record_key, number, source, source_id, posted_on, known_from,
                       gross_amount, currency, excluded_reason from core.fct_credit_note where known_to is null
                union all
                select customer_key, 'allocation', record_key, settled_by_number, source, source_id, effective_on,
                       known_from, amount, currency, excluded_reason from core.fct_allocation where known_to is null
            )
            select e.* exclude (excluded_reason), customer.name, e.excluded_reason is not null as is_excluded
            from entered as e join core.dim_customer as customer on customer.customer_key = e.customer_key
            where e.dated_on <= $as_of and e.known_from >= $known and {rule}
            order by abs(e.amount) desc, e.entity, e.record_key""",
        {"as_of": as_of, "known": known_instant(as_of, db.instance.config.zone), **named},
    )
    return [{**row, "link": links.link(db, row["entity"], row)} for row in rows]
