"""A random quarter of receivables for the alert campaign: who owes what, who pays when, and what people record."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

START, END = date(2026, 7, 1), date(2026, 9, 30)
TEAM_SIZE = 5


@dataclass(frozen=True)
class Invoice:
    """One open item, `erp:<number>#1`."""

    number: str
    customer: str
    posted_on: date
    due_on: date
    amount: int


@dataclass(frozen=True)
class Receipt:
    """Money of a customer; `settles`: (invoice number, amount, day)."""

    number: str
    customer: str
    received_on: date
    amount: int
    settles: tuple[tuple[str, int, date], ...]


@dataclass(frozen=True)
class Recorded:
    """What somebody recorded about an item, at ten o'clock of `on`: promise (until: promised for), dispute (until:
    closed on, or never), acknowledge, snooze (until)."""

    on: date
    kind: str
    item: str
    amount: int = 0
    until: date | None = None


@dataclass
class Quarter:
    """The whole story. Customer → owner holds on the first day; `handovers`: (day, customer, new owner)."""

    owners: dict[str, str]
    leads: dict[str, str]
    deputies: dict[str, str]
    invoices: list[Invoice] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    recorded: list[Recorded] = field(default_factory=list)
    handovers: list[tuple[date, str, str]] = field(default_factory=list)

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """The story as staging rows."""
        people = [(key, self.leads.get(key)) for key in [*self.leads, *sorted(set(self.leads.values()))]]
        return {
            "employee": [
                {"source_id": key, "code": key, "name": f"员工{key}", "email": f"{key.lower()}@bench.example",
                 "manager_id": lead, "is_active": True}
                for key, lead in people
            ],
            "customer": [
                {"source_id": key, "name": f"示例客户{key}", "owner_id": owner} for key, owner in self.owners.items()
            ],
            "invoice": [
                {"source_id": one.number, "number": one.number, "customer_id": one.customer, "kind": "invoice",
                 "document_status": "approved", "invoice_on": one.posted_on, "due_on": one.due_on, "currency": "CNY",
                 "gross_amount": Decimal(one.amount)}
                for one in self.invoices
            ],
            "receipt": [
                {"source_id": one.number, "number": one.number, "customer_id": one.customer, "purpose": "sale",
                 "received_on": one.received_on, "document_status": "approved", "currency": "CNY",
                 "amount": Decimal(one.amount)}
                for one in self.receipts
            ],
            "allocation": [
                {"source_id": f"{one.number}-{place}", "kind": "receipt", "receipt_id": one.number,
                 "invoice_id": number, "amount": Decimal(amount), "currency": "CNY", "allocated_on": on}
                for one in self.receipts
                for place, (number, amount, on) in enumerate(one.settles)
            ],
        }  # fmt: skip


def make(customers: int, seed: int) -> Quarter:
    """A quarter of `customers`, the same for the same seed."""
    chance = random.Random(seed)
    sellers = [f"S{number:03d}" for number in range(max(4, customers // 100))]
    leads = {seller: f"L{number // TEAM_SIZE:02d}" for number, seller in enumerate(sellers)}
    deputies = dict(zip(sellers[::4], sellers[1::4], strict=False))
    owners = {f"C{number:06d}": chance.choice(sellers) for number in range(1, customers + 1)}
    quarter = Quarter(owners, leads, deputies)
    for customer in owners:
        for place in range(chance.choice((1, 2, 3, 4))):
            _invoice(quarter, chance, customer, place)
    for customer in chance.sample(sorted(owners), max(1, customers // 100)):
        quarter.handovers.append((_day(chance), customer, chance.choice(sellers)))
    quarter.handovers.sort()
    quarter.recorded.sort(key=lambda one: (one.on, one.item, one.kind))
    return quarter


def _day(chance: random.Random) -> date:
    return START + timedelta(days=chance.randrange((END - START).days))


def _invoice(quarter: Quarter, chance: random.Random, customer: str, place: int) -> None:
    posted = date(2026, 3, 1) + timedelta(days=chance.randrange(190))
    amount = chance.choice((800, 5_000, 20_000, 90_000, 260_000)) + chance.randrange(500)
    due = posted + timedelta(days=chance.choice((15, 30, 45, 60)))
    invoice = Invoice(f"I{customer[1:]}{place}", customer, posted, due, amount)
    quarter.invoices.append(invoice)
    habit = chance.random()
    if habit < 0.07:
        _record(quarter, chance, invoice)
        return
    late = chance.choice((-3, 0, 2, 5, 12, 25, 40, 70, 100))
    first = amount if habit < 0.8 else amount // 3
    _pay(quarter, chance, invoice, due + timedelta(days=late), first, "a")
    if first < amount:
        _pay(quarter, chance, invoice, due + timedelta(days=late + chance.randrange(10, 60)), amount - first, "b")
    if late > 4 and chance.random() < 0.3:
        _record(quarter, chance, invoice)


def _pay(quarter: Quarter, chance: random.Random, invoice: Invoice, on: date, amount: int, mark: str) -> None:
    """The money comes on a day and is allocated then, later, or not within the quarter."""
    waits = chance.choice((0, 0, 0, 0, 3, 12, 200))
    on = max(on, invoice.posted_on)
    number = f"R{invoice.number[1:]}{mark}"
    quarter.receipts.append(
        Receipt(number, invoice.customer, on, amount, ((invoice.number, amount, on + timedelta(days=waits)),))
    )


def _record(quarter: Quarter, chance: random.Random, invoice: Invoice) -> None:
    on = max(_day(chance), invoice.due_on + timedelta(days=2))
    if on > END:
        return
    kind = chance.choice(("promise", "promise", "dispute", "acknowledge", "snooze"))
    until: date | None = on + timedelta(days=chance.choice((3, 8, 15)))
    share = chance.choice((invoice.amount, invoice.amount, invoice.amount // 2))
    if kind == "dispute" and chance.random() < 0.5:
        until = None
    quarter.recorded.append(Recorded(on, kind, invoice.number, share, until))
