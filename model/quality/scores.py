"""Scores from 0 to 100: how many of the records a rule applies to keep it, weighted over rules.

score of a rule = 100 × (1 − failed ÷ checked); of a dimension or of everything = the mean of its rules' scores by
weight, over the rules that apply to a record at all. Without any it is None: nothing can be said, which is not 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from model.quality.rule import DIMENSIONS, Rule

# the whole, where dimensions are named
ALL = "all"
_TENTH = Decimal("0.1")


@dataclass(frozen=True)
class Tally:
    """Records that a rule applies to, and those of them that break it."""

    checked: int = 0
    failed: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.checked + other.checked, self.failed + other.failed)


# (source, rule) → tally
Tallies = Mapping[tuple[str, str], Tally]


def total(tallies: Tallies, rule: str, source: str | None = None) -> Tally:
    """A rule's tally over all sources, or of one."""
    mine = (one for (where, name), one in tallies.items() if name == rule and source in (None, where))
    return sum(mine, Tally())


def score(rules: Iterable[Rule], tallies: Tallies, source: str | None = None) -> Decimal | None:
    """Mean of the rules' scores by weight, to a tenth; None where none applies."""
    weight, points = Decimal(0), Decimal(0)
    for rule in rules:
        one = total(tallies, rule.id, source)
        if one.checked:
            weight += rule.weight
            points += rule.weight * (1 - Decimal(one.failed) / one.checked)
    return (100 * points / weight).quantize(_TENTH, ROUND_HALF_UP) if weight else None


def parts(rules: Sequence[Rule], tallies: Tallies, source: str | None = None) -> dict[str, dict[str, Any]]:
    """Dimension → {score, weight (of the rules that apply), checked, failed}."""
    found = {}
    for dimension in DIMENSIONS:
        mine = [rule for rule in rules if rule.dimension == dimension]
        each = {rule.id: total(tallies, rule.id, source) for rule in mine}
        found[dimension] = {
            "score": score(mine, tallies, source),
            "weight": sum((rule.weight for rule in mine if each[rule.id].checked), Decimal(0)),
            "checked": sum(one.checked for one in each.values()),
            "failed": sum(one.failed for one in each.values()),
        }
    return found
