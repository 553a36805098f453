"""Redmine lists versions per project only, and a changed one does not touch its project: all are read, every run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ingest.errors import StreamRefused
from ingest.hooks import Call

_LIMIT = 100


def pages(call: Call, state: Any) -> Iterator[tuple[list[dict[str, Any]], dict[str, int]]]:
    """The versions of every project, one project a page; `state` = {"after": id of the last project read}.

    A project without the module "issue tracking" refuses its versions; it has none. A version shared with other
    projects is listed by each of them and kept only where it belongs.
    """
    done = int(state["after"]) if state else 0
    for project in _projects(call):
        if project <= done:
            continue
        try:
            answer = call.client.request("GET", f"projects/{project}/versions.json", stream=call.stream)
        except StreamRefused:
            continue
        versions = (answer.payload or {}).get("versions", [])
        yield [row for row in versions if row["project"]["id"] == project], {"after": project}


def _projects(call: Call) -> list[int]:
    found: list[int] = []
    while True:
        params = {"status": "1|5", "offset": len(found), "limit": _LIMIT}
        payload = call.client.request("GET", "projects.json", params=params, stream=call.stream).payload
        found += [int(row["id"]) for row in payload["projects"]]
        if not payload["projects"] or len(found) >= int(payload["total_count"]):
            return sorted(set(found))
