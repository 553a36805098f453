"""Judging an answer: good, come back later, log in again, this object is refused, or broken."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import httpx

from ingest.documents import find, loads, text_of
from ingest.errors import ContractError, CursorExpired, PlaceExpired, SourceBusy, SpanTooLong, StreamRefused
from ingest.slices import Cut, Slicer
from ingest.spec import HttpSpec
from ingest.spec_parts import Rule, Stop
from ops import clock

_RETRY_STATUS = frozenset({408, 409, 423, 425, 429, 500, 502, 503, 504})
_SHOWN = 300


@dataclass(frozen=True)
class Answer:
    """A good answer: its JSON value, headers and address; cut into records where the caller gave a slicer."""

    payload: Any
    headers: httpx.Headers
    url: str
    size: int
    cut: Cut | None = None


@dataclass(frozen=True)
class Verdict:
    """What to do about an answer that is not good: wait and retry, or log in again."""

    action: Literal["retry", "renew"]
    why: str
    delay: float | None = None
    remedy: str = ""
    is_down: bool = False
    """Nobody answered, or the server told that it cannot: not a limit, not a body cut short."""


def holds(stop: Stop, payload: Any) -> bool:
    """Whether `payload` has one of the values at the path (any value when none is listed)."""
    value = find(payload, stop.path)
    return text_of(value) in stop.values if stop.values else value not in (None, "", [], {})


def text_in(response: httpx.Response) -> str:
    """The body's text by its declared charset, else UTF-8, else GB 18030 (older Chinese servers)."""
    if response.charset_encoding:
        return response.text
    try:
        return response.content.decode("utf-8")
    except UnicodeDecodeError:
        return response.content.decode("gb18030", errors="replace")


def judge(response: httpx.Response, http: HttpSpec, where: str, slicer: Slicer | None = None) -> Answer | Verdict:
    """An Answer when the source said yes, a Verdict when the call may be repeated, else an error is raised."""
    cut = slicer.cut(response.content) if slicer and _is_plain(response) else None
    if cut and _is_good(cut.payload, http):
        return Answer(cut.payload, response.headers, str(response.url), len(response.content), cut)
    text = text_in(response)
    payload, broken = _parse(text)
    answer = Answer(payload, response.headers, str(response.url), len(response.content))
    status = response.status_code
    for rule in http.errors:
        if _matches(rule, status, payload, text):
            said = _reason(payload, http, text)
            return _apply(rule, answer, said if status < 400 else f"{status}, {said}", where, response)
    if status == 401:
        return Verdict("renew", f"{where}: 401, {_reason(payload, http, text)}")
    if status in _RETRY_STATUS:
        why = f"{where}: {status}, {_reason(payload, http, text)}"
        return Verdict("retry", why, retry_after(response), is_down=status >= 500)
    if 300 <= status < 400 or (status == 200 and _is_page(response, text)):
        return Verdict("renew", f"{where}: a web page came instead of data ({_title(text, response)})")
    if status in {403, 404, 410}:
        raise StreamRefused(
            f"{where}: {status}, {_reason(payload, http, text)}",
            remedy="give the integration user the right to read this object, or correct the address",
        )
    if status >= 400:
        raise ContractError(f"{where}: {status}, {_reason(payload, http, text)}")
    if broken:
        return Verdict("retry", f"{where}: the answer is not JSON ({_short(text)!r})")
    if http.success and payload is not None and not holds(http.success, payload):
        found = text_of(find(payload, http.success.path))
        raise ContractError(
            f"{where}: {http.success.path} is {found!r}, {_reason(payload, http, text)}",
            valid=", ".join(http.success.values),
        )
    return answer


def _is_plain(response: httpx.Response) -> bool:
    """Whether the answer may be cut: a good status, no web page, no other letters than UTF-8 declared."""
    kind = response.headers.get("content-type", "")
    if response.status_code != 200 or "html" in kind:
        return False
    return "charset" not in kind.lower() or (response.charset_encoding or "utf-8").lower() in {"utf-8", "utf8"}


def _is_good(payload: Any, http: HttpSpec) -> bool:
    """Whether nothing around the records says otherwise; if something does, the whole answer is judged."""
    if http.success and not holds(http.success, payload):
        return False
    suspects = [rule for rule in http.errors if not rule.status or 200 in rule.status]
    return not any(_matches(rule, 200, payload, "") if rule.path else rule.status for rule in suspects)


def _parse(text: str) -> tuple[Any, bool]:
    if not text.strip():
        return None, False
    try:
        return loads(text), False
    except ValueError:
        return None, True


def _matches(rule: Rule, status: int, payload: Any, text: str) -> bool:
    if rule.status and status not in rule.status:
        return False
    if not rule.path:
        spoken = rule.status or not isinstance(payload, dict | list)  # never inside a good body's data
        return bool(spoken) and (rule.contains in text if rule.contains else True)
    value = find(payload, rule.path)
    if value is None:
        return False
    if rule.values and text_of(value) not in rule.values:
        return False
    return rule.contains in text_of(value) if rule.contains else True


def _apply(rule: Rule, answer: Answer, reason: str, where: str, response: httpx.Response) -> Answer | Verdict:
    remedy = rule.remedy or None
    if rule.action == "skip":
        return Answer(None, answer.headers, answer.url, answer.size)
    if rule.action == "restart":
        raise CursorExpired(f"{where}: {reason}", payload=answer.payload)
    if rule.action == "anew":
        raise PlaceExpired(f"{where}: {reason}", remedy=remedy)
    if rule.action == "halve":
        raise SpanTooLong(f"{where}: {reason}", remedy=remedy)
    if rule.action == "fail":
        raise ContractError(f"{where}: {reason}", remedy=remedy)
    if rule.action == "refuse":
        raise StreamRefused(f"{where}: {reason}", remedy=remedy)
    if rule.action == "later":
        raise SourceBusy(f"{where}: {reason}", remedy=remedy, retry_after=retry_after(response))
    delay = retry_after(response) if rule.action == "retry" else None
    return Verdict(rule.action, f"{where}: {reason}", delay, rule.remedy)


def _is_page(response: httpx.Response, text: str) -> bool:
    kind = response.headers.get("content-type", "")
    return "html" in kind or text.lstrip()[:1] == "<"


def _title(text: str, response: httpx.Response) -> str:
    if response.is_redirect:
        return f"redirected to {response.headers.get('location', '?').partition('?')[0]}"
    start, end = text.lower().find("<title>"), text.lower().find("</title>")
    return f"titled {_short(text[start + 7 : end])!r}" if 0 <= start < end else "without a title"


def _reason(payload: Any, http: HttpSpec, text: str) -> str:
    for path in http.error_path:
        value = find(payload, path)
        if value not in (None, "", [], {}):
            return _short(text_of(value))
    return _short(text) or "no explanation"


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _SHOWN else flat[:_SHOWN] + "…"


def retry_after(response: httpx.Response) -> float | None:
    """Seconds the source asks us to wait: Retry-After (seconds or a date), else X-RateLimit-Reset; None if silent."""
    value = response.headers.get("retry-after", "").strip()
    if value.replace(".", "", 1).isdigit():
        return float(value)
    moment = _moment(value) or (
        _moment(response.headers.get("x-ratelimit-reset", "")) if response.status_code == 429 else None
    )
    return max(0.0, (moment - clock.wall()).total_seconds()) if moment else None


def _moment(value: str) -> datetime | None:
    if not value:
        return None
    if value.isdigit():
        return datetime.fromtimestamp(int(value), UTC) if len(value) >= 10 else None
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = parse(value)
        except ValueError:
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None
