"""SAP: bounds of a window, answers made plain, names from other sets, and what settles what in the journal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from ingest.errors import ContractError, StreamRefused
from ingest.hooks import Call, Record

_DATE = re.compile(r"/Date\((-?\d+)([+-]\d{4})?\)/")
_LONGEST, _MOST = 3000, 1000
_BOOKED = frozenset({"", "A", "B", "C", "L", "U"})
"""Categories of journal entries that stand in the ledger; others are noted, parked, held or recurring templates."""
_PARTNERS, _BILLING = "API_BUSINESS_PARTNER/A_BusinessPartner", "API_BILLING_DOCUMENT_SRV/A_BillingDocument"
_VOID = frozenset({"N", "S"})
_CENT = Decimal("0.01")


def prepare(call: Call) -> dict[str, Any]:
    """{prepared.instant}, {prepared.day}: the window's start as literals; companies, and: the company codes; select."""
    if call.stream is None or call.window is None:
        return {}
    start, zone = call.window.start, ZoneInfo(call.settings["zone"])
    day = start - timedelta(days=0 if call.stream.incremental.overlap_s >= 86400 else 1)
    codes = " or ".join(f"CompanyCode eq '{code}'" for code in call.settings["companies"])
    return {
        "instant": f"datetimeoffset'{start:%Y-%m-%dT%H:%M:%SZ}'",
        "day": f"datetime'{day.astimezone(zone):%Y-%m-%d}T00:00:00'",
        "companies": f"({codes})" if codes else "",
        "and": " and " if codes else "",
        "select": ",".join(dict.fromkeys([*call.stream.fields, call.settings["clearing_day"]])),
    }


def records(call: Call, payload: Any) -> list[Record]:
    """The records of an answer, plain; completed by what the stream's `hook` table asks for."""
    stream, rows = call.stream, _results(call, payload)
    if stream is None:
        return rows
    if stream.hook.get("stamps"):
        _check_bound(call, rows, stream.hook["stamps"])
    if stream.hook.get("people"):
        _name_people(call, rows)
    if stream.hook.get("settles"):
        _settle(call, rows)
    for row in rows:
        if "to_Item" in row and "SalesOrder" in row:
            _sum_up(call, row)
        if "to_Description" in row:
            words = {one["Language"]: one["ProductDescription"] for one in row["to_Description"]}
            row["name"] = words.get(call.settings["language"]) or next(iter(words.values()), None)
    return rows


def _results(call: Call, payload: Any) -> list[Record]:
    inner = payload.get("d") if isinstance(payload, dict) else None
    if not isinstance(inner, dict):
        valid = ", ".join(list(payload)[:20]) if isinstance(payload, dict) else type(payload).__name__
        raise ContractError(f"{call.source}: the answer has no 'd'", valid=valid)
    rows: list[Record] = _plain(inner.get("results", [inner]))
    return rows


def _plain(value: Any) -> Any:
    """Lists out of their wrappers, no metadata, nothing deferred; days as days, instants as ISO text in UTC."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        if isinstance(value.get("results"), list):
            return _plain(value["results"])
        kept = {key: one for key, one in value.items() if key != "__metadata"}
        return {key: _plain(one) for key, one in kept.items() if not (isinstance(one, dict) and "__deferred" in one)}
    found = _DATE.fullmatch(value) if isinstance(value, str) else None
    if not found:
        return value
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(found.group(1)))
    if found.group(2):
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return moment.date().isoformat()


def _check_bound(call: Call, rows: list[Record], stamps: list[str]) -> None:
    """An answer from before the window means that the filter is not looked at."""
    if call.full or call.window is None:
        return
    bound = (call.window.start - timedelta(days=2)).date()
    for row in rows:
        days = [date.fromisoformat(row[name][:10]) for name in stamps if row.get(name)]
        if days and max(days) < bound:
            raise ContractError(
                f"{call.source}: asked for changes since {bound}, got one of {max(days)}",
                remedy="the source ignores the filter: look at the stream's params",
            )


def _sum_up(call: Call, row: Record) -> None:
    """An order's tax, from its lines, and its salesperson."""
    taxes = [one.get("TaxAmount") for one in row["to_Item"]]
    if taxes and all(tax not in (None, "") for tax in taxes):
        row["tax"] = str(sum(map(Decimal, taxes)))
        row["gross"] = str(Decimal(row["TotalNetAmount"]) + Decimal(row["tax"]))
    sellers = [one for one in row.get("to_Partner", []) if one["PartnerFunction"] == call.settings["seller_function"]]
    row["seller"] = next((one["Personnel"] for one in sellers if one.get("Personnel")), None)


def _asked(call: Call, path: str, tests: Iterable[str], **more: str) -> Iterator[Record]:
    """The records of a set for which one of `tests` holds; as many tests a call as an address has room for."""
    for some in _fitting(sorted(set(tests))):
        params = {"$filter": " or ".join(some), "$top": str(_MOST), "$inlinecount": "allpages", **more}
        skip, count = 0, None
        while count is None or skip < count:
            found = call.client.request("GET", path, params={**params, "$skip": str(skip)}).payload
            rows = _results(call, found)
            yield from rows
            skip += len(rows)
            if not rows:
                break
            count = int(found["d"]["__count"]) if "__count" in found["d"] else None


def _fitting(tests: list[str]) -> Iterator[list[str]]:
    some: list[str] = []
    for test in tests:
        if some and sum(map(len, some)) + len(test) > _LONGEST:
            yield some
            some = []
        some.append(test)
    if some:
        yield some


def _name_people(call: Call, rows: list[Record]) -> None:
    """The person and the customer number of each relationship: they stand with the business partners."""
    ids = {row["BusinessPartnerPerson"] for row in rows} | {row["BusinessPartnerCompany"] for row in rows}
    tests = (f"BusinessPartner eq '{one}'" for one in ids)
    expand = "to_BusinessPartnerAddress/to_EmailAddress,to_BusinessPartnerAddress/to_PhoneNumber"
    more = {"$expand": expand, "$orderby": "BusinessPartner"}
    known = {one["BusinessPartner"]: one for one in _asked(call, _PARTNERS, tests, **more)}
    for row in rows:
        person, company = known.get(row["BusinessPartnerPerson"], {}), known.get(row["BusinessPartnerCompany"], {})
        names = ("BusinessPartnerFullName", "FirstName", "LastName", "to_BusinessPartnerAddress")
        row["person"] = {name: person[name] for name in names if name in person}
        row["customer"] = company.get("Customer") or None


# The journal: one document per customer line, with `role`, `amount` and what it settles or is settled by


def _key(row: Record) -> str:
    parts = ("CompanyCode", "FiscalYear", "AccountingDocument", "AccountingDocumentItem")
    return "-".join(str(row[name]) for name in parts)


def _settle(call: Call, rows: list[Record]) -> None:
    for row in rows:
        row["key"] = _key(row)
    lines = [row for row in rows if "DebitCreditCode" in row]
    groups = _groups(
        call, [row for row in lines if row["DebitCreditCode"] == "S" and row["ClearingAccountingDocument"]]
    )
    partly = [row for row in lines if row["DebitCreditCode"] == "H" and not row["ClearingAccountingDocument"]]
    partly = [row for row in partly if row["InvoiceReference"].strip("V0 ")]
    invoices = _referenced(call, partly)
    every = [*lines, *(line for group in groups.values() for line in group), *invoices.values()]
    void = _void(call, {line["BillingDocument"] for line in every} - {""})
    for line in every:
        line["role"] = _role(call, line, void)
        line["amount"] = str(abs(Decimal(line["AmountInTransactionCurrency"])))
        is_billed = line["role"] in {"billed", "billed_credit"}
        line["document"] = line["BillingDocument"] if is_billed else line["key"]
    settled = {group: _matched(members) for group, members in groups.items()}
    for row in lines:
        group = settled.get(_group(row), {})
        row["settled_by"] = group.get(row["key"], [])
        invoice = invoices.get(row["key"], {})
        is_part = row["role"] in {"receipt", "billed_credit", "credit", "write_off"}
        if is_part and invoice.get("role") in {"billed", "invoice"}:
            row["settles"] = [{**_share(row, Decimal(row["amount"])), "invoice": invoice["document"]}]


def _group(row: Record) -> tuple[str, str, str]:
    return row["CompanyCode"], row["ClearingDocFiscalYear"], row["ClearingAccountingDocument"]


def _lines(call: Call, tests: Iterable[str]) -> list[Record]:
    stream = call.stream
    fields = ",".join(stream.fields) if stream else ""
    order = "CompanyCode,FiscalYear,AccountingDocument,AccountingDocumentItem"
    found = list(_asked(call, stream.path if stream else "", tests, **{"$select": fields, "$orderby": order}))
    for line in found:
        line["key"] = _key(line)
    return found


def _groups(call: Call, cleared: list[Record]) -> dict[tuple[str, str, str], list[Record]]:
    """Clearing → all customer lines that it cleared, read from the source: a page holds only some of them."""
    tests = {
        f"(CompanyCode eq '{code}' and ClearingDocFiscalYear eq '{year}' and ClearingAccountingDocument eq '{number}' "
        "and FinancialAccountType eq 'D')"
        for code, year, number in map(_group, cleared)
    }
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for line in _lines(call, tests):
        groups.setdefault(_group(line), []).append(line)
    return groups


def _referenced(call: Call, partly: list[Record]) -> dict[str, Record]:
    """Key of an open credit line → the invoice's line that it refers to: a payment in part."""

    def place(row: Record) -> tuple[str, str, str]:
        return row["CompanyCode"], row["InvoiceReferenceFiscalYear"], row["InvoiceReference"]

    tests = {
        f"(CompanyCode eq '{code}' and FiscalYear eq '{year}' and AccountingDocument eq '{number}' "
        "and FinancialAccountType eq 'D')"
        for code, year, number in map(place, partly)
    }
    known: dict[tuple[str, str, str], dict[str, Record]] = {}
    for line in _lines(call, tests):
        document = (line["CompanyCode"], line["FiscalYear"], line["AccountingDocument"])
        known.setdefault(document, {})[line["AccountingDocumentItem"]] = line
    found = {}
    for row in partly:
        items = known.get(place(row), {})
        invoice = items.get(row["InvoiceItemReference"]) or next(iter(items.values()), None)
        if invoice:
            found[row["key"]] = invoice
    return found


def _void(call: Call, numbers: set[str]) -> set[str]:
    """Those of the billing documents that are cancelled or cancel another one."""
    select = {"$select": "BillingDocument,SDDocumentCategory,BillingDocumentIsCancelled", "$orderby": "BillingDocument"}
    try:
        found = list(_asked(call, _BILLING, (f"BillingDocument eq '{one}'" for one in numbers), **select))
    except StreamRefused:
        return set()
    return {
        one["BillingDocument"]
        for one in found
        if one["SDDocumentCategory"] in _VOID or one["BillingDocumentIsCancelled"]
    }


def _role(call: Call, line: Record, void: set[str]) -> str:
    """What a customer line is: billed, billed_credit, invoice, credit, receipt, refund, write_off, or none of them."""
    kind, is_debit, is_special = line["AccountingDocumentType"], line["DebitCreditCode"] == "S", line["SpecialGLCode"]
    is_noted = line["AccountingDocumentCategory"] not in _BOOKED or is_special == "F"
    if is_noted or line["IsReversal"] or line["IsReversed"] or line["BillingDocument"] in void:
        return "none"
    if kind in call.settings["payment_types"] or (is_special == "A" and not line["BillingDocument"]):
        is_residual = is_debit and bool(line["InvoiceReference"].strip("V0 ")) and not is_special
        return "invoice" if is_residual else "refund" if is_debit else "receipt"
    if line["BillingDocument"]:
        return "billed" if is_debit else "billed_credit"
    if is_debit:
        return "invoice"
    return "write_off" if kind in call.settings["write_off_types"] else "credit"


def _matched(members: list[Record]) -> dict[str, list[Record]]:
    """Key of each invoice's line → what settled it: by reference, then equal amounts, then the earliest due first."""
    booked = [line for line in members if line["role"] != "none"]
    lines = sorted(booked, key=lambda one: (one["NetDueDate"] or "", one["key"]))
    debits = [line for line in lines if line["DebitCreditCode"] == "S"]
    payers = [line for line in lines if line["DebitCreditCode"] == "H"]
    left = {line["key"]: Decimal(line["amount"]) for line in lines}
    found: dict[str, list[Record]] = {line["key"]: [] for line in debits}
    pairs = [(debit, payer) for debit in debits for payer in payers]
    own = [pair for pair in pairs if pair[0]["TransactionCurrency"] == pair[1]["TransactionCurrency"]]
    for debit, payer in [
        *(pair for pair in own if pair[1]["InvoiceReference"] == pair[0]["AccountingDocument"]),
        *(pair for pair in own if pair[0]["amount"] == pair[1]["amount"]),
        *own,
    ]:
        if part := min(left[debit["key"]], left[payer["key"]]):
            left[debit["key"]] -= part
            left[payer["key"]] -= part
            found[debit["key"]].append(_share(payer, part))
    for debit, payer in pairs:
        _exchange(debit, payer, left, found)
    for debit in debits:
        if left[debit["key"]]:
            found[debit["key"]].append({"kind": "offset", "amount": str(left[debit["key"]])})
    return {line["key"]: found[line["key"]] for line in debits if line["role"] in {"billed", "invoice"}}


def _exchange(debit: Record, payer: Record, left: dict[str, Decimal], found: dict[str, list[Record]]) -> None:
    """Settle across currencies what is left, by the worth of both in the company's; the last of a group in full."""
    owed, given = left[debit["key"]], left[payer["key"]]
    if not owed or not given:
        return
    used, paid = owed, given
    if sum(1 for amount in left.values() if amount) > 2:
        worth_owed, worth_given = owed * _rate(debit), given * _rate(payer)
        if worth_owed > worth_given:
            used = (worth_given / _rate(debit)).quantize(_CENT)
        else:
            paid = (worth_owed / _rate(payer)).quantize(_CENT)
    left[debit["key"]] -= used
    left[payer["key"]] -= paid
    found[debit["key"]].append({**_share(payer, used), "settling": str(paid)})


def _rate(line: Record) -> Decimal:
    """Company currency per unit of the line's own."""
    worth = abs(Decimal(line["AmountInCompanyCodeCurrency"] or 0))
    return worth / Decimal(line["amount"]) if worth and Decimal(line["amount"]) else Decimal(1)


def _share(payer: Record, part: Decimal) -> Record:
    """`part` of a credit line as one settlement."""
    share = {"kind": payer["role"], "amount": str(part), "by": payer["key"]}
    if payer["role"] == "receipt":
        return {**share, "receipt": payer["key"]}
    if payer["role"] == "write_off":
        return share
    return {**share, "kind": "credit_note", "credit_note": payer["document"]}
