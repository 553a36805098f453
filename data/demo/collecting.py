"""How customers pay: late or early, in parts or together, by bill of exchange, or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from data.demo import money
from data.demo.contracts import year_of
from data.demo.world import Bill, Entity, ErpAccount, PlanRow, Receipt, World


@dataclass(slots=True)
class Payment:
    """An intended payment of `amount` fen on one plan row."""

    day: int
    account: ErpAccount
    bill: Bill
    row: PlanRow
    amount: int


def against(world: World, rng: Random, kind: str, blue: Bill, negative: Bill, day: int) -> None:
    """Set a negative bill against the rows of a positive one, last row first."""
    left = negative.rows[0].amount
    for row in reversed(blue.rows):
        amount = min(left, row.amount - row.settled)
        if amount > 0:
            money.match(world, rng, kind, blue, row, negative.id, amount, day)
            left -= amount
    used = negative.rows[0].amount - left
    if used:
        mirror = negative.rows[0]
        mirror.settled += used
        negative.row["FEntityPlan"][0]["FWRITTENOFFAMOUNTFOR"] = -used / 100
        negative.row["FEntityPlan"][0]["FEntityPlan_FWRITTENOFFSTATUS"] = "B" if left else "C"
        negative.row["FWRITTENOFFSTATUS"] = "B" if left else "C"


def _intentions(world: World, rng: Random, entity: Entity, bills: list[tuple[ErpAccount, Bill]]) -> list[Payment]:
    payments = []
    for account, bill in bills:
        if not bill.live:
            continue
        for row in bill.rows:
            amount = row.amount - row.settled
            choice = rng.random()
            if amount <= 0 or choice < (0.06 if bill.kind == "opening" else 0.012):
                if amount > 0 and rng.random() < 0.5:
                    bill.row["F_PAEZ_Dispute"] = "数量有争议" if choice < 0.006 else "验收未通过"
                continue
            late = entity.late[year_of(world, entity, bill.day)]
            day = (row.due or bill.day + 70) + int(rng.gauss(late, 8))
            day = max(day, bill.day - 3)
            if choice < 0.07:
                part = int(amount * (0.3 + rng.random() * 0.5))
                payments.append(Payment(day, account, bill, row, part))
                payments.append(Payment(day + 15 + int(rng.random() * 55), account, bill, row, amount - part))
            elif choice < 0.078:
                payments.append(Payment(day, account, bill, row, max(1, amount - int(rng.random() * 900) - 10)))
            else:
                payments.append(Payment(day, account, bill, row, amount))
    return payments


def _bill_of_exchange(world: World, rng: Random, day: int) -> tuple[str, tuple[str, str, int]]:
    """Method and (number, state, maturity) of an acceptance bill received on `day`."""
    commercial = rng.random() < 0.2
    matures = day + 182
    choice = rng.random()
    if matures < world.today - 3:
        state = (
            "拒付"
            if commercial and choice < 0.12
            else "已背书"
            if choice < 0.25
            else "已贴现"
            if choice < 0.35
            else "已结清"
        )
    else:
        state = "已背书" if choice < 0.25 else "已贴现" if choice < 0.35 else "已质押" if choice < 0.42 else "待提示"
    if matures >= world.today - 3 and matures <= world.today + 5:
        state = "已提示"
    number = f"{'2' if commercial else '1'}{int(rng.random() * 1e15):015d}"
    return ("commercial_bill" if commercial else "bank_bill"), (number, state, matures)


def _receive(world: World, rng: Random, entity: Entity, group: list[Payment]) -> None:
    day = max(payment.day for payment in group)
    total = sum(payment.amount for payment in group)
    prepaid = any(payment.day < payment.bill.day for payment in group)
    method, note = "transfer", ("", "", 0)
    if entity.country == "CN" and entity.currency == "CNY" and total > 2_000_000 and rng.random() < 0.15:
        method, note = _bill_of_exchange(world, rng, day)
    elif rng.random() < 0.02:
        method = "card" if rng.random() < 0.5 else "cash"
    extra = int(total * (0.01 + rng.random() * 0.2)) if rng.random() < 0.008 else 0
    payer = (entity.parent.name if entity.parent else entity.short) if rng.random() < 0.03 else ""
    account = group[0].account
    receipt = money.receipt(
        world,
        rng,
        entity,
        account,
        entity.currency,
        day,
        total + extra,
        method=method,
        purpose="prepayment" if prepaid else "sale",
        note=note,
        payer=payer,
    )
    if day > world.today - 15 and rng.random() < 0.15:
        return
    bounced = note[2] + 2 if note[1] == "拒付" else 0
    _allocate(world, rng, group, receipt, bounced)
    if bounced:
        money.refund(world, rng, account, receipt, bounced, receipt.amount)


def _allocate(world: World, rng: Random, group: list[Payment], receipt: Receipt, bounced: int) -> None:
    for payment in group:
        day = max(receipt.day + (0 if rng.random() < 0.5 else int(rng.random() * 4)), payment.bill.day)
        if day >= world.today:
            continue
        money.match(world, rng, "receipt", payment.bill, payment.row, receipt.id, payment.amount, day, bounced)
        if not bounced:
            money.applied(receipt, payment.amount)


def _residues(world: World, rng: Random, bills: list[tuple[ErpAccount, Bill]]) -> None:
    """Small balances and long dead ones are written off, discounted, or set against what we owe."""
    for _, bill in bills:
        if not bill.live:
            continue
        for row in bill.rows:
            left = row.amount - row.settled
            age = world.today - (row.due or bill.day + 70)
            if left <= 0 or age < 60:
                continue
            kind, day = "", world.today - 1 - int(rng.random() * min(50, age - 5))
            if 0 < left < 100_00 and left < row.amount:
                kind = "discount" if rng.random() < 0.5 else "write_off"
            elif age > 420 and rng.random() < 0.6:
                kind = "write_off"
            elif rng.random() < 0.05:
                kind = "offset"
            if kind and day > bill.day:
                money.match(world, rng, kind, bill, row, 0, left, day)


def collect(world: World, rng: Random, entity: Entity, bills: list[tuple[ErpAccount, Bill]]) -> None:
    """Receipts and write-offs for one customer's bills, in order of payment day."""
    payments = sorted(
        _intentions(world, rng, entity, bills), key=lambda p: (p.account.id, p.day, p.bill.id, p.row.number)
    )
    group: list[Payment] = []
    for payment in payments:
        if payment.day >= world.today:
            continue
        near = group and group[0].account is payment.account and payment.day - group[0].day <= 12
        if group and not (near and rng.random() < 0.45):
            _receive(world, rng, entity, group)
            group = []
        group.append(payment)
    if group:
        _receive(world, rng, entity, group)
    _residues(world, rng, bills)


def unidentified(world: World) -> None:
    """Money whose payer nobody has recognised yet, and a few prepayments that wait for a bill."""
    rng = world.rng("unidentified")
    count = max(2, len(world.entities) // 200)
    for _ in range(count):
        day = world.today - 1 - int(rng.random() * 60)
        amount = int(rng.lognormvariate(9.8, 0.8)) * 100
        money.receipt(world, rng, None, None, "CNY", day, amount, purpose="other", payer="待查来款")
    buyers = [e for e in world.entities if e.erp and e.index > 3]
    for _ in range(count):
        entity = buyers[int(rng.random() * len(buyers))]
        day = world.today - 1 - int(rng.random() * 40)
        amount = int(rng.lognormvariate(10, 0.7)) * 100
        money.receipt(world, rng, entity, entity.erp[0], entity.currency, day, amount, purpose="prepayment")
