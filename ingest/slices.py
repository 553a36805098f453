"""Answers cut into records without reading them: a document stays the source's own bytes, blanks removed.

Only the few values that paging, ids, flags and assertions look at are read. What cannot be cut (a hook shapes the
records, the answer is no JSON in UTF-8, a value stands where none is expected) is read whole, record by record, and
lands the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from struct import Struct
from typing import Annotated, Any, TypedDict

import msgspec
import pyarrow as pa
from msgspec import Raw

from ingest.documents import dumps, identify, loads, text_of
from ingest.hooks import Hooks
from ingest.spec import StreamSpec

_ENDS = Struct("=qq")
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_LIST = msgspec.json.Decoder(list[Raw])
_ENCODER = msgspec.json.Encoder()
_WORDS = {"null": None, "true": True, "false": False}
_PLAIN = str | Annotated[int, msgspec.Meta(gt=-(10**18), lt=10**18)] | bool | None


@dataclass(frozen=True)
class Cut:
    """One answer: what stands around the records, the values read of each record, its id, the documents (UTF-8).

    An id is "" where the record has none. `payload` holds the first record only where the answer holds the list.
    """

    payload: Any
    heads: list[dict[str, Any]]
    ids: list[str]
    documents: list[bytes]


class Slicer:
    """Cuts the answers of one stream."""

    def __init__(self, stream: StreamSpec) -> None:
        self._path = stream.records.split(".") if stream.records not in {"", "."} else []
        self._drop = frozenset(stream.drop)
        self._id_paths = stream.id_paths
        self._plain_id = stream.id if isinstance(stream.id, str) and "." not in stream.id else None
        self._heads: msgspec.json.Decoder[list[dict[str, Any]]] = msgspec.json.Decoder(list[_shape(_paths(stream))])  # type: ignore[misc]
        plain = TypedDict("Plain", {self._plain_id or "": _PLAIN}, total=False)  # type: ignore[misc]
        self._plain: msgspec.json.Decoder[list[dict[str, Any]]] = msgspec.json.Decoder(list[plain])
        self._is_plain = self._plain_id is not None and _paths(stream) == {self._plain_id}
        self._records: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_holder(self._path))

    @classmethod
    def of(cls, stream: StreamSpec, hooks: Hooks) -> Slicer | None:
        """The slicer of `stream`, None when its records must be read whole."""
        if hooks.records or hooks.record or stream.hook.get("pages"):
            return None
        if any(path.partition(".")[0] in stream.drop for path in _paths(stream)):
            return None
        return cls(stream)

    def cut(self, body: bytes) -> Cut | None:
        """The records of an answer, None when it must be read whole."""
        try:
            _check_letters(body)
            tight = msgspec.json.format(body, indent=-1)
            payload, slices, records = self._split(tight)
            heads = self._read_heads(records)
        except (msgspec.MsgspecError, UnicodeDecodeError, LookupError, ValueError):
            return None
        has_escapes = b"\\" in tight and (b"\\u" in tight or b"\\/" in tight)
        documents = self._documents(slices, has_escapes=has_escapes)
        return Cut(payload, heads, self._ids(heads), documents)

    def _read_heads(self, records: bytes | Raw | memoryview) -> list[dict[str, Any]]:
        """The values that collecting looks at, of every record."""
        if self._is_plain:
            try:
                return self._plain.decode(records)
            except msgspec.ValidationError:
                pass  # an id with a point or longer than 64 bits: read with all its digits below
        heads = self._heads.decode(records)
        for head in heads:
            _read(head)
        return heads

    def _ids(self, heads: list[dict[str, Any]]) -> list[str]:
        """The id of each record, "" where it has none."""
        if self._plain_id is None:
            return [identify(head, self._id_paths) or "" for head in heads]
        values = [head.get(self._plain_id) for head in heads]
        return [value if isinstance(value, str) else text_of(value) for value in values]

    def _split(self, tight: bytes) -> tuple[Any, list[Raw], bytes | Raw | memoryview]:
        """As `_around`, reading the records once: they are found first, then what stands around them is read."""
        slices = self._records.decode(tight)
        for key in self._path:
            slices = slices[key]
        if not slices:
            return self._around(tight, self._path)
        begin = _address(slices[0]) - _address(tight)
        end = _address(slices[-1]) - _address(tight) + len(slices[-1])
        first = begin + len(slices[0])
        payload, _, _ = self._around(tight[:first] + tight[end:], self._path)
        return payload, slices, memoryview(tight)[begin - 1 : end + 1]

    def _around(self, body: bytes | Raw, path: list[str]) -> tuple[Any, list[Raw], bytes | Raw]:
        """The answer with one record in the place of all, the records, their list. LookupError: not there."""
        if not path:
            slices = _LIST.decode(body)
            return [loads(str(slices[0], "utf-8"))] if slices else [], slices, body
        values = _OBJECT.decode(body)
        inner, slices, records = self._around(values.pop(path[0]), path[1:])
        return {**{key: _value(raw) for key, raw in values.items()}, path[0]: inner}, slices, records

    def _documents(self, slices: Iterable[Raw], *, has_escapes: bool) -> list[bytes]:
        documents = [self._without(raw) for raw in slices] if self._drop else [bytes(raw) for raw in slices]
        return [_canonical(document) for document in documents] if has_escapes else documents

    def _without(self, raw: Raw) -> bytes:
        values = _OBJECT.decode(raw)
        present = self._drop & values.keys()
        for key in present:
            del values[key]
        return _ENCODER.encode(values) if present else bytes(raw)


def _address(text: bytes | Raw) -> int:
    """Where `text` lies in memory: records are parts of the answer they were cut from."""
    return int(pa.py_buffer(text).address)


def _check_letters(body: bytes) -> None:
    """UnicodeDecodeError or ValueError when `body` is not UTF-8; nothing is copied."""
    if not body.isascii():
        ends = pa.py_buffer(_ENDS.pack(0, len(body)))
        pa.Array.from_buffers(pa.large_string(), 1, [None, ends, pa.py_buffer(body)]).validate(full=True)


def _canonical(document: bytes) -> bytes:
    """The one spelling of a document: letters that the source escaped without need are written as they are."""
    if b"\\u" in document or b"\\/" in document:
        return dumps(loads(document.decode())).encode()
    return document


def _value(raw: Raw) -> Any:
    """The value of a slice, as `loads` reads it."""
    text = str(raw, "utf-8")
    if text[0] == '"' and "\\" not in text:
        return text[1:-1]
    if text.isdecimal() and len(text) < 19:
        return int(text)
    return _WORDS[text] if text in _WORDS else loads(text)


def _read(head: dict[str, Any]) -> None:
    """Put the values in the place of their slices."""
    for key, value in head.items():
        if isinstance(value, Raw):
            head[key] = _value(value)
        elif value is not None:
            _read(value)


def _paths(stream: StreamSpec) -> set[str]:
    """Every place of a record that collecting looks at."""
    deletes, page = stream.deletes, stream.page
    wanted = [*stream.id_paths, *stream.assertions.required, page.key, page.tie_key]
    wanted += [deletes.told.path] if deletes.told else []
    wanted += [deletes.id or "id"] if deletes.type == "feed" else []
    wanted += [step.id for step in deletes.passes]
    wanted += [page.restart.key] if page.restart else []
    wanted += [stream.updated] if stream.assertions.bounded else []
    wanted += [stream.merges.path] if stream.merges else []
    return {path for path in wanted if path}


def _holder(path: list[str]) -> Any:
    """The type of an answer that holds its records at `path`; what else it holds is not read."""
    if not path:
        return list[Raw]
    return TypedDict("Holder", {path[0]: _holder(path[1:])})  # type: ignore[operator]


def _shape(paths: set[str]) -> Any:
    """A type that reads only what `find` may ask for at `paths`; keys with dots in them included."""
    leaves, inner = set(paths), dict[str, set[str]]()
    for path in paths:
        for cut in (place for place, letter in enumerate(path) if letter == "."):
            leaves.add(path[:cut] + ".")
            inner.setdefault(path[:cut], set()).add(path[cut + 1 :])
    fields: dict[str, Any] = {}
    for key, rests in inner.items():
        is_list = any(rest.partition(".")[0].lstrip("-").isdigit() for rest in rests)
        fields[key] = Raw if is_list else _shape(rests) | None
    fields |= dict.fromkeys(leaves, Raw)
    return TypedDict("Head", fields, total=False)  # type: ignore[operator]
