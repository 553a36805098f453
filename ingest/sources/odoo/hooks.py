"""Odoo: the sign-in of both protocols, JSON-2 calls put into JSON-RPC, `false` as nothing, and what lists leave out."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import httpx

from ingest.documents import find
from ingest.errors import ContractError, LoginError, StreamRefused
from ingest.hooks import Call, Record
from ingest.spec_totals import TotalSpec

_REMEDY = "check the credentials of this source: an API key lives three months at most, then a new one is needed"
_AT_ONCE = 500


def login(call: Call) -> dict[str, str]:
    """The headers of later calls; {memo.odoo_uid} when the server speaks JSON-RPC. LoginError when refused."""
    memo, settings = call.client.memo, call.settings
    if memo.get("odoo_signing_in"):
        raise LoginError("Odoo refuses the API key", remedy=_REMEDY)
    memo["odoo_signing_in"] = True
    try:
        memo.pop("odoo_uid", None)
        if _protocol(call) == "json2":
            headers = {"Authorization": f"bearer {settings['api_key']}"}
            if settings["database"]:
                headers["X-Odoo-Database"] = settings["database"]
            _try(call, headers)
            return headers
        memo["odoo_uid"] = _authenticate(call)
        return {}
    finally:
        memo["odoo_signing_in"] = False


def _try(call: Call, headers: dict[str, str]) -> None:
    """LoginError when the key opens nothing, be it for want of a database."""
    try:
        call.client.bare("POST", "json/2/res.users/context_get", body={}, headers=headers)
    except StreamRefused as error:
        remedy = "correct the setting database, or check the credentials of this source"
        raise LoginError(f"Odoo refuses the sign-in: {error.what}", remedy=remedy) from error


def _protocol(call: Call) -> str:
    """The protocol in force; before Odoo 19 there is no /web/version."""
    chosen = str(call.settings["protocol"])
    if chosen != "auto":
        return chosen
    try:
        told = find(call.client.bare("GET", "web/version"), "version_info.0")
    except StreamRefused:
        return "jsonrpc"
    return "json2" if int(told or 0) >= 19 else "jsonrpc"


def _authenticate(call: Call) -> int:
    database, user, key = (call.settings[name] for name in ("database", "user", "api_key"))
    if not (database and user):
        raise LoginError(
            "this Odoo speaks JSON-RPC, which needs database and user",
            remedy="set database and user beside the credentials of this source",
        )
    params = {"service": "common", "method": "authenticate", "args": [database, user, key, {}]}
    body = {"jsonrpc": "2.0", "id": 1, "method": "call", "params": params}
    uid = find(call.client.bare("POST", "jsonrpc", body=body), "result")
    if not isinstance(uid, int) or isinstance(uid, bool):
        raise LoginError(f"Odoo refused the login of {user}", remedy=_REMEDY)
    return uid


def sign(call: Call, request: httpx.Request) -> dict[str, str]:
    """Put the call into its last form: domain terms out of their JSON texts, the envelope of JSON-RPC."""
    before, marker, after = request.url.path.partition("/json/2/")
    if not marker:
        return {}
    model, _, method = after.partition("/")
    body = json.loads(request.read() or b"{}")
    if "domain" in body:
        body["domain"] = [term for part in body["domain"] for term in _terms(part)]
    uid = call.client.memo.get("odoo_uid")
    if uid is not None:
        request.url = request.url.copy_with(path=f"{before}/jsonrpc")
        who = [call.settings["database"], uid, call.settings["api_key"]]
        params = {"service": "object", "method": "execute_kw", "args": [*who, model, method, [], body]}
        body = {"jsonrpc": "2.0", "id": 1, "method": "call", "params": params}
    content = json.dumps(body).encode()
    vars(request).pop("_content", None)
    request.stream = httpx.ByteStream(content)
    return {"Content-Length": str(len(content))}


def _terms(part: Any) -> list[Any]:
    if isinstance(part, str) and part[:1] not in {"&", "|", "!"}:
        return list(json.loads(f"[{part}]"))
    return [part]


def prepare(call: Call) -> dict[str, Any]:
    """{prepared.base} (what is read at all, as JSON terms), fields (those that this server has), types, context."""
    stream = call.stream
    if stream is None:
        return {}
    types, hook = _types(call, stream.name), stream.hook
    if missing := [name for name in ("id", "write_date") if name not in types]:
        raise ContractError(f"{stream.name} has no field {', '.join(missing)}", valid=", ".join(sorted(types)))
    has_all = hook.get("needs", "id") in types
    base = str(hook.get("base", "") if has_all else hook["without"])
    for place in ("field", "value"):
        base = base.replace(f"%{place}%", str(call.settings[f"receivable_{place}"]))
    fields = [name for name in stream.fields if name in types]
    return {"base": base, "fields": fields, "types": types, "context": _context(call)}


def total(call: Call, spec: TotalSpec) -> list[Record]:
    """The model `spec.path` by currency: {currency, count, amount}. formatted_read_group of JSON-2, else read_group."""
    summed, domain = f"{spec.amount}:sum", [spec.params["domain"]] if "domain" in spec.params else []
    body = {"domain": domain, "groupby": [spec.currency], "context": _context(call)}
    if call.client.memo.get("odoo_uid") is None:
        asked = {**body, "aggregates": ["__count", summed]}
        rows = _ask(call, spec.path, "formatted_read_group", asked)
    else:
        rows = _ask(call, spec.path, "read_group", {**body, "fields": [summed], "lazy": False})
    return [
        {
            "count": row["__count"],
            spec.currency: row[spec.currency][1] if row[spec.currency] else "",
            spec.amount: row[summed] if summed in row else row[spec.amount],
        }
        for row in rows
    ]


def _context(call: Call) -> dict[str, Any]:
    companies = [int(one) for one in call.settings["companies"]]
    context = {"active_test": False, "lang": call.settings["language"]}
    return {**context, "allowed_company_ids": companies} if companies else context


def _types(call: Call, model: str) -> dict[str, str]:
    """Field → its type, of the fields that this server has and this user may read; asked once per run of the source."""
    memo = call.client.memo.setdefault("odoo_types", {})
    if model not in memo:
        payload = _ask(call, model, "fields_get", {"attributes": ["type"]})
        memo[model] = {name: facts["type"] for name, facts in payload.items()}
    found: dict[str, str] = memo[model]
    return found


def _ask(call: Call, model: str, method: str, body: dict[str, Any]) -> Any:
    payload = call.client.request("POST", f"json/2/{model}/{method}", body=body, stream=call.stream).payload
    return payload["result"] if isinstance(payload, dict) and "jsonrpc" in payload else payload


def _look_up(call: Call, model: str, ids: set[int], fields: list[str], field: str = "id") -> list[Record]:
    """Records of another model, `false` taken away."""
    types, wanted, rows = _types(call, model), sorted(ids), []
    for start in range(0, len(wanted), _AT_ONCE):
        body = {
            "domain": [[field, "in", wanted[start : start + _AT_ONCE]]],
            "fields": [name for name in fields if name in types],
            "order": "id asc",
            "context": _context(call),
        }
        rows += [_plain(row, types) for row in _ask(call, model, "search_read", body)]
    return rows


def records(call: Call, payload: Any) -> list[Record]:
    """The records of an answer: `false` as null, instants in ISO form, and what the stream's hook table adds."""
    rows = payload.get("result") if isinstance(payload, dict) else payload
    if not isinstance(rows, list):
        raise ContractError(f"{call.source}: the answer is not a list of records", valid=str(type(payload).__name__))
    stream, types = call.stream, call.prepared.get("types", {})
    found = [_plain(row, types) for row in rows]
    if stream is None or not found or "write_date" not in found[0]:
        return found  # a list of ids
    if path := stream.hook.get("partner"):
        _add_companies(call, found, path)
    if stream.hook.get("plan"):
        _add_plan(call, found)
    if stream.name == "res.partner":
        for row in found:
            row["c360_role"] = _role(row)
    if stream.name == "account.payment":
        for row in found:
            row["signed_amount"] = -row["amount"] if row["payment_type"] == "outbound" else row["amount"]
    if stream.hook.get("sides"):
        _add_sides(call, found)
    return found


def _role(row: Record) -> str:
    """customer | contact | address | own (our companies and colleagues) | supplier."""
    if row.get("ref_company_ids") or row.get("partner_share") is False:
        return "own"
    if row.get("parent_id") and not row.get("is_company"):
        return "contact" if row.get("type") in {None, "contact"} else "address"
    return "supplier" if (row.get("supplier_rank") or 0) > 0 and not row.get("customer_rank") else "customer"


def _plain(row: Record, types: dict[str, str]) -> Record:
    plain = {name: _value(value, types.get(name, "")) for name, value in row.items()}
    return {**plain, "name": None} if row.get("name") == "/" else plain  # a draft has no number yet


def _value(value: Any, kind: str) -> Any:
    if value is False and kind != "boolean":
        return None
    return value.replace(" ", "T") + "Z" if kind == "datetime" and isinstance(value, str) else value


def _add_companies(call: Call, rows: list[Record], path: str) -> None:
    """`commercial_partner_id`: the company that a document's contact person or address belongs to."""
    known: dict[int, Any] = call.client.memo.setdefault("odoo_companies", {})
    ids = {row[path][0] for row in rows if row.get(path)}
    for partner in _look_up(call, "res.partner", ids - known.keys(), ["commercial_partner_id"]):
        known[partner["id"]] = partner.get("commercial_partner_id")
    for row in rows:
        given = row.get(path)
        row["commercial_partner_id"] = (known.get(given[0]) or given) if given else None


def _add_plan(call: Call, rows: list[Record]) -> None:
    """`plan`: the receivable lines of each document by due date; `rate`: company currency per unit, where another."""
    fields = ["move_id", "date_maturity", "amount_currency", "balance"]
    term = [call.settings["receivable_field"], "=", call.settings["receivable_value"]]
    body = {
        "domain": [["move_id", "in", sorted(row["id"] for row in rows)], term],
        "fields": fields,
        "order": "date_maturity asc, id asc",
        "context": _context(call),
    }
    plan: dict[int, list[Record]] = {}
    types = _types(call, "account.move.line")
    for line in _ask(call, "account.move.line", "search_read", body):
        plan.setdefault(line["move_id"][0], []).append(_plain(line, types))
    for row in rows:
        row["plan"] = plan.get(row["id"], [])
        total, company = (Decimal(str(row.get(name) or 0)) for name in ("amount_total", "amount_total_signed"))
        is_foreign = row.get("company_currency_id") and row["company_currency_id"] != row.get("currency_id")
        row["rate"] = str(round(abs(company) / total, 8)) if is_foreign and total and company else None


def _add_sides(call: Call, rows: list[Record]) -> None:
    """`debit` and `credit`: the documents behind the two journal items that a partial reconciliation joins."""
    ids = {row[name][0] for row in rows for name in ("debit_move_id", "credit_move_id")}
    fields = ["move_id", "payment_id", "statement_line_id"]
    lines = {line["id"]: line for line in _look_up(call, "account.move.line", ids, fields)}
    moves = {line["move_id"][0] for line in lines.values()}
    kinds = {move["id"]: move["move_type"] for move in _look_up(call, "account.move", moves, ["move_type"])}
    for row in rows:
        for side in ("debit", "credit"):
            line = lines.get(row[f"{side}_move_id"][0])
            row[side] = _side(line, kinds) if line else None
        differs = row.get("debit_currency_id") != row.get("credit_currency_id")
        row["settling"] = row.get("credit_amount_currency") if differs else None


def _side(line: Record, kinds: dict[int, str]) -> Record:
    move, payment = line["move_id"][0], line.get("payment_id")
    from_bank = f"line-{line['id']}" if line.get("statement_line_id") else None
    kind = kinds.get(move)
    refund = move if kind == "out_refund" else None
    return {"move": move, "move_type": kind, "refund": refund, "receipt": str(payment[0]) if payment else from_bank}
