"""Evaluating the rules on one published version and business day.

Idempotent by (rule, subject, episode, step): an episode begins when a condition first holds and ends when it no
longer does. Evaluation is keyed to version order, so that a rollback neither cures nor fires.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection, select

from model.alerts import machine
from model.alerts.calendar import Calendar
from model.alerts.findings import opened
from model.alerts.machine import Finding
from model.alerts.rule import Rule, load
from model.alerts.stored import Changes, Existing, ended_since, last_numbers, living
from model.alerts.work import Work
from model.publish import current
from ops import clock
from ops.instance import Instance
from ops.leases import lease
from ops.store import Store, stamp
from ops.tables import kv

CURED_WINDOW_DAYS = 7
HELD = "alerts.held"
_SEEN = "alerts.evaluated"


class PublishedBuild(Protocol):
    """What this module needs of a published build."""

    @property
    def version(self) -> str: ...

    @property
    def path(self) -> Path: ...


@dataclass
class Evaluated:
    """What one evaluation did. `skipped` says why nothing was judged (a rolled-back version)."""

    version: str
    as_of: date
    fired: int = 0
    stepped: int = 0
    cured: int = 0
    escalated: int = 0
    held: int = 0
    active: int = 0
    skipped: str | None = None
    by_rule: dict[str, int] = field(default_factory=dict)


def evaluate(instance: Instance, published: PublishedBuild | None = None) -> Evaluated:
    """Judge every rule on `published` (default: the current build) as of today and move the alerts' states.

    Raises FatalError naming the rule when a condition cannot be run; nothing is changed then.
    """
    published = published or current(instance)
    as_of = clock.today(instance.config.zone)
    result = Evaluated(published.version, as_of)
    rules = load(instance.config_dir)
    with lease(instance.store, "alerts"):
        seen = _last_seen(instance.store)
        if seen is not None and version_order(published.version) < version_order(seen):
            result.skipped = f"version {published.version} is older than {seen}, which was judged already"
            return result
        work = Work.read(instance)
        with opened(published.path, rules, work) as finder:
            finder.prepare(as_of, clock.now())
            findings = {rule.id: finder.find(rule, as_of) for rule in rules if rule.follows is None}
            work.cured(_endings(instance, findings, as_of))
            work.load(finder.con, "work_cured")
            findings |= {rule.id: finder.find(rule, as_of) for rule in rules if rule.follows is not None}
        with instance.store.begin() as connection:
            apply(connection, instance, rules, findings, work, result)
            value = json.dumps({"version": published.version, "as_of": as_of.isoformat()})
            instance.store.upsert(connection, kv, {"key": _SEEN, "value": value, "updated_at": stamp()}, ["key"])
    return result


def apply(
    connection: Connection,
    instance: Instance,
    rules: list[Rule],
    findings: dict[str, dict[str, Finding]],
    work: Work,
    result: Evaluated,
) -> None:
    """Move every episode by what was found; the changes are gathered and written as sets."""
    zone = instance.config.zone
    mover = Mover(Changes(result.version), work, Calendar.load(instance.config_dir), result)
    known = living(connection, zone)
    for rule in rules:
        numbers = last_numbers(connection, rule.id, findings[rule.id].keys() - known.get(rule.id, {}).keys())
        mover.move(rule, findings[rule.id], known.pop(rule.id, {}), numbers)
    for left in known.values():
        for existing in left.values():
            mover.changes.end(existing, "rule removed")
            result.cured += 1
    mover.changes.write(connection)
    covered = {owner: len(items) for owner, items in mover.covered.items()}
    held = {"key": HELD, "value": json.dumps(covered), "updated_at": stamp()}
    instance.store.upsert(connection, kv, held, ["key"])


class Mover:
    """Takes the decisions of one evaluation; `covered`: owner → the items that nobody is chased for."""

    def __init__(self, changes: Changes, work: Work, calendar: Calendar, result: Evaluated) -> None:
        self.changes, self._work, self._result = changes, work, result
        self.covered: dict[str, set[str]] = {}
        self._waited = cache(lambda since: calendar.business_days(since, result.as_of))

    def move(
        self, rule: Rule, findings: dict[str, Finding], known: dict[str, Existing], numbers: dict[str, int]
    ) -> None:
        """Fire, carry on or end every subject of one rule; `numbers`: last episodes of those without a living one."""
        for subject, finding in findings.items():
            if finding.hold == "covered" and finding.owner_key and rule.subject == "item":
                self.covered.setdefault(finding.owner_key, set()).add(subject)
            self._result.held += finding.hold is not None
            existing = known.get(subject)
            if existing is not None:
                self._carry_on(rule, finding, existing)
            elif machine.begins(finding):
                self.changes.fire(rule, finding, numbers.get(subject, 0) + 1)
                self._result.fired += 1
                self._result.by_rule[rule.id] = self._result.by_rule.get(rule.id, 0) + 1
            else:
                continue
            self._result.active += 1
        for subject, existing in known.items():
            if subject not in findings and machine.ends(rule, existing.episode):
                self.changes.end(existing)
                self._result.cured += 1

    def _carry_on(self, rule: Rule, finding: Finding, existing: Existing) -> None:
        answer = self._work.answer(finding.subject, existing.waiting_since, self._result.as_of)
        waited = self._waited(existing.episode.waiting_since) if rule.escalate_after_days else 0
        verdict = machine.carry_on(rule, finding, existing.episode, answer, self._result.as_of, waited)
        self.changes.carry(rule, finding, existing, verdict)
        self._result.stepped += verdict.event == "stepped"
        self._result.escalated += verdict.event == "escalated" and verdict.level > existing.episode.level


def _endings(instance: Instance, findings: dict[str, dict[str, Finding]], as_of: date) -> list[tuple[Any, ...]]:
    """What ended lately and what ends today, for the rules that follow others; columns of work_cured."""
    zone = instance.config.zone
    with instance.store.read() as connection:
        rows = ended_since(connection, as_of - timedelta(days=CURED_WINDOW_DAYS), zone)
        known = living(connection, zone)
    return rows + [
        existing.as_ended(as_of)
        for rule, found in findings.items()
        for subject, existing in known.get(rule, {}).items()
        if subject not in found
    ]


def version_order(version: str) -> list[tuple[int, int, str]]:
    """A sort key under which 9 comes before 10 and time stamps sort by time."""
    parts = re.split(r"(\d+)", version)
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts if part]


def _last_seen(store: Store) -> str | None:
    with store.read() as connection:
        row = connection.execute(select(kv.c.value).where(kv.c.key == _SEEN)).first()
    return None if row is None else str(json.loads(row.value)["version"])
