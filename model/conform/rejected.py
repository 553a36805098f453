"""What rejected documents are worth: their amount and currency as landed, where these can be read although another
field cannot. Nothing of this enters the ledger; it explains a difference to the source's own balance."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import polars as pl
from sqlalchemy import select

from ingest import landing
from model.conform.sources import mapping_of
from model.conform.spec import EntityMapping, FieldSpec, Mapping
from ops.instance import Instance
from ops.tables import quarantine

_GROUPED = re.compile(r"-?\d{1,3}(,\d{3})+(\.\d+)?")
_MOST = Decimal(10) ** 16
# entity → (its amount, what one unit of it does to what is owed)
AMOUNTS = {"invoice": ("gross_amount", 1), "receipt": ("amount", -1), "credit_note": ("gross_amount", -1)}


@dataclass(frozen=True)
class Rejected:
    """One rejected document of receivables; `amount` is what it does to the balance, None where it cannot be read."""

    source: str
    stream: str
    record_id: str
    entity: str
    run_id: str
    document_hash: str | None
    currency: str | None = None
    amount: Decimal | None = None


def receivables(instance: Instance) -> list[Rejected]:
    """Every document of AMOUNTS that is in the quarantine and not ignored, once, by source, stream and id."""
    c = quarantine.c
    query = (
        select(c.source, c.stream, c.record_id, c.entity, c.run_id, c.document_hash)
        .where(c.status == "open", c.entity.in_(list(AMOUNTS)))
        .distinct()
        .order_by(c.source, c.stream, c.record_id, c.entity, c.run_id)
    )
    with instance.store.read() as connection:
        rows = [Rejected(*row) for row in connection.execute(query)]
    runs: dict[tuple[str, str, str], list[Rejected]] = defaultdict(list)
    for row in {(one.source, one.stream, one.record_id, one.entity): one for one in rows}.values():
        runs[row.source, row.stream, row.run_id].append(row)
    mappings = {one.name: mapping_of(instance, one) for one in instance.config.sources}
    found = []
    for (source, stream, run_id), wanted in sorted(runs.items()):
        documents = _documents(instance, source, stream, run_id, {one.record_id for one in wanted})
        found += [_read(one, documents.get(one.record_id), mappings.get(source)) for one in wanted]
    return found


def _documents(instance: Instance, source: str, stream: str, run_id: str, ids: set[str]) -> dict[str, str]:
    try:
        parts = landing.parts(instance.landing, source, stream, run_id)
    except FileNotFoundError:
        return {}
    found: dict[str, str] = {}
    for part in (one.read(["id", "document"]) for one in parts):
        found |= dict(part.filter(pl.col("id").is_in(list(ids))).select("id", "document").iter_rows())
    return found


def _read(one: Rejected, text: str | None, mapping: Mapping | None) -> Rejected:
    try:
        document = json.loads(text or "", parse_float=Decimal)
    except json.JSONDecodeError:
        return one
    if mapping is None or not isinstance(document, dict):
        return one
    name, sign = AMOUNTS[one.entity]
    for entity in mapping.of(one.stream):
        if entity.entity == one.entity and name in entity.fields:
            amount = _number(_value(document, entity.fields[name]))
            scale = entity.fields[name].scale
            amount = amount * Decimal(str(scale)) if amount is not None and scale else amount
            worth = None if amount is None else amount * sign
            return Rejected(one.source, one.stream, one.record_id, one.entity, one.run_id, one.document_hash,
                            _currency(document, entity, mapping), worth)  # fmt: skip
    return one


def _currency(document: dict[str, Any], entity: EntityMapping, mapping: Mapping) -> str | None:
    spec = entity.fields.get("currency")
    value = None if spec is None else _value(document, spec)
    if spec is None or value is None:
        return None if spec is None else spec.default
    return mapping.lookup[spec.lookup].get(str(value)) if spec.lookup else str(value)


def _value(document: dict[str, Any], spec: FieldSpec) -> Any:
    """The first value that one of the paths leads to; a key may hold dots itself, as Kingdee's do."""
    for path in spec.path:
        if path in document:
            value: Any = document[path]
        else:
            value = document
            for key in path.split("."):
                value = value.get(key) if isinstance(value, dict) else None
        if value not in (None, "", *spec.nulls):
            return value
    return spec.constant


def _number(value: Any) -> Decimal | None:
    text = "" if value is None else str(value).strip()
    if _GROUPED.fullmatch(text):
        text = text.replace(",", "")
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number.quantize(Decimal("0.01")) if number.is_finite() and abs(number) < _MOST else None
