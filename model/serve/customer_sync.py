"""Sync now for one customer: which sources can read what belongs to it, asking for it, and how far it is."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from ingest import targets
from ingest.spec import SourceSpec
from ingest.targets import CUSTOMER
from model.policy import Viewer
from model.serve.connection import Served
from model.serve.find import resolve
from model.serve.syncing import has_scheduler, may_sync, must_look_after
from ops.errors import C360Error, FatalError
from ops.store import stamp, unstamp
from ops.tables import audit, target_requests, target_runs

OFF, NO_FILTER, NOT_THERE = "off", "no_filter", "no_record"


def customer_sources(viewer: Viewer, db: Served, query: str) -> dict[str, Any]:
    """{customer_key, sources: [{source, ids, streams, reason}]}: what can be read of the customer `query` names.

    reason: None where something can, else off | no_filter (no stream can be asked for one customer) | no_record (the
    customer has no record there). Raises NotFound and Ambiguous as `customer` does; FatalError for who may not.
    """
    must_look_after(viewer)
    key = resolve(viewer, db, query)
    rows = db.rows(
        "select source, source_id from core.dim_customer_record where customer_key = ? and not is_deleted", [key]
    )
    ids: dict[str, list[str]] = {}
    for row in rows:
        ids.setdefault(row["source"], []).append(str(row["source_id"]))
    found = []
    for source in db.instance.config.sources:
        streams = _streams(db, source.connector)
        mine = sorted(ids.get(source.name, []))
        reason = OFF if source.status == "off" else None if streams and mine else NOT_THERE if streams else NO_FILTER
        found.append({"source": source.name, "ids": mine, "streams": streams, "reason": reason})
    return {"customer_key": key, "sources": found}


def request_customer(viewer: Viewer, db: Served, query: str) -> list[str]:
    """Ask the scheduler to read what belongs to a customer in every source that can; the sources, audited.

    A request that still waits is used again. FatalError when no source can, and for who may not.
    """
    plan = customer_sources(viewer, db, query)
    able = [one for one in plan["sources"] if one["reason"] is None]
    if not able:
        raise FatalError("no source can be asked for this customer alone", remedy="collect the whole source")
    key, now = plan["customer_key"], stamp()
    with db.instance.store.begin() as connection:
        same = (target_requests.c.caused_by == CUSTOMER, target_requests.c.subject == key,
                target_requests.c.state == "waiting")  # fmt: skip
        waiting = set(connection.execute(select(target_requests.c.source).where(*same)).scalars())
        for one in able:
            if one["source"] in waiting:
                continue
            row = {"source": one["source"], "stream": None, "kind": CUSTOMER, "wanted": json.dumps(one["ids"]),
                   "subject": key, "caused_by": CUSTOMER, "requested_by": viewer.user, "requested_at": now,
                   "due_at": now, "state": "waiting"}  # fmt: skip
            connection.execute(target_requests.insert().values(**row))
        details = json.dumps({"sources": [one["source"] for one in able]})
        entry = {"at": now, "actor": viewer.user, "action": "customer.sync", "subject": key, "details": details}
        connection.execute(audit.insert().values(**entry))
    return [one["source"] for one in able]


def customer_sync_state(viewer: Viewer, db: Served, query: str) -> dict[str, Any] | None:
    """How far the newest request for this customer is; None when nobody asked, or for who may not ask.

    {state waiting|running|done|failed, requested_at, requested_by, has_scheduler, sources_done, sources_total,
    rows_landed, messages, left_out}; left_out: sources that cannot be asked for one customer.
    """
    if not may_sync(viewer):
        return None
    plan = customer_sources(viewer, db, query)
    key = plan["customer_key"]
    mine = (target_requests.c.caused_by == CUSTOMER, target_requests.c.subject == key)
    with db.instance.store.read() as connection:
        newest = connection.execute(select(func.max(target_requests.c.requested_at)).where(*mine)).scalar()
        if newest is None:
            return None
        rows = connection.execute(select(target_requests).where(*mine, target_requests.c.requested_at == newest)).all()
        chosen = target_runs.c.request_id.in_([row.request_id for row in rows])
        runs = connection.execute(select(target_runs.c.source, target_runs.c.rows_landed).where(chosen)).all()
    states = {row.state for row in rows}
    state = next((one for one in ("running", "waiting", "failed") if one in states), "done")
    at: datetime = unstamp(newest)
    return {
        "state": state,
        "requested_at": at,
        "requested_by": rows[0].requested_by,
        "has_scheduler": has_scheduler(db),
        "sources_done": len({run.source for run in runs}),
        "sources_total": len(rows),
        "rows_landed": sum(run.rows_landed for run in runs),
        "messages": [f"{row.source}: {row.message}" for row in rows if row.message],
        "left_out": [one["source"] for one in plan["sources"] if one["reason"] == NO_FILTER],
    }


def _streams(db: Served, connector: str) -> list[str]:
    try:
        return targets.can(SourceSpec.load(connector, db.instance.config_dir))
    except C360Error:
        return []
