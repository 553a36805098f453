"""What was known of a customer itself on a day gone by: owner, tier, status, credit limit, terms, names.

Every record says what it said then; today's survivorship rules choose between them. Before the first collection the
first known values hold, and the card says that this part is not known as of the day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from model.identity.survivorship import COLUMNS, FIELDS
from model.serve.connection import Served
from model.serve.provenance import rules_of

Rows = list[dict[str, Any]]
# a step of standing in core.dim_customer_rank
_DELETED = 200 * 10_000_000_000

_RECORDS = """
    select record.*, ranked.state, {ranks}, (
        select min(version.seen_from) from staging.customer as version
        where version.source = record.source and version.source_id = record.source_id
    ) as first_seen
    from core.dim_customer_record as record
    join core.dim_customer_rank as ranked on ranked.source = record.source and ranked.source_id = record.source_id
    where record.customer_key = $key and not record.is_reference_only
    order by record.source, record.source_id
"""
_HISTORY = """
    select source, source_id, attribute, value from core.dim_customer_history
    where customer_key = $key
      and (valid_from < $end and (valid_to is null or valid_to >= $end) or is_first and valid_from >= $end)
"""
_EMPLOYEES = """
    select x.source, x.source_id, x.employee_key, e.name
    from identity.employee_crosswalk as x join core.dim_employee as e on e.employee_key = x.employee_key
    join (select unnest($sources) as source, unnest($ids) as source_id) as w using (source, source_id)
"""


def identity_at(db: Served, key: str, end: datetime) -> tuple[dict[str, Any], bool]:
    """The columns of core.dim_customer that have a history, as they stood before the instant `end`.

    The second answer: every record of the customer was collected by then, so that they are known, not assumed.
    """
    records = db.rows(_RECORDS.format(ranks=", ".join(f"ranked.{field}_rank" for field in FIELDS)), {"key": key})
    if not records:
        return {}, False
    said: dict[tuple[str, str], dict[str, Any]] = {}
    for row in db.rows(_HISTORY, {"key": key, "end": end}):
        said.setdefault((row["source"], row["source_id"]), {})[row["attribute"]] = row["value"]
    then = [_then(row, said.get((row["source"], row["source_id"]), {})) for row in records]
    rules, state = rules_of(db), records[0]["state"]
    winners = {field: _winner(then, field, together=rules.of(field, state).together) for field in FIELDS}
    found = {
        field: row[COLUMNS.get(field, field)] if row else None
        for field, row in winners.items() if field != "owner"
    }  # fmt: skip
    limit = winners["credit_limit_amount"]
    found["kind"] = found["kind"] or "company"
    found["credit_currency"] = (limit["credit_currency"] or limit["currency"]) if limit else None
    if all(row["is_deleted"] for row in then):
        found["status"] = "inactive"
    found["is_on_hold"] = any((row["is_on_hold"] or row["is_forbidden"]) and not row["is_deleted"] for row in then)
    known = all(row["first_seen"] is not None and row["first_seen"] < end for row in records)
    return found | _owner(db, winners["owner"]), known


def _then(row: dict[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """A record as it was: history where the value changed since, else what it says now."""
    was = dict(row)
    for name, value in said.items():
        if name in ("is_deleted", "is_on_hold"):
            was[name] = None if value is None else value == "true"
        elif name == "credit_limit_amount":
            was[name] = None if value is None else Decimal(value)
        else:
            was[name] = value
    was["is_deleted"] = bool(was["is_deleted"])
    was["shift"] = (int(was["is_deleted"]) - int(bool(row["is_deleted"]))) * _DELETED
    return was


def _winner(rows: Sequence[dict[str, Any]], field: str, *, together: bool) -> dict[str, Any] | None:
    column, rank = COLUMNS.get(field, field), f"{field}_rank"
    able = [row for row in rows if row[column] is not None or (together and row[rank] is not None)]
    if not able:
        return None
    return min(able, key=lambda row: (row[rank] is None, (row[rank] or 0) + row["shift"], row["source_id"]))


def _owner(db: Served, row: Mapping[str, Any] | None) -> dict[str, Any]:
    names = ("owner_id", "owner_key", "owner_name", "owner_source")
    if row is None:
        return dict.fromkeys(names)
    found = db.rows(_EMPLOYEES, {"sources": [row["source"]], "ids": [row["owner_id"]]})
    employee = found[0] if found else {"employee_key": None, "name": None}
    return dict(zip(names, (row["owner_id"], employee["employee_key"], employee["name"], row["source"]), strict=True))
