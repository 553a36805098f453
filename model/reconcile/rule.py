"""The form of a reconciliation rule: two sides, each a list of measures, and when they may differ.

A measure is a name in the column `measure` of marts.mart_chain_entry, mart_cash_entry, mart_collision_entry or
mart_claim_entry, or one that the rule brings along as SQL. Shipped rules stand in rules/; a file of the same id in
config/reconcile replaces the keys it names, any other file there is a further rule.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import sqlglot
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from sqlglot import exp

from ops.errors import FatalError

OWN = "reconcile"
# what a measure's SELECT returns, one row per document
ENTRY = (
    "customer_key", "anchor", "entry_key", "record_key", "entity", "source", "number", "dated_on", "expected_on",
    "completes_on", "currency", "amount", "owner_key",
)  # fmt: skip
_SHIPPED = Path(__file__).with_name("rules")
_NAME = r"^[a-z][a-z0-9_]*$"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Label(_Strict):
    """A text in both languages."""

    zh: str
    en: str

    def text(self, language: str) -> str:
        """Its form in `language`."""
        return self.zh if language == "zh" else self.en


class Sides(_Strict):
    """What the two sides are called."""

    left: Label
    right: Label


class Rule(_Strict):
    """One reconciliation rule; amounts are in the documents' own currency.

    `compare`: equal, at_most (the right side stays within the left one) or presence (each side has something).
    Two sides agree when they differ by no more than the larger of `tolerance_amount` and `tolerance_percent` of the
    larger side. A difference is a matter of time until `settles_in_days` after the side that leads says it is due; for
    more on the right side than on the left, `over_settles_in_days` after its last document. `requires` and `unless`:
    measures of which the anchor must, or must not, have a document. `needs`: measures of which there must be documents
    at all, or nothing can be said (default: some on each side; empty: none). `currency`: apart (another currency is a
    difference of its own), or convert (no difference when the amounts agree at the rate of the day). Nothing that began
    before `starts_on` counts.
    """

    id: str = Field(pattern=_NAME)
    label: Label
    sides: Sides
    left: list[str] = Field(min_length=1)
    right: list[str] = Field(min_length=1)
    compare: Literal["equal", "at_most", "presence"] = "equal"
    tolerance_amount: Decimal = Field(default=Decimal(0), ge=0)
    tolerance_percent: Decimal = Field(default=Decimal(0), ge=0, le=100)
    settles_in_days: int = Field(ge=0)
    over_settles_in_days: int | None = Field(default=None, ge=0)
    currency: Literal["apart", "convert"] = "apart"
    requires: list[str] = []
    unless: list[str] = []
    needs: list[str] | None = None
    starts_on: date | None = None
    measures: dict[str, str] = {}
    enabled: bool = True

    @field_validator("measures")
    @classmethod
    def _guard(cls, measures: dict[str, str]) -> dict[str, str]:
        for name, sql in measures.items():
            problem = refusal(sql)
            if problem:
                raise ValueError(f"measure {name}: {problem}")
        return measures

    @model_validator(mode="after")
    def _named(self) -> Rule:
        for name in self.names():
            if not name.replace("_", "a").isalnum() or name != name.lower():
                raise ValueError(f"{name!r} is no measure's name: lower-case letters, digits and _")
        both = sorted(set(self.left) & set(self.right))
        if both:
            raise ValueError(f"{', '.join(both)} cannot be on both sides")
        unused = sorted(set(self.measures) - self.names())
        if unused:
            raise ValueError(f"no side uses the measures {', '.join(unused)}")
        return self

    def names(self) -> set[str]:
        """Every measure the rule reads."""
        return {*self.left, *self.right, *self.requires, *self.unless, *(self.needs or ())}

    @property
    def over_days(self) -> int:
        """Days that more on the right side than on the left is a matter of time."""
        return self.settles_in_days if self.over_settles_in_days is None else self.over_settles_in_days


def refusal(sql: str) -> str | None:
    """Why a measure's SQL is refused, None when it is one SELECT over core and marts with the columns of ENTRY."""
    try:
        statements = sqlglot.parse(sql, read="duckdb")
    except sqlglot.errors.SqlglotError as error:
        return f"it is not SQL: {error}"
    tree = statements[0] if len(statements) == 1 else None
    if not isinstance(tree, exp.Query):
        return "it is not one SELECT"
    named = {cte.alias for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        allowed = table.db in {"core", "marts"} or (not table.db and table.name in named)
        if not isinstance(table.this, exp.Identifier) or table.catalog or not allowed:
            return f"it reads {table.sql()}; valid: core.*, marts.*"
    for call in tree.find_all(exp.Anonymous, exp.ReadCSV):
        return f"it calls {call.sql()}, which no measure may"
    missing = [name for name in ENTRY if name not in tree.named_selects]
    return f"it lacks the columns {', '.join(missing)}" if missing else None


def load(config_dir: Path | None = None, *, everything: bool = False) -> list[Rule]:
    """The rules in force, by id; `everything` includes those switched off. FatalError lists what is wrong with one."""
    own = config_dir / OWN if config_dir else None
    files = sorted(own.glob("*.toml")) if own is not None and own.is_dir() else []
    rules = _load(tuple((path.name, path.read_text(encoding="utf-8")) for path in files))
    return [rule for rule in rules if everything or rule.enabled]


def find(name: str, config_dir: Path | None = None) -> Rule:
    """The rule called `name`, switched on or not. FatalError names those there are."""
    rules = {rule.id: rule for rule in load(config_dir, everything=True)}
    if name not in rules:
        raise FatalError(f"there is no reconciliation rule {name!r}", valid=", ".join(rules))
    return rules[name]


def is_shipped(rule: Rule) -> bool:
    """Whether the result marts hold the rule: its sides are the shipped ones."""
    for shipped in _load(()):
        if shipped.id == rule.id:
            return (shipped.left, shipped.right) == (rule.left, rule.right) and not rule.measures
    return False


@lru_cache(maxsize=64)
def _load(own: tuple[tuple[str, str], ...]) -> tuple[Rule, ...]:
    raw: dict[str, dict[str, Any]] = {}
    origin: dict[str, str] = {}
    shipped = [(path.name, path.read_text(encoding="utf-8")) for path in sorted(_SHIPPED.glob("*.toml"))]
    for name, text in (*shipped, *own):
        given = _read(name, text)
        identity = str(given.get("id"))
        raw[identity] = _merged(raw.get(identity, {}), given)
        origin[identity] = name
    return tuple(_checked(raw[identity], origin[identity]) for identity in sorted(raw))


def _read(name: str, text: str) -> dict[str, Any]:
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FatalError(f"{name} is not valid TOML: {error}") from error
    rule = given.get("rule")
    if not isinstance(rule, dict) or set(given) != {"rule"} or "id" not in rule:
        raise FatalError(f"{name} is no reconciliation rule", valid="one table [rule] with an id")
    return rule


def _merged(base: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    tables = {name: {**base[name], **value} for name, value in given.items()
              if isinstance(value, dict) and isinstance(base.get(name), dict)}  # fmt: skip
    return {**base, **given, **tables}


def _checked(raw: dict[str, Any], where: str) -> Rule:
    try:
        return Rule.model_validate(raw)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise FatalError(
            f"{where}: {problems}", valid=", ".join(Rule.model_fields), remedy="correct the rule"
        ) from error
