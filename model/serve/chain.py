"""The chain per contract, 合同 → 订单 → 发货 → 开票 → 回款, with what is not yet invoiced and not yet paid."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

from model.policy import Viewer
from model.receivables.items import open_items_sql, received_parameters
from model.serve import links, work
from model.serve.connection import Served
from model.serve.find import NotFound

Place = tuple[str, str]
Chains = dict[Place, dict[str, Any]]
ZERO = Decimal(0)
STEPS = ("ordered", "shipped", "invoiced", "collected")
_ENTITIES = {"ordered": "sales_order", "shipped": "shipment", "invoiced": "invoice", "credited": "credit_note"}
_OWED = ("open", "retention", "written_off", "offset", "collected", "by_bill")


def chain(viewer: Viewer, db: Served, customer_key: str, as_of: date | None = None) -> dict[str, Any]:
    """{as_of, customer_key, name, chains}: one per contract, one per order without a contract, one for the rest.

    Each: contract (its record, or null), order_number, currency, contract_amount, ordered, shipped, invoiced (less
    red invoices), collected (money in effect by the day, of it by_bill), written_off, offset (credit notes, discounts,
    exchange differences), not_yet_invoiced (of the contract's amount, else of what is ordered: `base`),
    not_yet_paid, of it retention, and documents: step → rows with record_key, number, dated_on, amount and link.
    invoiced = collected + written_off + offset + open, always. NotFound when the viewer may not see the customer.
    """
    day = as_of or db.today()
    rule, named = viewer.named_rows()
    known = db.rows(
        f"select customer_key, name from core.dim_customer as customer where customer_key = $customer_key and {rule}",
        {"customer_key": customer_key, **named},
    )
    if not known:
        raise NotFound(f"no customer {customer_key!r}", remedy="search it by name or code")
    contracts = _contracts(db, customer_key, day)
    chains: Chains = {}
    numbers = {row["number"]: row for row in contracts} | {row["source_id"]: row for row in contracts}
    for row in contracts:
        _chain(chains, ("contract:" + row["record_key"], row["currency"]), row, None)
    places = _movements(db, customer_key, day, chains, numbers)
    _items(db, customer_key, day, chains, places)
    _cash(db, customer_key, day, chains, places)
    found = [_finish(db, entry, currency) for (_, currency), entry in chains.items()]
    return {
        "as_of": day,
        **known[0],
        "chains": sorted(found, key=lambda item: (item["contract"] is None, item["order_number"] is None, item["on"])),
    }


def _contracts(db: Served, key: str, day: date) -> list[dict[str, Any]]:
    return db.rows(
        """select record_key, source, source_id, number, name, kind, status, amount,
                  coalesce(currency, $base) as currency, signed_on, start_on, end_on from core.fct_contract
           where customer_key = $key and coalesce(status, '') not in ('draft', 'cancelled')
             and coalesce(signed_on, start_on, $day) <= $day
           order by record_key""",
        {"key": key, "day": day, "base": db.instance.config.base_currency},
    )


def _chain(
    chains: Chains, key: Place, contract: dict[str, Any] | None,
    order_number: str | None,
) -> dict[str, Any]:  # fmt: skip
    entry = chains.get(key)
    if entry is None:
        entry = chains[key] = {
            "contract": contract, "order_number": order_number, **dict.fromkeys((*STEPS, *_OWED), ZERO),
            "documents": {step: [] for step in (*STEPS, "credited")},
        }  # fmt: skip
    return entry


def _place(row: dict[str, Any], numbers: dict[str | None, dict[str, Any]]) -> tuple[Place, dict[str, Any] | None]:
    """The chain a document belongs to, and its contract: by contract number, else by order, else the rest."""
    contract = numbers.get(row["contract_number"]) if row["contract_number"] else None
    if contract is not None:
        return ("contract:" + contract["record_key"], row["currency"]), contract
    if row["contract_number"]:
        return ("number:" + row["contract_number"], row["currency"]), None
    return ("order:" + (row["order_key"] or ""), row["currency"]), None


def _movements(db: Served, key: str, day: date, chains: Chains, numbers: dict[Any, dict[str, Any]]) -> dict[str, Place]:
    """Add orders, shipments, invoices and returns; invoice key → its chain."""
    places = {}
    rows = db.rows(
        """select kind, document_key, source, number, moved_on as dated_on, order_key, order_number, contract_number,
                  currency, amount
           from marts.mart_order_movement
           where customer_key = $key and moved_on <= $day and kind <> 'provisional'
           order by moved_on, document_key, kind, order_key, amount""",
        {"key": key, "day": day},
    )
    for row in rows:
        place, contract = _place(row, numbers)
        entry = _chain(chains, place, contract, row["order_number"])
        entry.setdefault("contract_number", row["contract_number"])
        if row["kind"] in STEPS:
            entry[row["kind"]] += row["amount"]
        if row["kind"] == "invoiced":
            places[row["document_key"]] = place
        entry["documents"][row["kind"]].append(_document(db, _ENTITIES[row["kind"]], row))
    return places


def _document(db: Served, entity: str, row: dict[str, Any]) -> dict[str, Any]:
    source_id = row["document_key"].removeprefix(row["source"] + ":")
    shown = {"source": row["source"], "source_id": source_id, "number": row["number"]}
    kept = {name: row[name] for name in ("number", "dated_on", "amount")}
    return {"record_key": row["document_key"], "entity": entity, **kept, "link": links.link(db, entity, shown)}


def _items(db: Served, key: str, day: date, chains: Chains, places: dict[str, Place]) -> None:
    """Add what is open of the chains' invoices, red ones and overpaid rows as they offset it."""
    received = work.recorded_receipts(db)
    rows = db.rows(
        f"""select invoice_key, sum(open_amount) as net,
                   sum(case when coalesce(is_retention, false) then greatest(open_amount, 0) else 0 end) as retention
            from ({open_items_sql(customer=True, received=bool(received))})
            where kind <> 'provisional' and open_amount <> 0 group by invoice_key""",
        {"customer_key": key, "as_of": day, **received_parameters(received)},
    )
    for row in rows:
        place = places.get(row["invoice_key"])
        if place is None:  # an opening balance: no sale of these chains
            continue
        entry = chains[place]
        entry["open"] += row["net"]
        entry["retention"] += row["retention"]


def _cash(db: Served, key: str, day: date, chains: Chains, places: dict[str, Place]) -> None:
    """Add what settled the chains' invoices by the day: money with its receipts, write-offs, everything else."""
    rows = db.rows(
        """select s.invoice_key, s.kind, s.document_key, r.source, r.number, r.received_on as dated_on,
                  coalesce(r.method in ('bank_bill', 'commercial_bill'), false) as is_bill, sum(s.amount) as amount
           from core.fct_settlement as s
           left join core.fct_receipt as r on r.record_key = s.document_key and r.known_to is null
           where s.customer_key = $key and s.moved_on <= $day
           group by all having sum(s.amount) <> 0
           union all
           select i.invoice_key, m.kind, null, i.source, null, max(m.moved_on), false, sum(m.amount)
           from marts.mart_item_movement as m
           join marts.mart_open_item as i on i.record_key = m.record_key and i.customer_key = $key
           where m.customer_key = $key and m.moved_on <= $day and m.kind = 'fifo' group by all""",
        {"key": key, "day": day},
    )
    receipts: dict[tuple[Place, str], dict[str, Any]] = {}
    for row in rows:
        place = places.get(row["invoice_key"])
        if place is None:
            continue
        entry = chains[place]
        if row["kind"] == "write_off":
            entry["written_off"] += row["amount"]
        elif row["kind"] not in {"receipt", "fifo"}:
            entry["offset"] += row["amount"]
        else:
            entry["collected"] += row["amount"]
            entry["by_bill"] += row["amount"] if row["is_bill"] else ZERO
            if row["document_key"] is not None and row["source"] is not None:
                kept = receipts.setdefault((place, row["document_key"]), {**row, "amount": ZERO})
                kept["amount"] += row["amount"]
    for (place, _), row in sorted(receipts.items(), key=lambda item: (item[1]["dated_on"], item[0][1])):
        chains[place]["documents"]["collected"].append(_document(db, "receipt", row))


def _finish(db: Served, entry: dict[str, Any], currency: str) -> dict[str, Any]:
    contract = entry["contract"]
    amount = contract["amount"] if contract and contract["currency"] == currency else None
    base = "contract" if amount is not None else "ordered"
    whole = amount if amount is not None else entry["ordered"]
    dated: dict[str, list[date]] = defaultdict(list)
    for step, rows in entry["documents"].items():
        dated[step] = [row["dated_on"] for row in rows]
    first = min((on for days in dated.values() for on in days), default=date.max)
    start = (contract["signed_on"] or contract["start_on"]) if contract else None
    return {
        "contract": contract and {**contract, "link": links.link(db, "contract", contract)},
        "contract_number": contract["number"] if contract else entry.get("contract_number"),
        "order_number": None if contract or entry.get("contract_number") else entry["order_number"],
        "on": start or first,
        "currency": currency,
        "contract_amount": amount,
        **{name: entry[name] for name in (*STEPS, "by_bill", "written_off", "offset", "open")},
        "base": base,
        "not_yet_ordered": None if amount is None else max(amount - entry["ordered"], ZERO),
        "not_yet_invoiced": max(whole - entry["invoiced"], ZERO),
        "not_yet_paid": max(entry["open"], ZERO),
        "retention": entry["retention"],
        "documents": entry["documents"],
    }
