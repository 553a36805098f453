"""One timeline over all systems, newest first."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from model.policy import Viewer
from model.serve.connection import Served
from model.serve.find import resolve
from ops.errors import FatalError
from ops.texts import text

KINDS = ("comm", "money", "service", "project", "sale")


def end_of(db: Served, day: date) -> datetime:
    """The instant at which `day` ends in the company's zone."""
    return datetime.combine(day + timedelta(days=1), time(0), ZoneInfo(db.instance.config.zone))


def timeline(
    viewer: Viewer,
    db: Served,
    key: str,
    kind: str | None = None,
    before: datetime | None = None,
    limit: int = 20,
    *,
    visible: bool = False,
) -> list[dict[str, Any]]:
    """Events of a customer up to `before` (default: the end of today), newest first, at most `limit`.

    Each: happened_at, kind, title (in the viewer's language), detail, amount, currency, source, person, record_key.
    `visible` says that the caller has already checked that the viewer may see this customer.
    """
    if kind is not None and kind not in KINDS:
        raise FatalError(f"there is no kind of event {kind!r}", valid=", ".join(KINDS))
    if not visible:
        key = resolve(viewer, db, key)
    end = before or end_of(db, db.today())
    rows = db.rows(
        """select happened_at, kind, title, detail, amount, currency, source, person, record_key
           from marts.mart_timeline
           where customer_key = ? and happened_at < ? and (? is null or kind = ?)
           order by happened_at desc, record_key limit ?""",
        [key, end, kind, kind, limit],
    )
    return [{**row, "msgid": row["title"], "title": text(viewer.language, row["title"])} for row in rows]
