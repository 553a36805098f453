"""悟空CRM: lists of a search index, read from time to time and not from page to page; pools of customers included."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from ingest.cursor import written
from ingest.documents import find, text_of
from ingest.errors import ContractError
from ingest.hooks import Call, Record

_EPOCH = datetime(1990, 1, 1, tzinfo=UTC)
_FORM = "%Y-%m-%d %H:%M:%S"
_ASCENDING, _AT_LEAST = 2, 8
_MOST = 100
_LAST_PAGE = 90
"""Past page 100 the server leans on a list in Redis and sends page 1 again when that is gone."""


def pages(call: Call, state: dict[str, Any] | None) -> Iterator[tuple[list[Record], dict[str, Any]]]:
    """Pages of the stream's list and of the pools; the state is where to go on: list, since, number.

    Changes ascend by updateTime, all records (for the sweep) by createTime. ContractError when the server sends another
    page than the one asked for, another order, or what lies before the time asked for.
    """
    stream: Any = call.stream
    lists = [None, *(_pools(call) if stream.hook.get("pools") and call.settings["pools"] else [])]
    place: dict[str, Any] | None = state or {"list": 0, "since": _begin(call), "number": 1}
    while place is not None and place["list"] < len(lists):
        rows = _asked(call, lists[place["list"]], place)
        place = _next(call, place, rows)
        yield rows, place


def _begin(call: Call) -> str:
    """The time from which on the lists are wanted, on the server's wall clock."""
    is_all = call.step == "sweep" or call.full or call.window is None
    start = _EPOCH if is_all or call.window is None else max(_EPOCH, call.window.start)
    return str(written(start, _FORM, str(call.settings["zone"])))


def _key(call: Call) -> str:
    return "createTime" if call.step == "sweep" else "updateTime"


def _size(call: Call) -> int:
    return min(_MOST, int(call.settings["page_size"]))


def _asked(call: Call, pool: Any, place: dict[str, Any]) -> list[Record]:
    stream: Any = call.stream
    since = {"name": _key(call), "formType": "datetime", "type": _AT_LEAST, "values": [place["since"]]}
    body = {
        "page": place["number"],
        "limit": _size(call),
        "label": stream.hook["label"],
        "pageType": 1,
        "search": "",
        "sortField": _key(call),
        "order": _ASCENDING,
        "searchList": [since],
    }
    path = stream.path if pool is None else "crmCustomerPool/queryPageList"
    more = {} if pool is None else {"poolId": pool, "label": 9}
    payload = call.client.request("POST", path, body={**body, **more}, stream=stream).payload
    rows, number = find(payload, "data.list"), find(payload, "data.pageNumber")
    where = f"{call.source}/{stream.name}"
    if not isinstance(rows, list):
        raise ContractError(f"{where}: the answer has no 'data.list'", valid=", ".join(payload))
    if text_of(number) != str(place["number"]):
        raise ContractError(
            f"{where}: asked for page {place['number']}, got page {text_of(number) or '?'}",
            remedy="the server has lost its place; the next run begins this list anew",
        )
    _check_order(rows, _key(call), place["since"], where)
    return [_shaped(call, row, pool) for row in rows]


def _check_order(rows: list[Record], key: str, since: str, where: str) -> None:
    """ContractError unless the rows ascend by `key` from `since` on."""
    last = since
    for row in rows:
        stamp = text_of(row.get(key))
        if not stamp:
            remedy = f"show the column {key} in the lists of this user, and hide none"
            raise ContractError(f"{where}: a record has no {key}", remedy=remedy)
        if stamp < last:
            remedy = f"the server sorts by what it likes when the column {key} is hidden: show it in this user's lists"
            raise ContractError(f"{where}: asked for {key} from {last} on, ascending, got {stamp}", remedy=remedy)
        last = stamp


def _next(call: Call, place: dict[str, Any], rows: list[Record]) -> dict[str, Any]:
    """Where to go on: a new list from the last row's time, a further page of one time, or the next list."""
    if len(rows) < _size(call):
        return {"list": place["list"] + 1, "since": _begin(call), "number": 1}
    last = text_of(rows[-1][_key(call)])
    if last != place["since"]:
        return {**place, "since": last, "number": 1}
    if place["number"] >= _LAST_PAGE:
        name = call.stream.name if call.stream else ""
        raise ContractError(
            f"{call.source}/{name}: more than {_LAST_PAGE} pages share the time {last}",
            remedy="the API cannot list them: read this company's database instead",
        )
    return {**place, "number": place["number"] + 1}


def _pools(call: Call) -> list[Any]:
    """The ids of the pools (公海), in order; asked once per run of the source."""
    memo = call.client.memo
    if "pools" not in memo:
        payload = call.client.request(
            "POST", "crmCustomerPool/queryPoolNameListByAuth", body={}, stream=call.stream
        ).payload
        memo["pools"] = sorted(row["poolId"] for row in find(payload, "data") or [])
    found: list[Any] = memo["pools"]
    return found


def _shaped(call: Call, row: Record, pool: Any) -> Record:
    """The record with its id under one name, the pool it lies in, and whether it counts as money."""
    stream: Any = call.stream
    name = stream.id_paths[0]
    known = [row[other] for other in stream.hook.get("ids", []) if other in row]
    more: Record = {} if name in row or not known else {name: known[0]}
    if pool is not None:
        more |= {"poolId": pool, "ownerUserId": None}
    if stream.hook.get("money") and call.settings["money"]:
        more["isMoney"] = True
    return {**row, **more}
