"""ERPNext: the site's zone, child tables of a page, and amounts in the words of the ledger."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from ingest.errors import ContractError
from ingest.hooks import Call, Record
from ingest.spec_totals import TotalSpec

_ZONE = "api/method/frappe.client.get_time_zone"
_FUNCTION = re.compile(r"(\w+)\((\w+)\) as (\w+)")
_NAMES_AT_ONCE, _ROWS_AT_ONCE = 50, 1000
_BANK = frozenset({"Bank Entry", "Cash Entry"})


def prepare(call: Call) -> dict[str, Any]:
    """{prepared.zone} of the site, columns asked for, tombs: where deletions are told (or where nothing is)."""
    stream = call.stream
    if stream is None:
        return {}
    tombs = "api/resource/Deleted Document" if call.settings["deleted_documents"] else _ZONE
    return {"zone": _zone(call), "columns": json.dumps(stream.fields or ["*"]), "tombs": tombs}


def total(call: Call, spec: TotalSpec) -> list[Record] | None:
    """Sums as ERPNext 16 wants them written; None where the description's own way is right."""
    if call.settings["aggregates"] == "text":
        return None
    fields = [_object(field) for field in json.loads(spec.params["fields"])]
    answer = call.client.request(spec.method, spec.path, params={**spec.params, "fields": json.dumps(fields)}).payload
    found: list[Record] = answer["data"]
    return found


def _object(field: str) -> str | dict[str, str]:
    """`sum(grand_total) as amount` as {"SUM": "grand_total", "as": "amount"}; a plain column stays."""
    made = _FUNCTION.fullmatch(field)
    return {made[1].upper(): made[2], "as": made[3]} if made else field


def _zone(call: Call) -> str:
    """The zone of every time without one; asked once per run of the source."""
    if call.settings["time_zone"]:
        return str(call.settings["time_zone"])
    if "erpnext_zone" not in call.client.memo:
        payload = call.client.request("GET", _ZONE, stream=call.stream).payload
        found = payload.get("message") if isinstance(payload, dict) else None
        name = found.get("time_zone") if isinstance(found, dict) else None
        if not name:
            raise ContractError(f"{call.source}: the site does not tell its time zone", remedy="set time_zone")
        call.client.memo["erpnext_zone"] = str(name)
    return str(call.client.memo["erpnext_zone"])


def records(call: Call, payload: Any) -> list[Record]:
    """The records of an answer, with `after_json` for paging; of documents also child tables and plain figures."""
    if not isinstance(payload, dict) or not ("data" in payload or "message" in payload):
        raise ContractError(f"{call.source}: the answer has no 'data'", valid=str(payload)[:100])
    rows: list[Record] = payload.get("data") or []
    for row in rows:
        row["after_json"] = json.dumps(row["name"], ensure_ascii=False)
    stream = call.stream
    if stream is None or not rows or "modified" not in rows[0]:
        return rows  # a list of names
    zone = ZoneInfo(call.prepared["zone"])
    for row in rows:
        for name in ("creation", "modified", *stream.hook.get("times", [])):
            row[name] = _instant(row.get(name), zone)
    for field, doctype in stream.hook.get("children", {}).items():
        _add_children(call, rows, field, doctype)
    if stream.name == "Payment_Ledger_Entry":
        _add_kinds(call, rows)
    return [_SHAPES[stream.name](row) for row in rows] if stream.name in _SHAPES else rows


def _instant(text: Any, zone: ZoneInfo) -> str | None:
    """A naive time of the site as a UTC instant; of an hour that comes twice the first."""
    if not text:
        return None
    return datetime.fromisoformat(str(text)).replace(tzinfo=zone).astimezone(UTC).isoformat().replace("+00:00", "Z")


def _listed(call: Call, doctype: str, params: dict[str, Any]) -> list[Record]:
    """All rows of a list that is small enough to be read by offset."""
    found: list[Record] = []
    while True:
        asked = {**params, "limit_start": len(found), "limit_page_length": _ROWS_AT_ONCE}
        part = call.client.request("GET", f"api/resource/{doctype}", params=asked, stream=call.stream).payload["data"]
        found += part
        if len(part) < _ROWS_AT_ONCE:
            return found


def _add_children(call: Call, rows: list[Record], field: str, doctype: str) -> None:
    """`field`: the rows of a child table, in their order."""
    parent = call.stream.hook["doctype"] if call.stream else ""
    kids: dict[str, list[Record]] = {}
    for start in range(0, len(rows), _NAMES_AT_ONCE):
        names = [row["name"] for row in rows[start : start + _NAMES_AT_ONCE]]
        filters = [["parenttype", "=", parent], ["parentfield", "=", field], ["parent", "in", names]]
        params = {
            "parent": parent,
            "fields": '["*"]',
            "filters": json.dumps(filters, ensure_ascii=False),
            "order_by": "parent asc, idx asc",
        }
        for row in _listed(call, doctype, params):
            kids.setdefault(row["parent"], []).append(row)
    for row in rows:
        row[field] = kids.get(row["name"], [])


def _add_kinds(call: Call, rows: list[Record]) -> None:
    """`journal`: what kind of journal entry moved the ledger; `receipt`: the receipt an entry belongs to;
    `own_receipt`: it is one itself (a bank entry, or money taken with the invoice at a point of sale)."""
    names = sorted({row["voucher_no"] for row in rows if row["voucher_type"] == "Journal Entry"})
    kinds: dict[str, Any] = {}
    for start in range(0, len(names), _NAMES_AT_ONCE):
        filters = json.dumps([["name", "in", names[start : start + _NAMES_AT_ONCE]]])
        params = {"fields": '["name", "voucher_type"]', "filters": filters, "order_by": "name asc"}
        kinds |= {row["name"]: row["voucher_type"] for row in _listed(call, "Journal Entry", params)}
    till = _paid_at_once(call, rows)
    for row in rows:
        row["journal"] = kinds.get(row["voucher_no"]) if row["voucher_type"] == "Journal Entry" else None
        row["receipt"] = row["voucher_no"] if row["voucher_type"] == "Payment Entry" else None
        row["own_receipt"] = row["journal"] in _BANK or row["name"] in till
        if row["own_receipt"]:
            row["receipt"] = f"ple-{row['name']}"
        is_return = row["voucher_type"] == "Sales Invoice" and row["name"] not in till
        row["credit_note"] = row["voucher_no"] if is_return else None
        is_other = row["against_voucher_no"] != row["voucher_no"] or row["name"] in till
        row["settles"] = row["against_voucher_type"] == "Sales Invoice" and is_other


def _paid_at_once(call: Call, rows: list[Record]) -> set[str]:
    """Names of the entries by which invoices of a point of sale settle themselves."""
    own = [row for row in rows if row["amount"] < 0 and row["voucher_no"] == row["against_voucher_no"]]
    names, tills = sorted({row["voucher_no"] for row in own if row["voucher_type"] == "Sales Invoice"}), set()
    for start in range(0, len(names), _NAMES_AT_ONCE):
        chosen = [["name", "in", names[start : start + _NAMES_AT_ONCE]], ["is_pos", "=", 1], ["is_return", "=", 0]]
        params = {"fields": '["name"]', "filters": json.dumps(chosen), "order_by": "name asc"}
        tills |= {row["name"] for row in _listed(call, "Sales Invoice", params)}
    return {row["name"] for row in own if row["voucher_no"] in tills}


def _invoice(row: Record) -> Record:
    """`payable`: what the customer owes, rounded where the site rounds; a plan also where no schedule was made."""
    row["payable"] = row.get("rounded_total") or row["grand_total"]
    if not row["payment_schedule"]:
        row["payment_schedule"] = [{"idx": 1, "due_date": row.get("due_date"), "payment_amount": row["payable"]}]
    return row


def _payment(row: Record) -> Record:
    """`signed_amount` and `party_currency`: the side of the entry that is the customer's account."""
    is_refund = row["payment_type"] == "Pay"
    row["signed_amount"] = -row["received_amount"] if is_refund else row["paid_amount"]
    row["party_currency"] = row["paid_to_account_currency" if is_refund else "paid_from_account_currency"]
    return row


def _issue(row: Record) -> Record:
    """`solved_at`: called sla_resolution_date since version 15."""
    row["solved_at"] = row.get("sla_resolution_date") or row.get("resolution_date")
    row["due_at"] = row.get("sla_resolution_by") or row.get("resolution_by")
    return row


_SHAPES = {"Sales_Invoice": _invoice, "Payment_Entry": _payment, "Issue": _issue}
