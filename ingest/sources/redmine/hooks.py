"""Redmine: the custom fields that name a project's customer and contract, and versions, listed per project only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ingest.errors import ContractError, StreamRefused
from ingest.hooks import Call

_LIMIT = 100
_FIELDS = {"customer": "customer_field", "contract": "contract_field"}


def prepare(call: Call) -> dict[str, Any]:
    """Nothing for the placeholders. ContractError when no project shows a custom field that the settings name."""
    wanted = {call.settings[setting]: setting for setting in _FIELDS.values() if call.settings[setting]}
    if call.stream is None or call.stream.name != "projects" or not wanted:
        return {}
    seen: set[str] = set()
    projects = 0
    for project in _each_project(call):
        projects += 1
        seen |= {field["name"] for field in project.get("custom_fields", [])}
        if wanted.keys() <= seen:
            return {}
    missing = [f"{name!r} (setting {setting})" for name, setting in wanted.items() if name not in seen]
    if projects and missing:
        raise ContractError(
            f"{call.source}/projects: none of {projects} projects shows the custom field {', '.join(missing)}",
            valid=", ".join(sorted(seen)) or "no custom field is shown",
            remedy="correct the setting, or make the custom field of projects visible to the roles of this user",
        )
    return {}


def record(call: Call, record: dict[str, Any]) -> dict[str, Any]:
    """A project with `customer` and `contract`: the values of the custom fields that the settings name."""
    if call.stream is None or call.stream.name != "projects":
        return record
    values = {field["name"]: _one(field.get("value")) for field in record.get("custom_fields", [])}
    return {**record, **{key: values.get(call.settings[setting]) for key, setting in _FIELDS.items()}}


def _one(value: Any) -> str | None:
    """The value of a custom field; of a field with several, the only one."""
    values = [item for item in (value if isinstance(value, list) else [value]) if item not in (None, "")]
    return str(values[0]) if len(values) == 1 else None


def pages(call: Call, state: Any) -> Iterator[tuple[list[dict[str, Any]], dict[str, int]]]:
    """The versions of every project, one project a page; `state` = {"after": id of the last project read}.

    A project without the module "issue tracking" refuses its versions; it has none. A version shared with other
    projects is listed by each of them and kept only where it belongs.
    """
    done = int(state["after"]) if state else 0
    for project in sorted({int(row["id"]) for row in _each_project(call)}):
        if project <= done:
            continue
        try:
            answer = call.client.request("GET", f"projects/{project}/versions.json", stream=call.stream)
        except StreamRefused:
            continue
        versions = (answer.payload or {}).get("versions", [])
        yield [row for row in versions if row["project"]["id"] == project], {"after": project}


def _each_project(call: Call) -> Iterator[dict[str, Any]]:
    """Active and closed projects. A project made meanwhile may bring another one twice."""
    read = 0
    while True:
        params = {"status": "1|5", "offset": read, "limit": _LIMIT}
        payload = call.client.request("GET", "projects.json", params=params, stream=call.stream).payload
        yield from payload["projects"]
        read += len(payload["projects"])
        if not payload["projects"] or read >= int(payload["total_count"]):
            return
