"""ServiceNow: a query's times are read in the integration user's own zone, which must be GMT."""

from __future__ import annotations

from typing import Any

from ingest.documents import find
from ingest.errors import ContractError
from ingest.hooks import Call

_GMT = frozenset({"GMT", "UTC", "Etc/UTC", "Etc/GMT"})
_ASK = {
    "sysparm_query": "user_name=javascript:gs.getUserName()",
    "sysparm_fields": "user_name,time_zone",
    "sysparm_limit": "1",
}


def prepare(call: Call) -> dict[str, Any]:
    """Nothing; asks once per run for the user's zone. ContractError when it is not GMT, or cannot be seen."""
    memo = call.client.memo
    if call.settings["check_zone"] and "zone" not in memo:
        answer = call.client.request("GET", "sys_user", params=_ASK, stream=call.stream)
        rows = find(answer.payload, "result") or []
        zone = str(rows[0].get("time_zone") or "") if rows else ""
        if zone not in _GMT:
            raise ContractError(
                f"{call.source}: the integration user's time zone is {zone or 'not set, or not visible'}",
                valid="GMT",
                remedy="set the time zone of the integration user to GMT, or check_zone = false when it is known to be",
            )
        memo["zone"] = zone
    return {}
