"""Who is told: the owners of customers and their managers, as the published build knows them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb
from sqlalchemy import select

from model.policy import roles
from ops.instance import Instance
from ops.tables import kv


@dataclass(frozen=True)
class Person:
    """A recipient. `masks` are the kinds of values hidden from the role (phone, bank, credit)."""

    employee_key: str
    name: str
    email: str | None
    language: str
    is_active: bool
    manager_key: str | None
    masks: frozenset[str]


def people(instance: Instance, build: Path) -> dict[str, Person]:
    """Employee key → person, from core.dim_employee; languages from the store (kv `language:<employee_key>`)."""
    con = duckdb.connect(str(build), read_only=True)
    try:
        rows = con.execute(
            "select employee_key, name, email, coalesce(is_active, true), manager_key from core.dim_employee"
        ).fetchall()
    finally:
        con.close()
    with instance.store.read() as connection:
        rows_of_kv = connection.execute(select(kv.c.key, kv.c.value).where(kv.c.key.like("language:%"))).all()
    chosen = {str(row.key): str(row.value) for row in rows_of_kv}
    managers = {row[4] for row in rows if row[4]}
    return {
        key: Person(
            employee_key=key,
            name=name,
            email=email or None,
            language=chosen.get(f"language:{key}", instance.config.language),
            is_active=is_active,
            manager_key=manager_key,
            masks=masks_of("leader" if key in managers else "account_manager"),
        )
        for key, name, email, is_active, manager_key in rows
    }


def masks_of(role: str) -> frozenset[str]:
    """What the role may not see, by the policy that pages and exports follow."""
    return frozenset(roles()[role].masks)
