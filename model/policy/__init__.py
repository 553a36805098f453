"""Who may see which rows and which columns. Every question to `model.serve` begins with a Viewer."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from ops.errors import FatalError

HIDDEN = "🔒"
MASKS = frozenset({"phone", "bank", "credit"})
FOLDER = Path(__file__).parent
Scope = Literal["own", "team", "all"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Role(_Strict):
    """What a role sees: rows by scope, columns by masks, and what it may do."""

    zh: str
    en: str
    scope: Scope
    masks: frozenset[Literal["phone", "bank", "credit"]]
    may_work: bool = False
    may_sync: bool = False
    may_decide: bool = False
    home: str = "customer"


class Persona(_Strict):
    """A fictional person of the demo company."""

    user: str
    name: str
    role: str
    email: str


@dataclass(frozen=True)
class Viewer:
    """Who is asking. `cache_key` must be part of the key of everything that is cached."""

    user: str
    name: str
    role: str
    employee_key: str | None = None
    team: str | None = None
    scope: Scope = "all"
    masks: frozenset[str] = field(default_factory=lambda: MASKS)
    language: str = "zh"
    zone: str = "Asia/Shanghai"

    @property
    def cache_key(self) -> tuple[str, ...]:
        """What decides rows, masks and words: scope, the owner it is relative to, language, and the masks."""
        return (self.scope, self.employee_key or "", self.team or "", self.language, *sorted(self.masks))

    @classmethod
    def operator(cls) -> Viewer:
        """The command line's default: all rows, everything masked."""
        return cls(user="operator", name="operator", role="operator")

    def hide(self, kind: str, value: Any) -> Any:
        """`value`, or HIDDEN when this viewer may not see values of `kind`; unknown stays None."""
        return HIDDEN if value is not None and kind in self.masks else value

    def rows(self, alias: str = "customer") -> tuple[str, list[Any]]:
        """The row rule as a SQL condition over a table with `owner_key`, and its parameters.

        An own or team scope without an employee sees nothing.
        """
        if self.scope == "all":
            return "true", []
        if self.employee_key is None:
            return "false", []
        if self.scope == "own":
            return f"{alias}.owner_key = ?", [self.employee_key]
        team = (
            f"{alias}.owner_key in (select employee_key from core.dim_employee"
            " where employee_key = ? or manager_key = ? or (team is not null and team = ?))"
        )
        return team, [self.employee_key, self.employee_key, self.team]

    def named_rows(self) -> tuple[str, dict[str, Any]]:
        """The row rule over `customer` with named parameters, for queries that name theirs."""
        rule, values = self.rows()
        for number in range(len(values)):
            rule = rule.replace("?", f"$rule{number}", 1)
        return rule, {f"rule{number}": value for number, value in enumerate(values)}

    def with_language(self, language: str) -> Viewer:
        """The same viewer reading another language."""
        return replace(self, language=language)


@cache
def roles() -> dict[str, Role]:
    """Role name → role, from roles.toml."""
    raw = tomllib.loads((FOLDER / "roles.toml").read_text(encoding="utf-8"))
    return {name: Role.model_validate(entry) for name, entry in raw.items()}


@cache
def personas() -> tuple[Persona, ...]:
    """The demo's people, from personas.toml; usable only in a demo instance."""
    raw = tomllib.loads((FOLDER / "personas.toml").read_text(encoding="utf-8"))
    return tuple(Persona.model_validate(entry) for entry in raw["persona"])


def viewer(
    user: str, name: str, role: str, *, employee_key: str | None = None, team: str | None = None, language: str = "zh",
    zone: str = "Asia/Shanghai",
) -> Viewer:  # fmt: skip
    """A viewer with the scope and masks of `role`; FatalError names the roles there are."""
    found = roles().get(role)
    if found is None:
        raise FatalError(f"there is no role {role!r}", valid=", ".join(roles()))
    return Viewer(user, name, role, employee_key, team, found.scope, found.masks, language, zone)
