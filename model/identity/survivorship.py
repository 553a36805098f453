"""Survivorship as data: which source gives each field of a customer, by strategy and business state.

The rules are compiled into `meta.survivorship`, one row per source and state: for every field the place its source has
in the rule's order (0 where the order of sources says nothing), for every group whether it wins together and whether
the fullest record wins. core.dim_customer_rank turns that into one number per record and field, the lowest wins.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from ops.errors import FatalError, unknown_keys

GROUPS: dict[str, tuple[str, ...]] = {
    "name": ("name", "former_name", "kind"),
    "alias": ("short_name", "english_name"),
    "status": ("status",),
    "register": ("uscc", "registration_number"),
    "invoicing": ("tax_number", "invoice_title", "bank_account", "invoice_address"),
    "credit": ("credit_limit_amount", "payment_terms"),
    "owner": ("owner",),
    "class": ("tier", "industry", "region"),
    "address": ("address", "province", "city"),
    "contact": ("phone", "email", "website"),
}
FIELDS = {field: group for group, fields in GROUPS.items() for field in fields}
# field → column of a customer record, where it has another name
COLUMNS = {"invoice_title": "name", "invoice_address": "address", "owner": "owner_id"}
ROLES = ("crm", "erp", "files", "projects", "tickets")
STATES = ("selling", "confirmed")
STRATEGIES = ("source", "recent", "complete")
_KEYS = ("strategy", "together", "roles", *STATES)
_SHIPPED = Path(__file__).with_name("survivorship.toml")


@dataclass(frozen=True)
class Rule:
    """How a field's source is chosen. `roles`: source roles or names, first wins. `own`: it is the field's own rule."""

    group: str
    strategy: str
    roles: tuple[str, ...]
    together: bool
    own: bool = False

    def place(self, source: str, role: str) -> int:
        """Place of a source in the order, 1 first; 0 where the strategy does not ask for the source first."""
        if self.strategy == "recent":
            return 0
        for name in (source, role):
            if name in self.roles:
                return self.roles.index(name) + 1
        return len(self.roles) + 1


@dataclass(frozen=True)
class Rules:
    """The rules of an instance: field or group, and state → rule."""

    by_field: Mapping[tuple[str, str], Rule]
    by_group: Mapping[tuple[str, str], Rule]

    def of(self, field: str, state: str) -> Rule:
        """The rule of `field` while its customer is in `state`."""
        return self.by_field[field, state]

    def described(self) -> list[list[Any]]:
        """The rules as plain lists, for the signature of a build."""
        return [
            [field, state, rule.strategy, list(rule.roles), rule.together]
            for (field, state), rule in sorted(self.by_field.items())
        ]


def rules(config_dir: Path | None = None, sources: Sequence[str] = ()) -> Rules:
    """The shipped rules with those of `config_dir`/survivorship.toml in place of the groups that it names.

    `sources`: names of the instance's sources, which may stand among `roles`. FatalError names file, group and field
    of what is wrong, and what is valid there.
    """
    tables = _read(_SHIPPED)
    where = dict.fromkeys(tables, _SHIPPED)
    overlay = config_dir / "survivorship.toml" if config_dir else None
    if overlay and overlay.is_file():
        given = _read(overlay)
        own = given.pop("field", {})
        tables |= given
        where |= dict.fromkeys(given, overlay)
        if own:
            tables["field"], where["field"] = tables.get("field", {}) | own, overlay
    fields = tables.pop("field", {})
    found: dict[tuple[str, str], Rule] = {}
    groups: dict[tuple[str, str], Rule] = {}
    for group, names in GROUPS.items():
        for state in STATES:
            rule = _rule(tables[group], group, state, f"{where[group]}: [{group}]", sources)
            groups[group, state] = rule
            found |= dict.fromkeys(((field, state) for field in names), rule)
    whole = {group for (group, _), rule in groups.items() if rule.together or rule.strategy == "complete"}
    for field, table in _checked_fields(fields, where.get("field", _SHIPPED)).items():
        at, group = f"{where['field']}: [field.{field}]", FIELDS[field]
        if group in whole:
            raise FatalError(
                f"{at}: the group {group} is chosen as a whole, by `together` or the strategy complete",
                valid=", ".join(name for name, its in FIELDS.items() if its not in whole),
                remedy=f"give [{group}] another rule first",
            )
        found |= {(field, state): _rule(table, group, state, at, sources, own=True) for state in STATES}
    return Rules(found, groups)


def _checked_fields(fields: Any, path: Path) -> dict[str, Any]:
    if not isinstance(fields, dict):
        raise FatalError(f"{path}: field is no table", valid="[field.<field>]")
    error = unknown_keys(fields, FIELDS, f"{path}: [field]")
    if error:
        raise error
    return fields


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise FatalError(f"{path} is not valid TOML: {error}", remedy="correct the file") from error
    error_found = unknown_keys(raw, (*GROUPS, "field"), str(path))
    if error_found:
        raise error_found
    return raw


def _rule(table: Any, group: str, state: str, where: str, sources: Sequence[str], *, own: bool = False) -> Rule:
    if not isinstance(table, dict):
        raise FatalError(f"{where} is no table", valid=", ".join(_KEYS))
    valid = tuple(key for key in _KEYS if not own or key != "together")
    error = unknown_keys(table, valid, where)
    if error:
        raise error
    for name in STATES:
        if name in table and not isinstance(table[name], dict):
            raise FatalError(f"{where}: {name} is no table", valid="strategy, roles")
        error = unknown_keys(table.get(name, {}), ("strategy", "roles"), f"{where}: {name}")
        if error:
            raise error
    said = table | table.get(state, {})
    strategy, roles, together = said.get("strategy", "source"), said.get("roles", []), said.get("together", False)
    if strategy not in STRATEGIES:
        raise FatalError(f"{where}: there is no strategy {strategy!r}", valid=", ".join(STRATEGIES))
    if own and strategy == "complete":
        raise FatalError(f"{where}: one field is not more complete than another", valid="source, recent")
    if not isinstance(together, bool):
        raise FatalError(f"{where}: together is {together!r}", valid="true, false")
    if not isinstance(roles, list) or len(set(map(str, roles))) != len(roles):
        raise FatalError(f"{where}: roles is no list of different sources", valid=", ".join((*ROLES, *sources)))
    error = unknown_keys(roles, (*ROLES, *sources), f"{where}: roles")
    if error:
        raise error
    if strategy == "source" and not roles:
        raise FatalError(f"{where}: the strategy source has no roles", valid=", ".join((*ROLES, *sources)))
    return Rule(group, strategy, tuple(str(role) for role in roles), together, own)


def columns() -> list[str]:
    """Columns of meta.survivorship after source and state."""
    flags = [f"{group}_{flag}" for group in GROUPS for flag in ("together", "complete")]
    return [*(f"{field}_place" for field in FIELDS), *flags]


def order_of(rules: Rules, source: str, role: str) -> list[int]:
    """Places of a source for name, uscc, credit limit, owner and phone while selling: what meta.source keeps."""
    return [
        rules.of(field, "selling").place(source, role)
        for field in ("name", "uscc", "credit_limit_amount", "owner", "phone")
    ]


def ddl() -> str:
    """The statements that create meta.survivorship and identity.field_pin where they are missing."""
    numbers = ", ".join(f"{name} integer" for name in columns())
    pins = ", ".join(f"{field} bigint" for field in FIELDS)
    return f"""
        create table if not exists meta.survivorship (source varchar, state varchar, {numbers});
        create table if not exists identity.field_pin (source varchar, source_id varchar, {pins});
    """


def write(con: duckdb.DuckDBPyConnection, rules: Rules, sources: Sequence[tuple[str, str]]) -> None:
    """Make meta.survivorship anew from `rules` for `sources` (name, role), and identity.field_pin empty.

    The caller commits, and a full build follows.
    """
    con.execute("drop table if exists meta.survivorship")
    con.execute("drop table if exists identity.field_pin")
    con.execute(ddl())
    for name, role in sources:
        for state in STATES:
            places = [rules.of(field, state).place(name, role) for field in FIELDS]
            wholes = [rules.by_group[group, state] for group in GROUPS]
            flags = [int(flag) for rule in wholes for flag in (rule.together, rule.strategy == "complete")]
            values = [name, state, *places, *flags]
            con.execute(f"insert into meta.survivorship values ({', '.join('?' for _ in values)})", values)
