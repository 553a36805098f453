"""What a scheduler does for one source on request, beside collecting it: how such a request stands in sync_requests."""

from __future__ import annotations

PACK, LOOK, PRUNE, BUCKET, TRY = "pack", "look", "prune", "bucket", "try"
CARES = (PACK, LOOK, PRUNE, BUCKET, TRY)
"""Pack landing; see what retention would let leave; let it leave; bring bucket and copy together; try its streams."""
FULL = "*full"
"""Stands in a request's stream for: read everything of the source again, not only what has changed."""
MARK = "*"
"""No stream's name begins with it."""


def marker(kind: str, days: int | None = None) -> str:
    """What stands in a request's stream: the kind, and for retention how many days versions are kept."""
    return f"{MARK}{kind}" if days is None else f"{MARK}{kind}:{days}"


def parsed(stream: str) -> tuple[str, int | None]:
    """The kind and the days of a marker."""
    kind, _, days = stream.removeprefix(MARK).partition(":")
    return kind, int(days) if days else None
