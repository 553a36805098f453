"""The monthly integration health report: counts of sources, no customer's data."""

from __future__ import annotations

from typing import Any

from model import integration_health
from model.policy import Viewer
from model.serve.connection import Served


def integration_report(_viewer: Viewer, db: Served, month: str | None = None) -> dict[str, Any]:
    """As `integration_health.report`."""
    return integration_health.report(db.instance, month)
