"""The webhooks that the vendors send: body, headers and signature as each describes them, sent over a real socket."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Hook:
    """One delivery."""

    body: bytes
    headers: dict[str, str]


Make = Callable[[str, str, str, datetime, str], Hook]


def _mac(secret: str, text: bytes, kind: str = "sha256") -> bytes:
    return hmac.new(secret.encode(), text, getattr(hashlib, kind)).digest()


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _zendesk(kind: str, row_id: str, secret: str, now: datetime, _url: str) -> Hook:
    body, stamp = (
        _json({"type": f"zen:event-type:{kind}.updated", "detail": {"id": row_id}}),
        f"{now:%Y-%m-%dT%H:%M:%SZ}",
    )
    names = {"X-Zendesk-Webhook-Signature-Timestamp": stamp, "X-Zendesk-Webhook-Invocation-Id": f"{row_id}-{stamp}"}
    return Hook(body, {**names, "X-Zendesk-Webhook-Signature": _b64(_mac(secret, stamp.encode() + body))})


def _shopify(kind: str, row_id: str, secret: str, now: datetime, _url: str) -> Hook:
    body = _json({"id": int(row_id), "admin_graphql_api_id": f"gid://shopify/Order/{row_id}"})
    names = {"X-Shopify-Topic": f"{kind}/updated", "X-Shopify-Webhook-Id": f"{row_id}-{now.timestamp()}"}
    return Hook(body, {**names, "X-Shopify-Hmac-Sha256": _b64(_mac(secret, body))})


def _hubspot(kind: str, row_id: str, secret: str, now: datetime, url: str) -> Hook:
    event = {"eventId": int(now.timestamp()), "subscriptionType": f"{kind}.propertyChange", "objectId": int(row_id)}
    body, stamp = _json([event]), str(int(now.timestamp() * 1000))
    signed = _mac(secret, b"POST" + url.encode() + body + stamp.encode())
    return Hook(body, {"X-HubSpot-Signature-v3": _b64(signed), "X-HubSpot-Request-Timestamp": stamp})


def _jira(_kind: str, row_id: str, secret: str, now: datetime, _url: str) -> Hook:
    body = _json({"webhookEvent": "jira:issue_updated", "timestamp": int(now.timestamp()), "issue": {"id": row_id}})
    names = {"X-Atlassian-Webhook-Identifier": f"{row_id}-{now.timestamp()}"}
    return Hook(body, {**names, "X-Hub-Signature": f"sha256={_mac(secret, body).hex()}"})


def _openproject(kind: str, row_id: str, secret: str, _now: datetime, _url: str) -> Hook:
    body = _json({"action": f"{kind}:updated", kind: {"_type": kind, "id": int(row_id)}})
    return Hook(body, {"X-OP-Signature": f"sha1={_mac(secret, body, 'sha1').hex()}"})


def _erpnext(kind: str, row_id: str, secret: str, _now: datetime, _url: str) -> Hook:
    body = _json({"doctype": kind, "name": row_id})
    return Hook(body, {"X-Frappe-Webhook-Signature": _b64(_mac(secret, body))})


def _asana(kind: str, row_id: str, secret: str, _now: datetime, _url: str) -> Hook:
    body = _json({"events": [{"action": "changed", "resource": {"gid": row_id, "resource_type": kind}}]})
    return Hook(body, {"X-Hook-Signature": _mac(secret, body).hex()})


def _plain(kind_key: str, id_key: str) -> Make:
    """A vendor that signs nothing and sends a header of the user's own."""

    def make(kind: str, row_id: str, secret: str, _now: datetime, _url: str) -> Hook:
        return Hook(_json({kind_key: kind, id_key: row_id}), {"Authorization": f"Bearer {secret}"})

    return make


VENDORS: dict[str, Make] = {
    "asana": _asana,
    "dynamics": _plain("PrimaryEntityName", "PrimaryEntityId"),
    "erpnext": _erpnext,
    "freshdesk": _plain("object", "id"),
    "hubspot": _hubspot,
    "jira": _jira,
    "jsm": _jira,
    "odoo": _plain("_model", "_id"),
    "openproject": _openproject,
    "salesforce": _plain("object", "id"),
    "servicenow": _plain("table", "sys_id"),
    "shopify": _shopify,
    "zendesk": _zendesk,
    "zentao": _plain("objectType", "objectID"),
}
"""Connector → (the vendor's word for the object, id, secret, moment, address) → the delivery."""


def send(connector: str, kind: str, row_id: str, secret: str, now: datetime, url: str) -> int:
    """Deliver one hook to `url`; the status that came back."""
    hook, parts = VENDORS[connector](kind, row_id, secret, now, url), urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=30)
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, hook.body, {**hook.headers, "Content-Type": "application/json"})
        return connection.getresponse().status
    finally:
        connection.close()
