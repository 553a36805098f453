"""A rule against history, before it is switched on: "would have fired 37 times last quarter, here".

The past is asked through the as-of ledger on the published build: each business date anew, with what is known today
(a document entered late counts from its posting date). Work state counts as it stood on the day; owners, customers,
tickets' priorities and planned dates are today's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from model.alerts import machine
from model.alerts.engine import CURED_WINDOW_DAYS, PublishedBuild
from model.alerts.findings import Finder, opened
from model.alerts.machine import Finding
from model.alerts.rule import Rule, find
from model.alerts.work import Work, as_instant
from model.publish import current
from ops import clock
from ops.errors import FatalError
from ops.instance import Instance

MAX_DAYS = 400
EVALUATION_HOUR = 9
Sees = Callable[[Finding], bool]


@dataclass
class Trial:
    """What a rule would have done: `fires` are episodes that began after the first day, `steps` higher steps.

    `already` were true on the first day; `held` were never told because they were covered, promised or disputed;
    `weeks`: {week (its Monday), fired, stepped}; `examples`: the newest fires, with the columns of a finding.
    """

    rule: str
    start: date
    end: date
    knowledge: str = "as known now"
    already: int = 0
    fires: int = 0
    steps: int = 0
    cures: int = 0
    held: int = 0
    active: int = 0
    owners: dict[str, int] = field(default_factory=dict)
    weeks: list[dict[str, Any]] = field(default_factory=list)
    examples: list[dict[str, Any]] = field(default_factory=list)


def last_quarter(today: date) -> tuple[date, date]:
    """First and last day of the calendar quarter before the one `today` is in."""
    first = date(today.year, 3 * ((today.month - 1) // 3) + 1, 1)
    last = first - timedelta(days=1)
    return date(last.year, last.month - 2, 1), last


def try_rule(
    instance: Instance,
    rule: Rule | str,
    start: date | None = None,
    end: date | None = None,
    *,
    published: PublishedBuild | None = None,
    sees: Sees = lambda _: True,
    examples: int = 10,
) -> Trial:
    """Judge `rule` (or the one of this id) on every day of a period; default: the last calendar quarter.

    `sees` filters what the asker may see. Nothing is stored or sent. FatalError on an impossible period.
    """
    rule = find(rule, instance.config_dir) if isinstance(rule, str) else rule
    default = last_quarter(clock.today(instance.config.zone))
    period = start or default[0], end or (clock.today(instance.config.zone) if start else default[1])
    days = (period[1] - period[0]).days + 1
    if not 0 < days <= MAX_DAYS or period[1] > clock.today(instance.config.zone):
        raise FatalError(
            f"a rule cannot be tried from {period[0]} to {period[1]}", valid=f"1 to {MAX_DAYS} days, none in the future"
        )
    followed = [find(rule.follows, instance.config_dir)] if rule.follows else []
    work = Work.read(instance)
    run = _Run(Trial(rule.id, *period), sees, examples)
    with opened((published or current(instance)).path, [rule, *followed], work) as finder:
        for number in range(days):
            run.day(finder, rule, followed, work, period[0] + timedelta(days=number), instance.config.zone)
    return run.finish()


class _Run:
    """The living episodes of the rule tried and of the one it follows, day by day."""

    def __init__(self, trial: Trial, sees: Sees, examples: int) -> None:
        self.trial, self._sees, self._examples = trial, sees, examples
        self._living: dict[str, dict[str, Finding]] = {}
        self._ended: list[tuple[date, str, Finding]] = []
        self._fired: list[tuple[date, Finding]] = []
        self._held: set[str] = set()
        self._weeks: dict[date, Counter[str]] = {}

    def day(self, finder: Finder, rule: Rule, followed: list[Rule], work: Work, day: date, zone: str) -> None:
        finder.prepare(day, as_instant(day, zone, EVALUATION_HOUR))
        for other in followed:
            self._advance(other, finder.find(other, day), day)
        since = day - timedelta(days=CURED_WINDOW_DAYS)
        if followed:
            work.cured(_cured(rule_id, one, on) for on, rule_id, one in self._ended if on >= since)
            work.load(finder.con, "work_cured")
        found = {subject: one for subject, one in finder.find(rule, day).items() if self._sees(one)}
        self._held |= {subject for subject, one in found.items() if one.hold is not None}
        fired, stepped = self._advance(rule, found, day)
        week = self._weeks.setdefault(day - timedelta(days=day.weekday()), Counter())
        week["stepped"] += stepped
        self.trial.steps += stepped
        if day == self.trial.start:
            self.trial.already = len(fired)
        else:
            week["fired"] += len(fired)
            self._fired += [(day, one) for one in fired]

    def _advance(self, rule: Rule, found: dict[str, Finding], day: date) -> tuple[list[Finding], int]:
        before = self._living.get(rule.id, {})
        after: dict[str, Finding] = {}
        fired: list[Finding] = []
        stepped = 0
        for subject, one in found.items():
            known = before.get(subject)
            if known is not None:
                stepped += one.step > known.step
                after[subject] = one if one.step >= known.step else known
            elif machine.begins(one):
                fired.append(one)
                after[subject] = one
        self._ended += [(day, rule.id, one) for subject, one in before.items() if subject not in found]
        self.trial.cures += len(before.keys() - found.keys()) if rule.id == self.trial.rule else 0
        self._living[rule.id] = after
        return fired, stepped

    def finish(self) -> Trial:
        trial = self.trial
        trial.fires, trial.held = len(self._fired), len(self._held)
        trial.active = len(self._living.get(trial.rule, {}))
        trial.owners = dict(Counter(one.owner_key or "unowned" for _, one in self._fired).most_common())
        trial.weeks = [
            {"week": week, "fired": count["fired"], "stepped": count["stepped"]}
            for week, count in sorted(self._weeks.items())
        ]
        trial.examples = [
            {"on": day, "subject": one.subject, "owner_key": one.owner_key, "step": one.step, **_shown(one)}
            for day, one in self._fired[::-1][: self._examples]
        ]
        return trial


def _shown(one: Finding) -> dict[str, Any]:
    return {name: value for name, value in one.details.items() if name != "since"}


def _cured(rule: str, one: Finding, on: date) -> tuple[Any, ...]:
    customer, currency, amount = (one.details[name] for name in ("customer_key", "currency", "amount"))
    decimal = None if amount is None else Decimal(amount)
    return (rule, one.subject, one.anchor, customer, one.owner_key, currency, decimal, on)
