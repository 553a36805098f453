"""Stopping a collection that is under way, from another process: a wish in the store, looked for between pages.

What was read is kept, and the next collection of the stream goes on from there.
"""

from __future__ import annotations

import uuid

from sqlalchemy import select

from ops import clock
from ops.errors import RetriableError
from ops.store import Store, stamp
from ops.tables import kv

EVERY_S = 1.0
"""Between two looks at the store."""


class Stopped(RetriableError):  # noqa: N818 - named after the state it reports
    """Somebody has stopped this collection."""


def ask(store: Store, source: str, by: str) -> None:
    """Stop the collection of `source` that is under way in any process; nothing happens when none is."""
    entry = {"key": _key(source), "value": f"{uuid.uuid4().hex} {by}", "updated_at": stamp()}
    with store.begin() as connection:
        store.upsert(connection, kv, entry, ["key"])


class Wish:
    """Whether the collection that begins now is to stop; what was asked before it began does not count."""

    def __init__(self, store: Store, source: str) -> None:
        self._store, self._source = store, source
        self._before = self._found()
        self._looked_at = clock.monotonic()

    def heed(self) -> None:
        """Raise Stopped when somebody has asked for it; looks at the store once in EVERY_S."""
        if clock.monotonic() - self._looked_at >= EVERY_S:
            self.look()

    def look(self) -> None:
        """The same, whenever the last look was."""
        self._looked_at = clock.monotonic()
        found = self._found()
        if found is not None and found != self._before:
            raise Stopped(
                f"stopped by {found.partition(' ')[2]}", remedy="the next collection goes on where this one stopped"
            )

    def _found(self) -> str | None:
        with self._store.read() as connection:
            value: str | None = connection.execute(select(kv.c.value).where(kv.c.key == _key(self._source))).scalar()
        return value


def _key(source: str) -> str:
    return f"collect.stop:{source}"
