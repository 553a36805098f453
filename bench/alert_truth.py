"""What every reader should have been told, worked out a second time: plain Python, day by day, item by item.

Nothing here is shared with model/alerts or model/delivery. Rules are judged after midnight, people record at ten
o'clock, so what they record counts from the next day. The rules' numbers are written out as the rule files say
them; a changed rule file without a change here shows as a difference, and is meant to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta

from bench.alert_company import END, START, Invoice, Quarter, Receipt, Recorded

# Off days of Q3 2026: weekends, the mid-autumn holiday (a Friday), less the make-up Sunday before National Day.
HOLIDAYS = {date(2026, 9, 25)}
MAKE_UP = {date(2026, 9, 20)}
Due = tuple[date, str, str, str, str]  # day, reader, digest | urgent, rule, what


@dataclass(frozen=True)
class Numbers:
    """A rule as its file says it."""

    steps: tuple[int, ...]
    severity: tuple[str, ...]
    every: int
    escalate: int | None
    escalate_from: int = 1
    news: bool = False


RULES = {
    "overdue": Numbers((1, 30, 60, 90), ("info", "warning", "warning", "critical"), 7, 10, 3),
    "large_overdue": Numbers((500_000,), ("critical",), 7, 5),
    "broken_promise": Numbers((1,), ("warning",), 3, 5),
    "dispute_aged": Numbers((14, 30), ("info", "warning"), 7, 10),
    "receipt_arrived": Numbers((0,), ("info",), 7, None, news=True),
    "reconciliation_gap": Numbers((0, 30), ("info", "warning"), 14, 15),
}
# Money is a difference while it waits to be allocated: after 30 days, from 10,000 on, and told for 90 days.
WAITS, LARGE, TOLD_FOR = 30, 10_000, 90


@dataclass
class Seen:
    """What is true of a subject today: how much of it, who owns it, what holds it back."""

    measure: float
    owner: str
    hold: str | None = None


@dataclass
class Open:
    """An alert under way."""

    step: int
    since: date
    mood: str = "asks"  # asks, acknowledged, snoozed, promised, disputed
    level: int = 0
    until: date | None = None
    told: dict[str, tuple[date, date, int]] = field(default_factory=dict)  # reader → day, since, level


def works(day: date) -> bool:
    """Whether anybody works on `day`."""
    return day in MAKE_UP or (day.weekday() < 5 and day not in HOLIDAYS)


class Truth:
    """Runs the quarter."""

    def __init__(self, quarter: Quarter) -> None:
        self.quarter = quarter
        self.owner = dict(quarter.owners)
        self.by_customer: dict[str, list[Invoice]] = defaultdict(list)
        for invoice in quarter.invoices:
            self.by_customer[invoice.customer].append(invoice)
        self.paid: dict[str, list[tuple[date, int, date]]] = defaultdict(list)  # invoice → effective, amount, received
        self.receipts: dict[str, list[Receipt]] = defaultdict(list)
        for receipt in quarter.receipts:
            self.receipts[receipt.customer].append(receipt)
            for number, amount, on in receipt.settles:
                self.paid[number].append((on, amount, receipt.received_on))
        self.first_used = min(on for receipt in quarter.receipts for _, _, on in receipt.settles)
        self.notes: dict[str, list[Recorded]] = defaultdict(list)
        for one in quarter.recorded:
            self.notes[one.item].append(one)
        self.alerts: dict[tuple[str, str], Open] = {}

    def run(self) -> list[Due]:
        """Every telling that was due, in order."""
        due: list[Due] = []
        day = START
        while day <= END:
            for on, customer, owner in self.quarter.handovers:
                if on == day:
                    self.owner[customer] = owner
            facts = self._facts(day)
            self._judge(facts, day)
            if works(day):
                due += self._tell(facts, day)
            day += timedelta(days=1)
        return due

    def _facts(self, day: date) -> dict[tuple[str, str], Seen]:
        facts: dict[tuple[str, str], Seen] = {}
        for customer, invoices in self.by_customer.items():
            owner = self.owner[customer]
            waiting = self._waits(customer, day)
            large = -sum(waiting.values())
            posted = [(one, self._owed(one, day)) for one in invoices if one.posted_on <= day]
            standing = [(invoice, owed) for invoice, owed in posted if owed > 0]
            covered = self._covered([one for one in standing if one[0].due_on < day], waiting, day)
            for invoice, owed in standing:
                hold = self._hold(invoice.number, owed, covered, day)
                late = (day - invoice.due_on).days
                if late > 0:
                    facts["overdue", invoice.number] = Seen(late, owner, hold)
                    large += owed if hold in (None, "covered") else 0
                self._recorded_facts(facts, invoice, hold, owner, day)
            if large >= 500_000:
                facts["large_overdue", customer] = Seen(large, owner)
        for receipt in self.quarter.receipts:
            if receipt.received_on <= day < receipt.received_on + timedelta(days=7):
                facts["receipt_arrived", receipt.number] = Seen(0, self.owner[receipt.customer])
            # before the first use on record nobody knows whether money was used
            waits = (day - receipt.received_on).days - WAITS
            used = any(on <= day for _, _, on in receipt.settles) or receipt.received_on < self.first_used
            if 0 < waits <= TOLD_FOR and receipt.amount >= LARGE and not used:
                facts["reconciliation_gap", receipt.number] = Seen(waits, self.owner[receipt.customer])
        return facts

    def _recorded_facts(
        self, facts: dict[tuple[str, str], Seen], invoice: Invoice, hold: str | None, owner: str, day: date
    ) -> None:
        promises = [one for one in self.notes[invoice.number] if one.kind == "promise" and one.on < day]
        if promises and promises[-1].until is not None and promises[-1].until < day:
            last = promises[-1]
            if self._kept(last, day) < last.amount:
                quiet = hold if hold in ("covered", "disputed") else None
                facts["broken_promise", invoice.number] = Seen((day - promises[-1].until).days, owner, quiet)
        disputes = [one for one in self.notes[invoice.number] if _is_disputed(one, day)]
        if disputes:
            age = (day - min(one.on for one in disputes)).days
            facts["dispute_aged", invoice.number] = Seen(age, owner)

    def _owed(self, invoice: Invoice, day: date) -> int:
        return invoice.amount - sum(amount for on, amount, _ in self.paid[invoice.number] if on <= day)

    def _waits(self, customer: str, day: date) -> dict[date, int]:
        """Day received → money of the customer that nobody has allocated by `day`."""
        found: dict[date, int] = defaultdict(int)
        for receipt in self.receipts[customer]:
            used = sum(amount for _, amount, on in receipt.settles if on <= day)
            if receipt.received_on <= day:
                found[receipt.received_on] += receipt.amount - used
        return found

    def _covered(self, late: list[tuple[Invoice, int]], waits: dict[date, int], day: date) -> set[str]:
        """Late invoices that waiting money covers, counted once: promises it could keep, the equal one, the oldest."""
        free, covered = sum(waits.values()), set()
        left = dict(waits)
        promised = [
            (one.until, one.on, one) for invoice, _ in late for one in self.notes[invoice.number]
            if one.kind == "promise" and one.on < day and one.until is not None
        ]  # fmt: skip
        for until, made, one in sorted(promised, key=lambda entry: (entry[0], entry[1], entry[2].item)):
            missing = one.amount - self._kept(one, day)
            if missing > 0 and sum(amount for on, amount in left.items() if made <= on <= until) >= missing:
                covered.add(one.item)
                free -= missing
            for on in [on for on in sorted(left) if made <= on <= until and missing > 0]:
                part = min(left[on], missing)
                left[on], missing = left[on] - part, missing - part
        asked = []
        for invoice, owed in late:
            disputed, in_time = self._parts(invoice.number, owed, day)
            amount = owed - disputed - in_time or in_time
            if amount and invoice.number not in covered:
                asked.append((amount != free, invoice.due_on, invoice.number, amount))
        for _, _, number, amount in sorted(asked):
            if amount <= free:
                covered.add(number)
                free -= amount
        return covered

    def _kept(self, one: Recorded, day: date) -> int:
        """What receipts from the day of the promise to the day promised have settled by `day`."""
        return sum(
            amount
            for on, amount, received in self.paid[one.item]
            if on <= day and one.until is not None and one.on <= received <= one.until
        )

    def _parts(self, number: str, owed: int, day: date) -> tuple[int, int]:
        """What of an invoice is disputed, and promised for a day that has not passed."""
        notes = self.notes[number]
        disputed = min(owed, sum(one.amount for one in notes if _is_disputed(one, day)))
        standing = (one for one in notes if one.kind == "promise" and one.on < day and one.until and one.until >= day)
        return disputed, min(owed - disputed, sum(one.amount for one in standing))

    def _hold(self, number: str, owed: int, covered: set[str], day: date) -> str | None:
        """What is disputed or promised is not asked for; money that waits is held against what is left to ask."""
        disputed, promised = self._parts(number, owed, day)
        if disputed == owed:
            return "disputed"
        if number in covered:
            return "covered"
        return None if owed > disputed + promised else "promised"

    def _judge(self, facts: dict[tuple[str, str], Seen], day: date) -> None:
        for key, seen in facts.items():
            numbers = RULES[key[0]]
            step = sum(seen.measure >= one for one in numbers.steps)
            alert = self.alerts.get(key)
            if step == 0:
                continue
            if alert is None:
                if seen.hold is None:
                    self.alerts[key] = Open(step, day)
            else:
                self._go_on(key, alert, seen, step, day)
        for key in [key for key in self.alerts if key not in facts or not _counts(key, facts[key])]:
            if not RULES[key[0]].news or self.alerts[key].told:
                del self.alerts[key]

    def _go_on(self, key: tuple[str, str], alert: Open, seen: Seen, step: int, day: date) -> None:
        numbers = RULES[key[0]]
        if seen.hold in ("disputed", "promised"):
            alert.mood, alert.step = seen.hold, max(step, alert.step)
            return
        if step > alert.step:
            alert.step, alert.since, alert.mood, alert.level = step, day, "asks", 0
            return
        said = self._said(key[1], alert.since, day)
        if said is not None:
            alert.mood, alert.until = ("acknowledged", None) if said.kind == "acknowledge" else ("snoozed", said.until)
        elif alert.mood == "snoozed" and alert.until is not None and alert.until > day:
            pass
        elif alert.mood in ("disputed", "promised", "snoozed"):
            alert.since, alert.mood, alert.level = day, "asks", 0
        elif alert.mood == "asks" and numbers.escalate and step >= numbers.escalate_from and seen.hold is None:
            waited = sum(works(alert.since + timedelta(days=n)) for n in range(1, (day - alert.since).days + 1))
            alert.level = max(alert.level, min(2, waited // numbers.escalate))

    def _said(self, subject: str, since: date, day: date) -> Recorded | None:
        """The newest acknowledgement, or snooze that still runs, recorded since the alert last asked."""
        answers = (one for one in self.notes.get(subject, []) if one.kind in ("acknowledge", "snooze"))
        for one in reversed([one for one in answers if since <= one.on < day]):
            if one.kind == "acknowledge" or (one.until is not None and one.until > day):
                return one
        return None

    def _tell(self, facts: dict[tuple[str, str], Seen], day: date) -> Iterable[Due]:
        for key, alert in self.alerts.items():
            seen = facts.get(key)
            owner = seen.owner if seen else self.owner_of_news(key[1])
            if alert.mood != "asks" or (seen is not None and seen.hold is not None):
                continue
            numbers = RULES[key[0]]
            severity = numbers.severity[min(alert.step, len(numbers.severity)) - 1]
            for reader in self._readers(owner, alert.level):
                told = alert.told.get(reader)
                if told is None or told[1] < alert.since or told[2] < alert.level:
                    how = "urgent" if severity == "critical" else "digest"
                elif not numbers.news and (day - told[0]).days >= numbers.every:
                    how = "digest"
                else:
                    continue
                alert.told[reader] = (day, alert.since, alert.level)
                yield day, reader, how, key[0], key[1]

    def owner_of_news(self, receipt: str) -> str:
        """Who owned the customer when the news last changed hands with a fact; news outlives its window untold."""
        return self.owner[next(one.customer for one in self.quarter.receipts if one.number == receipt)]

    def _readers(self, owner: str, level: int) -> list[str]:
        lead, deputy = self.quarter.leads[owner], self.quarter.deputies.get(owner)
        first = [deputy or lead] if level == 1 else []
        return [owner, *first, *([lead] if level >= 2 else []), *([deputy] if level >= 2 and deputy else [])]


def _is_disputed(one: Recorded, day: date) -> bool:
    return one.kind == "dispute" and one.on < day and (one.until is None or one.until >= day)


def _counts(key: tuple[str, str], seen: Seen) -> bool:
    return any(seen.measure >= step for step in RULES[key[0]].steps)
