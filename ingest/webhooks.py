"""Is a webhook what it says it is, and which records does it name? Pure functions over one request.

Nothing of a payload is ever kept: it names records, which are then read from the source itself.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from ingest.documents import find, loads, text_of
from ingest.hook_spec import WebhookSpec

Verdict = Literal["good", "unsigned", "stale"]
MAX_BODY = 256 * 1024
"""Bytes; the vendors' own limits lie below it, and only ids are wanted."""
MAX_EVENTS = 1000
_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.:@-]{0,99}$")
"""What may be put into a filter or an address of the source: no quote, blank, slash, bracket or sign of a query."""


@dataclass(frozen=True)
class Incoming:
    """One request as it came. Header names in lower case; `uri` is the whole address that the vendor called."""

    body: bytes
    headers: Mapping[str, str]
    query: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"
    uri: str = ""


@dataclass(frozen=True)
class Named:
    """What a hook names: stream → ids of records (None: the whole stream), the delivery's ids, ignored events."""

    streams: dict[str, set[str] | None]
    deliveries: list[str]
    ignored: int = 0


class BodyError(ValueError):
    """The body is not the JSON that the vendor sends."""


def verify(spec: WebhookSpec, secret: str, incoming: Incoming, now: datetime) -> Verdict:
    """Whether `incoming` bears the secret, and lately. Compared in constant time; no reason is given for a refusal."""
    if not secret:
        return "unsigned"
    if spec.scheme == "bearer":
        return "good" if _bears(spec, secret, incoming) else "unsigned"
    if spec.scheme == "basic":
        return "good" if _same(_password(incoming.headers.get("authorization", "")), secret) else "unsigned"
    if not _same(_given(spec, incoming), _signature(spec, secret, incoming)):
        return "unsigned"
    if spec.timestamp:
        sent = _moment(spec, incoming.headers.get(spec.timestamp.lower(), ""))
        if sent is None or abs((now - sent).total_seconds()) > spec.tolerance_s:
            return "stale"
    return "good"


def sign(spec: WebhookSpec, secret: str, incoming: Incoming) -> str:
    """The value that `header` must have for `incoming`, with its prefix; hmac schemes only."""
    made = _signature(spec, secret, incoming)
    return spec.prefix + (made.hex() if spec.encoding == "hex" else base64.b64encode(made).decode())


def named(spec: WebhookSpec, incoming: Incoming) -> Named:
    """The records that `incoming` names. BodyError when its body is not JSON or holds too many events."""
    payload = payload_of(incoming)
    events = find(payload, spec.events) if spec.events else payload
    events = events if isinstance(events, list) else [events]
    if len(events) > MAX_EVENTS:
        raise BodyError(f"more than {MAX_EVENTS} events")
    streams: dict[str, set[str] | None] = {}
    deliveries, ignored = [], 0
    header = incoming.headers.get(spec.delivery.lower(), "") if spec.delivery else ""
    for event in events:
        if not isinstance(event, dict):
            raise BodyError("an event is no object")
        stream = spec.streams.get(_kind(spec, incoming, event))
        if spec.delivery_path and (one := text_of(find(event, spec.delivery_path))):
            deliveries.append(one[:200])
        if stream is None:
            ignored += 1
            continue
        _add(streams, stream, text_of(find(event, spec.id)) if spec.id else "")
    return Named(streams, [header[:200]] if header else deliveries, ignored)


def payload_of(incoming: Incoming) -> Any:
    """The body as JSON; BodyError when it is none."""
    try:
        return loads(incoming.body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BodyError("the body is not JSON") from error


def is_id(text: str) -> bool:
    """Whether `text` may stand in a call to the source."""
    return bool(_ID.match(text)) and ".." not in text


def _add(streams: dict[str, set[str] | None], stream: str, row_id: str) -> None:
    if not is_id(row_id):
        streams[stream] = None
        return
    known = streams.setdefault(stream, set())
    if known is not None:
        known.add(row_id)


def _kind(spec: WebhookSpec, incoming: Incoming, event: dict[str, Any]) -> str:
    said = incoming.headers.get(spec.kind_header.lower(), "") if spec.kind_header else text_of(find(event, spec.kind))
    return said.split(spec.split)[0] if spec.split else said


def _signature(spec: WebhookSpec, secret: str, incoming: Incoming) -> bytes:
    parts = {
        "{timestamp}": incoming.headers.get(spec.timestamp.lower(), "").encode() if spec.timestamp else b"",
        "{method}": incoming.method.encode(),
        "{uri}": incoming.uri.encode(),
        "{body}": incoming.body,
    }
    pieces = re.split(r"(\{\w+\})", spec.over)
    text = b"".join(parts[piece] if piece in parts else piece.encode() for piece in pieces)
    return hmac.new(secret.encode(), text, hashlib.sha256 if spec.scheme == "hmac-sha256" else hashlib.sha1).digest()


def _given(spec: WebhookSpec, incoming: Incoming) -> bytes:
    text = incoming.headers.get(spec.header.lower(), "")
    if not text.startswith(spec.prefix):
        return b""
    text = text[len(spec.prefix) :].strip()
    try:
        return bytes.fromhex(text) if spec.encoding == "hex" else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return b""


def _bears(spec: WebhookSpec, secret: str, incoming: Incoming) -> bool:
    text = incoming.headers.get(spec.header.lower(), "")
    if text.startswith(spec.prefix) and _same(text[len(spec.prefix) :].encode(), secret.encode()):
        return True
    return bool(spec.in_query) and _same(incoming.query.get(spec.in_query, "").encode(), secret.encode())


def _password(header: str) -> bytes:
    kind, _, text = header.partition(" ")
    try:
        given = base64.b64decode(text, validate=True) if kind.lower() == "basic" else b""
    except (ValueError, binascii.Error):
        return b""
    return given.partition(b":")[2]


def _same(given: bytes, wanted: bytes | str) -> bool:
    return hmac.compare_digest(given, wanted.encode() if isinstance(wanted, str) else wanted)


def _moment(spec: WebhookSpec, text: str) -> datetime | None:
    try:
        if spec.timestamp_format == "iso":
            moment = datetime.fromisoformat(text)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        number = int(text)
        return datetime.fromtimestamp(number / 1000 if spec.timestamp_format == "epoch_ms" else number, UTC)
    except (ValueError, OverflowError, OSError):
        return None
