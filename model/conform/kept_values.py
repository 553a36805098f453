"""What drift may remember of a field's values: those of an enumeration that a mapping translates, no personal ones."""

from __future__ import annotations

from collections.abc import Iterator

from ingest import drift
from ingest.shape import Kept
from model import schema
from model.conform.sources import mapping_of
from model.conform.spec import EntityMapping, FieldSpec
from ops.errors import C360Error
from ops.instance import Instance


def kept(instance: Instance, source: str, stream: str) -> dict[str, Kept]:
    """Path in the documents of `stream` → what is kept of its values; other fields are judged by how they look.

    Nothing is known of a source whose mapping is missing or broken.
    """
    try:
        mapping = mapping_of(instance, instance.config.source(source))
    except C360Error:
        return {}
    found: dict[str, Kept] = {}
    for entity in mapping.of(stream):
        columns = schema.entity(entity.entity).by_name
        for name, spec in entity.fields.items():
            column = columns.get(name)
            is_personal = column is None or column.sensitivity != "none" or name in _NAMES
            for path in (whole(entity, path) for path in read_by(spec)):
                if is_personal or found.get(path) == "none":
                    found[path] = "none"
                elif spec.lookup or (column is not None and column.lookup):
                    found[path] = "all"
    return found


_NAMES = frozenset({"name", "full_name", "contact_name", "legal_name", "title"})
"""Columns that hold what a person or a company is called."""


def read_by(spec: FieldSpec) -> Iterator[str]:
    """Paths that a mapping row reads."""
    yield from spec.path
    yield from (when.path for case in spec.cases for when in case.when)
    yield from (part.partition("}")[0] for part in (spec.template or "").split("{")[1:])


def whole(entity: EntityMapping, path: str) -> str:
    """A mapping's path from the document's root: those of an exploded table begin at the element."""
    levels = [f"{level}[]" for level in entity.explode]
    if path.startswith("^"):
        return path[1:]
    if path.startswith("<"):
        levels, path = levels[:-1], path[1:]
    return ".".join([*levels, path])


drift.ask(kept)
