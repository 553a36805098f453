"""Evaluating the rules on one published version and business day.

Idempotent by (rule, subject, episode, step): an episode begins when a condition first holds and ends when it no
longer does. Evaluation is keyed to version order, so that a rollback neither cures nor fires.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import duckdb
from sqlalchemy import Connection, select

from model.alerts import state
from model.alerts.calendar import Calendar
from model.alerts.rule import COLUMNS, Rule, load
from model.alerts.state import Existing, Work
from model.publish import current
from ops import clock
from ops.errors import FatalError
from ops.instance import Instance
from ops.leases import lease
from ops.store import Store, stamp, unstamp
from ops.tables import alerts, kv

_WORK_SQL = Path(__file__).with_name("work.sql")
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


@dataclass(frozen=True)
class Finding:
    """One row of a rule's condition, with the step it has reached."""

    subject: str
    anchor: str
    owner_key: str | None
    step: int
    hold: str | None
    details: dict[str, Any]


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
        work = Work.read(instance.store)
        findings = dict(_find(rules, published.path, work, as_of))
        calendar = Calendar.load(instance.config_dir)
        with instance.store.begin() as connection:
            for rule in rules:
                _move(connection, rule, findings[rule.id], work, calendar, result, instance.config.zone)
            _retire_unknown(connection, {rule.id for rule in rules}, result)
            value = json.dumps({"version": published.version, "as_of": as_of.isoformat()})
            instance.store.upsert(connection, kv, {"key": _SEEN, "value": value, "updated_at": stamp()}, ["key"])
    return result


def version_order(version: str) -> list[tuple[int, int, str]]:
    """A sort key under which 9 comes before 10 and time stamps sort by time."""
    parts = re.split(r"(\d+)", version)
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts if part]


def _last_seen(store: Store) -> str | None:
    with store.read() as connection:
        row = connection.execute(select(kv.c.value).where(kv.c.key == _SEEN)).first()
    return None if row is None else str(json.loads(row.value)["version"])


def _find(rules: list[Rule], path: Path, work: Work, as_of: date) -> Iterator[tuple[str, dict[str, Finding]]]:
    con = duckdb.connect(str(path), read_only=True)
    try:
        work.load(con)
        for statement in con.extract_statements(_WORK_SQL.read_text(encoding="utf-8")):
            con.execute(statement, {"as_of": as_of} if statement.named_parameters else None)
        names = dict(con.execute("select customer_key, name from core.dim_customer").fetchall())
        managers = dict(con.execute("select employee_key, manager_key from core.dim_employee").fetchall())
        for rule in rules:
            found = (_finding(rule, row, names, managers) for row in _rows(con, rule, as_of))
            yield rule.id, {finding.subject: finding for finding in found if finding.step}
    finally:
        con.close()


def _rows(con: duckdb.DuckDBPyConnection, rule: Rule, as_of: date) -> list[dict[str, Any]]:
    sql = rule.condition.sql
    try:
        cursor = con.execute(sql, {"as_of": as_of} if "$as_of" in sql else None)
    except duckdb.Error as error:
        raise FatalError(
            f"alert rule {rule.id}: its condition cannot be run: {error}", remedy="correct its condition.sql"
        ) from error
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _finding(rule: Rule, row: dict[str, Any], names: dict[Any, str], managers: dict[Any, str | None]) -> Finding:
    values = {name: row.get(name) for name in COLUMNS}
    measure = values["measure"]
    amount = values["amount"]
    details = {
        "customer_key": values["customer_key"],
        "customer": names.get(values["customer_key"], ""),
        "document": values["document"],
        "currency": values["currency"],
        "amount": None if amount is None else f"{Decimal(str(amount)):.2f}",
        "days": None if values["days"] is None else int(values["days"]),
        "due_on": None if values["due_on"] is None else values["due_on"].isoformat(),
        "manager_key": managers.get(values["owner_key"]),
    }
    return Finding(
        subject=str(values["subject"]),
        anchor=str(values["anchor"] or values["subject"]),
        owner_key=values["owner_key"],
        step=0 if measure is None else rule.step_of(float(measure)),
        hold=values["hold"],
        details=details,
    )


def _move(
    connection: Connection,
    rule: Rule,
    findings: dict[str, Finding],
    work: Work,
    calendar: Calendar,
    result: Evaluated,
    zone: str,
) -> None:
    known = state.latest_episodes(connection, rule.id)
    for subject, finding in findings.items():
        existing = known.get(subject)
        if existing is None or existing.state == "cured":
            if finding.hold is not None:
                result.held += 1
                continue
            episode = 1 if existing is None else existing.episode + 1
            state.fire(connection, rule, finding, episode, result.version)
            result.fired += 1
            result.by_rule[rule.id] = result.by_rule.get(rule.id, 0) + 1
        else:
            _carry_on(connection, rule, finding, existing, work, calendar, result, zone)
        result.active += 1
    for subject, existing in known.items():
        if existing.state != "cured" and subject not in findings:
            state.change(connection, existing, "cured", "cured", version=result.version)
            result.cured += 1


def _carry_on(
    connection: Connection,
    rule: Rule,
    finding: Finding,
    existing: Existing,
    work: Work,
    calendar: Calendar,
    result: Evaluated,
    zone: str,
) -> None:
    """One active alert whose condition still holds: its new state, in order of who has the last word."""
    today = result.as_of
    stepped = finding.step > existing.step
    since = _day(unstamp(existing.waiting_since), zone)
    answer = work.answer(finding.subject, existing, today)
    target, event = existing.state, "seen"
    if finding.hold in {"disputed", "promised"}:
        target, event = finding.hold, finding.hold
    elif answer is not None and not stepped:
        target, event = answer, answer
    elif (
        existing.state == "snoozed"
        and existing.snoozed_until is not None
        and existing.snoozed_until > today.isoformat()
    ):
        target = "snoozed"
    elif stepped:
        target, event = "new", "stepped"
    elif existing.state in {"disputed", "promised", "snoozed"}:
        target, event = "new", "resumed"
    elif existing.state in {"new", "notified"} and _is_overripe(rule, finding, calendar, since, today):
        target, event = "escalated", "escalated"
    result.stepped += stepped
    result.held += finding.hold is not None
    result.escalated += event == "escalated"
    snoozed_until = work.snoozed_until(finding.subject) if target == "snoozed" and answer else existing.snoozed_until
    state.carry(connection, rule, finding, existing, target, event, snoozed_until, result.version)


def _is_overripe(rule: Rule, finding: Finding, calendar: Calendar, since: date, today: date) -> bool:
    return (
        rule.escalate_after_days is not None
        and finding.hold is None
        and finding.step >= rule.escalate_from_step
        and calendar.business_days(since, today) >= rule.escalate_after_days
    )


def _day(instant: datetime, zone: str) -> date:
    return instant.astimezone(ZoneInfo(zone)).date()


def _retire_unknown(connection: Connection, rules: set[str], result: Evaluated) -> None:
    """Alerts of a rule that was removed or switched off end with it."""
    for row in connection.execute(select(alerts).where(alerts.c.rule.not_in(rules), alerts.c.state != "cured")):
        state.change(connection, Existing.of(row), "cured", "rule removed", version=result.version)
        result.cured += 1
