"""One source record as it stands in staging: what every row opens, with or without a link to its system."""

from __future__ import annotations

from typing import Any

from model import schema
from model.policy import Viewer
from model.serve.connection import Served
from model.serve.find import NotFound
from model.serve.links import link
from model.serve.syncing import may_sync
from ops.errors import FatalError

# entity → (table with customer_key, its key "source:source_id"), where a record belongs to a customer
_OWNED: dict[str, tuple[str, str]] = {
    "customer": ("core.dim_customer_record", "record.source || ':' || record.source_id"),
    "contact": ("core.dim_contact", "record.contact_key"),
    "project": ("core.dim_project", "record.project_key"),
    "sales_order": ("core.fct_order", "record.record_key"),
    "asset": ("core.dim_asset", "record.record_key"),
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

    columns: {name, label, type, value, refers} in the schema's order. refers: {entity, source_id, name} of the record
    that a foreign id means, where it is known and may be seen, else null. FatalError for an unknown entity; NotFound
    when there is no such record or it belongs to a customer the viewer may not see.
    """
    described = schema.entity(entity)
    row = _current(db, source, entity, source_id) if _is_seen(viewer, db, source) else None
    owner = None if row is None else _customer_of(viewer, db, entity, row)
    if row is None or (owner is None and viewer.scope != "all" and entity not in _SHARED):
        raise NotFound(f"{source} has no {entity} {source_id!r}", remedy="open it from a row that shows it")
    columns = [
        {
            "name": column.name,
            "label": column.zh if viewer.language == "zh" else column.en,
            "type": column.type,
            "value": viewer.hide(column.sensitivity, row[column.name]),
            "refers": _referred(viewer, db, source, column.refers_to, row[column.name]),
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


def _is_seen(viewer: Viewer, db: Served, source: str) -> bool:
    """A shadow source's records are seen by those who look after sources, and by nobody else."""
    return may_sync(viewer) or source not in {one.name for one in db.instance.config.sources if one.status == "shadow"}


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


def _referred(viewer: Viewer, db: Served, source: str, entities: tuple[str, ...], value: Any) -> dict[str, Any] | None:
    """The record of the same source that the id or natural key `value` means."""
    for entity in entities if value else ():
        described = schema.entity(entity)
        names = [name for name in ("number", "code", "name", "subject") if name in described.by_name]
        keys = ["source_id", *(name for name in described.natural_key if name in {"number", "code"})]
        shown = ", ".join([*names, "source", *({"source_id", *_parent_id(entity)} - set(names))])
        found = db.rows(
            f"""select {shown} from staging.{entity} where source = $source and seen_to is null
                and ({" or ".join(f"{key} = $value" for key in keys)})
                order by case when source_id = $value then 0 else 1 end, source_id limit 1""",
            {"source": source, "value": str(value)},
        )
        if found and (viewer.scope == "all" or entity in _SHARED or _customer_of(viewer, db, entity, found[0])):
            return {"entity": entity, "source_id": found[0]["source_id"], "name": _named(entity, found[0])}
    return None


def _parent_id(entity: str) -> tuple[str, ...]:
    return (_PARENTS[entity][1],) if entity in _PARENTS else ()


def _named(entity: str, row: dict[str, Any]) -> str:
    """What people call a record: the name of persons and companies, the number of documents with its subject."""
    known = [str(row[key]) for key in ("number", "code", "name", "subject") if row.get(key)]
    if row.get("name") and entity in {"customer", "employee", "contact", "product", "project"}:
        return str(row["name"])
    return " ".join(known[:2]) if known else str(row["source_id"])


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
