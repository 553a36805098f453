"""Paging: from an answer to the state that asks for the next one. States are small JSON tables that survive a kill."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any
from urllib.parse import urljoin

from ingest.answers import Answer, holds
from ingest.documents import find, text_of
from ingest.errors import ContractError, SourceBusy
from ingest.spec_parts import PageSpec

State = dict[str, Any]
_LINK = re.compile(r'<([^>]*)>\s*;[^,<]*?rel="?([^",;]+)"?')
MAX_STEPS_BACK = 50


def first(page: PageSpec) -> State:
    """The state of the first call."""
    if page.type == "offset":
        return {"offset": 0, "limit": page.limit, "tail": [], "back": 0}
    if page.type == "number":
        return {"number": page.first, "limit": page.limit, "read": 0, "tail": []}
    if page.type == "keyset":
        return {
            "after": page.initial,
            "after_id": "",
            "op": ">",
            "limit": page.limit,
            "tie": False,
            "strict": True,
        }
    return {"limit": page.limit}


def following(
    page: PageSpec, state: State, answer: Answer, rows: list[dict[str, Any]], ids: list[str], where: str
) -> State | None:
    """The state of the next call, None when this was the last page.

    `rows` are the records of `answer` as the source sent them, `ids` theirs. ContractError when the source does not
    advance, SourceBusy when a list shifts faster than it can be read.
    """
    after = _following(page, state, answer, rows, ids, where)
    return _below_cap(page, state, after, rows, where) if after and page.restart else after


def _following(
    page: PageSpec, state: State, answer: Answer, rows: list[dict[str, Any]], ids: list[str], where: str
) -> State | None:
    if page.stop and holds(page.stop, answer.payload):
        return None
    if page.type == "single":
        return None
    if page.type in {"next_url", "cursor", "link"}:
        return _by_pointer(page, state, answer, where)
    if page.type == "offset":
        return _by_offset(page, state, answer, ids, where)
    if page.type == "number":
        return _by_number(page, state, answer, ids)
    return _by_key(page, state, rows, where)


def _below_cap(page: PageSpec, state: State, after: State, rows: list[dict[str, Any]], where: str) -> State:
    """`after`, or the first state of a new list from the last key once the vendor's cap is near."""
    key, most = (page.restart.key, page.restart.pages) if page.restart else ("", 0)
    keys = [find(row, key) for row in rows]
    if any(value is None for value in keys):
        raise ContractError(f"{where}: a record has no {key}, which getting past the vendor's cap needs")
    seen = [state["last"], *keys] if "last" in state else keys
    if any(left > right for left, right in pairwise(seen)):
        raise ContractError(f"{where}: the list is not sorted by {key}", remedy="the source ignores the sort order")
    last, pages = (seen[-1] if seen else None), int(state.get("pages", 1))
    is_early = bool(page.restart and page.restart.early) and last not in {None, state.get("from")}
    if last is None or (pages < most and not is_early):
        return {**after, "pages": pages + 1, **({"last": last} if seen else {})}
    if last == state.get("from"):
        raise ContractError(
            f"{where}: {most} pages share one {key}, {last}",
            remedy="the vendor's cap hides the rest: read this stream by another key",
        )
    return {**first(page), "from": last, "last": last, "pages": 1}


def _by_pointer(page: PageSpec, state: State, answer: Answer, where: str) -> State | None:
    if page.type == "link":
        links = {rel: url for url, rel in _LINK.findall(answer.headers.get("link", ""))}
        pointer: Any = links.get(page.rel)
    else:
        pointer = find(answer.payload, page.path)
    if pointer in (None, "", "null", False):
        return None
    key = "cursor" if page.type == "cursor" else "url"
    value = text_of(pointer) if key == "cursor" else urljoin(answer.url, text_of(pointer))
    if value == state.get(key) or (key == "url" and value == answer.url):
        raise ContractError(
            f"{where}: the list does not advance, the next page is the page just read",
            remedy="add page.stop, which says how the last page looks",
        )
    return {**state, key: value}


def _by_offset(page: PageSpec, state: State, answer: Answer, ids: list[str], where: str) -> State | None:
    tail, offset = set(state["tail"]), int(state["offset"])
    if tail and offset and not tail.intersection(ids):
        if state["back"] >= MAX_STEPS_BACK:
            raise SourceBusy(f"{where}: the list changes faster than it can be read", remedy="run it at night")
        return {**state, "offset": max(0, offset - page.limit), "back": state["back"] + 1}
    if not ids or (tail and not set(ids) - tail):
        return None
    end = offset + len(ids)
    total = find(answer.payload, page.total) if page.total else None
    if total is not None and end >= int(total):
        return None
    if total is None and page.short_is_last and len(ids) < page.limit:
        return None
    overlap = min(page.overlap, len(ids) - 1)
    return {**state, "offset": end - overlap, "tail": ids[-max(1, overlap) :] if overlap else [], "back": 0}


def _by_number(page: PageSpec, state: State, answer: Answer, ids: list[str]) -> State | None:
    if not ids or ids == state["tail"]:
        return None
    read = state["read"] + len(set(ids).difference(state["tail"]))  # what the page before held is not counted twice
    total = find(answer.payload, page.total) if page.total else None
    if total is not None and read >= int(total):
        return None
    if total is None and page.short_is_last and len(ids) < page.limit:
        return None
    return {**state, "number": state["number"] + 1, "read": read, "tail": ids}


def _by_key(page: PageSpec, state: State, rows: list[dict[str, Any]], where: str) -> State | None:
    full = len(rows) >= page.limit or (bool(rows) and not page.short_is_last)
    keys = [find(row, page.key) for row in rows]
    if rows and any(key is None for key in keys):
        raise ContractError(f"{where}: a record has no {page.key}, which paging needs")
    if state["tie"]:
        if full:
            return {**state, "after_id": _tie_value(page, rows[-1])}
        return {**state, "tie": False, "after_id": "", "op": ">"}
    if not full:
        return None
    if page.unique:
        if keys[-1] == state["after"]:
            raise ContractError(f"{where}: the source ignores the filter on {page.key}")
        return {**state, "after": keys[-1]}
    if keys[0] == keys[-1]:
        # a page full of one key: restarting from that key would read it for ever; a row without a tie value is alone
        tie = _tie_value(page, rows[-1])
        is_alone = tie in (None, "")
        return {**state, "after": keys[-1], "tie": not is_alone, "after_id": tie or "", "op": ">" if is_alone else ">="}
    return {**state, "after": keys[-1], "op": ">="}


def _tie_value(page: PageSpec, row: dict[str, Any]) -> Any:
    return find(row, page.tie_key)
