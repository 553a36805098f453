"""Accepted differences beside what the build says: read fresh at each question."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, select

from model.policy import Viewer
from model.receivables import codes
from model.receivables.codes import Code
from model.serve.connection import Served
from model.serve.work_rows import local_day
from ops.store import unstamp
from ops.tables import accepted_differences as table

REASONS = "reconcile_reason"


def with_state(viewer: Viewer, db: Served, items: Sequence[dict[str, Any]], day: date) -> list[dict[str, Any]]:
    """The items with state, accepted and lapsed as of the end of `day`."""
    zone = ZoneInfo(db.instance.config.zone)
    with db.instance.store.read() as connection:
        rows = connection.execute(select(table).order_by(table.c.acceptance_id)).all()
    latest: dict[tuple[str, str, str | None], Row[Any]] = {}
    for row in rows:
        ended = None if row.withdrawn_at is None else local_day(row.withdrawn_at, zone)
        if local_day(row.accepted_at, zone) <= day:
            if ended is not None and ended <= day:
                latest.pop((row.rule, row.anchor, row.currency), None)
            else:
                latest[row.rule, row.anchor, row.currency] = row
    labels = codes.load(db.instance.config_dir)[REASONS]
    found = []
    for item in items:
        given = latest.get((item["rule"], item["anchor"], item["currency"]))
        told = None if given is None else _told(given, labels, viewer.language)
        holds = given is not None and figures(item) == {name: getattr(given, name) for name in figures(item)}
        state = "waiting" if item["class"] == "timing" else "accepted" if holds else "open"
        accepted, lapsed = (told, None) if holds else (None, told)
        found.append({**item, "state": state, "accepted": accepted, "lapsed": lapsed})
    return found


def place(item: dict[str, Any]) -> dict[str, Any]:
    """What an acceptance is kept under."""
    return {name: item[name] for name in ("rule", "anchor", "currency")}


def figures(item: dict[str, Any]) -> dict[str, Any]:
    """What an acceptance is given for."""
    amounts = {name: None if item[name] is None else str(item[name]) for name in ("left_amount", "right_amount")}
    return {**amounts, "left_count": item["left_count"], "right_count": item["right_count"]}


def _told(row: Any, labels: dict[str, Code], language: str) -> dict[str, Any]:
    label = labels.get(row.reason)
    return {
        "acceptance_id": row.acceptance_id, "reason": row.reason, "label": label and label.label(language),
        "note": row.note, "by": row.accepted_by, "at": unstamp(row.accepted_at),
        "left_amount": row.left_amount and Decimal(row.left_amount),
        "right_amount": row.right_amount and Decimal(row.right_amount),
    }  # fmt: skip
