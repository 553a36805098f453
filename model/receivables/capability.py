"""Whether a source says which payment settled which invoice; where none does, settlement is estimated and labelled."""

from __future__ import annotations

from pathlib import Path

from model.conform import mapping_of
from ops.errors import C360Error
from ops.instance import Instance, SourceConfig


def gives_allocations(instance: Instance, source: SourceConfig) -> bool:
    """True when the source's mapping makes allocations; for a template folder, when it has an allocation file.

    The setting `allocations` of the source ("recorded" or "none") has the last word.
    """
    said = source.settings.get("allocations")
    if said in {"recorded", "none"}:
        return bool(said == "recorded")
    if source.connector == "template":
        folder = Path(str(source.settings.get("folder") or "/nowhere"))
        return not folder.is_dir() or any(path.stem == "allocation" for path in folder.iterdir())
    try:
        return any(entity.entity == "allocation" for entity in mapping_of(instance, source).entities)
    except C360Error:  # staging reports the mapping; without one nothing is estimated
        return True
