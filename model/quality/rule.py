"""The form of a quality rule. Shipped rules stand in rules.toml; config/quality.toml of an instance overlays them.

A rule of the same id there replaces the keys it names; any other is a further rule.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import sqlglot
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from sqlglot import exp

from model.quality import entities
from ops.errors import FatalError

OWN = "quality.toml"
DIMENSIONS = ("completeness", "validity", "duplicates", "conflicts", "freshness")
MEASURES = ("quarantine", "collection")
_SHIPPED = Path(__file__).with_name("rules.toml")
_NAME = r"^[a-z][a-z0-9_]{1,58}$"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Label(_Strict):
    """A text in both languages."""

    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)

    def text(self, language: str) -> str:
        """Its form in `language`."""
        return self.zh if language == "zh" else self.en


class Rule(_Strict):
    """One rule of data quality; see the head of rules.toml."""

    id: str = Field(pattern=_NAME)
    dimension: Literal["completeness", "validity", "duplicates", "conflicts", "freshness"]
    entity: str = ""
    fields: list[str] = []
    applies: str = "true"
    fails: str | None = None
    max_age_days: int | None = Field(default=None, ge=0)
    measure: Literal["quarantine", "collection"] | None = None
    weight: Decimal = Field(gt=0, le=100)
    label: Label
    action: Label
    enabled: bool = True

    @field_validator("entity")
    @classmethod
    def _known(cls, entity: str) -> str:
        if entity and entity not in entities.relations():
            raise ValueError(f"there is no entity {entity!r}; valid: {', '.join(entities.relations())}")
        return entity

    @model_validator(mode="after")
    def _whole(self) -> Rule:
        if self.measure is not None:
            if self.entity or self.fields or self.fails or self.max_age_days is not None or self.applies != "true":
                raise ValueError("a measure is about a source as a whole: only dimension, weight, label and action")
            return self
        if not self.entity or not self.fields:
            raise ValueError(f"it needs an entity ({', '.join(entities.relations())}) and its fields")
        known = entities.columns(self.entity)
        strange = [name for name in self.fields if name not in known]
        if strange:
            raise ValueError(f"{self.entity} has no field {', '.join(strange)}; valid: {', '.join(known)}")
        if (self.dimension == "freshness") != (self.max_age_days is not None):
            raise ValueError("max_age_days belongs to freshness, and freshness needs it")
        if self.max_age_days is not None and (self.fails or len(self.fields) != 1):
            raise ValueError("freshness is judged by one date or instant in fields, without fails")
        if self.dimension not in ("completeness", "freshness") and self.fails is None:
            raise ValueError(f"{self.dimension} needs fails: a SQL condition that holds for a bad record")
        for key in ("applies", "fails"):
            problem = refusal(getattr(self, key), known)
            if problem:
                raise ValueError(f"{key}: {problem}")
        return self

    @property
    def condition(self) -> str:
        """SQL condition over the entity's columns that holds for a record that breaks the rule; may name $as_of."""
        if self.max_age_days is not None:
            return f"date_diff('day', cast({self.fields[0]} as date), $as_of) > {self.max_age_days}"
        return self.fails or " and ".join(f"{name} is null" for name in self.fields)

    @property
    def check(self) -> tuple[Any, ...]:
        """What is counted, whatever its weight and texts."""
        return (self.entity, self.applies, None if self.measure else self.condition, self.measure)


def refusal(sql: str | None, known: tuple[str, ...]) -> str | None:
    """Why a condition is refused; None when it is one over the `known` columns and nothing else."""
    if sql is None:
        return None
    try:
        trees = sqlglot.parse(sql, read="duckdb")
    except sqlglot.errors.SqlglotError as error:
        return f"it is not SQL: {error}"
    tree = trees[0] if len(trees) == 1 else None
    if not isinstance(tree, exp.Condition):
        return "it is not one condition"
    for node in tree.find_all(exp.Query, exp.Window, exp.AggFunc, exp.Anonymous, exp.Parameter, exp.Placeholder):
        return f"it holds {node.sql('duckdb')}; valid: comparisons and plain functions of the record's columns"
    for column in tree.find_all(exp.Column):
        if column.table or column.name not in known:
            return f"there is no column {column.sql('duckdb')}; valid: {', '.join(known)}"
    return None


def load(config_dir: Path | None = None, *, everything: bool = False) -> list[Rule]:
    """The rules in force, in the order of rules.toml, own ones after; `everything`: with those switched off.

    FatalError names the file, the rule and what is valid.
    """
    path = config_dir / OWN if config_dir else None
    own = path.read_text(encoding="utf-8") if path is not None and path.is_file() else ""
    return [rule for rule in _load(own) if everything or rule.enabled]


def find(name: str, config_dir: Path | None = None) -> Rule:
    """The rule called `name`, switched on or not. FatalError names those there are."""
    rules = {rule.id: rule for rule in load(config_dir, everything=True)}
    if name not in rules:
        raise FatalError(f"there is no quality rule {name!r}", valid=", ".join(rules))
    return rules[name]


def is_stored(rule: Rule) -> bool:
    """Whether the marts hold its counts: it checks what the shipped rule of its id does, and not by the day."""
    if rule.measure or rule.max_age_days is not None:
        return False
    return any(shipped.id == rule.id and shipped.check == rule.check for shipped in _load(""))


@lru_cache(maxsize=16)
def _load(own: str) -> tuple[Rule, ...]:
    raw: dict[str, dict[str, Any]] = {}
    origin: dict[str, str] = {}
    for where, text in ((_SHIPPED.name, _SHIPPED.read_text(encoding="utf-8")), (OWN, own)):
        seen: set[str] = set()
        for entry in _entries(where, text):
            name = str(entry["id"])
            if name in seen:
                raise FatalError(f"{where}: rule {name} stands there twice", remedy="join the two")
            seen.add(name)
            raw[name] = _merged(raw.get(name, {}), entry)
            origin[name] = where
    return tuple(_checked(entry, origin[name]) for name, entry in raw.items())


def _entries(where: str, text: str) -> list[dict[str, Any]]:
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FatalError(f"{where} is not valid TOML: {error}") from error
    rules = given.get("rule", [])
    if set(given) - {"rule"} or not isinstance(rules, list):
        strange = ", ".join(sorted(set(given) - {"rule"})) or "rule"
        raise FatalError(f"{where}: {strange} is no list of rules", valid="[[rule]] tables, each with an id")
    for place, entry in enumerate(rules, start=1):
        if not isinstance(entry, dict) or "id" not in entry:
            raise FatalError(f"{where}: rule {place} has no id", valid=", ".join(Rule.model_fields))
    return rules


def _merged(base: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    tables = {name: {**base[name], **value} for name, value in given.items()
              if isinstance(value, dict) and isinstance(base.get(name), dict)}  # fmt: skip
    return {**base, **given, **tables}


def _checked(raw: dict[str, Any], where: str) -> Rule:
    try:
        return Rule.model_validate(raw)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'the rule'}: {item['msg']}" for item in error.errors()
        )
        raise FatalError(
            f"{where}: rule {raw['id']}: {problems}",
            valid=", ".join(Rule.model_fields),
            remedy="correct the rule; docs/quality.md explains each key",
        ) from error
