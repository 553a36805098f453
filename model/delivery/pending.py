"""What has to be told now, to whom, at once or in the day's digest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from model.alerts.calendar import Calendar, is_quiet
from model.alerts.listing import listing
from model.alerts.rule import Rule
from model.delivery.people import Directory, Target
from ops.store import Store

TOLD = ("new", "notified", "escalated")
Row = dict[str, Any]


@dataclass
class Pile:
    """The alerts one recipient has to be told: `urgent` at once, `digest` once a day."""

    urgent: list[Row] = field(default_factory=list)
    digest: list[Row] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.urgent) + len(self.digest)


@dataclass(frozen=True)
class Moment:
    """When it is: the business day, the instant, the zone and the calendar."""

    day: date
    instant: datetime
    zone: str
    calendar: Calendar

    def is_open(self, rule: Rule) -> bool:
        """Whether this rule may speak now: not in its quiet hours, nor on a day without business."""
        if rule.workdays_only and not self.calendar.is_business_day(self.day):
            return False
        return not is_quiet(self.instant, self.zone, rule.quiet_hours)


def pending(
    store: Store, directory: Directory, rules: Iterable[Rule], moment: Moment | None, day: date
) -> dict[Target, Pile]:
    """Recipient → what to tell. Held alerts wait, and what a recipient's masks or row rule hide is not in.

    An alert nobody can be told of stays in the unowned queue. Without `moment` quiet hours and cadence are ignored:
    what would be told if nobody had been told yet.
    """
    known = {rule.id: rule for rule in rules}
    found: dict[Target, Pile] = {}
    for row in listing(store, states=set(TOLD), today=day):
        rule = known.get(row["rule"])
        if rule is None or row.get("hold") or (moment and not moment.is_open(rule)):
            continue
        for target in directory.told_about(row, rule):
            if rule.tells in target.masks:
                continue
            reason = "fresh" if moment is None else _reason(row, rule, target, day)
            if reason is not None:
                pile = found.setdefault(target, Pile())
                is_urgent = moment is not None and reason == "fresh" and row["severity"] == "critical"
                (pile.urgent if is_urgent else pile.digest).append(row)
    return found


def _reason(row: Row, rule: Rule, target: Target, day: date) -> str | None:
    """Why to tell now: `fresh` when the recipient does not know it as it stands, `again` by cadence, None not now."""
    told = row.get("told", {}).get(target.key)
    if told is None or told["at"] < row["waiting_since"] or told["level"] < int(row.get("level") or 0):
        return "fresh"
    if rule.kind == "news" or (day - date.fromisoformat(told["on"])).days < rule.cadence_days:
        return None
    return "again"
