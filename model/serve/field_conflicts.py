"""Conflicts for the steward: fields in which a customer's records contradict each other, and "this one is right"."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from model.identity import field_pins
from model.identity.field_pins import RETRACT, RIGHT, Pin
from model.identity.survivorship import FIELDS
from model.policy import Viewer
from model.serve import stewards
from model.serve.connection import Served
from model.serve.find import resolve
from model.serve.provenance import masked, of_customers, raw
from model.serve.stewardship_build import build_state, request_build
from model.serve.worth import worth
from ops.errors import FatalError
from ops.store import stamp, unstamp
from ops.tables import audit

STATES = ("open", "pending", "settled")
ORDERS = ("priority", "revenue", "name")
MOST = 5_000
# how much a wrong value costs: what invoices and money go by, then whom to ask, then the rest
WEIGHTS = {"register": 4, "invoicing": 4, "credit": 3, "owner": 3, "name": 2, "status": 2}
_FOUND = """
    select conflict.customer_key, conflict.field, customer.name, customer.owner_key, customer.owner_name,
           bool_or(conflict.is_settled) as is_settled, count(*) as records,
           count(*) filter (where not conflict.agrees) as against, list_sort(list(distinct conflict.source)) as sources
    from marts.mart_customer_conflict as conflict
    join core.dim_customer as customer on customer.customer_key = conflict.customer_key
    where {rule} and ($field is null or conflict.field = $field)
    group by conflict.customer_key, conflict.field, customer.name, customer.owner_key, customer.owner_name
"""


def field_conflicts(
    viewer: Viewer,
    db: Served,
    *,
    field: str | None = None,
    source: str | None = None,
    owner_key: str | None = None,
    text: str | None = None,
    state: str = "open",
    order: str = "priority",
    limit: int = 50,
    offset: int = 0,
) -> dict[str, Any]:
    """{total, has_more, by_field, by_state, currency, rows}: fields in which living records contradict each other.

    Rows: customer_key, name, owner, owner_key, field, group, revenue (open and ordered in 12 months, in the company's
    currency), state, and the entry of serve.provenance (value, record_key, rule, pin, values …). state: open; pending
    (decided, the next build carries it out); settled (decided and carried out). by_field counts what the filters leave
    of the asked state. `order`: priority (what the field costs × revenue), revenue, name. FatalError for others.
    """
    if state not in STATES or order not in ORDERS:
        raise FatalError(f"conflicts are not {state!r} by {order!r}", valid=", ".join((*STATES, *ORDERS)))
    if field is not None and field not in FIELDS:
        raise FatalError(f"there is no field {field!r}", valid=", ".join(FIELDS))
    rows = [row for row in _found(viewer, db, field) if _fits(row, source, owner_key, text)]
    states = Counter(row["state"] for row in rows)
    chosen = sorted((row for row in rows if row["state"] == state), key=_orders(order))
    page = chosen[offset : offset + limit]
    entries = of_customers(viewer, db, sorted({row["customer_key"] for row in page}), {row["field"] for row in page})
    return {
        "total": len(chosen),
        "has_more": len(rows) >= MOST,
        "by_field": dict(Counter(row["field"] for row in chosen).most_common()),
        "by_state": {name: states.get(name, 0) for name in STATES},
        "currency": db.instance.config.base_currency,
        "rows": [{**row, **entries[row["customer_key"]][row["field"]]} for row in page],
    }


def settle_field(viewer: Viewer, db: Served, record_key: str, field: str, reason: str | None = None) -> dict[str, Any]:
    """Say that what the record `source:id` says of `field` is right. {field, record_key, request_id, build}.

    Kept with author, time and reason; the next build carries it out and every later one repeats it, while the record
    lives and says so. Earlier decisions on the field of this customer are taken back. FatalError for a role that may
    not decide, an unknown field or a record without a value; NotFound for a record the viewer may not see.
    """
    record, row = _record(viewer, db, record_key, field)
    value = raw(row, field)
    if not value or row["is_deleted"] or row["is_reference_only"]:
        raise FatalError(f"{record_key} says nothing of {field}", remedy="choose a living record that has a value")
    with db.instance.store.begin() as connection:
        for pin in _standing(db, row["customer_key"], field):
            if (pin.source, pin.source_id) != record:
                field_pins.add(connection, (pin.source, pin.source_id), field, RETRACT, None, viewer.user, reason)
        field_pins.add(connection, record, field, RIGHT, value, viewer.user, reason)
        _audit(connection, viewer, "field.settle", record_key, field, reason)
    return {"field": field, "record_key": record_key, "request_id": request_build(viewer, db),
            "build": build_state(viewer, db)}  # fmt: skip


def retract_field(viewer: Viewer, db: Served, query: str, field: str, reason: str | None = None) -> dict[str, Any]:
    """Take back every decision on `field` of the customer that `query` names: the rule decides again.

    {field, retracted, request_id, build}; retracted: how many decisions ended. FatalError for a role that may not
    decide, an unknown field, or where nothing was decided.
    """
    stewards.assert_may_decide(viewer)
    _assert_field(field)
    key = resolve(viewer, db, query)
    standing = _standing(db, key, field)
    if not standing:
        raise FatalError(f"nobody decided on {field} of {key}", remedy="see the decisions of the customer")
    with db.instance.store.begin() as connection:
        for pin in standing:
            field_pins.add(connection, (pin.source, pin.source_id), field, RETRACT, None, viewer.user, reason)
        _audit(connection, viewer, "field.retract", key, field, reason)
    return {"field": field, "retracted": len(standing), "request_id": request_build(viewer, db),
            "build": build_state(viewer, db)}  # fmt: skip


def field_decisions(viewer: Viewer, db: Served, query: str | None = None) -> list[dict[str, Any]]:
    """Decisions on fields, newest first, of one customer or of all the viewer may see.

    {decision_id, customer_key, name, record_key, field, decision (right, retract), value, by, at, reason, holds}.
    holds: nothing was said later that ends it. Values that the viewer may not see are hidden.
    """
    keys = None if query is None else {resolve(viewer, db, query)}
    taken = field_pins.history(db.instance.store)
    holding = {pin.decision_id for pin in field_pins.effective(db.instance.store).values()}
    known = stewards.heads(viewer, db, {(pin.source, pin.source_id) for pin in taken})
    found = []
    for pin in reversed(taken):
        head = known.get((pin.source, pin.source_id))
        if head is None or (keys is not None and head["customer_key"] not in keys):
            continue
        found.append({
            "decision_id": pin.decision_id, "customer_key": head["customer_key"], "name": head["customer_name"],
            "record_key": head["record_key"], "field": pin.field, "decision": pin.decision,
            "value": masked(viewer, pin.field, pin.value), "by": pin.decided_by, "at": unstamp(pin.decided_at),
            "reason": pin.reason, "holds": pin.decision_id in holding,
        })  # fmt: skip
    return found


def _found(viewer: Viewer, db: Served, field: str | None) -> list[dict[str, Any]]:
    """Every (customer, field) in conflict that the viewer may see, with its money and state."""
    key = ("field_conflicts", viewer.cache_key, field, db.today())
    if key not in db.cache:
        rule, named = viewer.named_rows()
        at_stake = worth(db)
        rows = db.rows(_FOUND.format(rule=rule), {"field": field, **named})
        for row in rows:
            row["revenue"] = at_stake.get(row["customer_key"], Decimal(0))
            row["group"] = FIELDS[row["field"]]
            row["owner"] = row.pop("owner_name")
        rows.sort(key=_orders("priority"))
        db.cache[key] = rows[:MOST]
    pending = _pending(db)
    return [{**row, "state": _state(row, pending)} for row in db.cache[key]]


def _state(row: Mapping[str, Any], pending: Mapping[tuple[str, str], str]) -> str:
    newest = pending.get((row["customer_key"], row["field"]))
    if newest is not None:
        return "pending" if newest == RIGHT else "open"
    return "settled" if row["is_settled"] else "open"


def _pending(db: Served) -> dict[tuple[str, str], str]:
    """(customer, field) → the newest decision that the served build does not know yet."""
    built = int(next((row["value"] for row in db.rows(
        "select value from meta.state where key = 'field_decision'")), 0))  # fmt: skip
    later = [pin for pin in field_pins.history(db.instance.store) if pin.decision_id > built]
    if not later:
        return {}
    keys = _keys(db, later)
    return {(keys[pin.source, pin.source_id], pin.field): pin.decision for pin in later
            if (pin.source, pin.source_id) in keys}  # fmt: skip


def _keys(db: Served, taken: Sequence[Pin]) -> dict[tuple[str, str], str]:
    rows = db.rows(
        """select x.source, x.source_id, x.customer_key from identity.customer_crosswalk as x
           join (select unnest($sources) as source, unnest($ids) as source_id) as w using (source, source_id)""",
        {"sources": [pin.source for pin in taken], "ids": [pin.source_id for pin in taken]},
    )
    return {(row["source"], row["source_id"]): row["customer_key"] for row in rows}


def _standing(db: Served, key: str, field: str) -> list[Pin]:
    """The decisions on `field` of the customer's records that hold now."""
    mine = stewards.members(db, [key])
    return [
        pin for pin in field_pins.effective(db.instance.store).values()
        if pin.field == field and (pin.source, pin.source_id) in mine
    ]  # fmt: skip


def _record(viewer: Viewer, db: Served, record_key: str, field: str) -> tuple[tuple[str, str], dict[str, Any]]:
    stewards.assert_may_decide(viewer)
    _assert_field(field)
    record = stewards.record_of(record_key)
    stewards.found(viewer, db, [record])
    (row,) = db.rows("select * from core.dim_customer_record where source = ? and source_id = ?", list(record))
    return record, row


def _assert_field(field: str) -> None:
    if field not in FIELDS:
        raise FatalError(f"there is no field {field!r}", valid=", ".join(FIELDS))


def _fits(row: Mapping[str, Any], source: str | None, owner_key: str | None, text: str | None) -> bool:
    wanted = (text or "").strip().lower()
    return (
        (source is None or source in row["sources"])
        and (owner_key is None or row["owner_key"] == owner_key)
        and (not wanted or wanted in str(row["name"]).lower() or wanted == row["customer_key"].lower())
    )


def _orders(order: str) -> Any:
    def priority(row: Mapping[str, Any]) -> tuple[Any, ...]:
        return (-WEIGHTS.get(row["group"], 1) * (1 + row["revenue"]), row["customer_key"], row["field"])

    if order == "name":
        return lambda row: (row["name"], row["customer_key"], row["field"])
    return (lambda row: (-row["revenue"], row["customer_key"], row["field"])) if order == "revenue" else priority


def _audit(connection: Any, viewer: Viewer, action: str, subject: str, field: str, reason: str | None) -> None:
    details = json.dumps({"field": field, "reason": reason}, ensure_ascii=False)
    connection.execute(
        audit.insert().values(at=stamp(), actor=viewer.user, action=action, subject=subject, details=details)
    )
