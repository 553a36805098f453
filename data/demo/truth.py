"""Expected totals and clusters, computed from the ledger by the definitions of the product, not from vendor rows."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from data.demo import timing
from data.demo.world import Bill, Ledger, World

BUCKETS = ("not_due", "1-30", "31-60", "61-90", "91-180", "181-365", "over_365", "no_due_date")
_LIMITS = ((30, "1-30"), (60, "31-60"), (90, "61-90"), (180, "91-180"), (365, "181-365"))
Fen = defaultdict[str, int]


def bucket(due: int, today: int) -> str:
    """Aging bucket of one plan row; 0 or fewer days past due is not due."""
    if not due:
        return "no_due_date"
    days = today - due
    if days <= 0:
        return "not_due"
    return next((name for limit, name in _LIMITS if days <= limit), "over_365")


def money(fen: int) -> str:
    """Fen as a decimal string."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def _plain(amounts: dict[str, int]) -> dict[str, str]:
    return {key: money(value) for key, value in sorted(amounts.items()) if value}


def allocated(ledger: Ledger, today: int) -> tuple[dict[tuple[int, int], int], dict[int, int]]:
    """Fen in force by (bill, plan row) and by origin (receipt or negative bill)."""
    rows: dict[tuple[int, int], int] = defaultdict(int)
    origins: dict[int, int] = defaultdict(int)
    for match in ledger.matches:
        if match.reversed_on and match.reversed_on <= today:
            continue
        source = ledger.receipts.get(match.origin) or ledger.bills.get(match.origin)
        target = ledger.bills.get(match.bill)
        if max(match.day, source.day if source else 0, target.day if target else 0) > today:
            continue
        if match.bill:
            rows[match.bill, match.plan_row] += match.amount
        if match.origin:
            origins[match.origin] += match.amount
    return rows, origins


class _Totals:
    def __init__(self) -> None:
        self.open: Fen = defaultdict(int)
        self.overdue: Fen = defaultdict(int)
        self.retention: Fen = defaultdict(int)
        self.provisional: Fen = defaultdict(int)
        self.credits: Fen = defaultdict(int)
        self.aging: dict[str, Fen] = {}
        self.kinds: dict[str, Fen] = {}
        self.customers: dict[str, Fen] = {}

    def bill(self, bill: Bill, rows: dict[tuple[int, int], int], origins: dict[int, int], today: int) -> None:
        if bill.sign < 0:
            if bill.kind != "provisional_red":
                self.credits[bill.currency] += sum(row.amount for row in bill.rows) - origins.get(bill.id, 0)
            return
        for row in bill.rows:
            left = row.amount - rows.get((bill.id, row.number), 0)
            if not left:
                continue
            if bill.kind == "provisional":
                self.provisional[bill.currency] += left
                continue
            place = bucket(row.due, today)
            self.open[bill.currency] += left
            self.aging.setdefault(bill.currency, defaultdict(int))[place] += left
            self.kinds.setdefault(bill.kind, defaultdict(int))[bill.currency] += left
            self.customers.setdefault(bill.entity.truth_id, defaultdict(int))[bill.currency] += left
            if row.retention:
                self.retention[bill.currency] += left
            if place not in {"not_due", "no_due_date"}:
                self.overdue[bill.currency] += left


def _clusters(world: World) -> list[dict[str, Any]]:
    return [
        {
            "truth_id": entity.truth_id,
            "name": entity.name,
            "kind": entity.kind,
            "uscc": entity.uscc,
            "group": entity.group,
            "parent": entity.parent.truth_id if entity.parent else None,
            "records": {
                "salesforce": list(entity.crm_ids),
                "kingdee": [account.code for account in entity.erp],
                "zendesk": [str(entity.org_id)] if entity.org_id else [],
                "jira": list(entity.projects),
            },
            "merged": {"salesforce": list(entity.merged_ids)},
        }
        for entity in world.entities
        if entity.crm_ids or entity.erp or entity.org_id
    ]


def compute(world: World) -> dict[str, Any]:
    """The dictionary README describes; amounts are decimal strings per currency."""
    today, ledger = world.today, world.ledger
    rows, origins = allocated(ledger, today)
    totals = _Totals()
    for bill in ledger.bills.values():
        if bill.live and bill.day <= today:
            totals.bill(bill, rows, origins, today)
    unallocated: Fen = defaultdict(int)
    unidentified: Fen = defaultdict(int)
    for receipt in ledger.receipts.values():
        if receipt.live and receipt.day <= today:
            left = receipt.amount - origins.get(receipt.id, 0)
            unallocated[receipt.currency] += left
            if receipt.entity is None:
                unidentified[receipt.currency] += left
    systems = {
        "salesforce": world.salesforce,
        "kingdee": world.kingdee,
        "zendesk": world.zendesk,
        "jira": world.jira,
    }
    return {
        "as_of": timing.iso(today),
        "clusters": _clusters(world),
        "open_ar": _plain(totals.open),
        "overdue": _plain(totals.overdue),
        "retention": _plain(totals.retention),
        "aging": {
            code: {name: money(places[name]) for name in BUCKETS} for code, places in sorted(totals.aging.items())
        },
        "open_ar_by_kind": {kind: _plain(values) for kind, values in sorted(totals.kinds.items())},
        "open_ar_by_customer": {key: _plain(values) for key, values in sorted(totals.customers.items())},
        "provisional_open": _plain(totals.provisional),
        "unallocated_receipts": _plain(unallocated),
        "unidentified_receipts": _plain(unidentified),
        "unallocated_credits": _plain(totals.credits),
        "records": {name: {table: len(items) for table, items in tables.items()} for name, tables in systems.items()},
        "unparsable": list(world.unparsable),
        "reconciliation": list(world.contradictions),
        "notices": list(world.notices),
        "conflicts": list(world.conflicts),
        "leavers": [entity.truth_id for entity in world.entities if entity.crm_ids and not entity.owner.active],
        "renewals": dict(world.renewals),
    }
