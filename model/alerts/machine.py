"""The state machine of one alert: pure decisions, no storage.

An episode of (rule, subject) begins as `new` and ends as `cured`; the next one is a new episode. Within an episode:

new ─told→ notified ─silence→ escalated (level 1: the deputy, level 2: the team lead)
 │ acknowledged, snoozed, promised, disputed: answers of people, until a higher step or their end asks again (→ new)
 └ any state → cured when the condition no longer holds; news not before it was told
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from model.alerts.rule import Rule

STATES = ("new", "notified", "acknowledged", "promised", "disputed", "snoozed", "escalated", "cured")
_ANSWERS = frozenset({"acknowledged", "promised", "disputed", "snoozed", "escalated"})
LEGAL: dict[str | None, frozenset[str]] = {
    None: frozenset({"new"}),
    "new": frozenset({"new", "notified", "cured"}) | _ANSWERS,
    "notified": frozenset({"new", "notified", "cured"}) | _ANSWERS,
    "acknowledged": frozenset({"new", "cured"}) | _ANSWERS,
    "promised": frozenset({"new", "cured"}) | _ANSWERS,
    "disputed": frozenset({"new", "cured"}) | _ANSWERS,
    "snoozed": frozenset({"new", "cured"}) | _ANSWERS,
    "escalated": frozenset({"new", "cured"}) | _ANSWERS,
    "cured": frozenset(),
}
TOP_LEVEL = 2


@dataclass(frozen=True)
class Finding:
    """One row of a rule's condition, with the step it has reached."""

    subject: str
    anchor: str
    owner_key: str | None
    step: int
    hold: str | None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What a person recorded about the subject since the alert last asked."""

    state: str
    until: str | None = None


class Episode(NamedTuple):
    """An episode as stored. `waiting_since`: the business day on which it last began to wait for an answer."""

    number: int
    step: int
    state: str
    level: int
    waiting_since: date
    snoozed_until: str | None
    was_told: bool


class Verdict(NamedTuple):
    """Where an episode goes, and why."""

    state: str
    event: str
    step: int
    level: int
    snoozed_until: str | None = None


def begins(finding: Finding) -> bool:
    """Whether a finding without a living episode starts one: a held one waits."""
    return finding.hold is None and finding.step > 0


def carry_on(
    rule: Rule, finding: Finding, episode: Episode, answer: Answer | None, today: date, waited: int
) -> Verdict:
    """What becomes of a living episode whose condition still holds, in order of who has the last word.

    `waited`: business days since `episode.waiting_since`.
    """
    step = max(finding.step, episode.step)
    if finding.hold in {"disputed", "promised"}:
        return Verdict(finding.hold, finding.hold, step, episode.level)
    if finding.step > episode.step:
        return Verdict("new", "stepped", step, 0)
    if answer is not None:
        level = TOP_LEVEL if answer.state == "escalated" else episode.level
        return Verdict(answer.state, answer.state, step, level, answer.until)
    if episode.state == "snoozed" and episode.snoozed_until and episode.snoozed_until > today.isoformat():
        return Verdict("snoozed", "seen", step, episode.level, episode.snoozed_until)
    if episode.state in {"disputed", "promised", "snoozed"}:
        return Verdict("new", "resumed", step, 0)
    level = _level(rule, finding, episode, waited)
    if level > episode.level:
        return Verdict("escalated", "escalated", step, level)
    return Verdict(episode.state, "seen", step, episode.level)


def ends(rule: Rule, episode: Episode) -> bool:
    """Whether a living episode whose condition no longer holds is cured now."""
    return rule.kind != "news" or episode.was_told


def _level(rule: Rule, finding: Finding, episode: Episode, waited: int) -> int:
    if (
        rule.escalate_after_days is None
        or rule.kind == "news"
        or finding.hold is not None
        or finding.step < rule.escalate_from_step
        or episode.state not in {"new", "notified", "escalated"}
    ):
        return episode.level
    return max(episode.level, min(TOP_LEVEL, waited // rule.escalate_after_days))
