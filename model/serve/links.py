"""The link of a row: its record's page in the source system, from the connector's templates."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ingest import links
from ingest.errors import SpecError
from ingest.spec import SourceSpec
from model.serve.connection import Served

Pages = dict[str, tuple[dict[str, str], dict[str, str]]]


def link(db: Served, entity: str, row: Mapping[str, Any]) -> str | None:
    """Address of the source record of `row` (source, source_id; number or code where it has one), or None.

    None too for a demo's simulators: they answer collectors, and have no screens.
    """
    templates, settings = _pages(db).get(row["source"] or "", ({}, {}))
    if entity not in templates:
        return None
    number = row.get("number") or row.get("invoice_number")
    values = {"id": row.get("source_id"), "number": number, "code": row.get("code")}
    return links.render(templates[entity], settings, values)


def linked(db: Served, entity: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with `link` each."""
    return [{**row, "link": link(db, entity, row)} for row in rows]


def linked_events(db: Served, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Events of a timeline with `link` each; the number of a document stands in `detail`."""
    return [{**row, "link": link(db, row["entity"], {**row, "number": row["detail"]})} for row in events]


def of_customers(db: Served, rows: list[dict[str, Any]]) -> None:
    """Give rows with `customer_key` the source, source_id and link of the customer's ERP record, else of its first."""
    keys = sorted({row["customer_key"] for row in rows})
    found = db.rows(
        """select record.customer_key, arg_min(struct_pack(source := source, source_id := source_id, code := code),
                  (case role when 'erp' then '0' else '1' end) || source || ':' || source_id) as record
           from core.dim_customer_record as record
           join (select unnest(?) as customer_key) as wanted on wanted.customer_key = record.customer_key
           where not record.is_deleted group by record.customer_key""",
        [keys],
    )
    records = {row["customer_key"]: row["record"] for row in found}
    for row in rows:
        record = records.get(row["customer_key"])
        row["source"], row["source_id"] = (record["source"], record["source_id"]) if record else (None, None)
        row["link"] = link(db, "customer", record) if record else None


def _pages(db: Served) -> Pages:
    """Source → (entity → template, settings): the connector's own, then what c360.toml says for the source."""
    if ("links",) not in db.cache:
        db.cache["links",] = {source.name: _of(db, source.connector, source) for source in db.instance.config.sources}
    pages: Pages = db.cache["links",]
    return pages


def _of(db: Served, connector: str, source: Any) -> tuple[dict[str, str], dict[str, str]]:
    try:
        spec = SourceSpec.load(connector, db.instance.config_dir)
    except SpecError:  # the collector says what is wrong with it; rows it once gave are still shown
        return {}, {}
    own = {entity: text for entity, text in source.links.items() if not links.problem(text, spec.settings)}
    templates, settings = {**spec.links, **own}, links.settings_of(spec.settings, source.settings)
    if db.instance.config.mode == "demo":
        templates = {entity: text for entity, text in templates.items() if not _is_here(text, settings)}
    return templates, settings


def _is_here(template: str, settings: Mapping[str, str]) -> bool:
    address = links.render(template, settings, dict.fromkeys(links.ROW, "1"))
    host = urlsplit(address or "").hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
