"""An independent reading of the ledger's definitions: plain Python, one customer at a time, one day at a time.

It shares nothing with the product but the shape of the records it is given.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

Record = dict[str, Any]
ZERO = Decimal(0)


def known(rows: list[Record], until: date | None) -> list[Record]:
    """What had been entered by the end of `until` (None: everything)."""
    return [row for row in rows if until is None or row["entered"] <= until]


def positions(books: dict[str, list[Record]], day: date, until: date | None) -> dict[str, dict[str, Decimal]]:
    """Currency → figures of one customer's books on `day`: each bucket, credits, unallocated, provisional."""
    invoices = [r for r in known(books["invoice"], until) if r["status"] == "approved" and r["posted"] <= day]
    receipts = {r["id"]: r for r in known(books["receipt"], until) if r["status"] == "approved"}
    notes = {r["id"]: r for r in known(books["credit_note"], until) if r["status"] == "approved"}
    every = {r["id"]: r for r in known(books["invoice"], until) if r["status"] == "approved"}
    allocations = [a for a in known(books["allocation"], until) if a["invoice"] in every]
    recorded = {a["credit"] for a in allocations if a.get("credit") and _span(a, every, receipts, notes)}

    paid: dict[tuple[str, int | None], Decimal] = defaultdict(lambda: ZERO)
    used: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for a in allocations:
        span = _span(a, every, receipts, notes)
        if span is None or not span[0] <= day < span[1]:
            continue
        rows = [row["number"] for row in every[a["invoice"]]["rows"]]
        paid[a["invoice"], a["row"] if a["row"] in rows else None] += a["amount"]
        used[a.get("receipt") or a.get("credit") or ""] += a["amount"]
    for source in [*invoices, *(n for n in notes.values() if n["posted"] <= day)]:
        is_red = source["kind"] in {"red", "red_letter"}
        blue = every.get(source.get("original") or "")
        if not is_red or source["id"] in recorded or blue is None or blue["posted"] > day:
            continue
        if blue["currency"] == source["currency"] and blue["kind"] not in {"provisional", "red"}:
            paid[blue["id"], None] += abs(source["gross"])
            used[source["id"]] += abs(source["gross"])
    found: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(lambda: ZERO))
    for invoice in invoices:
        if invoice["kind"] == "provisional":
            continue
        for row, left in _left(invoice, paid, used):
            _place(found[invoice["currency"]], invoice, row, left, day)
    _provisional(invoices, list(every.values()), found)
    for receipt in receipts.values():
        bounced = receipt.get("bounced")
        if receipt["posted"] <= day and not (bounced and bounced <= day):
            found[receipt["currency"]]["unallocated"] += receipt["gross"] - used[receipt["id"]]
    for note in notes.values():
        if note["posted"] <= day:
            found[note["currency"]]["credits"] += note["gross"] - used[note["id"]]
    return {
        currency: {name: amount for name, amount in figures.items() if amount} for currency, figures in found.items()
    }


def _span(a: Record, invoices: dict[str, Record], receipts: dict[str, Record], notes: dict[str, Record]) -> Any:
    """(first day it counts, day it no longer does); None when it never does."""
    invoice = invoices[a["invoice"]]
    begins, ends = [a["on"], invoice["posted"]], [a["reversed"] or date.max]
    if a.get("receipt"):
        receipt = receipts.get(a["receipt"])
        if receipt is None or receipt["currency"] != invoice["currency"]:
            return None
        begins.append(receipt["posted"])
        ends.append(receipt["bounced"] or date.max)
    if a.get("credit"):
        credit = notes.get(a["credit"]) or invoices.get(a["credit"])
        if credit is None or credit["currency"] != invoice["currency"]:
            return None
        begins.append(credit["posted"])
    if a["currency"] != invoice["currency"] or min(ends) <= max(begins):
        return None
    return max(begins), min(ends)


def _left(invoice: Record, paid: dict[tuple[str, int | None], Decimal], used: dict[str, Decimal]) -> list[Any]:
    """(row, what is open) after settlements named a row and then those of the whole invoice, earliest due first."""
    if invoice["gross"] < 0:
        return [(invoice["rows"][0], invoice["gross"] + used[invoice["id"]])]
    rows = sorted(invoice["rows"], key=lambda row: (_due(row) or date.max, row["number"]))
    left = {row["number"]: row["amount"] - paid[invoice["id"], row["number"]] for row in rows}
    whole = paid[invoice["id"], None]
    for row in rows[:-1]:
        part = min(whole, max(left[row["number"]], ZERO))
        left[row["number"]] -= part
        whole -= part
    left[rows[-1]["number"]] -= whole
    return [(row, left[row["number"]]) for row in rows]


def _due(row: Record) -> date | None:
    """Retention waits for its release; with a condition that is not met yet it has no due date at all."""
    due: date | None = row["due"]
    if row["retention"] and row["release"]:
        return max(due, row["release"]) if due else row["release"]
    return None if row["retention"] and row["condition"] else due


def _place(figures: dict[str, Decimal], invoice: Record, row: Record, left: Decimal, day: date) -> None:
    if left < 0:
        figures["credits"] -= left
        return
    if row["retention"] and row["condition"] and not row["release"]:
        figures["not_due"] += left
        return
    due = _due(row)
    if due is None:
        figures["no_due_date"] += left
        return
    late = (day - due).days
    for limit, name in ((0, "not_due"), (30, "1-30"), (60, "31-60"), (90, "61-90"), (180, "91-180"),
                        (365, "181-365")):  # fmt: skip
        if late <= limit:
            figures[name] += left
            return
    figures["over_365"] += left


def _provisional(invoices: list[Record], every: list[Record], found: dict[str, dict[str, Decimal]]) -> None:
    """Provisional receivables less what was taken back; of an order then less what was invoiced beyond that, oldest
    first. A reversal whose receivable is not known counts against them all."""
    pairs, here = _taken_back(every), {i["id"] for i in invoices}
    taken: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for red, blue in pairs.items():
        if red in here and blue in here:
            taken[blue] += next(-i["gross"] for i in invoices if i["id"] == red)
    for item in invoices:
        if item["kind"] != "provisional":
            continue
        if item["gross"] < 0:
            found[item["currency"]]["provisional"] += ZERO if pairs.get(item["id"]) in here else item["gross"]
        elif not item["order"]:
            found[item["currency"]]["provisional"] += item["gross"] - taken[item["id"]]
    for currency in {i["currency"] for i in invoices}:
        for order in {i["order"] for i in invoices if i["order"]}:
            same = [i for i in invoices if i["order"] == order and i["currency"] == currency]
            shipped = sorted((i for i in same if i["kind"] == "provisional" and i["gross"] > 0),
                             key=lambda i: (i["posted"], i["id"]))  # fmt: skip
            billed = sum((i["gross"] for i in same if i["kind"] != "provisional"), ZERO)
            billed = max(billed - sum((taken[i["id"]] for i in shipped), ZERO), ZERO)
            for item in shipped:
                left = item["gross"] - taken[item["id"]]
                part = min(billed, left)
                billed -= part
                found[currency]["provisional"] += left - part


def _taken_back(every: list[Record]) -> dict[str, str]:
    """Reversal → the provisional receivable it takes back: the one it names; of the same order and amount in turn; else
    the only one of that amount in its month or the month before."""
    blues = {i["id"]: i for i in every if i["kind"] == "provisional" and i["gross"] > 0}
    reds = [i for i in every if i["kind"] == "provisional" and i["gross"] < 0]
    named = {i["id"]: i["original"] for i in reds if i["original"] in blues
             and blues[i["original"]]["currency"] == i["currency"]}  # fmt: skip
    pairs: dict[str, str] = dict(named)
    in_turn = sorted((i for i in blues.values() if i["id"] not in {r["original"] for r in reds}),
                     key=lambda i: (i["posted"], i["id"]))  # fmt: skip
    loose = sorted((i for i in reds if not i["original"]), key=lambda i: (i["posted"], i["id"]))
    for order, currency, size in {(i["order"], i["currency"], -i["gross"]) for i in loose if i["order"]}:
        of_order = [i for i in in_turn if (i["order"], i["currency"], i["gross"]) == (order, currency, size)]
        backs = [i for i in loose if (i["order"], i["currency"], -i["gross"]) == (order, currency, size)]
        for red, blue in zip(backs, of_order, strict=False):
            if blue["posted"] <= red["posted"]:
                pairs[red["id"]] = blue["id"]
    free = [i for i in in_turn if i["id"] not in pairs.values()]
    meant = {red["id"]: [blue["id"] for blue in free if _may_take_back(red, blue)]
             for red in loose if not red["order"]}  # fmt: skip
    for red_id, candidates in meant.items():
        if len(candidates) == 1 and sum(candidates[0] in others for others in meant.values()) == 1:
            pairs[red_id] = candidates[0]
    return pairs


def _may_take_back(red: Record, blue: Record) -> bool:
    months = [i["posted"].year * 12 + i["posted"].month for i in (red, blue)]
    return (
        blue["currency"] == red["currency"] and blue["gross"] == -red["gross"] and blue["posted"] <= red["posted"]
        and months[0] - months[1] <= 1
    )  # fmt: skip
