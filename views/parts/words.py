"""The names of canonical entities and their columns, as the schema files give them in both languages."""

from __future__ import annotations

from model import schema
from views.parts.format import Look


def entity(look: Look, name: str) -> str:
    """`invoice` → 发票（应收单） / Invoice; a name the schema does not know is shown as it is."""
    found = schema.entities().get(name)
    return name if found is None else found.zh if look.language == "zh" else found.en


def column(look: Look, entity_name: str, name: str) -> str:
    """The word for one column of an entity, or the column's own name."""
    found = schema.entities().get(entity_name)
    one = found.by_name.get(name) if found else None
    return name if one is None else one.zh if look.language == "zh" else one.en
