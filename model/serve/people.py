"""Signing in: demo personas, employees by mail or staff number, and the command line's operator."""

from __future__ import annotations

from typing import Any

from model import policy
from model.policy import Viewer
from model.serve.connection import open_published
from ops.errors import C360Error, FatalError
from ops.instance import Instance


def personas(instance: Instance) -> list[dict[str, Any]]:
    """The demo's people: user, name, role. Empty unless this is a demo instance."""
    if instance.config.mode != "demo":
        return []
    return [{"user": item.user, "name": item.name, "role": item.role} for item in policy.personas()]


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
    found = served.rows("select employee_key, team from core.dim_employee where lower(email) = lower(?)", [email])
    return found[0] if found else {}
