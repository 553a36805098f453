"""Jira Service Management: the user's zone, fields found by type, and documents without what ticks by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from ingest.documents import find
from ingest.hooks import Call, Page, Record

_FIELDS = ["summary", "description", "status", "priority", "issuetype", "project", "assignee", "reporter", "created"]
_FIELDS += ["updated", "resolution", "resolutiondate", "labels"]
_TYPES = {
    "organizations": "com.atlassian.servicedesk:sd-customer-organizations",
    "sla": "com.atlassian.servicedesk:sd-sla-field",
    "request_type": "com.atlassian.servicedesk:vp-origin",
    "rating": "com.atlassian.servicedesk:sd-request-feedback",
}
_BLOCKS = frozenset({"paragraph", "heading", "listItem", "hardBreak", "codeBlock", "tableRow", "rule"})


def prepare(call: Call) -> dict[str, Any]:
    """{prepared.zone}: the calling user's; {prepared.wanted}: the fields to ask for. Both are asked for once per run.

    /myself refuses whom the site does not know, while a site open to everyone answers a search with fewer tickets.
    """
    memo = call.client.memo
    if "jsm" not in memo:
        zone = call.client.request("GET", "rest/api/3/myself", stream=call.stream).payload["timeZone"]
        rows = call.client.request("GET", "rest/api/3/field", stream=call.stream).payload
        found = {
            name: [row["id"] for row in rows if find(row, "schema.custom") == kind] for name, kind in _TYPES.items()
        }
        if call.settings["organizations_field"]:
            found["organizations"] = [call.settings["organizations_field"]]
        memo["jsm"] = {"zone": zone, "found": found, "wanted": _FIELDS + sorted(set().union(*found.values()))}
    prepared: dict[str, Any] = memo["jsm"]
    return prepared


def pages(call: Call, _state: Any) -> Iterator[Page]:
    """The people of all organizations, each once, with the ids of their `organizations` in ascending order."""
    people: dict[str, Record] = {}
    for organization in _values(call, "rest/servicedeskapi/organization"):
        for person in _values(call, f"rest/servicedeskapi/organization/{organization['id']}/user"):
            person.pop("_links", None)
            known = people.setdefault(person["accountId"], {**person, "organizations": []})
            known["organizations"].append(str(organization["id"]))
    for person in people.values():
        person["organizations"].sort(key=int)
    yield list(people.values())


def _values(call: Call, path: str) -> Iterator[Record]:
    start, is_last = 0, False
    while not is_last:
        params = {"start": start, "limit": call.settings["page_size"]}
        payload = call.client.request("GET", path, params=params, stream=call.stream).payload
        rows = payload["values"]
        yield from rows
        start, is_last = start + len(rows), not rows or payload.get("isLastPage") is True


def record(call: Call, record: Record) -> Record:
    """A ticket in plain words, or a comment; without times that run on and texts such as "2 minutes ago"."""
    name = call.stream.name if call.stream else ""
    if name == "comments":
        return {**record, "created": _instant(record["created"])}
    if name != "issues":
        return record
    fields: Record = record["fields"]
    found: dict[str, list[str]] = call.prepared["found"]
    own = {kind: [value for field in ids if (value := fields.pop(field, None))] for kind, ids in found.items()}
    fields["description"] = "\n".join(filter(None, "".join(_texts(fields.get("description"))).split("\n")))
    record["organizations"] = [str(one["id"]) for value in own["organizations"] for one in value if find(one, "id")]
    record["request_type"] = next((find(value, "requestType.name") for value in own["request_type"]), None)
    record["rating"] = next((find(value, "rating") for value in own["rating"]), None)
    named = {str(value.get("name")): _sla(value) for value in own["sla"] if isinstance(value, dict)}
    record["sla"] = {goal: named.get(call.settings[f"{goal}_sla"]) for goal in ("response", "resolution")}
    return record


def _sla(value: Record) -> Record:
    """verdict (met, missed, active), due and stopped of the running cycle, else of the last one that ended."""
    ended = sorted(value.get("completedCycles") or [], key=lambda cycle: find(cycle, "stopTime.epochMillis") or 0)
    cycle = value.get("ongoingCycle") or (ended[-1] if ended else None)
    if not cycle:
        return {}
    fine = "active" if value.get("ongoingCycle") else "met"
    return {
        "verdict": "missed" if cycle.get("breached") else fine,
        "due": _instant(cycle.get("breachTime")),
        "stopped": _instant(ended[0].get("stopTime")) if ended else None,
    }


def _instant(value: Any) -> str | None:
    """UTC, of {iso8601, jira, friendly, epochMillis}."""
    millis = find(value, "epochMillis") if isinstance(value, dict) else None
    return None if millis is None else datetime.fromtimestamp(int(millis) / 1000, UTC).isoformat()


def _texts(node: Any) -> Iterator[str]:
    """The words of an Atlassian document, a line end after each block; a plain text is itself."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, list):
        for inner in node:
            yield from _texts(inner)
    elif isinstance(node, dict):
        yield str(node.get("text") or find(node, "attrs.text") or "")
        yield from _texts(node.get("content"))
        if node.get("type") in _BLOCKS:
            yield "\n"
