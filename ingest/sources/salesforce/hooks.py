"""Salesforce: select only the fields that exist and are visible, and every custom field."""

from __future__ import annotations

from typing import Any

from ingest.errors import StreamRefused
from ingest.hooks import Call

_UNREADABLE = {"address", "location", "base64"}


def prepare(call: Call) -> dict[str, Any]:
    """{fields}: the stream's fields that `describe` shows, plus custom ones; as written when describe is refused.

    Field-level security hides columns without a word, and selecting one that is not there fails the whole query.
    """
    if call.stream is None or not call.settings["describe"]:
        return {}
    try:
        answer = call.client.request("GET", f"sobjects/{call.stream.name}/describe", stream=call.stream)
    except StreamRefused:
        return {}
    shown = {field["name"]: field.get("type", "") for field in answer.payload["fields"]}
    custom = sorted(name for name, kind in shown.items() if name.endswith("__c") and kind not in _UNREADABLE)
    return {"fields": [name for name in call.stream.fields if name in shown] + custom}
