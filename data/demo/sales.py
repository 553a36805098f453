"""The order-to-bill flow of every customer: orders, shipments, bills, red letters, returns, provisional bills."""

from __future__ import annotations

from random import Random

from data.demo import collecting, documents, masters, money, timing
from data.demo.contracts import ServiceTerm, year_of
from data.demo.world import Bill, Entity, ErpAccount, PlanRow, Record, World, pick

_REASONS = ("数量差异", "单价调整", "开票信息有误", "销售折让")


def plan(rng: Random, entity: Entity, day: int, gross: int) -> list[PlanRow]:
    """Payment-plan rows by the customer's terms; 2 % have lost their due date."""
    _, _, _, kind, days = masters.TERMS[entity.terms]
    if kind == "none" or rng.random() < 0.02:
        return [PlanRow(1, 0, gross)]
    if kind == "stages":
        first, last = gross * 3 // 10, gross // 10
        rows = [PlanRow(1, day, first), PlanRow(2, day + 30, gross - first - last)]
        return [*rows, PlanRow(3, day + days, last, retention=True)]
    due = timing.month_end(day) + days if kind == "month_end" else day + days
    if gross > 25_000_000 and rng.random() < 0.4:
        third = gross // 3
        return [PlanRow(1, due, third), PlanRow(2, due + 30, third), PlanRow(3, due + 60, gross - 2 * third)]
    return [PlanRow(1, due, gross)]


def _red(world: World, rng: Random, account: ErpAccount, blue: Bill, day: int) -> None:
    """A red-letter bill of part or all of the blue one, set against its last rows at once."""
    gross = sum(row.amount for row in blue.rows)
    amount = gross if rng.random() < 0.25 else int(gross * (0.03 + rng.random() * 0.2))
    red = money.bill(
        world,
        rng,
        blue.entity,
        account,
        day,
        [PlanRow(1, day, amount)],
        "red",
        blue=blue.number,
        reason=pick(rng, _REASONS),
    )
    collecting.against(world, rng, "red_invoice", blue, red, day)


def _credit(
    world: World, rng: Random, account: ErpAccount, blue: Bill, day: int, amount: int, reason: str, use: bool
) -> None:
    note = money.bill(world, rng, blue.entity, account, day, [PlanRow(1, 0, amount)], "credit", reason=reason)
    if use:
        collecting.against(world, rng, "credit_note", blue, note, day)


def _provisional(
    world: World, rng: Random, entity: Entity, account: ErpAccount, source: Record, day: int, invoiced: int
) -> None:
    """A provisional bill at shipment, reversed on the day of the invoice (0 = not invoiced yet)."""
    gross = round(source["FBillAllAmount"] * 100)
    first = money.bill(
        world, rng, entity, account, day, [PlanRow(1, 0, gross)], "provisional", source=source["FBillNo"]
    )
    if invoiced:
        back = money.bill(
            world,
            rng,
            entity,
            account,
            invoiced,
            [PlanRow(1, 0, gross)],
            "provisional_red",
            source=source["FBillNo"],
            blue=first.number,
        )
        collecting.against(world, rng, "red_invoice", first, back, invoiced)


def _bill_order(
    world: World, rng: Random, entity: Entity, account: ErpAccount, source: Record, shipped: int
) -> list[Bill]:
    gross = round(source["FBillAllAmount"] * 100)
    day = shipped + int(rng.random() * 10)
    unbilled = day >= world.today
    if rng.random() < (0.7 if unbilled else 0.05):
        _provisional(world, rng, entity, account, source, shipped, 0 if unbilled else day)
    if unbilled:
        return []
    halves = [gross // 2, gross - gross // 2] if rng.random() < 0.08 else [gross]
    bills = []
    for position, amount in enumerate(halves):
        dated = day + position * 12
        if dated >= world.today:
            continue
        status = documents.state(world, rng, dated)
        bills.append(
            money.bill(
                world,
                rng,
                entity,
                account,
                dated,
                plan(rng, entity, dated, amount),
                source=source["FBillNo"],
                state=status,
            )
        )
    for blue in bills:
        later = blue.day + 8 + int(rng.random() * 40)
        if blue.live and later < world.today and rng.random() < 0.015:
            _red(world, rng, account, blue, later)
        elif blue.live and later < world.today and rng.random() < 0.012:
            amount = max(100, int(sum(r.amount for r in blue.rows) * 0.03))
            _credit(world, rng, account, blue, later, amount, "年度返利", rng.random() < 0.6)
    return bills


def _order(world: World, rng: Random, entity: Entity, day: int) -> list[tuple[ErpAccount, Bill]]:
    account = entity.erp[0] if rng.random() < 0.75 else pick(rng, entity.erp)
    target = int(rng.lognormvariate(11.0, 0.9) * (0.6 + entity.size * 0.4)) * 100
    target = target // 7 if entity.currency != "CNY" else target
    shipped = day + 4 + int(rng.random() * 32)
    source = documents.order(world, rng, entity, account, day, target, shipped)
    if source["FDocumentStatus"] != "C" or source["FCancelStatus"] == "B" or shipped >= world.today:
        return []
    documents.shipment(world, rng, entity, account, source, shipped)
    bills = _bill_order(world, rng, entity, account, source, shipped)
    documents.invoiced(source, sum(row.amount for bill in bills if bill.live for row in bill.rows))
    back = shipped + 6 + int(rng.random() * 30)
    if bills and bills[0].live and back < world.today and back > bills[0].day and rng.random() < 0.015:
        amount = documents.goods_return(world, rng, entity, account, source, back)
        _credit(world, rng, account, bills[0], back, amount, "退货", True)
    return [(account, each) for each in bills]


def _opening(world: World, rng: Random, entity: Entity) -> list[tuple[ErpAccount, Bill]]:
    if entity.since >= world.start - 60 or rng.random() > 0.2:
        return []
    day = world.start - 5 - int(rng.random() * 120)
    gross = int(rng.lognormvariate(10.6, 0.8)) * 100
    account = entity.erp[0]
    rows = [PlanRow(1, day + 60, gross)]
    return [(account, money.bill(world, rng, entity, account, day, rows, "opening"))]


def _days(world: World, rng: Random, entity: Entity) -> list[int]:
    """Order days: a Poisson-like stream whose rate follows the customer's yearly usage and stops short after churn."""
    begin = max(world.start, entity.since)
    days: list[int] = []
    day = begin + int(rng.random() * 60)
    while day < world.today:
        rate = 1.9 * entity.size**0.7 * entity.usage[year_of(world, entity, day)]
        if entity.churned_on and day > entity.churned_on:
            rate *= 0.3
        days.append(day)
        day += 1 + int(rng.expovariate(rate / 365))
    return days


def build(world: World, terms: list[ServiceTerm]) -> None:
    """Everything between an order and its money, customer by customer, then the collection of each."""
    rng = world.rng("sales")
    service: dict[int, list[ServiceTerm]] = {}
    for term in terms:
        service.setdefault(term.entity.index, []).append(term)
    for entity in world.entities:
        if not entity.erp:
            continue
        bills = _opening(world, rng, entity)
        for day in _days(world, rng, entity):
            if not entity.is_lead or day < world.today - 130:
                bills += _order(world, rng, entity, day)
        for term in service.get(entity.index, ()):
            day = term.start + 4 + int(rng.random() * 15)
            if day < world.today:
                rows = plan(rng, entity, day, term.amount)
                account = entity.erp[0]
                bills.append((account, money.bill(world, rng, entity, account, day, rows, tax=6, contract=term.number)))
        collecting.collect(world, rng, entity, bills)
