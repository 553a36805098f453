"""What sources say of themselves against what is shown of them, as of their last run."""

from __future__ import annotations

from typing import Any

from model import control_totals as judged
from model.policy import Viewer
from model.serve.connection import Served


def control_totals(viewer: Viewer, db: Served, source: str | None = None) -> list[dict[str, Any]]:
    """The last word on each total a source states, by source, name and currency; [] for who does not see all rows.

    {source, name, entity, currency, asked_at, state agrees|settling|gap|failed, error, found_at, stated_count,
    stated_amount, shown_count, shown_amount, rejected_count, rejected_amount, unreadable, excluded {class: (count,
    amount)}, includes, gap_count, gap_amount}.
    """
    return judged.newest(db.instance, source) if viewer.scope == "all" else []
