"""What does not fit in the ledger, and the control of its totals against the source's documents."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import func, select

from model.policy import Viewer
from model.serve.connection import Served
from ops.tables import quarantine

# what a fault does to the figures: set aside changes none, labelled counts as its name says
SET_ASIDE = frozenset({"allocation_currency"})


def ledger_faults(viewer: Viewer, db: Served, fault: str | None = None) -> list[dict[str, Any]]:
    """Faults of the viewer's customers, largest amount first: fault, treatment, record_key, field, value, amount."""
    rule, named = viewer.named_rows()
    rows = db.rows(
        f"""select f.fault, f.customer_key, customer.name, f.record_key, f.field, f.value, f.amount, f.currency
            from marts.mart_ledger_fault as f
            join core.dim_customer as customer on customer.customer_key = f.customer_key
            where {rule} {"and f.fault = $fault" if fault else ""}
            order by f.fault, abs(f.amount) desc, f.record_key""",
        {**named, **({"fault": fault} if fault else {})},
    )
    return [{**row, "treatment": "set_aside" if row["fault"] in SET_ASIDE else "labelled"} for row in rows]


def ledger_control(viewer: Viewer, db: Served, as_of: date | None = None) -> list[dict[str, Any]]:
    """Every receivable document per source, currency and class; grain: source × currency × document × class.

    class: shown (in the ledger as of the day), later (posted after it), void, not_approved, deleted. Count and amount
    of all classes together are the source's own; rejects that never became a document are in the quarantine, with
    their count (amount unknown) under class quarantined.
    """
    day = as_of or db.today()
    rule, named = viewer.named_rows()
    rows = db.rows(
        f"""with document as (
                select customer_key, source, currency, 'invoice' as document, gross_amount as amount, posted_on,
                       excluded_reason from core.fct_invoice where kind <> 'provisional'
                union all
                select customer_key, source, currency, 'provisional', gross_amount, posted_on, excluded_reason
                from core.fct_invoice where kind = 'provisional'
                union all
                select customer_key, source, currency, 'receipt', amount, posted_on, excluded_reason
                from core.fct_receipt where known_to is null
                union all
                select customer_key, source, currency, 'credit_note', gross_amount, posted_on, excluded_reason
                from core.fct_credit_note where known_to is null
            )
            select source, currency, document,
                   coalesce(excluded_reason, case when posted_on > $as_of then 'later' else 'shown' end) as class,
                   count(*) as documents, sum(amount) as amount
            from document
            join core.dim_customer as customer on customer.customer_key = document.customer_key
            where {rule} group by all order by all""",
        {"as_of": day, **named},
    )
    return [*rows, *_quarantined(viewer, db)]


def _quarantined(viewer: Viewer, db: Served) -> list[dict[str, Any]]:
    """Open rejects of receivable documents, for those who see all rows: a reject has no customer yet."""
    if viewer.scope != "all":
        return []
    entities = ("invoice", "receipt", "credit_note")
    columns = (quarantine.c.source, quarantine.c.entity)
    query = (
        select(*columns, func.count(func.distinct(quarantine.c.record_id)).label("documents"))
        .where(quarantine.c.status == "open", quarantine.c.entity.in_(entities))
        .group_by(*columns)
        .order_by(*columns)
    )
    with db.instance.store.read() as connection:
        found = connection.execute(query).all()
    return [
        {"source": row.source, "currency": None, "document": row.entity, "class": "quarantined",
         "documents": row.documents, "amount": None}
        for row in found
    ]  # fmt: skip
