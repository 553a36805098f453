"""From records to rows of a run: id, document, hash; only what changed; deletes, merges, children as a set."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

from ingest.answers import holds
from ingest.documents import digest, dumps, find, identify, loads, text_of
from ingest.errors import ContractError
from ingest.index import Index
from ingest.landing import Row, RunWriter
from ingest.spec import StreamSpec

TOMBSTONE = b"{}"
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

    With `parent_id` the records are all the living children of that parent. With `documents` (JSON in UTF-8, one per
    record) the records hold only the values that collecting looks at; `ids` are theirs, "" for a record without one,
    and `marks` their hashes, where a part of the document (the file it stood in) makes no other state.
    """

    records: list[dict[str, Any]]
    after: Any = None
    token: str | None = None
    parent_id: str | None = None
    documents: list[bytes] | None = None
    ids: list[str] | None = None
    marks: list[str] | None = None

    @classmethod
    def joined(cls, batches: list[Batch], parent_id: str) -> Batch:
        """The children of one parent out of their pages, as documents if every page has them."""
        cuts = [(batch.documents, batch.ids) for batch in batches]
        records = [record for batch in batches for record in batch.records]
        documents = [text for texts, _ in cuts if texts is not None for text in texts]
        ids = [row_id for _, found in cuts if found is not None for row_id in found]
        if len(documents) == len(ids) == len(records):
            return cls(records, parent_id=parent_id, documents=documents, ids=ids)
        whole = [map(_whole, batch.documents) if batch.documents else batch.records for batch in batches]
        return cls([record for page in whole for record in page], parent_id=parent_id)


def _whole(document: bytes) -> dict[str, Any]:
    record: dict[str, Any] = loads(document.decode())
    return record


def _marks(documents: list[bytes], parent_id: str | None) -> list[str]:
    """The hashes of documents, as `_mark` gives each."""
    return list(map(digest, documents)) if parent_id is None else [_mark(one, parent_id) for one in documents]


def _mark(document: bytes, parent_id: str | None) -> str:
    """The hash of a document; a child that moves to another parent is another state with the same document."""
    return digest(document if parent_id is None else parent_id.encode() + b":" + document)


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
        self._plain: dict[str, str] = {}

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
        if batch.documents is not None and batch.ids is not None and self._is_plain() and all(batch.ids):
            marks = batch.marks or _marks(batch.documents, batch.parent_id)
            known = self._known(batch.ids)
            if not known and batch.parent_id is None and len(set(batch.ids)) == len(batch.ids):
                self._put_new(batch.ids, batch.documents, marks)
                return batch.ids
            rows = list(zip(batch.ids, batch.documents, marks, repeat(False)))
        else:
            rows = self._rows(batch)
            known = self._known([row[0] for row in rows])
        ids = [row[0] for row in rows]
        is_new = not known and len(set(ids)) == len(ids)
        self._put(rows if is_new else self._news(rows, known), batch.parent_id)
        if batch.parent_id is not None:
            self.bury(sorted(self._children(batch.parent_id) - set(ids)), batch.parent_id)
        return ids

    def rows_of(self, batch: Batch) -> list[Row]:
        """The rows that the records of `batch` are, known ones too; nothing is added."""
        return self._rows(batch)

    def _is_plain(self) -> bool:
        """Whether a document that is cut becomes a row without a look at its values."""
        stream = self.stream
        return not (self.shape or stream.assertions.required or stream.merges or stream.deletes.told)

    def _rows(self, batch: Batch) -> list[Row]:
        if batch.documents is not None and batch.ids is not None:
            made = list(map(self._row, batch.records, repeat(batch.parent_id), batch.documents, batch.ids))
            if batch.marks is not None:
                made = [row and (row[0], row[1], mark, row[3]) for row, mark in zip(made, batch.marks, strict=True)]
        else:
            made = [self._row(record, batch.parent_id) for record in batch.records]
        return [row for row in made if row]

    @staticmethod
    def _news(rows: list[Row], known: dict[str, tuple[str, bool]]) -> list[Row]:
        """The rows that differ from what is known and from the rows before them."""
        fresh = []
        for row in rows:
            state = row[2:]
            if known.get(row[0]) != state:
                known[row[0]] = state
                fresh.append(row)
        return fresh

    def _children(self, parent_id: str) -> set[str]:
        fresh = {key for key, row in self._pending.items() if row[2] == parent_id and not row[3]}
        return (self.index.children(parent_id) - self._pending.keys()) | fresh

    def living(self, ids: Iterable[str]) -> list[str]:
        """Those of `ids` that are known and not deleted, each once."""
        wanted = list(dict.fromkeys(ids))
        known = self._known(wanted)
        return [row_id for row_id in wanted if row_id in known and not known[row_id][1]]

    def bury(self, ids: Iterable[str], parent_id: str | None = None) -> None:
        """Add a tombstone for each id that is not yet known as deleted."""
        self._put([(row_id, TOMBSTONE, _EMPTY, True) for row_id in self.living(ids)], parent_id)

    def end(self, rows: list[Row]) -> None:
        """Add rows of records that have ended with what they last held."""
        self._put(rows, None)

    def save(self, state: dict[str, Any]) -> None:
        """Make everything added so far, and `state`, survive a kill."""
        self.writer.flush(state)
        self.index.note(self._pending.values())
        self.index.note_plain(self._plain)
        self._pending, self._plain = {}, {}

    def _row(
        self, record: dict[str, Any], parent_id: str | None, document: bytes | None = None, row_id: str = ""
    ) -> Row | None:
        """The row of a record, None when the connector drops it. A `document` given is the record, already cut."""
        shaped = self.shape(record) if self.shape else record
        if shaped is None:
            return None
        for path in self.stream.assertions.required:
            if find(shaped, path) is None:
                raise ContractError(
                    f"stream {self.stream.name}: a record has no {path} (assertions.required)",
                    valid=", ".join(list(shaped if document is None else loads(document.decode()))[:30]),
                    remedy="the source's answer has changed, or the user may not see this field",
                )
        if document is None:
            if self.stream.drop:
                shaped = {key: value for key, value in shaped.items() if key not in self.stream.drop}
            document = dumps(shaped).encode()
        row_id = row_id or self.identify(shaped)
        if self.stream.merges:
            self._note_merges(row_id, shaped)
        return row_id, document, _mark(document, parent_id), self._is_deleted(row_id, shaped)

    def _is_deleted(self, row_id: str, record: dict[str, Any]) -> bool:
        """Whether the record says that it is gone: by its flag, or by naming the record that it was merged into."""
        told = self.stream.deletes.told
        if told and holds(told, record):
            return True
        return self._survivor(record) not in ("", row_id)

    def _survivor(self, record: dict[str, Any]) -> str:
        """The id that a loser of a merge names; "" for any other record."""
        spec = self.stream.merges
        if not spec or spec.on != "loser":
            return ""
        value = find(record, spec.path)
        value = value[0] if isinstance(value, list) and value else value
        return "" if value in (None, "", []) else text_of(value).split(spec.separator)[0]

    def _note_merges(self, row_id: str, record: dict[str, Any]) -> None:
        spec = self.stream.merges
        value = find(record, spec.path) if spec else None
        if not spec or value in (None, "", []):
            return
        if spec.on == "loser":
            survivor = self._survivor(record)
            pairs = [[row_id, survivor]] if survivor != row_id else []
        else:
            others = value if isinstance(value, list) else text_of(value).split(spec.separator)
            pairs = [[text_of(loser), row_id] for loser in others if text_of(loser) != row_id]
        self.merges.extend(pair for pair in pairs if pair not in self.merges)

    def _known(self, ids: list[str]) -> dict[str, tuple[str, bool]]:
        known = self.index.current(ids)
        pending = self._pending
        if not pending.keys().isdisjoint(ids):
            known.update({key: (pending[key][1], pending[key][3]) for key in pending.keys() & ids})
        if not self._plain.keys().isdisjoint(ids):
            known.update({key: (self._plain[key], False) for key in self._plain.keys() & ids})
        return known

    def _put_new(self, ids: list[str], documents: list[bytes], marks: list[str]) -> None:
        """Records that nobody knows: kept by column, because a tuple for each costs the garbage collector its time."""
        self.writer.extend(ids, documents, marks)
        self._plain.update(zip(ids, marks, strict=True))
        self.outcome.landed += len(ids)

    def _put(self, rows: list[Row], parent_id: str | None) -> None:
        self.writer.add(rows, parent_id)
        for row_id in self._plain.keys() & {row[0] for row in rows}:
            del self._plain[row_id]
        self._pending.update({row_id: (row_id, mark, parent_id, gone) for row_id, _, mark, gone in rows})
        self.outcome.landed += len(rows)
        self.outcome.deleted += sum(row[3] for row in rows)
