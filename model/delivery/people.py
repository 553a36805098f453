"""Who is told: owners of customers, who stands in for them, and the groups that robots speak to.

The row rule of every message is decided here twice: `told_about` says who is meant to hear of an alert, and `may_see`
says, from the policy alone, whether that person or group may see it. A message holds only what both allow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
from sqlalchemy import select

from model.alerts.rule import Rule
from model.policy import MASKS, personas, roles
from ops.errors import FatalError
from ops.instance import ChannelConfig, Instance, PersonConfig
from ops.tables import kv

TEAM = "team:"


@dataclass(frozen=True)
class Person:
    """An employee. `masks` are the kinds of values hidden from the role (phone, bank, credit)."""

    employee_key: str
    name: str
    email: str | None
    language: str
    is_active: bool
    manager_key: str | None
    masks: frozenset[str]
    code: str | None = None
    team: str | None = None
    scope: str = "own"
    deputy_key: str | None = None
    is_away: bool = False


@dataclass(frozen=True)
class Target:
    """One recipient over one channel: a person (key = employee key) or a group (key = "channel:NAME")."""

    key: str
    name: str
    channel: str
    address: str
    language: str
    masks: frozenset[str]


@dataclass
class Directory:
    """The employees of a build with what c360.toml says about them, as of one day."""

    persons: dict[str, Person]
    channels: list[ChannelConfig]
    language: str
    unowned: Person | None = None
    integration: Person | None = None
    _personal: dict[str, ChannelConfig] = field(default_factory=dict)

    @classmethod
    def load(cls, instance: Instance, build: Path, day: date) -> Directory:
        """Read core.dim_employee and apply [[person]], [[channel]] and [alerts]. FatalError on somebody unknown."""
        config = instance.config
        persons = _persons(instance, build, day)
        found = cls(persons, list(config.channels), config.language)
        found.unowned = found.find(config.alerts.unowned, "alerts.unowned")
        found.integration = found.find(config.alerts.integration, "alerts.integration")
        for channel in config.channels:
            _check(channel)
            if len(channel.who) == 1 and not _is_group(channel.who[0]):
                person = found.find(channel.who[0], f"channel {channel.name}")
                if person is not None:
                    found._personal[person.employee_key] = channel
        return found

    def find(self, reference: str | None, where: str) -> Person | None:
        """The person with this employee key, mail or staff number; None for no reference."""
        if reference is None:
            return None
        for person in self.persons.values():
            if reference in {person.employee_key, person.email, person.code}:
                return person
        raise FatalError(
            f"{where}: nobody is known as {reference!r}", valid="an employee key, a mail address or a staff number"
        )

    def target(self, person: Person) -> Target | None:
        """How `person` is reached: a channel of their own, else mail; None when inactive or without either."""
        channel = self._personal.get(person.employee_key)
        if not person.is_active or (channel is None and not person.email):
            return None
        if channel is None:
            return Target(person.employee_key, person.name, "mail", person.email or "", person.language, person.masks)
        language = channel.language or person.language
        return Target(person.employee_key, person.name, channel.name, channel.name, language, person.masks)

    def told_about(self, row: dict[str, Any], rule: Rule) -> list[Target]:
        """Who hears of an alert: its owner or who stands in, from escalation level 1 the deputy (without one: the
        team lead), from level 2 the team lead, and the groups whose channel names the owner."""
        owner = self.integration if rule.owner == "integration" else self.persons.get(row["owner_key"] or "")
        people = [self._stand_in(owner) if owner else self.unowned]
        level = int(row.get("level") or 0)
        if owner is not None and level:
            deputy, lead = self._deputy(owner), self._lead(owner)
            people.append(deputy if level == 1 and deputy else lead)
            people.append(deputy)
        found = [
            target for person in people if person and (target := self.target(person)) and self.may_see(target, row)
        ]
        found += [self._group(channel) for channel in self.channels if self._covers(channel, row, rule)]
        return list(dict.fromkeys(found))

    def may_see(self, target: Target, row: dict[str, Any]) -> bool:
        """Whether the row rule lets a person see this alert: own customers, those of people one leads or stands in
        for, and for whom it is configured the unowned ones. Alerts about no customer follow the role's scope."""
        person = self.persons.get(target.key)
        if person is None:
            return False
        if person.scope == "all" or (person == self.integration and row.get("customer_key") is None):
            return True
        owner = self.persons.get(row["owner_key"] or "")
        if owner is None:
            return person == self.unowned
        if person == self.unowned and self._nobody_else(owner):
            return True
        return person == owner or owner.deputy_key == person.employee_key or person in self._chain(owner)

    def _stand_in(self, owner: Person) -> Person | None:
        if not owner.is_away and self.target(owner):
            return owner
        deputy = self._deputy(owner)
        return deputy or self._lead(owner) or (owner if self.target(owner) else self.unowned)

    def _nobody_else(self, owner: Person) -> bool:
        return self._stand_in(owner) == self.unowned

    def _deputy(self, owner: Person) -> Person | None:
        deputy = self.persons.get(owner.deputy_key or "")
        return deputy if deputy and not deputy.is_away and self.target(deputy) else None

    def _lead(self, owner: Person) -> Person | None:
        return next((lead for lead in self._chain(owner) if not lead.is_away and self.target(lead)), None)

    def _chain(self, person: Person) -> Iterator[Person]:
        seen = {person.employee_key}
        while (above := self.persons.get(person.manager_key or "")) and above.employee_key not in seen:
            seen.add(above.employee_key)
            yield above
            person = above

    def _group(self, channel: ChannelConfig) -> Target:
        masks = frozenset(roles()[channel.role].masks) if channel.role in roles() else MASKS
        name, language = channel.name, channel.language or self.language
        return Target(f"channel:{name}", name, name, name, language, masks)

    def _covers(self, channel: ChannelConfig, row: dict[str, Any], rule: Rule) -> bool:
        if channel in self._personal.values():
            return False
        if rule.owner == "integration":
            return "integration" in channel.who
        owner = self.persons.get(row["owner_key"] or "")
        if owner is None:
            return bool({"all", "unowned"} & set(channel.who))
        names = {"all", owner.employee_key, owner.email, owner.code, f"{TEAM}{owner.team}"}
        return bool(names & set(channel.who))


def _is_group(who: str) -> bool:
    return who in {"all", "unowned", "integration"} or who.startswith(TEAM)


def _check(channel: ChannelConfig) -> None:
    if channel.role not in roles():
        raise FatalError(f"channel {channel.name}: there is no role {channel.role!r}", valid=", ".join(roles()))


def _persons(instance: Instance, build: Path, day: date) -> dict[str, Person]:
    con = duckdb.connect(str(build), read_only=True)
    try:
        rows = con.execute(
            """select employee_key, name, email, coalesce(is_active, true), manager_key, code, team
               from core.dim_employee order by employee_key"""
        ).fetchall()
    finally:
        con.close()
    with instance.store.read() as connection:
        rows_of_kv = connection.execute(select(kv.c.key, kv.c.value).where(kv.c.key.like("language:%"))).all()
    chosen = {str(row.key): str(row.value) for row in rows_of_kv}
    managers = {row[4] for row in rows if row[4]}
    known = {reference: row[0] for row in rows for reference in (row[0], row[2], row[5]) if reference}
    said = {known[one.who]: one for one in instance.config.people if one.who in known}
    demo = {one.email: one.role for one in personas()} if instance.config.mode == "demo" else {}
    found = {}
    for key, name, email, is_active, manager_key, code, team in rows:
        own = said.get(key) or PersonConfig(who=key)
        role = own.role or demo.get(email) or ("leader" if key in managers else "account_manager")
        if role not in roles():
            raise FatalError(f"person {own.who}: there is no role {role!r}", valid=", ".join(roles()))
        found[key] = Person(
            employee_key=key,
            name=name or key,
            email=email or None,
            language=chosen.get(f"language:{key}", own.language or instance.config.language),
            is_active=is_active,
            manager_key=manager_key,
            masks=frozenset(roles()[role].masks),
            code=code,
            team=team,
            scope=roles()[role].scope,
            deputy_key=known.get(own.deputy or ""),
            is_away=_is_away(own, day),
        )
    return found


def _is_away(own: PersonConfig, day: date) -> bool:
    if own.away_from is None and own.away_until is None:
        return False
    return (own.away_from or day) <= day <= (own.away_until or day)
