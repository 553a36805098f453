"""The state machine under random histories: through the real store, with findings and answers in any order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, insert, select

from model.alerts import act, machine
from model.alerts.engine import Evaluated, apply
from model.alerts.listing import history
from model.alerts.machine import LEGAL, STATES, Finding
from model.alerts.rule import Rule
from model.alerts.work import Work
from model.delivery.digest import digest_id
from model.delivery.outbox import _mark_told
from model.delivery.people import Target
from ops import clock
from ops.instance import Instance, InstanceConfig
from ops.store import stamp
from ops.tables import alert_events, alerts, notes

SUBJECTS = ("erp:1#1", "erp:2#1")
READER = Target("E2", "李", "mail", "li@demo.example", "zh", frozenset())
SQL = (
    "select 'x' as subject, 'x' as anchor, customer_key, owner_key, 1 as measure, 'CNY' as currency, 1 as amount, "
    "1 as days, cast(null as date) as due_on, 'x' as document, cast(null as varchar) as hold from work_customer"
)


def _rule(kind: str) -> Rule:
    return Rule.model_validate(
        {
            "id": f"a_{kind}", "label": {"zh": "甲", "en": "a"}, "kind": kind, "subject": "item",
            "condition": {"sql": SQL}, "steps": [1, 2, 3], "severity": ["info", "warning", "critical"],
            "escalate_after_days": 3, "cured_when": "paid",
        }
    )  # fmt: skip


RULES = [_rule("news"), _rule("problem")]
found = st.none() | st.builds(
    lambda step, hold: (step, hold), st.integers(1, 3), st.sampled_from([None, None, "covered", "disputed", "promised"])
)
evaluation = st.tuples(st.just("evaluate"), st.fixed_dictionaries(dict.fromkeys(SUBJECTS, found)))
answer = st.tuples(
    st.sampled_from(["acknowledge", "snooze", "reopen", "note_acknowledge", "note_snooze", "note_escalate", "tell"]),
    st.integers(0, 1),
)
later = st.tuples(st.just("later"), st.integers(0, 9))
events = st.lists(evaluation | answer | later, min_size=3, max_size=14)


class World:
    """An instance whose clock and findings the test moves."""

    def __init__(self, instance: Instance, patch: pytest.MonkeyPatch) -> None:
        self.instance, self._patch = instance, patch
        self.now = clock.now()
        self.version = 1

    def later(self, days: int) -> None:
        self.now += timedelta(days=days, seconds=1)
        self._patch.setenv("C360_NOW", self.now.isoformat())

    def evaluate(self, given: dict[str, tuple[int, str | None] | None]) -> Evaluated:
        """What the engine does with these findings under both rules, a second later."""
        self.later(0)
        self.version += 1
        result = Evaluated(f"v{self.version}", clock.today("Asia/Shanghai"))
        findings = {
            rule.id: {
                subject: Finding(subject, subject, "E2", one[0], one[1], {"customer_key": "C1", "amount": "1.00"})
                for subject, one in given.items()
                if one is not None
            }
            for rule in RULES
        }
        work = Work.read(self.instance)
        with self.instance.store.begin() as connection:
            apply(connection, self.instance, RULES, findings, work, result)
        return result

    def rows(self) -> list[Any]:
        with self.instance.store.read() as connection:
            return list(connection.execute(select(alerts).order_by(alerts.c.rule, alerts.c.subject, alerts.c.episode)))

    def event_count(self) -> int:
        with self.instance.store.read() as connection:
            return int(connection.execute(select(func.count(alert_events.c.event_id))).scalar_one())

    def answer(self, what: str, number: int) -> None:
        subject = SUBJECTS[number]
        living = [row for row in self.rows() if row.state != "cured" and row.subject == subject]
        until = date(2026, 1, 1) + timedelta(days=(self.now.date() - date(2026, 1, 1)).days + 3)
        if what.startswith("note_"):
            with self.instance.store.begin() as connection:
                connection.execute(
                    insert(notes).values(
                        anchor=subject, kind=what.removeprefix("note_"), until=until.isoformat(), made_by="li",
                        made_at=stamp(),
                    )
                )  # fmt: skip
        elif living and what == "tell":
            told = [{"alert_id": row.alert_id} for row in living]
            with self.instance.store.begin() as connection:
                _mark_told(connection, READER, told, self.now.date(), digest_id(READER, self.now.date()))
        elif living:
            act(self.instance.store, living[0].alert_id, what, actor="li", until=until)


@contextmanager
def _world() -> Iterator[World]:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("C360_NOW", "2026-11-23T02:00:00Z")
        instance = Instance.create(Path(folder) / "i", InstanceConfig(mode="demo"))
        yield World(instance, patch)
        instance.store.close()


def _check(world: World, before: dict[str, str]) -> dict[str, str]:
    """No illegal transition, and never two living episodes of one subject."""
    rows = world.rows()
    living = [(row.rule, row.subject) for row in rows if row.state != "cured"]
    assert len(living) == len(set(living))
    for row in rows:
        old = before.get(row.alert_id)
        assert row.state in STATES
        assert old == row.state or row.state in LEGAL[old], f"{old} → {row.state}"
    for rule, subject in {(row.rule, row.subject) for row in rows}:
        numbers = [row.episode for row in rows if (row.rule, row.subject) == (rule, subject)]
        assert numbers == list(range(1, len(numbers) + 1))
    return {row.alert_id: row.state for row in rows}


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(events)
def test_random_histories_keep_every_promise(history_of: list[tuple[str, Any]]) -> None:
    with _world() as world:
        states: dict[str, str] = {}
        last: dict[str, tuple[int, str | None] | None] = dict.fromkeys(SUBJECTS)
        for what, given_value in history_of:
            if what == "later":
                world.later(given_value)
            elif what == "evaluate":
                last = given_value
                world.evaluate(last)
                states = _check(world, states)
                _check_evaluation(world, last)
                _check_idempotent(world, last, states)
            else:
                world.later(0)
                world.answer(what, given_value)
            states = _check(world, states)


def _check_evaluation(world: World, given_findings: dict[str, Any]) -> None:
    """A condition that holds unheld has a living alert; one that does not hold has none, but untold news."""
    for row in world.rows():
        if row.state != "cured" and given_findings[row.subject] is None:
            assert row.rule == "a_news"
            assert '"told"' not in row.details
    living = {(row.rule, row.subject): row for row in world.rows() if row.state != "cured"}
    for subject, one in given_findings.items():
        for rule in RULES:
            if one is not None and one[1] is None:
                assert (rule.id, subject) in living
                assert living[rule.id, subject].step >= one[0]
            if one is not None and one[1] in {"disputed", "promised"} and (rule.id, subject) in living:
                assert living[rule.id, subject].state == one[1]


def _check_idempotent(world: World, given_findings: dict[str, Any], states: dict[str, str]) -> None:
    before, count = world.rows(), world.event_count()
    again = world.evaluate(given_findings)
    assert (again.fired, again.stepped, again.cured) == (0, 0, 0)
    assert world.event_count() == count
    assert [(row.alert_id, row.state, row.step, row.details) for row in world.rows()] == [
        (row.alert_id, row.state, row.step, row.details) for row in before
    ]
    assert {row.alert_id: row.state for row in world.rows()} == states


def test_the_table_of_transitions_is_closed() -> None:
    assert set(LEGAL) - {None} == set(STATES)
    assert all(targets <= set(STATES) for targets in LEGAL.values())
    assert LEGAL["cured"] == frozenset()


def test_history_tells_the_whole_story() -> None:
    with _world() as world:
        world.evaluate({SUBJECTS[0]: (1, None), SUBJECTS[1]: None})
        world.later(1)
        world.answer("acknowledge", 0)
        world.later(1)
        world.evaluate({SUBJECTS[0]: (2, None), SUBJECTS[1]: None})
        world.later(9)
        world.evaluate({SUBJECTS[0]: (2, None), SUBJECTS[1]: None})
        world.evaluate(dict.fromkeys(SUBJECTS))
        problem = next(row for row in world.rows() if row.rule == "a_problem")
        told = [event["event"] for event in history(world.instance.store, problem.alert_id)]
        assert told in (
            ["fired", "acknowledge", "stepped", "escalated", "cured"],
            ["fired", "stepped", "escalated", "cured"],
        )


def test_news_is_not_cured_before_it_was_told() -> None:
    with _world() as world:
        world.evaluate({SUBJECTS[0]: (1, None), SUBJECTS[1]: None})
        world.evaluate(dict.fromkeys(SUBJECTS))
        assert [row.state for row in world.rows() if row.rule == "a_news"] == ["new"]
        world.answer("tell", 0)
        world.evaluate(dict.fromkeys(SUBJECTS))
        assert [row.state for row in world.rows() if row.rule == "a_news"] == ["cured"]


@pytest.mark.parametrize("state", sorted(set(STATES) - {"cured"}))
def test_a_higher_step_asks_again_whatever_was_answered(state: str) -> None:
    today = date(2026, 11, 23)
    episode = machine.Episode(1, 1, state, 0, today, "2027-01-01" if state == "snoozed" else None, True)
    verdict = machine.carry_on(RULES[1], Finding("s", "s", "E2", 2, None), episode, None, today, 0)
    assert (verdict.state, verdict.event) == ("new", "stepped")
