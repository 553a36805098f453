"""Which events of a customer became known after a visit: by when the build first held their records, not by their date.

An invoice dated last week that the ERP told us this morning is new this morning. Business dates stand at midnight UTC,
so an event of the day of the visit counts once its record has come or changed after it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from model.policy import Viewer
from model.serve.connection import Served
from model.serve.links import linked_events
from model.serve.timeline import events

TABLES = (
    "interaction", "ticket", "invoice", "receipt", "credit_note", "sales_order", "shipment", "opportunity", "contract",
    "project", "milestone",
)  # fmt: skip
_EVENTS = 2_000


def data_until(db: Served) -> datetime | None:
    """The newest instant at which a record of the served build was seen; read once per version."""
    key = ("data until",)
    if key not in db.cache:
        parts = " union all ".join(f"select max(seen_from) as until from staging.{name}" for name in TABLES)
        db.cache[key] = db.rows(f"select max(until) as until from ({parts})")[0]["until"]
    until: datetime | None = db.cache[key]
    return until


def since_visit(
    viewer: Viewer, db: Served, key: str, at: datetime, known: datetime, end: datetime
) -> list[dict[str, Any]]:
    """Events of customer `key` before `end` that a visit at `at`, on data until `known`, cannot have shown."""
    changed = _changed(db, key, known)
    if not changed:
        return []
    old = _known_before(db, changed, known)
    found = []
    for event in events(viewer, db, key, end, limit=_EVENTS):
        record = (event["entity"], event["record_key"])
        if record in changed and (record not in old or _is_after(event["happened_at"], at)):
            found.append(event)
    return linked_events(db, found)


def _changed(db: Served, key: str, known: datetime) -> set[tuple[str, str]]:
    """(entity, record key) of the customer's records with a version seen after `known`."""
    parts = " union all ".join(
        f"""select '{name}' as entity, source || ':' || source_id as record_key
            from staging.{name} where seen_from > $known""" for name in TABLES
    )  # fmt: skip
    rows = db.rows(
        f"""select distinct version.entity, version.record_key from ({parts}) as version
            where version.record_key in (select record_key from marts.mart_timeline where customer_key = $key)""",
        {"known": known, "key": key},
    )
    return {(row["entity"], row["record_key"]) for row in rows}


def _known_before(db: Served, changed: set[tuple[str, str]], known: datetime) -> set[tuple[str, str]]:
    """Those of the changed records that had a version at `known` already."""
    keys: dict[str, list[str]] = {}
    for entity, record_key in sorted(changed):
        keys.setdefault(entity, []).append(record_key)
    parts = " union all ".join(
        f"""select '{name}' as entity, source || ':' || source_id as record_key from staging.{name}
            where seen_from <= $known and list_contains(${name}, source || ':' || source_id)""" for name in keys
    )  # fmt: skip
    rows = db.rows(f"select distinct entity, record_key from ({parts})", {"known": known, **keys})
    return {(row["entity"], row["record_key"]) for row in rows}


def _is_after(happened: datetime, at: datetime) -> bool:
    is_a_day = (happened.hour, happened.minute, happened.second) == (0, 0, 0)
    return happened.date() >= at.date() if is_a_day else happened >= at
