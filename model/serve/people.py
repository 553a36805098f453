"""Signing in: demo personas, employees by mail or staff number, and the command line's operator."""

from __future__ import annotations

from typing import Any

from model import policy
from model.policy import Viewer
from model.serve.connection import Served, open_published
from ops.errors import C360Error, FatalError
from ops.instance import Instance


def personas(instance: Instance) -> list[dict[str, Any]]:
    """The demo's people: user, name, role. Empty unless this is a demo instance."""
    if instance.config.mode != "demo":
        return []
    return [{"user": item.user, "name": item.name, "role": item.role} for item in policy.personas()]


def names(instance: Instance) -> dict[str, str]:
    """User → the name people know them by."""
    return {one["user"]: one["name"] for one in personas(instance)}


def sign_in(instance: Instance, user: str) -> Viewer:
    """The viewer called `user`: operator, or a demo persona by user name or mail. FatalError names who there is."""
    config = instance.config
    if user == "operator":
        return policy.viewer("operator", "operator", "operator", language=config.language, zone=config.zone)
    if config.mode != "demo":
        raise FatalError(
            f"nobody can sign in as {user!r} here",
            valid="operator",
            remedy="demo personas exist in a demo instance only",
        )
    for persona in policy.personas():
        if user in {persona.user, persona.email}:
            employee = _employee(instance, persona.email)
            return policy.viewer(
                persona.user, persona.name, persona.role,
                employee_key=employee.get("employee_key"), team=employee.get("team"),
                language=config.language, zone=config.zone,
            )  # fmt: skip
    valid = ", ".join(["operator", *(persona.user for persona in policy.personas())])
    raise FatalError(f"there is no persona {user!r}", valid=valid)


def _employee(instance: Instance, email: str) -> dict[str, Any]:
    try:
        served = open_published(instance)
    except C360Error:
        return {}
    return employee_of(served, email) or {}


def employee_of(db: Served, reference: str) -> dict[str, Any] | None:
    """{employee_key, team} of whoever has this mail or staff number in any system, None when nobody or several do."""
    found = db.rows(
        """select distinct e.employee_key, e.team from identity.employee_identifier as i
           join core.dim_employee as e on e.employee_key = i.employee_key where i.value = lower(trim(?))""",
        [reference],
    )
    return found[0] if len(found) == 1 else None
