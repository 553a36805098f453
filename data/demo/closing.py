"""What the ERP's own books say is owed at the last month-ends: documents posted, not what was set against what."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

from data.demo import documents, masters, timing
from data.demo.world import World

MONTHS = 3
ACCOUNT = "1122"
# settled without a document of their own in the ledger of customers
_POSTED = frozenset({"offset", "write_off", "fx", "discount"})


def balance(world: World, day: int) -> dict[str, int]:
    """Currency -> fen owed at the end of `day`; provisional receivables stand on another account."""
    owed: dict[str, int] = defaultdict(int)
    for bill in world.ledger.bills.values():
        if bill.live and bill.day <= day and not bill.kind.startswith("provisional"):
            owed[bill.currency] += bill.sign * sum(row.amount for row in bill.rows)
    for sign, receipts in ((-1, world.ledger.receipts), (1, world.ledger.refunds)):
        for one in receipts.values():
            if one.live and one.day <= day:
                owed[one.currency] += sign * one.amount
    for match in world.ledger.matches:
        if match.kind in _POSTED and match.day <= day and not 0 < match.reversed_on <= day:
            owed[world.ledger.bills[match.bill].currency] -= match.amount
    return owed


def build(world: World) -> None:
    """The balances of the last closed months, entered on the second day after each."""
    rng = world.rng("closing")
    day = date.fromordinal(world.today).replace(day=1).toordinal() - 1
    ends = []
    for _ in range(MONTHS):
        ends.append(day)
        day = date.fromordinal(day).replace(day=1).toordinal() - 1
    for end in reversed(ends):
        for currency, fen in sorted(balance(world, end).items()):
            world.add(
                "kingdee",
                "AR_Control",
                {
                    "FID": world.next("control", 950001),
                    "FBillNo": documents.number(world, "KZ", "control number", end),
                    "FDATE": timing.midnight(end),
                    "FACCOUNT": ACCOUNT,
                    "FCURRENCYID": masters.CURRENCIES[currency][0],
                    "FAMOUNTFOR": fen / 100,
                    **documents.stamps(world, rng, min(end + 2, world.today)),
                },
            )
