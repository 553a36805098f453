"""The days on which customers received invoices, as recorded here: terms from receipt start there."""

from __future__ import annotations

from datetime import date

from sqlalchemy import select

from ops.store import Store
from ops.tables import notes

RECEIVED = "invoice_received"


def received_days(store: Store) -> dict[str, date]:
    """Invoice key → the day the customer received the invoice; the latest record counts."""
    with store.read() as connection:
        rows = connection.execute(
            select(notes.c.anchor, notes.c.until).where(notes.c.kind == RECEIVED).order_by(notes.c.note_id)
        )
        return {row.anchor: date.fromisoformat(row.until) for row in rows if row.until}
