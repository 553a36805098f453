"""Reading single records of one stream into landing, without moving the stream's position.

A run like any other for who reads landing: what is known already is not landed again, the next increment begins where
it would have begun without it, and lands nothing twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingest import cursor, landing
from ingest.errors import StreamRefused
from ingest.hook_spec import AskSpec
from ingest.http import SourceClient
from ingest.reader import Reader
from ingest.spec import StreamSpec
from ingest.stream_run import StreamRun
from ingest.writing import Batch, Outcome
from ops import clock
from ops.errors import SkippableError
from ops.store import Store

MARK = "*target"
"""In place of the stream's mark in a run that was killed: nobody resumes it."""
KNOWN_AT_MOST = 5000
"""Parents of one read whose children are read with them."""


class NotYet(SkippableError):  # noqa: N818 - named after the state it reports
    """The stream has never been collected whole, or a collection was interrupted: it must go on first."""


def ready(store: Store, root: Path, source: str, stream: str) -> bool:
    """Whether single records of this stream may be read now; the caller holds the source's lease."""
    if not cursor.read_cursor(store, source, stream):
        return False
    left = landing.RunWriter.unfinished(root, source, stream)
    if left is not None and left.progress.get("spec") == MARK:
        left.discard()
        left = None
    return left is None


class TargetRun(StreamRun):
    """One read of single records. `read` holds the id and document of each record found, for its children."""

    def __init__(self, client: SourceClient, stream: StreamSpec, store: Store, root: Path) -> None:
        if not ready(store, root, client.source.name, stream.name):
            raise NotYet(f"{client.source.name}/{stream.name} has not been collected whole yet")
        self.read: list[tuple[str, str]] = []
        super().__init__(client, stream, store, root)

    def _fresh(self) -> dict[str, Any]:
        window = cursor.next_window(self.stream.incremental, None, self.client.server_offset)
        return {
            "spec": MARK,
            "base": self.committed.get("run_id"),
            "started_at": clock.now().isoformat(),
            "window": window.to_json(),
            "full": False,
            "token": None,
            "settle": False,
            "passes": [],
            "pass": 0,
            "page": None,
            "warnings": [],
        }

    def ask(self, ask: AskSpec, ids: list[str]) -> Outcome:
        """Read the records that `ask` finds for `ids`, and commit. Errors as in StreamRun.run."""
        return self._collect(self._asked(self._reader(), ask, ids))

    def children(self, parents: list[tuple[str, str]]) -> Outcome:
        """Read the children of these (id, document) parents; each parent's rows are replaced as a set."""
        reader, parent = self._reader(), self.stream.parent
        return self._collect(reader.of_parent(parent, (row_id, text, False)) for row_id, text in parents if parent)

    def _collect(self, batches: Iterator[Batch]) -> Outcome:
        try:
            for batch in batches:
                self._take({"kind": "target"}, batch, False)
                if len(self.read) < KNOWN_AT_MOST:
                    self.read += [(row[0], row[1].decode()) for row in self.writing.rows_of(batch) if not row[3]]
                if self.writer.is_full:
                    self._save()
            self._save()
            return self._commit()
        finally:
            self.index.close()
            self.writer.close()

    def _asked(self, reader: Reader, ask: AskSpec, ids: list[str]) -> Iterator[Batch]:
        reader.stream = ask.shape(self.stream)
        for start in range(0, len(ids), ask.at_once):
            chunk = ids[start : start + ask.at_once]
            said = json.dumps(chunk[0], ensure_ascii=False) if ask.quoted else ",".join(chunk)
            try:
                yield from reader.batches({"kind": "left", "filter": ask.filter, "ids": said}, None)
            except StreamRefused as refused:
                self.outcome.warnings.append(f"{', '.join(chunk)}: {refused.what}")

    def _commit(self) -> Outcome:
        """The records are kept; what a whole run would settle (missing ones, re-read filters) stays as it is."""
        if self.stream.merges and self.stream.merges.on == "survivor":
            self._end_absorbed()
        if not self.writer.rows:
            self.writer.discard()
            return self.outcome
        position = self._position()
        facts = {
            "source": self.source,
            "stream": self.stream.name,
            "window": self.state["window"],
            "full": False,
            "merges": self.writing.merges,
            "suspected": None,
            "cursor": position,
        }
        self.writer.commit(facts)
        self.index.commit(self.writer.run_id, None)
        cursor.write_cursor(self.store, self.source, self.stream.name, position, self._base())
        return self.outcome

    def _position(self) -> dict[str, Any]:
        """Where the stream stood before: a read of single records tells nothing about all others."""
        return {key: value for key, value in self.committed.items() if key != "run_id"}
