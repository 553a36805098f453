"""The form of an alert rule and the guard over its condition.

A condition is one SELECT over `marts.*`, `core.*` and the `work_*` tables of work.sql, with `$as_of` (date). It
returns one row per subject with the columns in COLUMNS. `measure` is compared with the rule's steps; `hold`
(covered, disputed, promised or null) keeps the alert quiet without curing it. It must ask about `$as_of` only, never
about today, so that the rule can be tried on the past.
"""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import sqlglot
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from sqlglot import exp

from model import schema
from model.policy import MASKS
from ops.errors import FatalError

COLUMNS = (
    "subject",
    "anchor",
    "customer_key",
    "owner_key",
    "measure",
    "currency",
    "amount",
    "days",
    "due_on",
    "document",
    "hold",
)
WORK_TABLES = frozenset(
    {
        "work_customer",
        "work_open_item",
        "work_hold",
        "work_overdue_item",
        "work_unallocated",
        "work_broken_promise",
        "work_difference",
        "work_dispute",
        "work_score",
        "work_notice",
        "work_source",
        "work_failure",
        "work_drift",
        "work_total",
        "work_cured",
        "work_exposure",
        "work_limitation",
    }
)
SCHEMAS = frozenset({"marts", "core"})
_QUIET = re.compile(r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$")
_SHIPPED = Path(__file__).with_name("rules")
Severity = Literal["info", "warning", "critical"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Label(_Strict):
    """The rule's name in both languages."""

    zh: str
    en: str


class Condition(_Strict):
    """The SELECT that finds what is wrong."""

    sql: str

    @field_validator("sql")
    @classmethod
    def _guard(cls, sql: str) -> str:
        problem = refusal(sql)
        if problem:
            raise ValueError(problem)
        return sql


class Rule(_Strict):
    """One alert rule.

    `kind`: a problem asks for an answer; news is told once and ends by itself, but not before it was told.
    `steps` are thresholds of `measure`, ascending; reaching a higher one fires again within the episode, with the
    severity of the same position. Critical is urgent: sent at once outside quiet hours. `cadence_days`: how often an
    unanswered alert is repeated in the digest (news never). `escalate_after_days`: business days without an answer
    before the deputy (without one: the team lead) is told, and twice as many before the team lead is. `workdays_only`:
    nothing is sent on a day without business. `follows`: the rule whose ends the condition reads from work_cured.
    """

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    label: Label
    kind: Literal["problem", "news"] = "problem"
    subject: str
    condition: Condition
    steps: list[float] = Field(min_length=1)
    severity: list[Severity] = Field(min_length=1)
    owner: Literal["account_manager", "integration"] = "account_manager"
    cadence_days: int = Field(default=7, ge=1)
    quiet_hours: str = "20:00-08:00"
    workdays_only: bool = True
    snooze_days: list[int] = [1, 3, 7]
    escalate_after_days: int | None = Field(default=None, ge=1)
    escalate_from_step: int = Field(default=1, ge=1)
    follows: str | None = None
    tells: Literal["phone", "bank", "credit"] | None = None
    cured_when: str
    what: Label | None = None
    enabled: bool = True

    @field_validator("quiet_hours")
    @classmethod
    def _hours(cls, value: str) -> str:
        if value and not _QUIET.match(value):
            raise ValueError("quiet_hours is written 20:00-08:00, or empty for none")
        return value

    @field_validator("steps")
    @classmethod
    def _ascending(cls, value: list[float]) -> list[float]:
        if value != sorted(set(value)):
            raise ValueError("steps ascend and do not repeat")
        return value

    @model_validator(mode="after")
    def _says_what_it_tells(self) -> Rule:
        kinds = sensitive(self.condition.sql)
        if kinds - {self.tells}:
            raise ValueError(
                f'the condition reads {", ".join(sorted(kinds))} values: say tells = "{min(kinds)}", so that roles '
                "from whom they are hidden are not told"
            )
        return self

    def step_of(self, measure: float) -> int:
        """How many steps `measure` has reached; 0 is no alert."""
        return sum(measure >= step for step in self.steps)

    def severity_of(self, step: int) -> Severity:
        """The severity at `step` (1 is the first); the last one given holds for all later steps."""
        return self.severity[min(max(step, 1), len(self.severity)) - 1]


def refusal(sql: str) -> str | None:
    """Why a condition is refused, None when it is one SELECT over the tables it may read."""
    try:
        statements = sqlglot.parse(sql, read="duckdb")
    except sqlglot.errors.SqlglotError as error:
        return f"the condition is not SQL: {error}"
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        return "the condition is not one SELECT"
    tree = statements[0]
    named = {cte.alias for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        allowed = table.db in SCHEMAS or (not table.db and table.name in WORK_TABLES | named)
        if not isinstance(table.this, exp.Identifier) or table.catalog or not allowed:
            return f"the condition reads {table.sql()}; valid: marts.*, core.*, {', '.join(sorted(WORK_TABLES))}"
    for call in tree.find_all(exp.Anonymous, exp.ReadCSV):
        return f"the condition calls {call.sql()}, which no rule may"
    missing = [name for name in COLUMNS if name not in tree.named_selects]
    return f"the condition lacks the columns {', '.join(missing)}" if missing else None


def sensitive(sql: str) -> set[str]:
    """Which masked kinds of values (phone, bank, credit) a condition reads, by the names of the columns it uses."""
    kinds = {
        column.name: column.sensitivity
        for entity in schema.entities().values()
        for column in entity.columns
        if column.sensitivity in MASKS
    }
    tree = sqlglot.parse_one(sql, read="duckdb")
    used = {column.name for column in tree.find_all(exp.Column)}
    credit = {"credit"} if any(table.name == "work_exposure" for table in tree.find_all(exp.Table)) else set()
    return credit | {kinds[name] for name in used if name in kinds}


def load(config_dir: Path | None = None, *, everything: bool = False) -> list[Rule]:
    """The shipped rules, those of the instance's config/rules replacing rules of the same id. Sorted by id.

    `everything` includes the rules that are switched off.
    """
    rules: dict[str, Rule] = {}
    folders = [_SHIPPED, *([config_dir / "rules"] if config_dir else [])]
    for path in (path for folder in folders if folder.is_dir() for path in sorted(folder.glob("*.toml"))):
        rule = parse(path)
        rules[rule.id] = rule
    return [rules[name] for name in sorted(rules) if everything or rules[name].enabled]


def find(name: str, config_dir: Path | None = None) -> Rule:
    """The rule called `name`, switched on or not. FatalError names those there are."""
    rules = {rule.id: rule for rule in load(config_dir, everything=True)}
    if name not in rules:
        raise FatalError(f"there is no alert rule {name!r}", valid=", ".join(rules))
    return rules[name]


def parse(path: Path) -> Rule:
    """The rule in one TOML file; FatalError lists every problem."""
    return _parsed(path.read_text(encoding="utf-8"), str(path))


@lru_cache(maxsize=512)
def _parsed(text: str, where: str) -> Rule:
    """Judging a condition's SQL takes most of the time of an evaluation; the same text is judged once."""
    try:
        raw: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FatalError(f"{where} is not valid TOML: {error}") from error
    try:
        return Rule.model_validate(raw.get("rule", {}))
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise FatalError(
            f"{where}: {problems}", valid=", ".join(Rule.model_fields), remedy="correct the rule"
        ) from error
