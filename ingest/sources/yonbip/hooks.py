"""YonBIP: where to call is asked first, the token is signed for, and lists repeat a header on each of its lines."""

from __future__ import annotations

import base64
import hashlib
import hmac
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode, urlsplit

from ingest.documents import find, text_of
from ingest.errors import ContractError, LoginError, SpecError, StreamRefused
from ingest.hooks import Call, Record
from ops import clock

_SHARED = frozenset({"ac", "co", "com", "edu", "gov", "net", "org"})
"""Second names under which anybody may have a host, such as com in com.cn."""
_REMEDY = "check the credentials of this source (app_key, app_secret), tenant_id and the addresses"


def login(call: Call) -> dict[str, str]:
    """No headers: the gateway's address and the token are kept for later calls. LoginError when refused."""
    settings, auth = call.settings, call.client.auth
    auth.answer = {}
    gateway, tokens = str(settings["gateway_url"] or ""), str(settings["token_url"] or "")
    if not (gateway and tokens):
        gateway, tokens = _addresses(call)
    key, moment = str(settings["app_key"]), str(int(clock.wall().timestamp() * 1000))
    signed = {"appKey": key, "timestamp": moment, "signature": signature(key, moment, str(settings["app_secret"]))}
    url = f"{tokens.rstrip('/')}/{str(settings['token_path']).lstrip('/')}?{urlencode(signed)}"
    token = find(_asked(call, url), "data.access_token")
    if not token:
        raise LoginError("the answer to the sign-in has no data.access_token", remedy=_REMEDY)
    auth.learn(str(token))
    auth.answer = {"gateway": "" if settings["gateway_url"] else gateway, "access_token": str(token)}
    return {}


def signature(key: str, timestamp: str, secret: str) -> str:
    """Base64 of HMAC-SHA256 over appKey and timestamp; it goes into an address, so it must be encoded once."""
    text = f"appKey{key}timestamp{timestamp}"
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()


def _addresses(call: Call) -> tuple[str, str]:
    """(gateway, tokens) of the company's data centre, on a host of the vendor's own."""
    start, tenant = str(call.settings["discovery_url"]).rstrip("/"), str(call.settings["tenant_id"] or "")
    if not tenant:
        raise LoginError(f"{call.source}: whose data centre?", remedy="set tenant_id beside the other credentials")
    names = urlencode({"yhtTenantId": tenant, "tenantId": tenant})
    found = _asked(call, f"{start}/open-auth/dataCenter/getGatewayAddress?{names}")
    urls = [str(find(found, f"data.{name}") or "") for name in ("gatewayUrl", "tokenUrl")]
    home = _family(start)
    if strange := [url for url in urls if _family(url) != home]:
        raise LoginError(
            f"{call.source}: the data centre's address is {strange[0] or 'missing'}",
            valid=f"an address of {home}",
            remedy="check discovery_url and tenant_id, or set gateway_url and token_url; credentials go nowhere else",
        )
    return urls[0], urls[1]


def _family(url: str) -> str:
    """Scheme and host of an address without the host's first names: https://c2.firm.com/x → https://firm.com; a number
    stays whole, and firm.com.cn is not taken for com.cn."""
    parts = urlsplit(url)
    names = (parts.hostname or "").split(".")
    is_number = "".join(names).isdigit()
    kept = 3 if len(names) > 2 and names[-2] in _SHARED else 2
    return f"{parts.scheme}://{'.'.join(names if is_number else names[-kept:])}"


def _asked(call: Call, url: str) -> Any:
    try:
        return call.client.bare("GET", url)
    except (ContractError, StreamRefused) as error:
        raise LoginError(error.what, remedy=_REMEDY) from error


def prepare(call: Call) -> dict[str, Any]:
    """Nothing for the placeholders; what `records` carries from page to page. SpecError when both families are on."""
    if call.settings["efi"] and call.settings["fi"]:
        raise SpecError(
            f"{call.source}: both families of receivables are on, their sums would count twice",
            valid="efi (EFI/…) or fi (fi/…)",
            remedy="run `c360 check` with each, and keep the one that holds your receivables",
        )
    return {"carry": [], "said": [], "sent": {}}


def records(call: Call, payload: Any) -> list[Record]:
    """One document for each header of an answer, with its `lines` and their sums.

    A header whose lines end with a page that is not the last one comes with the next page, all its lines together.
    """
    stream: Any = call.stream
    if stream.parent:
        return _plan(call, payload)
    data = find(payload, "data")
    rows = data if isinstance(data, list) else find(data, "recordList")
    if rows is None and isinstance(data, dict) and "recordList" in data:
        rows = []
    if not isinstance(rows, list):
        keys = ", ".join(list(payload)[:20]) if isinstance(payload, dict) else type(payload).__name__
        raise ContractError(f"{call.source}/{stream.name}: the answer has no list of records", valid=keys)
    is_last = payload["isLast"] = _is_last(call, data, rows)
    line_id = stream.hook.get("line_id")
    carry = [] if text_of(find(data, "pageIndex")) == "1" else call.prepared["carry"]
    if not line_id or not any(line_id in row for row in [*carry, *rows]):
        return rows
    groups = _grouped(carry, rows, line_id)
    shown = _ready(call, carry, groups, is_last=is_last)
    return [_document(stream.hook, list(groups[name].values())) for name in shown]


def _ready(call: Call, carry: list[Record], groups: dict[str, dict[str, Record]], *, is_last: bool) -> list[str]:
    """The headers whose lines are told now. The last one of a page waits for the next page, unless nothing else is new:
    a page that tells the same headers as the page before would look like the end of the list."""
    kept, names = call.prepared, list(groups)
    last = names[-1]
    shown = [name for name in names if is_last or name != last or len(names) == 1]
    shown = [name for name in shown if not carry or kept["sent"].get(name) != len(groups[name])]
    if not is_last and (not shown or shown == kept["said"]) and last not in shown:
        shown.append(last)
    if not is_last and carry and shown == kept["said"]:
        raise ContractError(
            f"{call.source}/{call.stream.name if call.stream else ''}: the document {last} has more lines than a page",
            remedy="raise page_size as far as the vendor allows",
        )
    kept["carry"] = [] if is_last else list(groups[last].values())
    kept["said"], kept["sent"] = shown, {last: len(groups[last])} if last in shown else {}
    return shown


def _grouped(carry: list[Record], rows: list[Record], line_id: str) -> dict[str, dict[str, Record]]:
    """Header id → line id → row, as listed; what was carried over comes first unless its header is listed again."""
    listed = [text_of(row.get("id")) for row in rows]
    first = [text_of(row.get("id")) for row in carry]
    groups: dict[str, dict[str, Record]] = {name: {} for name in [*(set(first) - set(listed)), *listed]}
    for row in [*carry, *rows]:
        groups[text_of(row.get("id"))][text_of(row.get(line_id))] = row
    return groups


def _is_last(call: Call, data: Any, rows: list[Record]) -> bool:
    """Whether no page follows; numbers may come as text, and a bare list tells nothing."""
    page, count = (text_of(find(data, name)) for name in ("pageIndex", "pageCount"))
    if page.isdigit() and count.isdigit():
        return not rows or int(page) >= int(count)
    return len(rows) < int(call.settings["page_size"])


def _document(hook: dict[str, Any], rows: list[Record]) -> Record:
    """The header of `rows` with their lines apart, by line id, and the sums that the hook names."""
    prefix, keys, line_id = hook.get("line_prefix", "\0"), set(hook.get("line_keys", [])), hook["line_id"]

    def is_line(name: str) -> bool:
        return name.startswith(prefix) or name in keys or name == line_id

    rows = sorted(rows, key=lambda row: text_of(row.get(line_id)))
    header = {name: value for name, value in rows[0].items() if not is_line(name)}
    lines = [{name: value for name, value in row.items() if is_line(name)} for row in rows]
    sums = {
        name: str(sum((Decimal(text_of(line.get(column)) or "0") for line in lines), Decimal(0)))
        for name, column in hook.get("sums", {}).items()
        if any(line.get(column) is not None for line in lines)
    }
    if hook.get("signed") and text_of(header.get("direction")) == "-1":
        sums = {name: str(-abs(Decimal(amount))) for name, amount in sums.items()}
    return {**header, **sums, "lines": lines}


def _plan(call: Call, payload: Any) -> list[Record]:
    """The instalments in the detail of a receivable; none where it holds none."""
    found = find(payload, str(call.settings["plan_rows"]))
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
