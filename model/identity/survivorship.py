"""Survivorship as data: the rank of each source role per field group."""

from __future__ import annotations

import tomllib
from pathlib import Path

from ops.errors import FatalError, unknown_keys

GROUPS = ("name", "tax", "credit", "owner", "contact")
ROLES = ("crm", "erp", "files", "projects", "tickets")
_SHIPPED = Path(__file__).with_name("survivorship.toml")


def ranks(config_dir: Path | None = None) -> dict[str, dict[str, int]]:
    """Role → field group → rank, 1 wins. `config_dir`/survivorship.toml replaces whole groups of the shipped file.

    Raises FatalError naming unknown groups or roles.
    """
    rules = _read(_SHIPPED)
    overlay = config_dir / "survivorship.toml" if config_dir else None
    if overlay and overlay.is_file():
        rules |= _read(overlay)
    result: dict[str, dict[str, int]] = {role: {} for role in ROLES}
    for group in GROUPS:
        listed = rules[group]
        for role in ROLES:
            result[role][group] = listed.index(role) + 1 if role in listed else len(ROLES) + 1
    return result


def _read(path: Path) -> dict[str, list[str]]:
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    error = unknown_keys(raw, GROUPS, str(path))
    if error:
        raise error
    rules: dict[str, list[str]] = {}
    for group, table in raw.items():
        roles = table.get("roles", []) if isinstance(table, dict) else None
        if not isinstance(roles, list):
            raise FatalError(f"{path}: [{group}] has no list of roles", valid=", ".join(ROLES))
        error = unknown_keys(roles, ROLES, f"{path}: [{group}]")
        if error:
            raise error
        rules[group] = [str(role) for role in roles]
    return rules
