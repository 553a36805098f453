"""Request Tracker: the user's zone, the order of an answer's keys, a merged ticket's survivor, the customer's field."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ingest.documents import find
from ingest.errors import ContractError
from ingest.hooks import Call, Record


def prepare(call: Call) -> dict[str, Any]:
    """Nothing, after making sure that times in a query are read in the zone that `user_zone` says.

    A zone further west would hide changes without a word. The newest ticket must be found from its own second on,
    and no longer from the next one on.
    """
    if call.stream is None or call.stream.name != "tickets" or "rt_zone" in call.client.memo:
        return {}
    call.client.memo["rt_zone"] = True
    newest = _newest(call, "id > 0")
    if newest is None:
        return {}
    local = datetime.fromisoformat(newest["LastUpdated"]).astimezone(ZoneInfo(call.settings["user_zone"]))
    if local.utcoffset() != local.replace(fold=1 - local.fold).utcoffset():
        return {}  # the hour that comes twice proves nothing
    found = [
        _newest(call, f"id = {newest['id']} AND LastUpdated >= '{moment:%Y-%m-%d %H:%M:%S}'")
        for moment in (local, local + timedelta(seconds=1))
    ]
    is_read_so = found[0] is not None and found[1] is None
    if not is_read_so and _newest(call, f"id = {newest['id']}") == newest:
        raise ContractError(
            f"{call.source}: RT does not read times in the zone {call.settings['user_zone']}",
            remedy="set the integration user's time zone to UTC, or name the one it has in user_zone",
        )
    return {}


def _newest(call: Call, query: str) -> Record | None:
    params = {"query": query, "fields": "LastUpdated", "orderby": "id", "order": "DESC", "per_page": 1}
    rows = call.client.request("GET", "tickets", params=params, stream=call.stream).payload["items"]
    return {"id": rows[0]["id"], "LastUpdated": rows[0]["LastUpdated"]} if rows else None


def record(call: Call, record: Record) -> Record:
    """A ticket with `merged_into` when its EffectiveId is another ticket, and with `customer` when its field is set.

    Keys are put into order, and custom fields by their numbers: RT writes both in another order each time.
    """
    record = _sorted(record)
    if call.stream is None or call.stream.name != "tickets":
        return record
    survivor = find(record, "EffectiveId.id") or record.get("EffectiveId")
    if survivor is not None and str(survivor) != str(record["id"]):
        record["merged_into"] = str(survivor)
    fields: list[dict[str, Any]] = sorted(record.get("CustomFields") or [], key=lambda field: int(field["id"]))
    record["CustomFields"] = fields
    wanted = call.settings["customer_field"]
    values = [value for field in fields if field.get("name") == wanted for value in field.get("values") or []]
    if wanted and len(values) == 1:
        record["customer"] = values[0]
    return record


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value
