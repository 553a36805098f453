"""Jira Cloud: the zone in which the integration user's JQL times are read."""

from __future__ import annotations

from typing import Any

from ingest.hooks import Call


def prepare(call: Call) -> dict[str, Any]:
    """{prepared.zone}: the time zone of the calling user, asked once per run of the source."""
    memo = call.client.memo
    if "jira_zone" not in memo:
        memo["jira_zone"] = call.client.request("GET", "myself", stream=call.stream).payload["timeZone"]
    return {"zone": memo["jira_zone"]}
