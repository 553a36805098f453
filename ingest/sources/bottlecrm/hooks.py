"""BottleCRM splits some objects into two lists that share one offset: both are read, page by page, until both end.

Who is no administrator sees his own records only, without a word; so the token's owner is looked at first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ingest.documents import find
from ingest.errors import ContractError, LoginError, StreamRefused
from ingest.hooks import Call

_LIMIT = 100


def prepare(call: Call) -> dict[str, Any]:
    """Nothing for the placeholders. LoginError when the token's owner is no administrator; asked once per run."""
    if "bottlecrm_role" not in call.client.memo:
        call.client.memo["bottlecrm_role"] = _owner(call)
    owner = call.client.memo["bottlecrm_role"]
    if owner.get("role", "ADMIN") != "ADMIN":
        raise LoginError(
            f"{call.source}: the token belongs to {find(owner, 'user_details.email')}, role {owner['role']},"
            " who sees only the records assigned to that user",
            valid="ADMIN",
            remedy="let an administrator of the organisation make the token, with the scope *:read",
        )
    return {}


def _owner(call: Call) -> dict[str, Any]:
    """The profile behind the token; empty when the token may not tell, then the streams say what it lacks."""
    try:
        found = find(call.client.request("GET", "profile/").payload, "user_obj")
    except StreamRefused:
        return {}
    return found if isinstance(found, dict) else {}


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
