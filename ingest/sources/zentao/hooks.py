"""ZenTao: some versions ignore `page` on some lists and send the first page for ever."""

from __future__ import annotations

from typing import Any

from ingest.documents import find, text_of
from ingest.errors import ContractError
from ingest.hooks import Call, Record


def prepare(call: Call) -> dict[str, Any]:
    """{prepared.begun}: the first id of every page of this run, for `records`."""
    return {"begun": set()}


def records(call: Call, payload: Any) -> list[Record]:
    """The records of an answer. ContractError when there are none, or when a list sends a page again that should be
    another one: the rest of it cannot be read, and must not be taken for deleted."""
    stream = call.stream
    rows: list[Record] | None = find(payload, stream.records) if stream else None
    if not isinstance(rows, list):
        shown = ", ".join(list(payload)[:20]) if isinstance(payload, dict) else type(payload).__name__
        raise ContractError(f"{call.source}: the answer has no {stream.records if stream else 'list'!r}", valid=shown)
    if stream and stream.page.type == "number" and rows and int(payload.get("total") or 0) > len(rows):
        first, begun = text_of(rows[0].get("id")), call.prepared["begun"]
        if first in begun:
            raise ContractError(
                f"{call.source}/{stream.name}: the page that begins with {first} came twice, "
                f"{payload['total']} records cannot be read",
                remedy="this version of ZenTao ignores page and limit here: bring ZenTao up to date",
            )
        begun.add(first)
    return rows
