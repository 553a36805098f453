"""The shape of a stream's documents: which fields they have, of which types, how often, with which few values.

A path is written as in mappings ("a.b"), `[]` after a list ("lines[].price"). Numbers are one type, whole or not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson
import polars as pl

from ingest import landing, packs

DOCUMENTS = 1_000
_PARTS = 4
_PLACES = 5
_SPARSE = 8
VALUES = 20
_VALUE_LETTERS = 60
_SENTENCE = re.compile(r"[，。；！？]|(\S+\s+){4}")
_PERSONAL = re.compile(r"@|(\d[\s()-]*){7}")  # addresses and numbers of people are not kept
_CODE = re.compile(r"[a-z0-9_.:/+-]{0,32}|[A-Z0-9_.:/+-]{0,32}")
_OF_PEOPLE = re.compile(
    r"name|owner|user|mail|phone|mobile|tel|contact|person|people|member|employee|staff|account|bank|card|addr"
    r"|login|author|creat|modif|updat|assign|manager|sales|requester|submitter|(^|_)by($|_)|By$"
    r"|[名人员]|姓|电话|手机|联系|邮|账|帐|地址",
    re.IGNORECASE,
)
_CHILDREN = 200
Kept = Literal["all", "none"]
"""What is remembered of a field's values where a mapping reads it: an enumeration's, or none of what is personal."""
_TYPES = {str: "text", bool: "yes/no", type(None): "null", dict: "object", list: "list"}


@dataclass
class Field:
    """One field: documents that have it, documents where it is not null, its types, its values while they are few.

    `values` is value → documents; None for what is no enumeration: other types, lists, sentences, too many values.
    """

    present: int = 0
    filled: int = 0
    types: set[str] = field(default_factory=set)
    values: dict[str, int] | None = None

    def to_json(self) -> dict[str, Any]:
        """As the store keeps it."""
        return {"present": self.present, "filled": self.filled, "types": sorted(self.types), "values": self.values}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Field:
        """What `to_json` made."""
        return cls(value["present"], value["filled"], set(value["types"]), value["values"])


@dataclass
class Shape:
    """Documents looked at, and their fields by path. `maps`: objects whose keys are data; they have no fields."""

    documents: int = 0
    fields: dict[str, Field] = field(default_factory=dict)
    maps: set[str] = field(default_factory=set)

    def to_json(self) -> str:
        """As the store keeps it."""
        fields = {path: one.to_json() for path, one in sorted(self.fields.items())}
        whole = {"documents": self.documents, "fields": fields, "maps": sorted(self.maps)}
        return json.dumps(whole, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Shape:
        """What `to_json` made."""
        value = json.loads(text)
        fields = {path: Field.from_json(one) for path, one in value["fields"].items()}
        return cls(value["documents"], fields, set(value["maps"]))

    def forget(self, kept: Mapping[str, Kept]) -> None:
        """Drop the values that may not be remembered."""
        for path, one in self.fields.items():
            if one.values is not None and not all(may_keep(path, value, kept) for value in one.values):
                one.values = None

    def collapse(self, maps: set[str] | None = None) -> None:
        """Leave out the keys of objects whose keys are data (ids, days): those in `maps`, and those that have more than
        any vendor names."""
        children: dict[str, set[str]] = {}
        for path in self.fields:
            parent, _, last = path.rpartition(".")
            children.setdefault(parent, set()).add(last)
        self.maps |= (maps or set()) | {one for one, names in children.items() if one and len(names) > _CHILDREN}
        if self.maps:
            for path in [path for path in self.fields if any(path.startswith(f"{one}.") for one in self.maps)]:
                del self.fields[path]


def may_keep(path: str, value: str, kept: Mapping[str, Kept]) -> bool:
    """Whether a value may be remembered: an enumeration's, as a mapping says, or one that looks like a code.

    A word with a capital, a space or a Chinese character may be somebody's name; so may whatever stands in a field
    that is called after people.
    """
    known = kept.get(path)
    if known is not None or value in {"true", "false"}:
        return known != "none"
    return bool(_CODE.fullmatch(value)) and not _OF_PEOPLE.search(path.rpartition(".")[2])


def of_run(root: Path, source: str, stream: str, run_id: str, kept: Mapping[str, Kept] | None = None) -> Shape:
    """The shape of a committed run's living documents: of all, or of about DOCUMENTS from parts all over the run."""
    parts = landing.parts(root, source, stream, run_id)
    step = max(1, -(-len(parts) // _PARTS))
    chosen = parts[::step]
    taken = sum(part.rows for part in chosen)
    every = max(1, taken // DOCUMENTS)
    texts: list[str] = []
    for part in chosen:
        texts += _stretches(part, every) or _spread(part, every)
    return of_documents(texts, kept)


def _spread(part: packs.Part, every: int) -> list[str]:
    """One living document in `every`, which reads all of them."""
    frame = part.read(["document", "deleted"])
    return frame.filter(~pl.col("deleted")).gather_every(every)["document"].to_list()


def _stretches(part: packs.Part, every: int) -> list[str]:
    """As many from a few places all over the part, read there alone; none where much is deleted or little is saved."""
    length = part.rows // every // _PLACES
    if part.pack or every < _SPARSE or not length:
        return []
    rows = pl.scan_parquet(part.path).select("document", "deleted")
    try:
        found = [rows.slice(first * part.rows // _PLACES, length).collect() for first in range(_PLACES)]
    except FileNotFoundError:
        return []  # packed meanwhile
    living = pl.concat(found).filter(~pl.col("deleted"))["document"].to_list()
    return living if len(living) > length * _PLACES // 2 else []


def of_documents(documents: Iterable[str], kept: Mapping[str, Kept] | None = None) -> Shape:
    """The shape of documents (JSON texts); what is no JSON object is left out. `kept`: path → what is remembered."""
    shape = Shape()
    for text in documents:
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            continue
        if isinstance(value, dict):
            shape.documents += 1
            _add(shape.fields, value)
    shape.collapse()
    shape.forget(kept or {})
    return shape


def _add(fields: dict[str, Field], document: dict[str, Any]) -> None:
    seen: set[str] = set()
    filled: set[str] = set()
    for path, kind, value in _walk(document, ""):
        one = fields.get(path)
        if one is None:
            one = fields[path] = Field(values=None if "[]" in path else {})
        if path not in seen:
            seen.add(path)
            one.present += 1
        if kind == "null":
            continue
        one.types.add(kind)
        if path not in filled:
            filled.add(path)
            one.filled += 1
        if one.values is not None:
            one.values = _counted(one.values, kind, value)


def _counted(values: dict[str, int], kind: str, value: Any) -> dict[str, int] | None:
    """The values with one more; None when they are no enumeration."""
    if kind not in {"text", "yes/no"}:
        return None
    text = str(value).lower() if kind == "yes/no" else value
    if text in values:
        values[text] += 1
        return values
    if len(values) >= VALUES or len(text) > _VALUE_LETTERS or _SENTENCE.search(text) or _PERSONAL.search(text):
        return None
    values[text] = 1
    return values


def _walk(value: Any, path: str) -> Iterator[tuple[str, str, Any]]:
    """(path, type, value) of everything inside a document."""
    for key, inner in value.items():
        here = f"{path}.{key}" if path else key
        kind = _TYPES.get(type(inner), "number")
        yield here, kind, inner
        if kind == "object":
            yield from _walk(inner, here)
        elif kind == "list":
            for item in inner:
                if isinstance(item, dict):
                    yield from _walk(item, f"{here}[]")
