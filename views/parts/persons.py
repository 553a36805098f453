"""People of a customer: one line per person, whichever systems hold them."""

from __future__ import annotations

from typing import Any

from model.policy import HIDDEN


def once(listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each person once: a contact that two systems hold under one name and the same mail or number is one person."""
    persons: list[dict[str, Any]] = []
    for row in listed:
        ways = {row.get("email"), row.get("mobile") or row.get("phone")} - {None, "", HIDDEN}
        same = next((one for one in persons if one["name"] == row["name"] and ways & one["ways"]), None)
        if same is None:
            persons.append({**row, "ways": ways})
            continue
        same["ways"] |= ways
        same |= {name: value for name, value in row.items() if same.get(name) in {None, "", False}}
    return persons
