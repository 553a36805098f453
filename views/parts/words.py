"""The names of canonical entities and their columns, and the reasons of a renewal forecast, in both languages."""

from __future__ import annotations

from typing import Any

from model import schema
from ops.texts import catalogue
from views.parts.format import Look


def entity(look: Look, name: str) -> str:
    """`invoice` → 发票（应收单） / Invoice; a name the schema does not know is shown as it is."""
    found = schema.entities().get(name)
    return name if found is None else found.zh if look.language == "zh" else found.en


def column(look: Look, entity_name: str, name: str) -> str:
    """The word for one column of an entity, or the column's own name."""
    found = schema.entities().get(entity_name)
    # the conformed `owner_key` is the source's `owner_id`, and so on
    one = (found.by_name.get(name) or found.by_name.get(f"{name.removesuffix('_key')}_id")) if found else None
    return name if one is None else one.zh if look.language == "zh" else one.en


def driver(look: Look, one: dict[str, Any]) -> str:
    """A reason of a renewal forecast: days before the due day are early, none at all has words of its own."""
    value, feature = one.get("value"), one.get("feature")
    shown = str((one.get("args") or {}).get("value", ""))
    if shown.strip("+-−%") in {"0", "0.0"} and (msgid := f"renewal.none.{feature}") in catalogue():
        return look.t(msgid)
    if value is not None and float(value) < 0 and (msgid := f"renewal.early.{feature}") in catalogue():
        return look.t(msgid, value=shown.lstrip("-−"))
    return look.say(one).replace("-", "−")
