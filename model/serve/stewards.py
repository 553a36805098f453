"""What the steward's questions share: who may decide, records by key, and how each record looks beside another."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from model import policy
from model.identity.decisions import Decision, Pair, Record, effective, history, ordered
from model.policy import Viewer
from model.serve.connection import Served
from model.serve.find import NotFound
from ops.errors import FatalError
from ops.store import stamp, unstamp


def may_decide(viewer: Viewer) -> bool:
    """Whether this viewer's role may say which records are one customer."""
    return policy.roles()[viewer.role].may_decide


def assert_may_decide(viewer: Viewer) -> None:
    """FatalError naming the roles that may decide, unless the viewer's may."""
    if not may_decide(viewer):
        able = ", ".join(name for name, role in policy.roles().items() if role.may_decide)
        raise FatalError(f"the role {viewer.role} does not decide which records are one customer", valid=able)


def record_of(text: str | Sequence[str]) -> Record:
    """A record from `source:id` or (source, id); FatalError for anything else."""
    parts = text.split(":", 1) if isinstance(text, str) else list(text)
    if len(parts) != 2 or not all(parts):
        raise FatalError(f"{text!r} names no record", valid="source:id", remedy="take it from the review queue")
    return parts[0], parts[1]


def pairs_of(pairs: Iterable[Sequence[Any]]) -> list[Pair]:
    """Pairs in order, without repeats."""
    return list(dict.fromkeys(ordered(record_of(left), record_of(right)) for left, right in pairs))


def key_of(record: Record) -> str:
    """`source:id`."""
    return f"{record[0]}:{record[1]}"


_HEADS = """
with wanted as (
    select unnest($sources) as source, unnest($ids) as source_id
)

select
    record.source, record.source_id, record.source || ':' || record.source_id as record_key, record.role,
    record.customer_key, customer.name as customer_name, record.name, record.code, record.kind, record.city,
    record.region, record.uscc, record.tax_number, record.phone, record.status, record.rule, record.evidence,
    record.is_deleted, record.is_reference_only,
    coalesce(record.owner_name, customer.owner_name) as owner, coalesce(record.owner_key, customer.owner_key)
        as owner_key, version.seen_at
from wanted
join core.dim_customer_record as record on record.source = wanted.source and record.source_id = wanted.source_id
left join core.dim_customer as customer on customer.customer_key = record.customer_key
left join (
    select source, source_id, max(seen_from) as seen_at from staging.customer
    semi join wanted using (source, source_id) group by source, source_id
) as version on version.source = record.source and version.source_id = record.source_id
where {rule}
order by record.source, record.source_id
"""


def heads(viewer: Viewer, db: Served, records: Collection[Record]) -> dict[Record, dict[str, Any]]:
    """Record → {source, source_id, record_key, role, customer_key, customer_name, name, code, kind, city, region, uscc,
    tax_number, phone (masked), status, owner, owner_key, rule, evidence, is_deleted, is_reference_only, seen_at}; only
    records of customers the viewer may see.
    """
    if not records:
        return {}
    rule, named = viewer.named_rows()
    wanted = sorted(set(records))
    given = {"sources": [source for source, _ in wanted], "ids": [key for _, key in wanted]}
    rows = db.rows(_HEADS.format(rule=rule), {**given, **named})
    return {(row["source"], row["source_id"]): {**row, "phone": viewer.hide("phone", row["phone"])} for row in rows}


def found(viewer: Viewer, db: Served, records: Collection[Record]) -> dict[Record, dict[str, Any]]:
    """`heads`; NotFound where one of the records is not there or not the viewer's."""
    known = heads(viewer, db, records)
    missing = sorted(set(records) - known.keys())
    if missing:
        raise NotFound(
            f"no record {', '.join(map(key_of, missing[:5]))}",
            remedy="take records from the review queue or from a customer's sources",
        )
    return known


def members(db: Served, keys: Collection[str]) -> dict[Record, str]:
    """Every record of the customers `keys` → its customer key."""
    rows = db.rows(
        """select source, source_id, customer_key from identity.customer_crosswalk
           where list_contains($keys, customer_key) and source_id <> '' order by source, source_id""",
        {"keys": sorted(set(keys))},
    )
    return {(row["source"], row["source_id"]): row["customer_key"] for row in rows}


def standing(db: Served) -> dict[Pair, Decision]:
    """The decisions that hold now, read fresh."""
    return effective(db.instance.store)


def taken(db: Served) -> list[Decision]:
    """Every decision ever taken, oldest first, read fresh."""
    return history(db.instance.store)


def shown(one: Decision) -> dict[str, Any]:
    """{decision_id, left, right, decision, by, at, reason, origin, batch_id} of a decision."""
    left, right = one.pair
    return {
        "decision_id": one.decision_id, "left": key_of(left), "right": key_of(right), "decision": one.decision,
        "by": one.decided_by, "at": unstamp(one.decided_at), "reason": one.reason, "origin": one.origin,
        "batch_id": one.batch_id,
    }  # fmt: skip


def seen_of(left: dict[str, Any], right: dict[str, Any]) -> str | None:
    """Until when the versions of both records go, as the store writes instants."""
    instants: list[datetime] = [head["seen_at"] for head in (left, right) if head["seen_at"] is not None]
    return stamp(max(instants)) if instants else None


def columns(db: Served, table: str) -> frozenset[str]:
    """The columns of `schema.table` in the served build; empty where it has no such table."""
    key = ("columns", table)
    if key not in db.cache:
        schema, _, name = table.partition(".")
        rows = db.rows(
            """select column_name from duckdb_columns()
               where database_name = current_database() and schema_name = ? and table_name = ?""",
            [schema, name],
        )
        db.cache[key] = frozenset(row["column_name"] for row in rows)
    answer: frozenset[str] = db.cache[key]
    return answer
