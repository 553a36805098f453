"""U8 OpenAPI: a token by GET, lists under the name of their object, and ids that hold account set and year."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from ingest.documents import find, text_of
from ingest.errors import ContractError, LoginError, StreamRefused
from ingest.hooks import Call, Record

_REMEDY = "check the credentials of this source (from_account, app_key, app_secret) and its base_url"


def login(call: Call) -> dict[str, str]:
    """No headers: the token is kept for the addresses of later calls. LoginError when there is none."""
    auth, settings = call.client.auth, call.settings
    auth.answer = {}
    named = {name: str(settings[name]) for name in ("from_account", "app_key", "app_secret")}
    try:
        payload = call.client.bare("GET", f"system/token?{urlencode(named)}")
    except (ContractError, StreamRefused) as error:
        raise LoginError(error.what, remedy=_REMEDY) from error
    token = find(payload, "token.id")
    if not token:
        raise LoginError("the answer to the sign-in has no token.id", remedy=_REMEDY)
    auth.learn(str(token))
    auth.answer = {"token": str(token)}
    return {}


def records(call: Call, payload: Any) -> list[Record]:
    """The records of an answer, documents with their `key`; tells in the answer whether a page follows.

    ContractError when the answer holds no list.
    """
    stream: Any = call.stream
    found = find(payload, stream.records)
    rows = [found] if isinstance(found, dict) else found
    if not isinstance(rows, list):
        shown = ", ".join(list(payload)[:20]) if isinstance(payload, dict) else type(payload).__name__
        raise ContractError(f"{call.source}/{stream.name}: the answer has no {stream.records!r}", valid=shown)
    page, count = (text_of(find(payload, name)) for name in ("page_index", "page_count"))
    told = page.isdigit() and count.isdigit()
    payload["isLast"] = int(page) >= int(count) if told else len(rows) < int(call.settings["page_size"])
    if not stream.hook.get("document"):
        return rows
    place = f"{call.settings['to_account']}-{call.settings['ds_sequence']}"
    return [{**row, **_more(call, row), "key": f"{place}-{_code(row)}"} for row in rows]


def _code(row: Record) -> str:
    return text_of(row.get("code") or row.get("vouchcode"))


def _more(call: Call, row: Record) -> Record:
    """Signed amounts and the due date of what is an invoice; the signed amount of a return."""
    name = call.stream.name if call.stream else ""
    if name == "returnorderlist":
        return {"gross": _text(-abs(_number(row.get("sum"))))}
    if name == "saleinvoicelist":
        return {} if call.settings["invoice_details"] else {"isListed": True, **_signed(row, [row])}
    if name != "saleinvoice":
        return {}
    entries = row.get("entry")
    due = {"due_on": row.get("dgatheringdate")} if _is_true(row.get("bcredit")) else {}
    return {**_signed(row, entries if isinstance(entries, list) else [row]), **due}


def _signed(head: Record, rows: list[Record]) -> Record:
    """gross, net and tax: sums of the lines, negative on a red invoice."""
    sums = {"gross": "sum", "net": "money", "tax": "tax"}
    found = {name: sum((_number(row.get(column)) for row in rows), Decimal(0)) for name, column in sums.items()}
    if not any("tax" in row for row in rows):
        found["tax"] = found["gross"] - found["net"]
    is_red = _is_true(head.get("isnegative"))
    return {name: _text(-abs(amount) if is_red else amount) for name, amount in found.items()}


def _number(value: Any) -> Decimal:
    return Decimal(text_of(value).replace(",", "") or "0")


def _text(amount: Decimal) -> str:
    return format(amount, "f")


def _is_true(value: Any) -> bool:
    return text_of(value).lower() in {"1", "true"}
