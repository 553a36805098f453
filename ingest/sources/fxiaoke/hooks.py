"""纷享销客: a token and an employee to read as, the fields that a company has, and the words of its choices."""

from __future__ import annotations

import uuid
from typing import Any

import httpx

from ingest.documents import find, text_of
from ingest.errors import ContractError, LoginError, StreamRefused
from ingest.hooks import Call, Record

_REMEDY = "check the credentials of this source (app_id, app_secret, permanent_code) and its base_url"
_ALWAYS_THERE = frozenset({"_id", "name", "owner", "life_status", "create_time", "last_modified_time"})


def login(call: Call) -> dict[str, str]:
    """Headers of a fresh token (auth = bearer); with auth = body it is kept for the bodies of later calls.

    LoginError when the vendor refuses, or when nobody is named to read as.
    """
    settings, auth = call.settings, call.client.auth
    auth.answer = {}
    keys = {
        "appId": settings["app_id"],
        "appSecret": settings["app_secret"],
        "permanentCode": settings["permanent_code"],
    }
    if settings["auth"] == "bearer":
        found = _asked(call, "oauth2.0/token", {**keys, "grantType": "app_secret"})
        token, user = _known(found, "accessToken"), str(settings["open_user_id"] or "")
        if not user:
            raise _nobody(call)
        auth.learn(token)
        auth.answer = {"convertUserId": True}
        return {"Authorization": f"Bearer {token}", "x-fs-ea": _known(found, "ea"), "x-fs-userid": user}
    found = _asked(call, "cgi/corpAccessToken/get/V2", keys)
    token, company = _known(found, "corpAccessToken"), _known(found, "corpId")
    auth.learn(token)
    named = {"corpAccessToken": token, "corpId": company}
    auth.answer = {**named, "openUserId": settings["open_user_id"] or _by_mobile(call, named)}
    return {}


def _asked(call: Call, path: str, body: dict[str, Any]) -> dict[str, Any]:
    try:
        payload = call.client.bare("POST", path, body=body)
    except (ContractError, StreamRefused) as error:
        raise LoginError(error.what, remedy=_REMEDY) from error
    return payload if isinstance(payload, dict) else {}


def _known(answer: dict[str, Any], key: str) -> str:
    if not answer.get(key):
        raise LoginError(f"the answer to the sign-in has no {key}", valid=", ".join(answer), remedy=_REMEDY)
    return str(answer[key])


def _by_mobile(call: Call, named: dict[str, str]) -> str:
    """The openUserId of the employee with the mobile number of the settings."""
    mobile = str(call.settings["mobile"] or "")
    if not mobile:
        raise _nobody(call)
    people = _asked(call, "cgi/user/getByMobile", {**named, "mobile": mobile}).get("empList") or []
    if not people:
        raise LoginError(
            f"{call.source}: no employee has the mobile number of the setting mobile",
            remedy="set open_user_id, or correct mobile: it is one of the credentials of this source",
        )
    return str(people[0]["openUserId"])


def _nobody(call: Call) -> LoginError:
    return LoginError(
        f"{call.source}: nobody is named to read as",
        remedy="set open_user_id (or, with auth = body, mobile) beside the other credentials: a CRM administrator",
    )


def sign(call: Call, request: httpx.Request) -> dict[str, str]:
    """No headers; gives the call the trace number that the vendor wants in every address."""
    request.url = request.url.copy_merge_params({"thirdTraceId": str(uuid.uuid4())})
    return {}


def prepare(call: Call) -> dict[str, Any]:
    """{prepared.since}: the window's start in ms as text; {prepared.projection}: the fields to ask for, the
    company's own (…__c) included, nothing (= all) where the object is not described; for `record` the words of choices
    and the fields that are known by their label only."""
    stream = call.stream
    if stream is None or call.window is None or not stream.fields:
        return {}
    since = str(max(0, int(call.window.start.timestamp() * 1000)))
    known = _described(call) if call.settings["describe"] else {}
    if not known:
        return {"since": since}
    labelled = {
        name: field for name, words in stream.hook.get("labelled", {}).items() if (field := _with_label(known, words))
    }
    own = sorted(name for name in known if name.endswith("__c"))
    fields = [name for name in stream.fields if name.removesuffix("__r") in known or name in _ALWAYS_THERE]
    labels = {name: _words(known[name]) for name in stream.hook.get("labels", []) if name in known}
    return {
        "since": since,
        "projection": list(dict.fromkeys([*fields, *labelled.values(), *own])),
        "labels": {name: words for name, words in labels.items() if words},
        "labelled": labelled,
    }


def _described(call: Call) -> dict[str, Record]:
    """Field → its description, of the object behind the stream; empty when it may not be described."""
    stream: Any = call.stream
    name = str(call.settings[stream.hook["object"]] if "object" in stream.hook else stream.name)
    body = {"includeDetail": False, "data": {"apiName": name, "includeDetail": False}, "apiName": name}
    try:
        payload = call.client.request("POST", "cgi/crm/v2/object/describe", body=body, stream=stream).payload
    except StreamRefused:
        return {}
    fields = find(payload, "data.describe.fields")
    if not isinstance(fields, dict):
        return {}
    return {key: field for key, field in fields.items() if isinstance(field, dict) and field.get("is_active", True)}


def _with_label(known: dict[str, Record], words: list[str]) -> str:
    """The field whose label holds the first of `words` that any label holds; "" when there is none."""
    for word in words:
        for name in sorted(known):
            if word in str(known[name].get("label", "")):
                return name
    return ""


def _words(field: Record) -> dict[str, str]:
    options = field.get("options")
    return {text_of(one.get("value")): str(one.get("label")) for one in options or [] if isinstance(one, dict)}


def record(call: Call, record: Record) -> Record:
    """The record with `x__label`, the word of a choice x, and with fields that were found by their label."""
    more: Record = {}
    for name, words in call.prepared.get("labels", {}).items():
        if (word := words.get(text_of(record.get(name)))) is not None:
            more[f"{name}__label"] = word
    for name, field in call.prepared.get("labelled", {}).items():
        if record.get(field) not in (None, ""):
            more[name] = record[field]
    return {**record, **more}
