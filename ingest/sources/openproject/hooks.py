"""OpenProject: which links are kept, what statuses and types mean, and who a project's customer is."""

from __future__ import annotations

import re
from typing import Any

from ingest.documents import find
from ingest.errors import ContractError
from ingest.hooks import Call, Record

_KEPT = frozenset(
    {"project", "status", "type", "priority", "assignee", "responsible", "version", "parent", "definingProject"}
)
_OWN = re.compile(r"customField\d+")
_FIELDS = {"customer": "customer_field", "contract": "contract_field"}
_PROJECTS = frozenset({"projects", "programs", "portfolios"})


def records(call: Call, payload: Any) -> list[Record]:
    """The elements of a collection; links to actions, which follow the integration user's rights, are left out.

    A work package carries its `status` {name, isClosed, isDefault} and `type` {name, isMilestone}, a project its
    `customer` and `contract`. A collection that is paged by cursor only is followed like any other. ContractError when
    the answer is no collection, or a setting names no custom field.
    """
    rows: list[Record] | None = find(payload, "_embedded.elements")
    if rows is None:
        raise ContractError(f"{call.source}: the answer is no collection", valid=", ".join(list(payload)[:20]))
    links = payload.get("_links") or {}
    if "nextByCursor" in links and "nextByOffset" not in links:
        links["nextByOffset"] = links["nextByCursor"]
    name = call.stream.name if call.stream else ""
    return [_shaped(call, name, row) for row in rows]


def _shaped(call: Call, stream: str, row: Record) -> Record:
    if "_links" not in row:
        return row  # an id of the sweep
    links = {key: link for key, link in row["_links"].items() if key in _KEPT or _OWN.fullmatch(key)}
    shaped = {key: value for key, value in row.items() if key != "_embedded"} | {"_links": links}
    if stream == "work_packages":
        shaped["status"] = _kinds(call, "statuses", ("name", "isClosed", "isDefault")).get(find(links, "status.href"))
        shaped["type"] = _kinds(call, "types", ("name", "isMilestone")).get(find(links, "type.href"))
    if stream in _PROJECTS:
        shaped |= {key: _own(shaped, _named(call, setting)) for key, setting in _FIELDS.items()}
    return shaped


def _kinds(call: Call, path: str, names: tuple[str, ...]) -> dict[str | None, Record]:
    """Address → facts of every status or type, asked once per run of the source."""
    memo = call.client.memo
    if path not in memo:
        elements = find(call.client.request("GET", path, stream=call.stream).payload, "_embedded.elements") or []
        memo[path] = {find(row, "_links.self.href"): {name: row.get(name) for name in names} for row in elements}
    found: dict[str | None, Record] = memo[path]
    return found


def _named(call: Call, setting: str) -> str:
    name = str(call.settings[setting])
    if name and not _OWN.fullmatch(name):
        raise ContractError(
            f"{call.source}: the setting {setting} is {name!r}, which is no custom field",
            valid="customField and its number, such as customField5",
            remedy="the number stands in the address of the custom field's page in the administration",
        )
    return name


def _own(row: Record, name: str) -> str | None:
    """The value of a custom field: plain, formatted text, or the title of the one entry chosen from a list."""
    value = row.get(name) if name else None
    if value is None and name:
        value = row["_links"].get(name)
    chosen = value if isinstance(value, list) else [value]
    texts = [one.get("raw") or one.get("title") if isinstance(one, dict) else one for one in chosen]
    given = [str(text) for text in texts if text not in (None, "")]
    return given[0] if len(given) == 1 else None
