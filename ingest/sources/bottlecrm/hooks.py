"""BottleCRM splits some objects into two lists that share one offset: both are read, page by page, until both end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ingest.documents import find
from ingest.errors import ContractError
from ingest.hooks import Call

_LIMIT = 100


def pages(call: Call, state: Any) -> Iterator[tuple[list[dict[str, Any]], dict[str, int]]]:
    """Pages of both lists together; `state` = {"offset": where the next page begins}.

    The lists are in order of creation, newest first: a record made meanwhile moves the others to the right, so a page
    may bring some twice but loses none.
    """
    hook: Any = call.stream and call.stream.hook
    offset = int(state["offset"]) if state else 0
    while True:
        params = {"limit": _LIMIT, "offset": offset}
        payload = call.client.request("GET", hook["path"], params=params, stream=call.stream).payload
        lists = [_list(call, payload, path) for path in hook["lists"]]
        offset += _LIMIT
        yield [row for rows in lists for row in rows], {"offset": offset}
        if all(len(rows) < _LIMIT for rows in lists):
            return


def _list(call: Call, payload: Any, path: str) -> list[dict[str, Any]]:
    rows = find(payload, path)
    if not isinstance(rows, list):
        raise ContractError(f"{call.source}: the answer has no list {path}", valid=", ".join(payload))
    return rows
