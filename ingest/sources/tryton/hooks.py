"""Tryton's session, its change filter, and its JSON clothes taken off."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

import httpx

from ingest.errors import ContractError, LoginError, SourceBusy, StreamRefused
from ingest.hooks import Call

Domain = list[Any]
_ALWAYS_THERE = frozenset({"id", "rec_name"})


def login(call: Call) -> dict[str, str]:
    """The header of a new session. LoginError when refused, SourceBusy when the server cannot answer now."""
    user, database = call.settings["user"], call.settings["database"]
    body = {
        "id": 1,
        "method": "common.db.login",
        "params": [user, {"password": call.settings["password"]}, "en"],
    }
    try:
        answer = httpx.post(call.client.absolute(f"{database}/rpc/"), json=body, timeout=60)
    except httpx.TransportError as error:
        raise SourceBusy(f"login: {type(error).__name__} {error}") from error
    if answer.status_code == 429 or answer.status_code >= 500:
        raise SourceBusy(f"login: {answer.status_code}", remedy="too many failed logins make Tryton wait")
    if answer.status_code == 404:
        raise LoginError(f"Tryton has no database {database!r}", remedy="correct the setting database")
    is_refused = answer.status_code in (401, 403)  # a web page says so, not JSON
    if not is_refused and "json" not in answer.headers.get("content-type", ""):
        raise LoginError("a web page came instead of an answer to the login", remedy="correct base_url or database")
    session = None if is_refused else _session(answer)
    if session is None:
        remedy = "check the credentials of this source: user and password"
        raise LoginError(f"Tryton refused the login of {user}", remedy=remedy)
    token = base64.b64encode(f"{user}:{session[0]}:{session[1]}".encode()).decode()
    return {"Authorization": f"Session {token}"}


def _session(answer: httpx.Response) -> tuple[int, str] | None:
    try:
        result = answer.json().get("result")
    except ValueError:
        return None
    return (result[0], result[1]) if isinstance(result, list) and len(result) > 1 and result[1] else None


def prepare(call: Call) -> dict[str, Any]:
    """What the placeholders of the stream stand for: base (what it reads at all), domain (and what changed), fields,
    context; own (our own parties). Names fields that this server lacks, because one of them fails the whole read."""
    hook: Any = call.stream and call.stream.hook
    context = {"company": call.settings["company"], "active_test": False}
    _check_fields(call, context)
    base: Domain = list(hook.get("domain", []))
    changed = _changed(call, hook.get("always"))
    own = _own_parties(call, context) if hook.get("mark_own") else frozenset()
    domain = [*base, changed] if changed else base
    fields = list(call.stream.fields) if call.stream else []
    return {"base": base, "domain": domain, "fields": fields, "context": context, "own": own}


def _own_parties(call: Call, context: dict[str, Any]) -> frozenset[int]:
    """Parties that are our own company or one of its people: no customers, though Tryton keeps them together."""
    found: set[int] = set()
    for model in ("company.company", "company.employee"):
        params = [[], 0, None, None, ["party"], context]
        body = {"id": 1, "method": f"model.{model}.search_read", "params": params}
        rows = call.client.request("POST", f"{call.settings['database']}/rpc/", body=body).payload["result"]
        found |= {row["party"] for row in rows}
    return frozenset(found)


def _changed(call: Call, always: Domain | None) -> Domain:
    """Written since the window's start, or never written and created since; or in a state that can still move."""
    if call.full or call.window is None:
        return []
    since = wrap(call.window.start)
    parts: Domain = [["write_date", ">=", since], [["write_date", "=", None], ["create_date", ">=", since]]]
    return ["OR", *parts, *([always] if always else [])]


def _check_fields(call: Call, context: dict[str, Any]) -> None:
    stream: Any = call.stream
    model = stream.name
    body = {"id": 1, "method": f"model.{model}.fields_get", "params": [None, 0, context]}
    path = f"{call.settings['database']}/rpc/"
    try:
        known = call.client.request("POST", path, body=body, stream=stream).payload["result"]
    except ContractError as error:
        if repr(model) in error.what:
            raise StreamRefused(f"this Tryton has no {model}: its module is not activated") from error
        raise
    heads = {name.partition(".")[0] for name in stream.fields} - _ALWAYS_THERE
    if missing := sorted(heads - set(known)):
        # fields that link to what this user may not read are left out: the model itself may be closed to the user
        first = {"id": 1, "method": f"model.{model}.search_read", "params": [[], 0, 1, None, ["id"], context]}
        call.client.request("POST", path, body=first, stream=stream)
        raise ContractError(
            f"{model} has no field {', '.join(missing)}",
            valid=", ".join(sorted(known)),
            remedy="correct the stream's fields, or give the user of this source the right to read what they link to",
        )


def record(call: Call, record: dict[str, Any]) -> dict[str, Any]:
    """The record with decimals as text, dates and UTC instants in ISO form, durations in seconds; `is_own` on parties
    that are ourselves; `settled` on an invoice's payments, `received` on a line: the amount in the document's currency.
    """
    plain = {key: unwrap(value) for key, value in record.items()}
    if call.stream and call.stream.name == "account.invoice":
        currency = (plain.get("currency.") or {}).get("id")
        paid = [{**line, "settled": _credit(line, currency)} for line in plain.get("payment_lines.") or []]
        return {**plain, "payment_lines.": paid}
    if call.stream and call.stream.name == "account.move.line":
        return {**plain, "received": _credit(plain, (plain.get("second_currency.") or {}).get("id"))}
    return {**plain, "is_own": True} if record.get("id") in call.prepared.get("own", ()) else plain


def _credit(line: dict[str, Any], currency: int | None) -> str | None:
    """What a line credits, in `currency`: a line is booked in the company's, and beside it maybe in a second one."""
    second = line.get("second_currency") or (line.get("second_currency.") or {}).get("id")
    other = line.get("amount_second_currency")
    found = other if other is not None and second is not None and second == currency else line.get("credit")
    return None if found is None else str(found).lstrip("-")


def wrap(instant: datetime) -> dict[str, Any]:
    """An instant in UTC as Tryton writes it."""
    parts = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    return {"__class__": "datetime", **{part: getattr(instant, part) for part in parts}}


def unwrap(value: Any) -> Any:
    """A value without its `__class__` table; what has none stays, at any depth."""
    if isinstance(value, list):
        return [unwrap(item) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("__class__")
    if kind is None:
        return {key: unwrap(item) for key, item in value.items()}
    if kind == "Decimal":
        return value["decimal"]
    if kind == "date":
        return f"{value['year']:04}-{value['month']:02}-{value['day']:02}"
    if kind == "datetime":
        numbers = {key: number for key, number in value.items() if key != "__class__"}
        return datetime(**numbers).isoformat(timespec="microseconds") + "Z"  # noqa: DTZ001 - Tryton's are UTC
    if kind == "timedelta":
        return value["seconds"]
    if kind == "time":
        return f"{value['hour']:02}:{value['minute']:02}:{value['second']:02}"
    return value.get("base64")
