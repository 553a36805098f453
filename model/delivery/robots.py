"""The group robots of WeCom, DingTalk and Feishu: payloads, signatures, sizes, rates and what their answers mean.

All three answer HTTP 200 with an error code in the body; only code 0 is delivered. Payloads, limits and codes are the
vendors' (企业微信群机器人, 钉钉自定义机器人, 飞书自定义机器人).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import httpx

from model.delivery.faults import Refused, Throttled, Uncertain
from ops import clock
from ops.secrets import Redactor

TIMEOUT_S = 15.0
_RESERVED = 120  # bytes that Feishu's timestamp and signature add to a body


@dataclass(frozen=True)
class Kind:
    """What one vendor's robot takes: body size in UTF-8 bytes (`text_limit`: of the text alone), sends a minute,
    the least pause between two sends, and its error codes."""

    body_limit: int
    text_limit: int
    per_minute: int
    pause_s: float
    throttled: dict[int, float]
    permanent: frozenset[int]
    avoids_half_hours: bool = False


KINDS = {
    "wecom": Kind(1_000_000, 4096, 20, 0.0, {45009: 60.0}, frozenset({40058, 93000})),
    "dingtalk": Kind(20_000, 20_000, 20, 0.0, {130101: 600.0}, frozenset({310000})),
    "feishu": Kind(20_000, 20_000, 100, 0.2, {11232: 60.0}, frozenset({19021, 19022, 19024, 9499}), True),
}


def mac(key: bytes, message: bytes) -> str:
    """HMAC-SHA256 in base64, what DingTalk and Feishu both sign with."""
    return base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()


def dingtalk_sign(secret: str, milliseconds: int) -> str:
    """The signature, not yet URL-encoded: the secret as key over "ms\\nsecret"."""
    return mac(secret.encode(), f"{milliseconds}\n{secret}".encode())


def feishu_sign(secret: str, seconds: int) -> str:
    """The signature: "seconds\\nsecret" as key over nothing."""
    return mac(f"{seconds}\n{secret}".encode(), b"")


def payload(kind: str, title: str, text: str) -> dict[str, Any]:
    """The message as this vendor wants it, unsigned. `title` already holds the keyword."""
    if kind == "wecom":
        return {"msgtype": "markdown", "markdown": {"content": f"**{title}**\n{text}"}}
    if kind == "dingtalk":
        return {"msgtype": "markdown", "markdown": {"title": title, "text": _dingtalk_lines(f"### {title}\n{text}")}}
    return {
        "msg_type": "interactive",
        "card": {
            "config": {"wide_screen_mode": True},
            "header": {"title": {"tag": "plain_text", "content": title}, "template": "blue"},
            "elements": [{"tag": "markdown", "content": text}],
        },
    }


def _dingtalk_lines(text: str) -> str:
    # DingTalk joins single line breaks; two spaces before one keep it.
    return text.replace("\n", "  \n")


def fits(kind: str, title: str) -> Callable[[str], bool]:
    """Whether a text under `title` stays within the vendor's limits, in UTF-8 bytes of what is sent."""
    limits = KINDS[kind]

    def judge(text: str) -> bool:
        made = payload(kind, title, text)
        content = made["markdown"].get("content", "") if kind == "wecom" else ""
        return len(encode(made)) + _RESERVED <= limits.body_limit and len(content.encode()) <= limits.text_limit

    return judge


def encode(made: dict[str, Any]) -> bytes:
    """JSON in UTF-8, Han characters unescaped, as it goes over the wire."""
    return json.dumps(made, ensure_ascii=False, separators=(",", ":")).encode()


def is_rush(kind: str, instant: datetime) -> bool:
    """Whether this vendor asks not to send now: Feishu throttles everybody at the full and half hour."""
    return KINDS[kind].avoids_half_hours and instant.minute in {0, 30}


def send(kind: str, name: str, address: str, secret: str | None, body: str) -> str:
    """Post one payload; returns the vendor's word for success.

    Raises Refused (permanent or not), Throttled, or Uncertain when the answer did not arrive. No error names the
    address or the secret.
    """
    redactor = _redactor(address, secret)
    made = json.loads(body)
    if kind == "dingtalk" and secret:
        milliseconds = int(clock.now().timestamp() * 1000)
        sign = quote(dingtalk_sign(secret, milliseconds), safe="")
        address += f"{'&' if '?' in address else '?'}timestamp={milliseconds}&sign={sign}"
    if kind == "feishu" and secret:
        seconds = int(clock.now().timestamp())
        made = {"timestamp": str(seconds), "sign": feishu_sign(secret, seconds), **made}
    status, answered = _post(f"{kind} robot {name}", address, encode(made), redactor)
    return _judge(kind, f"{kind} robot {name}", status, answered, redactor)


def _post(robot: str, address: str, body: bytes, redactor: Redactor) -> tuple[int, bytes]:
    """One request on a bare transport: httpx's client would log the address, which is the robot's secret."""
    try:
        request = _request(address, body)
        with httpx.HTTPTransport() as transport:
            response = transport.handle_request(request)
            return response.status_code, response.read()
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise Refused(f"{robot}: its address is not a URL", permanent=True) from error
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise Refused(f"{robot} cannot be reached: {redactor.clean(str(error))}", permanent=False) from error
    except httpx.HTTPError as error:
        raise Uncertain(f"{robot} did not answer: {type(error).__name__}") from error


def _request(address: str, body: bytes) -> httpx.Request:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    limits = dict.fromkeys(("connect", "read", "write", "pool"), TIMEOUT_S)
    request = httpx.Request("POST", address, content=body, headers=headers, extensions={"timeout": limits})
    if not request.url.host:
        raise httpx.InvalidURL("no host")
    return request


def _judge(kind: str, robot: str, status: int, answered: bytes, redactor: Redactor) -> str:
    if status == 429:
        raise Throttled(f"{robot} answered HTTP 429", 60.0)
    if status >= 400:
        raise Refused(f"{robot} answered HTTP {status}", permanent=status < 500 and status != 408)
    try:
        answer = json.loads(answered)
        code = int(answer["code"] if "code" in answer else answer.get("errcode", answer.get("StatusCode")))
    except (ValueError, TypeError, AttributeError) as error:
        raise Uncertain(f"{robot} answered HTTP {status} without a result code") from error
    said = redactor.clean(str(answer.get("errmsg") or answer.get("msg") or ""))[:300]
    if code == 0:
        return said or "ok"
    if code in KINDS[kind].throttled:
        raise Throttled(f"{robot} answered {code} {said}", KINDS[kind].throttled[code])
    raise Refused(f"{robot} answered {code} {said}", permanent=code in KINDS[kind].permanent)


def _redactor(address: str, secret: str | None) -> Redactor:
    redactor = Redactor()
    parts = urlsplit(address)
    for value in (address, secret or "", parts.path.rpartition("/")[2], *(v for _, v in parse_qsl(parts.query))):
        redactor.add(value)
    return redactor
