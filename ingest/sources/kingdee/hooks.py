"""Kingdee K/3 Cloud: rows to objects, only fields that exist, and the signature of signed calls.

The signature was checked against the vendor's SDK; tests/ingest/test_kingdee.py holds the vector.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any
from urllib.parse import quote

import httpx

from ingest.errors import ContractError, StreamRefused
from ingest.hooks import Call
from ops import clock

_INFO = "Kingdee.BOS.WebApi.ServicesStub.DynamicFormService.QueryBusinessInfo.common.kdsvc"
_MASK = "0054f397c6234378b09ca7d3e5debce7"


def prepare(call: Call) -> dict[str, Any]:
    """{fields}: the stream's field keys that this tenant has, plus its own (F_…) of the same entity."""
    stream = call.stream
    if stream is None or not call.settings["describe"]:
        return {}
    named = {"AR_Match": "match_form", "AR_Control": "control_form"}.get(stream.name)
    form = call.settings[named] if named else stream.name.partition(".")[0]
    known = _entities(call, form)
    if known is None:
        return {}
    entity = stream.hook.get("entity") or None
    everything = {key for keys in known.values() for key in keys}
    kept = [
        field
        for field in stream.fields
        if field.partition(".")[0] in everything or _is_entry_key(field, known) or field in stream.id_paths
    ]
    if entity and entity not in known:
        raise StreamRefused(f"form {form} has no entity {entity} in this tenant", valid=", ".join(sorted(known)))
    own = _header(known) + (known[entity] if entity else [])
    custom = sorted({key for key in own if key.startswith("F_") and key not in kept})
    return {"fields": kept + custom}


def _entities(call: Call, form: str) -> dict[str, list[str]] | None:
    """Entity key → field keys of a form; None when the user may not ask. Asked once per run of the source."""
    memo = call.client.memo.setdefault("kingdee_forms", {})
    if form not in memo:
        try:
            answer = call.client.request("POST", _INFO, body={"data": {"FormId": form}}, stream=call.stream)
        except StreamRefused:
            memo[form] = None
            return None
        entries = answer.payload["Result"]["NeedReturnData"]["Entrys"]
        memo[form] = {entry["Key"]: [field["Key"] for field in entry["Fields"]] for entry in entries}
    found: dict[str, list[str]] | None = memo[form]
    return found


def _header(known: dict[str, list[str]]) -> list[str]:
    return known.get("FBillHead") or next(iter(known.values()), [])


def _is_entry_key(field: str, known: dict[str, list[str]]) -> bool:
    """Keys such as FEntity_FSeq are made of an entity and a field; metadata lists neither the pair nor FSeq."""
    return any(field.startswith(entity + "_") for entity in known)


def records(call: Call, payload: Any) -> list[dict[str, Any]]:
    """Rows (lists in FieldKeys order) as objects keyed by field key."""
    stream = call.stream
    if stream is None:
        return []
    asked = stream.body["data"]["FieldKeys"]
    keys = call.prepared.get("fields", stream.fields) if asked == "{fields}" else asked.split(",")
    if not isinstance(payload, list) or any(not isinstance(row, list) or len(row) != len(keys) for row in payload):
        raise ContractError(
            f"{stream.name}: the answer is not rows of {len(keys)} fields",
            remedy="check the form id and fields",
        )
    return [dict(zip(keys, row, strict=True)) for row in payload]


def login(call: Call) -> dict[str, str]:
    """Signed calls need no login."""
    return {}


def sign(call: Call, request: httpx.Request) -> dict[str, str]:
    """The headers of a signed call."""
    now = clock.wall().timestamp()
    stamp = str(int(now * 1000) if call.settings["timestamp_ms"] else int(now))
    settings = call.settings
    data = f"{settings['acct_id']},{settings['username']},{settings['lcid']},{settings['org_number']}"
    return signature(settings["app_id"], settings["app_secret"], request.url.raw_path.decode(), stamp, data)


def signature(app_id: str, app_secret: str, path: str, stamp: str, data: str) -> dict[str, str]:
    """Headers for `path` at `stamp` (seconds or milliseconds, also the nonce); `data` = acct,user,lcid,org."""
    client_id, _, scrambled = app_id.partition("_")
    secret = base64.b64encode(
        bytes(a ^ b for a, b in zip(base64.b64decode(scrambled), _MASK[:24].encode(), strict=False))
    )
    text = f"POST\n{quote(path, safe='')}\n\nx-api-nonce:{stamp}\nx-api-timestamp:{stamp}\n"
    return {
        "X-Api-ClientID": client_id,
        "X-Api-Auth-Version": "2.0",
        "x-api-timestamp": stamp,
        "x-api-nonce": stamp,
        "x-api-signheaders": "x-api-timestamp,x-api-nonce",
        "X-Api-Signature": _mark(secret, text),
        "X-Kd-Appkey": app_id,
        "X-Kd-Appdata": base64.b64encode(data.encode()).decode(),
        "X-Kd-Signature": _mark(app_secret.encode(), app_id + data),
    }


def _mark(key: bytes, text: str) -> str:
    """Base64 of the lowercase hex digest, not of the raw bytes: the vendor's way."""
    return base64.b64encode(hmac.new(key, text.encode(), hashlib.sha256).hexdigest().encode()).decode()
