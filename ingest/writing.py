"""From records to rows of a run: id, document, hash; only what changed; deletes, merges, children as a set."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ingest.answers import holds
from ingest.documents import digest, dumps, find, identify, text_of
from ingest.errors import ContractError
from ingest.index import Index
from ingest.landing import RunWriter
from ingest.spec import StreamSpec
from ingest.spec_parts import Stop

TOMBSTONE = "{}"
_EMPTY = digest(TOMBSTONE)


@dataclass
class Outcome:
    """What a run did: records received, rows landed (deletes among them), deletes, warnings."""

    run_id: str
    received: int = 0
    landed: int = 0
    deleted: int = 0
    warnings: list[str] = field(default_factory=list)


@dataclass
class Batch:
    """Records that belong together, and where to go on after them.

    With `parent_id` the records are all the living children of that parent.
    """

    records: list[dict[str, Any]]
    after: Any = None
    token: str | None = None
    parent_id: str | None = None


class Writing:
    """Decides what of a batch becomes a row."""

    def __init__(
        self,
        stream: StreamSpec,
        writer: RunWriter,
        index: Index,
        outcome: Outcome,
        merges: list[list[str]],
    ) -> None:
        self.stream, self.writer, self.index, self.outcome = stream, writer, index, outcome
        self.merges = merges
        self.shape: Callable[[dict[str, Any]], dict[str, Any] | None] | None = None
        self._pending: dict[str, tuple[str, str, str | None, bool]] = {}

    def identify(self, record: dict[str, Any]) -> str:
        """The record's id; ContractError when it has none."""
        row_id = identify(record, self.stream.id_paths)
        if row_id is None:
            raise ContractError(
                f"stream {self.stream.name}: a record has no {self.stream.id_paths[0]}",
                valid=", ".join(list(record)[:30]),
                remedy="correct the stream's id",
            )
        return row_id

    def add(self, batch: Batch) -> list[str]:
        """Add the changed records of `batch`; the ids of all of them."""
        self.outcome.received += len(batch.records)
        rows = [row for record in batch.records if (row := self._row(record, batch.parent_id))]
        known = self._known([row[0] for row in rows])
        for row_id, document, mark, gone in rows:
            if known.get(row_id) != (mark, gone):
                known[row_id] = (mark, gone)
                self._put(row_id, document, mark, gone, batch.parent_id)
        ids = [row[0] for row in rows]
        if batch.parent_id is not None:
            self.bury(sorted(self._children(batch.parent_id) - set(ids)), batch.parent_id)
        return ids

    def _children(self, parent_id: str) -> set[str]:
        fresh = {key for key, row in self._pending.items() if row[2] == parent_id and not row[3]}
        gone = {key for key, row in self._pending.items() if row[3]}
        return (self.index.children(parent_id) | fresh) - gone

    def bury(self, ids: Iterable[str], parent_id: str | None = None) -> None:
        """Add a tombstone for each id that is not yet known as deleted."""
        wanted = list(ids)
        known = self._known(wanted)
        for row_id in wanted:
            if row_id in known and not known[row_id][1]:
                self._put(row_id, TOMBSTONE, _EMPTY, True, parent_id)

    def save(self, state: dict[str, Any]) -> None:
        """Make everything added so far, and `state`, survive a kill."""
        self.writer.flush(state)
        self.index.note(self._pending.values())
        self._pending = {}

    def _row(self, record: dict[str, Any], parent_id: str | None) -> tuple[str, str, str, bool] | None:
        shaped = self.shape(record) if self.shape else record
        if shaped is None:
            return None
        for path in self.stream.assertions.required:
            if find(shaped, path) is None:
                raise ContractError(
                    f"stream {self.stream.name}: a record has no {path} (assertions.required)",
                    valid=", ".join(list(shaped)[:30]),
                    remedy="the source's answer has changed, or the user may not see this field",
                )
        if self.stream.drop:
            shaped = {key: value for key, value in shaped.items() if key not in self.stream.drop}
        row_id = self.identify(shaped)
        self._note_merges(row_id, shaped)
        document = dumps(shaped)
        return row_id, document, digest(document), self._is_deleted(shaped)

    def _is_deleted(self, record: dict[str, Any]) -> bool:
        deletes = self.stream.deletes
        if deletes.type != "flag":
            return False
        return holds(Stop(path=deletes.path, values=deletes.values), record)

    def _note_merges(self, row_id: str, record: dict[str, Any]) -> None:
        spec = self.stream.merges
        value = find(record, spec.path) if spec else None
        if not spec or value in (None, "", []):
            return
        others = value if isinstance(value, list) else text_of(value).split(spec.separator)
        if spec.on == "loser":
            pairs = [[row_id, text_of(others[0])]]
        else:
            pairs = [[text_of(loser), row_id] for loser in others if text_of(loser) != row_id]
        self.merges.extend(pair for pair in pairs if pair not in self.merges)

    def _known(self, ids: list[str]) -> dict[str, tuple[str, bool]]:
        known = self.index.current(ids)
        known.update({key: (self._pending[key][1], self._pending[key][3]) for key in ids if key in self._pending})
        return known

    def _put(self, row_id: str, document: str, mark: str, gone: bool, parent_id: str | None) -> None:
        self.writer.add(row_id, document, mark, gone, parent_id)
        self._pending[row_id] = (row_id, mark, parent_id, gone)
        self.outcome.landed += 1
        self.outcome.deleted += gone
