"""HubSpot: which properties to ask for, and what a search leaves out: associations and the words of stages."""

from __future__ import annotations

from typing import Any

from ingest.documents import find
from ingest.errors import ContractError, StreamRefused
from ingest.hooks import Call, Record

_AT_ONCE = 100


def prepare(call: Call) -> dict[str, Any]:
    """{prepared.properties}, own ones of the company included; {prepared.since}: the window's start in ms, as text."""
    stream = call.stream
    if stream is None or call.window is None or not stream.fields:
        return {}
    properties = list(stream.fields)
    if call.settings["custom_properties"]:
        try:
            answer = call.client.request("GET", f"crm/v3/properties/{stream.name}", stream=stream)
        except StreamRefused:
            answer = None  # the properties named in source.toml are asked for in any case
        shown = find(answer.payload, "results") if answer else None
        own = [row["name"] for row in shown or [] if not row.get("hubspotDefined") and not row.get("calculated")]
        properties += sorted(set(own) - set(properties))
    return {"properties": properties, "since": str(int(call.window.start.timestamp() * 1000))}


def records(call: Call, payload: Any) -> list[Record]:
    """The records of an answer; people with a `full_name`, those of a search with `associations` {type: [ids]} and the
    words of their `stage`."""
    rows: list[Record] | None = find(payload, "results")
    if rows is None:
        raise ContractError(f"{call.source}: the answer has no 'results'", valid=", ".join(list(payload)[:20]))
    stream = call.stream
    for row in rows if stream and stream.hook.get("name") else []:
        parts = [str(find(row, path) or "").strip() for path in stream.hook["name"]] if stream else []
        row["full_name"] = " ".join(filter(None, parts))
    if stream is None or stream.page.type != "keyset" or not rows:
        return rows
    linked = {
        kind: _associated(call, kind, [row["id"] for row in rows]) for kind in stream.hook.get("associations", [])
    }
    stages = _stages(call, stream.hook["pipelines"]) if stream.hook.get("pipelines") else {}
    for row in rows:
        if linked:
            row["associations"] = {kind: found.get(row["id"], []) for kind, found in linked.items()}
        if stages:
            stage = find(row, "properties.dealstage") or find(row, "properties.hs_pipeline_stage")
            row["stage"] = stages.get(str(stage))
    return rows


def _associated(call: Call, kind: str, ids: list[str]) -> dict[str, list[str]]:
    """Id → ids of the records of `kind` that it is associated with, the primary one first."""
    found: dict[str, list[tuple[bool, str]]] = {}
    stream = call.stream
    path = f"crm/v4/associations/{stream.name if stream else ''}/{kind}/batch/read"
    for start in range(0, len(ids), _AT_ONCE):
        inputs = [{"id": row_id} for row_id in ids[start : start + _AT_ONCE]]
        while inputs:
            payload = call.client.request("POST", path, body={"inputs": inputs}, stream=None).payload
            failed = [error for error in payload.get("errors", []) if "NO_ASSOCIATIONS" not in str(error)]
            if failed:
                raise ContractError(f"{call.source}: associations to {kind}: {failed[0].get('message', failed[0])}")
            inputs = []
            for row in payload["results"]:
                links = [(_is_primary(to), str(to["toObjectId"])) for to in row["to"]]
                found.setdefault(str(row["from"]["id"]), []).extend(links)
                if after := find(row, "paging.next.after"):
                    inputs.append({"id": row["from"]["id"], "after": after})
    return {
        row_id: [to for _, to in sorted(links, key=lambda link: (not link[0], link[1]))]
        for row_id, links in found.items()
    }


def _is_primary(to: Record) -> bool:
    return any(str(kind.get("label")).startswith("Primary") for kind in to.get("associationTypes", []))


def _stages(call: Call, kind: str) -> dict[str, Record]:
    """Stage id → its label and what HubSpot knows of it, asked once per run of the source."""
    memo = call.client.memo
    if kind not in memo:
        payload = call.client.request("GET", f"crm/v3/pipelines/{kind}", stream=call.stream).payload
        memo[kind] = {
            str(stage["id"]): {"label": stage["label"], "pipeline": line["label"], **(stage.get("metadata") or {})}
            for line in payload["results"]
            for stage in line["stages"]
        }
    found: dict[str, Record] = memo[kind]
    return found
