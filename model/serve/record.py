"""One source record as it stands in staging: what every row opens, with or without a link to its system."""

from __future__ import annotations

from typing import Any

from model import schema
from model.policy import Viewer
from model.serve.connection import Served
from model.serve.find import NotFound
from model.serve.links import link
from ops.errors import FatalError

# entity → (table with customer_key, its key "source:source_id"), where a record belongs to a customer
_OWNED: dict[str, tuple[str, str]] = {
    "customer": ("core.dim_customer_record", "record.source || ':' || record.source_id"),
    "contact": ("core.dim_contact", "record.contact_key"),
    "project": ("core.dim_project", "record.project_key"),
    "sales_order": ("core.fct_order", "record.record_key"),
    "sales_order_line": ("core.fct_order_line", "record.record_key"),
    **{
        name: (f"core.fct_{name}", "record.record_key")
        for name in (
            "opportunity", "contract", "shipment", "invoice", "receipt", "credit_note", "allocation", "ticket",
            "ticket_event", "interaction", "milestone",
        )
    },
}  # fmt: skip
_PARENTS = {"invoice_plan": ("invoice", "invoice_id")}
_SHARED = frozenset({"employee", "product", "exchange_rate"})


def record(viewer: Viewer, db: Served, source: str, entity: str, source_id: str) -> dict[str, Any]:
    """The present version of a source's record, masked: {source, source_id, entity, label, customer_key, link, columns,
    versions, is_deleted, seen_from, run_id, source_updated_at, entered_at}.

    columns: {name, label, type, value} in the schema's order. FatalError for an unknown entity; NotFound when there is
    no such record or it belongs to a customer the viewer may not see.
    """
    described = schema.entity(entity)
    row = _current(db, source, entity, source_id)
    owner = None if row is None else _customer_of(viewer, db, entity, row)
    if row is None or (owner is None and viewer.scope != "all" and entity not in _SHARED):
        raise NotFound(f"{source} has no {entity} {source_id!r}", remedy="open it from a row that shows it")
    columns = [
        {
            "name": column.name,
            "label": column.zh if viewer.language == "zh" else column.en,
            "type": column.type,
            "value": viewer.hide(column.sensitivity, row[column.name]),
        }
        for column in described.columns
        if column.name in row
    ]
    kept = ("source", "source_id", "versions", "is_deleted", "seen_from", "run_id", "source_updated_at", "entered_at")
    return {
        "entity": entity,
        "label": described.zh if viewer.language == "zh" else described.en,
        "customer_key": owner,
        "link": link(db, entity, row),
        **{name: row[name] for name in kept},
        "columns": columns,
    }


def _current(db: Served, source: str, entity: str, source_id: str) -> dict[str, Any] | None:
    """The staged row and the number of its versions."""
    if entity not in schema.entities():
        raise FatalError(f"unknown canonical entity {entity!r}", valid=", ".join(sorted(schema.entities())))
    rows = db.rows(
        f"""select * from staging.{entity} where source = ? and source_id = ?
            order by seen_to nulls first, seen_from desc""",
        [source, source_id],
    )
    return {**rows[0], "versions": len(rows)} if rows else None


def _customer_of(viewer: Viewer, db: Served, entity: str, row: dict[str, Any]) -> str | None:
    """Key of the customer the record belongs to, if the viewer may see that customer."""
    entity, key = _PARENTS.get(entity, (entity, "source_id"))
    if entity not in _OWNED:
        return None
    table, column = _OWNED[entity]
    rule, parameters = viewer.rows("customer")
    found = db.rows(
        f"""select customer.customer_key from {table} as record
            join core.dim_customer as customer on customer.customer_key = record.customer_key
            where {column} = ? and {rule} limit 1""",
        [f"{row['source']}:{row[key]}", *parameters],
    )
    return found[0]["customer_key"] if found else None
