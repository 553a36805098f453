"""Where each field of a customer comes from: the record and rule that give it, when it changed, what others say."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from model import schema
from model.identity import field_pins, survivorship
from model.identity.field_pins import Pin
from model.identity.survivorship import COLUMNS, FIELDS, Rules
from model.policy import MASKS, Viewer
from model.serve.connection import Served
from model.serve.find import resolve
from model.serve.links import link
from ops.store import unstamp

Rows = list[dict[str, Any]]
_SHOWN = {"owner": "owner_name"}
_RECORDS = """
    select record.*, ranked.state, {ranks}
    from core.dim_customer_record as record
    join core.dim_customer_rank as ranked on ranked.source = record.source and ranked.source_id = record.source_id
    where record.customer_key in (select unnest($keys))
    order by record.customer_key, record.source, record.source_id
"""


def provenance(viewer: Viewer, db: Served, query: str) -> dict[str, Any]:
    """{customer_key, state, confirmed_on, fields}: how each field of the customer that `query` names came about.

    fields: field → {field, group, value, record_key, source, source_id, role, changed_at, changed_basis, rule, pin,
    is_conflict, values}. changed_basis: "field" when the value itself was seen to change, "record" when only the
    record's own last change is known, null without either. rule: {strategy, roles, together, state, own}; roles:
    sources in order. pin: the steward's decision that holds, {decision_id, by, at, reason}, or null. values: what
    every record says, the winner first: {record_key, source, source_id, role, value, changed_at, changed_basis,
    is_winner, agrees, is_deleted, link}. Values that the viewer may not see are hidden. NotFound, Ambiguous as resolve.
    """
    key = resolve(viewer, db, query)
    found = of_customers(viewer, db, [key], FIELDS).get(key, {})
    state = db.rows("select state, confirmed_on from core.dim_customer_state where customer_key = ?", [key])
    return {
        "customer_key": key,
        "state": state[0]["state"] if state else "selling",
        "confirmed_on": state[0]["confirmed_on"] if state else None,
        "fields": found,
    }


def of_customers(
    viewer: Viewer, db: Served, keys: Sequence[str], fields: Collection[str]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Customer → field → entry of `provenance`, for customers the viewer may see (the caller has asked)."""
    ranks = ", ".join(f"ranked.{field}_rank" for field in FIELDS)
    rows = db.rows(_RECORDS.format(ranks=ranks), {"keys": list(keys)})
    changes, conflicts = _changes(db, keys), _conflicts(db, keys)
    pins, rules = field_pins.effective(db.instance.store), rules_of(db)
    grouped: dict[str, Rows] = {}
    for row in rows:
        grouped.setdefault(row["customer_key"], []).append(row)
    return {
        key: {
            field: _entry(viewer, db, field, records, rules, changes, conflicts.get((key, field), {}), pins)
            for field in FIELDS
            if field in fields
        }
        for key, records in grouped.items()
    }


def rules_of(db: Served) -> Rules:
    """The survivorship rules of the instance."""
    config = db.instance.config
    return survivorship.rules(db.instance.config_dir, [source.name for source in config.sources])


def masked(viewer: Viewer, field: str, value: Any) -> Any:
    """`value` of a field, hidden where the viewer may not see its kind."""
    kind = _kinds().get(COLUMNS.get(field, field))
    return viewer.hide(kind, value) if kind else value


def said(record: Mapping[str, Any], field: str) -> Any:
    """What a record says of a field, as people read it: the owner by name."""
    return record[_SHOWN.get(field, COLUMNS.get(field, field))] or record[COLUMNS.get(field, field)]


def raw(record: Mapping[str, Any], field: str) -> str | None:
    """What a record says of a field, as text, the way staging keeps it."""
    value = record[COLUMNS.get(field, field)]
    return format(value, "f") if isinstance(value, Decimal) else value


def _kinds() -> dict[str, str]:
    return {one.name: one.sensitivity for one in schema.entity("customer").columns if one.sensitivity in MASKS}


def _entry(
    viewer: Viewer,
    db: Served,
    field: str,
    records: Rows,
    rules: Rules,
    changes: Mapping[tuple[str, str, str], datetime],
    conflict: Mapping[tuple[str, str], bool],
    pins: Mapping[tuple[str, str, str], Pin],
) -> dict[str, Any]:
    rule = rules.of(field, records[0]["state"])
    ranked = sorted((row for row in records if row[f"{field}_rank"] is not None), key=lambda row: row[f"{field}_rank"])
    values = [_value(viewer, db, field, row, changes, conflict) for row in ranked if said(row, field) is not None]
    entry: dict[str, Any] = {
        "field": field, "group": rule.group, "value": None, "record_key": None, "source": None, "source_id": None,
        "role": None, "changed_at": None, "changed_basis": None,
        "rule": {"strategy": rule.strategy, "roles": list(rule.roles), "together": rule.together,
                 "state": records[0]["state"], "own": rule.own},
        "pin": None, "is_conflict": bool(conflict), "values": values,
    }  # fmt: skip
    if not ranked:
        return entry
    best = ranked[0]
    mine = next((one for one in values if one["record_key"] == _key(best)), None)
    if mine is not None:
        mine["is_winner"] = True
        entry |= {name: mine[name] for name in ("value", "changed_at", "changed_basis")}
    entry |= {"record_key": _key(best), **{name: best[name] for name in ("source", "source_id", "role")}}
    if best[f"{field}_rank"] < 0:
        entry["pin"] = _pin(best, -best[f"{field}_rank"], pins)
    return entry


def _value(
    viewer: Viewer,
    db: Served,
    field: str,
    row: Mapping[str, Any],
    changes: Mapping[tuple[str, str, str], datetime],
    conflict: Mapping[tuple[str, str], bool],
) -> dict[str, Any]:
    changed = changes.get((row["source"], row["source_id"], COLUMNS.get(field, field)))
    at = changed or row["source_updated_at"] or row["created_at"]
    return {
        "record_key": _key(row), "source": row["source"], "source_id": row["source_id"], "role": row["role"],
        "value": masked(viewer, field, said(row, field)), "changed_at": at,
        "changed_basis": "field" if changed else "record" if at else None, "is_winner": False,
        "agrees": conflict.get((row["source"], row["source_id"]), True), "is_deleted": row["is_deleted"],
        "link": link(db, "customer", row),
    }  # fmt: skip


def _key(row: Mapping[str, Any]) -> str:
    return f"{row['source']}:{row['source_id']}"


def _pin(row: Mapping[str, Any], number: int, pins: Mapping[tuple[str, str, str], Pin]) -> dict[str, Any]:
    one = next(
        (pin for pin in pins.values() if pin.decision_id == number and pin.source_id == row["source_id"]), None
    )  # fmt: skip
    if one is None:
        return {"decision_id": number, "field": None, "by": None, "at": None, "reason": None, "is_retracted": True}
    return {"decision_id": number, "field": one.field, "by": one.decided_by, "at": unstamp(one.decided_at),
            "reason": one.reason, "is_retracted": False}  # fmt: skip


def _changes(db: Served, keys: Sequence[str]) -> dict[tuple[str, str, str], datetime]:
    """(source, source_id, column) → when its value was last seen to change."""
    rows = db.rows(
        """select source, source_id, attribute, max(valid_from) as changed_at
           from core.dim_customer_history
           where customer_key in (select unnest($keys)) and not is_first
           group by source, source_id, attribute""",
        {"keys": list(keys)},
    )
    return {(row["source"], row["source_id"], row["attribute"]): row["changed_at"] for row in rows}


def _conflicts(db: Served, keys: Sequence[str]) -> dict[tuple[str, str], dict[tuple[str, str], bool]]:
    """(customer, field) → record → whether it agrees, for fields in which records contradict each other."""
    rows = db.rows(
        """select customer_key, field, source, source_id, agrees from marts.mart_customer_conflict
           where customer_key in (select unnest($keys))""",
        {"keys": list(keys)},
    )
    found: dict[tuple[str, str], dict[tuple[str, str], bool]] = {}
    for row in rows:
        found.setdefault((row["customer_key"], row["field"]), {})[row["source"], row["source_id"]] = row["agrees"]
    return found
