"""Expected payment days of open items, and the cash they make by week, with what is left out and why."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from math import sqrt
from typing import Any

from model.policy import Viewer
from model.receivables import figures
from model.receivables.habit import ENOUGH, Habit, Paid, absolute_error, expect, learn
from model.receivables.items import open_items_sql, received_parameters
from model.serve import work
from model.serve.connection import Served

ZERO = Decimal(0)
CENT = Decimal("0.01")
# 80 % of a normal distribution lies within so many standard deviations
WIDTH = 1.2816
LEFT_OUT = ("disputed", "no_due_date", "awaiting_release", "beyond_history", "covered")


def expected_days(
    viewer: Viewer, db: Served, customer_key: str | None = None, as_of: date | None = None
) -> list[dict[str, Any]]:
    """Open items of the viewer's customers (or one), each with the day its money is expected.

    Grain: plan row: record_key, customer_key, name, invoice_number, currency, open_amount, amount (open less what is
    disputed), due_on, expected_on, low_on and high_on (80 %), usually_days (the habit's median), level (promise,
    customer, group, segment, terms) with count, or expected_on null and left_out: why it cannot be said.
    """
    found = _expected_items(viewer, db, customer_key, as_of or db.today())
    return [{name: value for name, value in item.items() if name != "habit"} for item in found]


def expected_cash(viewer: Viewer, db: Served, weeks: int = 13, as_of: date | None = None) -> dict[str, Any]:
    """{as_of, currencies}: cash expected per currency and week, with an 80 % interval; each amount once.

    Weeks: from, to, expected, low, high, of it promised and bills (on the day they mature). Items spread over weeks as
    like payments did; one customer's items are taken to move together. `later` is expected after the last week.
    left_out: amounts without a day (disputed, no due date, retention not released, later than anything ever paid) and
    what unallocated cash covers: that money is here already.
    """
    day = as_of or db.today()
    rule, named = viewer.named_rows()
    items = _expected_items(viewer, db, None, day)
    bills = db.rows(
        figures.of_viewer(figures.bills_sql(), rule, "customer_key, currency, amount, due_on, is_contingent"),
        {"as_of": day, **named},
    )
    cash = db.rows(
        f"""select customer_key, currency, sum(-amount) as amount
            from ({figures.of_viewer(figures.unallocated_sql(), rule)}) group by all having sum(-amount) > 0""",
        {"as_of": day, **named},
    )
    covered = _cover(items, {(row["customer_key"], row["currency"]): Decimal(row["amount"]) for row in cash})
    codes = sorted({row["currency"] for row in (*items, *bills)})
    return {"as_of": day, "currencies": [_forecast(code, items, bills, covered, weeks, day) for code in codes]}


def habits_of(db: Served, day: date) -> dict[tuple[str, str], Habit]:
    """(customer | group | segment, key) → habit as of `day`; cached per version."""
    cached = ("habits", day)
    if cached not in db.cache:
        paid: dict[tuple[str, str], list[Paid]] = defaultdict(list)
        for row in settled(db, day):
            for level in ("customer", "group", "segment"):
                if row[level] is not None:
                    paid[level, row[level]].append(Paid(row["days"], row["paid_on"]))
        db.cache[cached] = {key: learn(key[0], rows, day) for key, rows in paid.items()}
    found: dict[tuple[str, str], Habit] = db.cache[cached]
    return found


def settled(db: Served, day: date) -> list[dict[str, Any]]:
    """Items settled by money by `day`: customer, group, segment (the kind of terms), posted_on, days late, paid_on."""
    return db.rows(
        """select p.customer_key as customer, d.group_key as "group", coalesce(p.terms_anchor, 'none') as segment,
                  p.posted_on, date_diff('day', p.due_on, max(p.received_on)) as days, max(p.received_on) as paid_on
           from marts.mart_payment as p
           join core.dim_customer as d on d.customer_key = p.customer_key
           where p.moved_on <= $day and p.settled_on <= $day and p.due_on is not null
             and not coalesce(p.is_retention, false)
           group by p.customer_key, d.group_key, p.terms_anchor, p.posted_on, p.record_key, p.due_on
           having sum(p.amount) > 0""",
        {"day": day},
    )


def expected_backtest(viewer: Viewer, db: Served, months: int = 12) -> dict[str, Any]:
    """How far the expected day was off over items of the last `months`, told on the day each was invoiced.

    {items, terms, segment, habit} as mean absolute error in days, and within_interval: the share of items whose money
    came between low and high (80 is right). Over all customers; says nothing about one of them.
    """
    _ = viewer
    day = db.today()
    rows = sorted(settled(db, day), key=lambda row: row["posted_on"])
    # items invoiced lately and settled already are the quick ones: judging by them would flatter
    since, until = day - timedelta(days=months * 30 + 150), day - timedelta(days=150)
    pairs: dict[str, list[tuple[int, int]]] = defaultdict(list)
    inside = 0
    judged = [row for row in rows if since <= row["posted_on"] <= until]
    for row in judged:
        levels = [
            learn(level, [Paid(r["days"], r["paid_on"]) for r in rows if r[level] == row[level]], row["posted_on"])
            for level in ("customer", "group", "segment")
            if row[level] is not None
        ]
        found = expect(row["posted_on"], row["posted_on"], levels)
        chosen = found.habit if found is not None else Habit("terms")
        segment = levels[-1]
        pairs["terms"].append((0, row["days"]))
        pairs["segment"].append((segment.quantile(0.5), row["days"]))
        pairs["habit"].append((chosen.quantile(0.5), row["days"]))
        inside += chosen.quantile(0.1) <= row["days"] <= chosen.quantile(0.9)
    errors = {name: round(absolute_error(found) or 0.0, 2) for name, found in pairs.items()}
    share = round(100 * inside / len(judged), 1) if judged else None
    return {"items": len(judged), "from": since, "to": until, **errors, "within_interval": share}


def _expected_items(viewer: Viewer, db: Served, key: str | None, day: date) -> list[dict[str, Any]]:
    items = _items(viewer, db, day, key)
    habits = habits_of(db, day)
    states = work.state_of(db, (item["record_key"] for item in items))
    return [_expected(item, habits, states.get(item["record_key"], {}), day) for item in items]


def _items(viewer: Viewer, db: Served, day: date, key: str | None) -> list[dict[str, Any]]:
    rule, named = viewer.named_rows()
    received = work.recorded_receipts(db)
    sql = open_items_sql(customer=key is not None, received=bool(received))
    parameters = {"as_of": day, **named, **received_parameters(received), **({"customer_key": key} if key else {})}
    return db.rows(
        f"""select i.record_key, i.customer_key, customer.name, customer.group_key, i.invoice_number, i.currency,
                   i.open_amount, i.due_on, i.days_past_due, i.is_awaiting_release, i.bucket,
                   coalesce(i.terms_anchor, 'none') as segment
            from ({sql}) as i join core.dim_customer as customer on customer.customer_key = i.customer_key
            where i.open_amount > 0 and i.kind <> 'provisional' and {rule}
            order by i.due_on nulls last, i.record_key""",
        parameters,
    )


def _expected(
    item: dict[str, Any], habits: dict[tuple[str, str], Habit], state: dict[str, Any], day: date
) -> dict[str, Any]:
    keys = (("customer", item["customer_key"]), ("group", item["group_key"]), ("segment", item["segment"]))
    levels = [habits[key] for key in keys if key in habits]
    disputed = min(state.get("dispute", {}).get("amount", ZERO), item["open_amount"])
    answer = {
        **{name: item[name] for name in (
            "record_key", "customer_key", "name", "invoice_number", "currency", "open_amount", "due_on")},
        "disputed": disputed, "amount": item["open_amount"] - disputed, "expected_on": None, "low_on": None,
        "high_on": None, "usually_days": _usual(levels),
        "level": None, "count": 0, "left_out": None, "habit": None,
    }  # fmt: skip
    promise = state.get("promise")
    if answer["amount"] <= 0:
        return {**answer, "left_out": "disputed"}
    if promise is not None and promise["on"] > day:
        return {**answer, "expected_on": promise["on"], "low_on": promise["on"], "high_on": promise["on"],
                "level": "promise"}  # fmt: skip
    if item["is_awaiting_release"]:
        return {**answer, "left_out": "awaiting_release"}
    if item["due_on"] is None:
        return {**answer, "left_out": "no_due_date"}
    found = expect(item["due_on"], day, levels)
    if found is None:
        return {**answer, "left_out": "beyond_history"}
    return {
        **answer, "expected_on": found.on, "low_on": found.low_on, "high_on": found.high_on,
        "level": found.habit.level, "count": found.habit.count, "habit": found.habit,
    }  # fmt: skip


def _usual(levels: list[Habit]) -> int | None:
    """The median of the customer's own habit, where it has one."""
    own = levels[0] if levels and levels[0].level == "customer" else None
    return own.quantile(0.5) if own is not None and own.count >= ENOUGH else None


def _cover(items: list[dict[str, Any]], cash: dict[tuple[str, str], Decimal]) -> dict[str, Decimal]:
    """Take unallocated cash off each customer's oldest items; item → what of it is covered."""
    covered: dict[str, Decimal] = {}
    for item in items:
        purse = (item["customer_key"], item["currency"])
        part = min(cash.get(purse, ZERO), item["amount"])
        if part > 0:
            cash[purse] -= part
            covered[item["record_key"]] = part
    return covered


def _forecast(
    currency: str, items: list[dict[str, Any]], bills: list[dict[str, Any]], covered: dict[str, Decimal], weeks: int,
    day: date,
) -> dict[str, Any]:  # fmt: skip
    left_out = dict.fromkeys(LEFT_OUT, ZERO)
    starts = [day + timedelta(days=1 + 7 * number) for number in range(weeks)]
    lines = [_Week(start) for start in starts]
    whole = ZERO
    for item in (item for item in items if item["currency"] == currency):
        part = covered.get(item["record_key"], ZERO)
        amount = item["amount"] - part
        left_out["covered"] += part
        left_out["disputed"] += item["disputed"]
        if item["left_out"] not in {None, "disputed"}:
            left_out[item["left_out"]] += amount
        elif amount > 0:
            whole += amount
            for line in lines:
                line.add(item, amount, day)
    for bill in (bill for bill in bills if bill["currency"] == currency and bill["due_on"] is not None):
        if not bill["is_contingent"]:
            whole += bill["amount"]
            for line in lines:
                line.add_bill(bill)
    shown = [line.shown() for line in lines]
    later = whole - sum((line["expected"] for line in shown), ZERO)
    return {"currency": currency, "weeks": shown, "later": later, "left_out": left_out}


class _Week:
    """Expected cash of seven days from `start`."""

    def __init__(self, start: date) -> None:
        self.start, self.end = start, start + timedelta(days=6)
        self.promised = self.bills = self.mean = ZERO
        self.spread: dict[str, float] = defaultdict(float)

    def add(self, item: dict[str, Any], amount: Decimal, day: date) -> None:
        habit = item["habit"]
        if habit is None or not habit.days:
            if self.start <= item["expected_on"] <= self.end:
                self.promised += amount if item["level"] == "promise" else ZERO
                self.mean += amount if item["level"] != "promise" else ZERO
            return
        # what like payments made before today comes in the first week
        low = (self.start - item["due_on"]).days if self.start > day + timedelta(days=1) else -100_000
        share = habit.share_within(low, (self.end - item["due_on"]).days)
        self.mean += amount * Decimal(str(share))
        self.spread[item["customer_key"]] += float(amount) * sqrt(share * (1 - share))

    def add_bill(self, bill: dict[str, Any]) -> None:
        if self.start <= bill["due_on"] <= self.end:
            self.bills += bill["amount"]

    def shown(self) -> dict[str, Any]:
        sure = self.promised + self.bills
        habit = self.mean.quantize(CENT)
        wide = Decimal(str(WIDTH * sqrt(sum(value * value for value in self.spread.values())))).quantize(CENT)
        return {
            "from": self.start, "to": self.end, "expected": sure + habit, "low": sure + max(habit - wide, ZERO),
            "high": sure + habit + wide, "promised": self.promised, "bills": self.bills,
        }  # fmt: skip
