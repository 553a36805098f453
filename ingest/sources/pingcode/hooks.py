"""PingCode: a token asked for by GET, a wait told in a header of its own, and at most twenty ids in a filter."""

from __future__ import annotations

from typing import Any

import httpx

from ingest.errors import LoginError, SourceBusy, SpecError
from ingest.hooks import Call

_IDS = 20


def login(call: Call) -> dict[str, str]:
    """The header of a fresh token of the company. LoginError when refused, SourceBusy when it cannot be given now.

    `expires_in` is the instant at which the token ends (30 days ahead); a 401 tells the end more surely.
    """
    call.client.auth.client.event_hooks = {"response": [_tell_wait]}
    settings = call.settings
    params = {
        "grant_type": "client_credentials",
        "client_id": str(settings["client_id"]),
        "client_secret": str(settings["client_secret"]),
    }
    try:
        answer = httpx.get(call.client.absolute("auth/token"), params=params, timeout=60)
    except httpx.TransportError as error:
        raise SourceBusy(f"sign-in: {type(error).__name__} {error}") from error
    if answer.status_code == 429 or answer.status_code >= 500:
        raise SourceBusy(f"sign-in: {answer.status_code}", retry_after=_wait(answer))
    payload = _object(answer)
    token = payload.get("access_token")
    if answer.status_code >= 400 or not token:
        raise LoginError(
            f"PingCode gave no token: {answer.status_code}, {payload.get('message', 'no reason given')}",
            remedy="check the credentials client_id and client_secret, and the address base_url",
        )
    call.client.auth.learn(str(token))
    return {"Authorization": f"Bearer {token}"}


def _object(answer: httpx.Response) -> dict[str, Any]:
    try:
        payload = answer.json()
    except ValueError:
        return {}
    return payload if isinstance(payload, dict) else {}


def _wait(answer: httpx.Response) -> float | None:
    """Seconds that the vendor asks to wait; None when it does not say."""
    said = answer.headers.get("x-pc-retry-after", "")
    return float(said) if said.isdigit() else None


def _tell_wait(answer: httpx.Response) -> None:
    """The vendor's own header under the name that everybody else uses."""
    if wait := _wait(answer):
        answer.headers["retry-after"] = str(int(wait))


def prepare(call: Call) -> dict[str, Any]:
    """Nothing for the placeholders. SpecError when the setting project_ids names more than a filter holds."""
    ids = [one for one in str(call.settings["project_ids"] or "").split(",") if one.strip()]
    if len(ids) > _IDS:
        raise SpecError(
            f"{call.source}: project_ids names {len(ids)} projects",
            valid=f"at most {_IDS}, the most that a filter of PingCode holds",
            remedy="leave it empty to read all projects, or make a second source",
        )
    return {}
