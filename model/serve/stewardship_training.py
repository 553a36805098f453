"""Whether stewards should have the matcher trained anew."""

from __future__ import annotations

from typing import Any

from model.identity import match_due
from model.policy import Viewer
from model.serve.connection import Served
from model.serve.stewards import may_decide


def training_due(viewer: Viewer, db: Served) -> dict[str, Any] | None:
    """{trained_on, records_then, records_now, decisions, sources, reasons, command} where something speaks for training
    anew; None where nothing does, where no version was trained, and for who may not decide.

    trained_on: a day of the company's zone; decisions: pairs decided the same or different since; sources: those that
    came since; reasons: any of decisions, records, sources.
    """
    if not may_decide(viewer):
        return None
    if ("records_of_sources",) not in db.cache:
        rows = db.rows(match_due.RECORDS_OF_SOURCES)
        db.cache["records_of_sources",] = {row["source"]: int(row["records"]) for row in rows}
    found = match_due.training(db.instance, db.cache["records_of_sources",])
    if found is None or not found.reasons:
        return None
    return {
        "trained_on": found.trained_on,
        "records_then": found.records_then,
        "records_now": found.records_now,
        "decisions": found.decisions,
        "sources": list(found.sources),
        "reasons": list(found.reasons),
        "command": match_due.COMMAND,
    }
