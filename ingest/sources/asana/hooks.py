"""Asana: the tasks of each project, the events that tell which were deleted, and who a project's customer is."""

from __future__ import annotations

import json
from typing import Any

from ingest.cursor import read_cursor
from ingest.documents import find
from ingest.errors import ContractError, CursorExpired, StreamRefused
from ingest.hooks import Call, Record
from ops.instance import Instance

_FIELDS = {"customer": "customer_field", "contract": "contract_field"}
_MOVED = frozenset({"added", "removed", "undeleted"})
_EVENT = "action,resource.gid,resource.resource_type,parent.gid"
_MOST_PAGES = 10_000


def records(call: Call, payload: Any) -> list[Record]:
    """The records of an answer. A page of projects asked for by the stream `tasks` becomes the tasks of these projects.

    `payload["sync"]` is then set to the cursors of all projects' events, which the engine keeps. ContractError when the
    answer has no data, or a list does not end.
    """
    rows: list[Record] | None = find(payload, "data")
    if rows is None:
        raise ContractError(f"{call.source}: the answer has no 'data'", valid=", ".join(list(payload)[:20]))
    stream = call.stream
    if stream is None or stream.name == "projects":
        return [_with_customer(call, row) for row in rows]
    if stream.name != "tasks":
        return rows
    wanted = stream.body["lists"]
    if wanted == "deleted":
        return [{"gid": gid} for gid in sorted(_memo(call)["deleted"])]
    if wanted == "ids":
        return [task for project in rows for task in _tasks(call, project["gid"], "gid", None)]
    found = [task for project in rows for task in _changed(call, str(project["gid"]))]
    payload["sync"] = json.dumps(_memo(call)["next"], sort_keys=True)
    return found


def _with_customer(call: Call, row: Record) -> Record:
    values = {field.get("name"): field.get("display_value") for field in row.get("custom_fields") or []}
    return {**row, **{key: values.get(call.settings[setting] or None) for key, setting in _FIELDS.items()}}


def _memo(call: Call) -> Record:
    """What a run of the source knows: event cursors committed and next, ids that events told as deleted."""
    memo = call.client.memo
    if "asana" not in memo:
        store = Instance.load(call.home).store
        known = json.loads(read_cursor(store, call.source, "tasks").get("token") or "{}")
        store.close()
        memo["asana"] = {"known": known, "next": {} if call.full else dict(known), "deleted": set()}
    found: Record = memo["asana"]
    return found


def _changed(call: Call, project: str) -> list[Record]:
    """The tasks of a project that changed, all of them on a full read or when its cursor of events was lost."""
    since = f"{call.window.start:%Y-%m-%dT%H:%M:%S}.000Z" if call.window and not call.full else None
    moved: set[str] = set()
    if call.settings["events"]:
        is_known, events = _events(call, project)
        since = since if is_known else None
        moved = _follow(call, project, events)
    fields = ",".join(call.stream.fields) if call.stream else ""
    found = _tasks(call, project, fields, since)
    again = [_one(call, gid, fields) for gid in sorted(moved - {task["gid"] for task in found})]
    return found + [task for task in again if task]


def _events(call: Call, project: str) -> tuple[bool, list[Record]]:
    """(whether the cursor was still good, what happened since). The next cursor is kept; a new one comes in a 412."""
    memo = _memo(call)
    token, events = memo["known"].get(project), []
    for _ in range(_MOST_PAGES):
        params = {"resource": project, "sync": token, "opt_fields": _EVENT}
        try:
            payload = call.client.request("GET", "events", params=params, stream=call.stream).payload
        except CursorExpired as expired:
            memo["next"][project] = expired.payload["sync"]
            return False, []
        memo["next"][project] = token = payload["sync"]
        events += payload["data"]
        if not payload.get("has_more"):
            return True, events
    raise ContractError(f"{call.source}: the events of project {project} do not end")


def _follow(call: Call, project: str, events: list[Record]) -> set[str]:
    """Ids of tasks that came into the project, left it or came back: no stamp need tell. Notes those deleted."""
    deleted, moved = _memo(call)["deleted"], set()
    for event in events:
        if find(event, "resource.resource_type") != "task":
            continue
        gid, action = str(event["resource"]["gid"]), event["action"]
        if action == "deleted":
            deleted.add(gid)
            moved.discard(gid)
        elif action == "undeleted" or (action in _MOVED and find(event, "parent.gid") == project):
            deleted.discard(gid)
            moved.add(gid)
    return moved


def _one(call: Call, gid: str, fields: str) -> Record | None:
    """A task as it is now; None, and noted as deleted, when it is gone or in no project any more."""
    try:
        params = {"opt_fields": fields}
        task: Record = call.client.request("GET", f"tasks/{gid}", params=params, stream=call.stream).payload["data"]
    except StreamRefused:
        task = {}
    if task.get("memberships"):
        return task
    _memo(call)["deleted"].add(gid)
    return None


def _tasks(call: Call, project: str, fields: str, since: str | None) -> list[Record]:
    """The tasks of a project changed since (None: all of them)."""
    found: list[Record] = []
    params = {"project": project, "limit": call.settings["page_size"], "opt_fields": fields, "modified_since": since}
    for _ in range(_MOST_PAGES):
        payload = call.client.request("GET", "tasks", params=params, stream=call.stream).payload
        found += payload["data"]
        params["offset"] = find(payload, "next_page.offset")
        if not params["offset"]:
            return found
    raise ContractError(f"{call.source}: the tasks of project {project} do not end")
