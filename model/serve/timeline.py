"""One timeline over all systems, newest first."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from model.policy import Viewer
from model.serve.connection import Served
from model.serve.find import resolve
from model.serve.links import linked_events
from ops.errors import FatalError
from ops.texts import text

_ENTITY = {
    "order": "sales_order", "shipment": "shipment", "return": "shipment", "receipt": "receipt", "refund": "receipt",
    "credit_note": "credit_note", "contract_signed": "contract", "project_started": "project",
    "milestone_done": "milestone",
}  # fmt: skip
_OF_KIND = {
    "comm": "interaction", "money": "invoice", "service": "ticket", "project": "project", "sale": "opportunity",
}  # fmt: skip
KINDS = ("comm", "money", "service", "project", "sale")
PAGE = 20


def end_of(db: Served, day: date) -> datetime:
    """The instant at which `day` ends in the company's zone."""
    return datetime.combine(day + timedelta(days=1), time(0), ZoneInfo(db.instance.config.zone))


def timeline(
    viewer: Viewer,
    db: Served,
    key: str,
    kind: str | None = None,
    before: datetime | None = None,
    limit: int = PAGE,
) -> list[dict[str, Any]]:
    """Events of a customer up to `before` (default: the end of today), newest first, at most `limit`.

    Each: happened_at, kind, title (in the viewer's language), detail, amount, currency, source, source_id, entity,
    person, record_key, link. NotFound when the viewer may not see the customer.
    """
    if kind is not None and kind not in KINDS:
        raise FatalError(f"there is no kind of event {kind!r}", valid=", ".join(KINDS))
    end = before or end_of(db, db.today())
    return linked_events(db, events(viewer, db, resolve(viewer, db, key), end, kind=kind, limit=limit))


def events(
    viewer: Viewer, db: Served, key: str, before: datetime, *, since: datetime | None = None, kind: str | None = None,
    limit: int,
) -> list[dict[str, Any]]:  # fmt: skip
    """Events of customer `key` in [since, before), newest first; the caller has checked that the viewer may see it."""
    conditions, parameters = ["customer_key = ?", "happened_at < ?"], [key, before]
    for condition, value in (("happened_at >= ?", since), ("kind = ?", kind)):
        if value is not None:
            conditions.append(condition)
            parameters.append(value)
    rows = db.rows(
        f"""select happened_at, kind, title, detail, amount, currency, source, person, record_key
            from marts.mart_timeline where {" and ".join(conditions)}
            order by happened_at desc, record_key, title limit {int(limit)}""",
        parameters,
    )
    return [_event(viewer, row) for row in rows]


def _event(viewer: Viewer, row: dict[str, Any]) -> dict[str, Any]:
    source_id = row["record_key"].removeprefix(f"{row['source']}:")
    entity = _ENTITY.get(row["title"].removeprefix("timeline."), _OF_KIND[row["kind"]])
    return {
        **row,
        "msgid": row["title"],
        "title": text(viewer.language, row["title"]),
        "entity": entity,
        "source_id": source_id,
    }
