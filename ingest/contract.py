"""What a connector's spec promises, key by key, and how two versions of it differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ingest.spec import SourceSpec

WHOLE = "*"
_SETS = {"fields", "drop", "required", "values", "status", "hosts", "choices", "entities"}
"""Keys of lists in which the order says nothing."""


def contract(spec: SourceSpec) -> dict[str, dict[str, str]]:
    """Stream ("*" for what concerns the whole source) → key path → value as text; defaults are left out."""
    told = spec.model_dump(mode="json", exclude_defaults=True, exclude={"streams", "folder"})
    found = {WHOLE: dict(_flat(told, ""))}
    for stream in spec.streams:
        found[stream.name] = dict(_flat(stream.model_dump(mode="json", exclude_defaults=True), ""))
    return found


def _flat(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key in sorted(value):
            yield from _flat(value[key], f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for place, item in enumerate(value):
            yield from _flat(item, f"{path}.{place}")
    elif isinstance(value, list):
        yield path, ", ".join(map(str, value))
    elif value is not None:
        yield path, str(value)


def _told(key: str, value: str | None) -> str | list[str] | None:
    """What is compared of a value."""
    return value if value is None or key.rpartition(".")[2] not in _SETS else sorted(set(value.split(", ")))


def changes(
    before: dict[str, dict[str, str]], after: dict[str, dict[str, str]]
) -> list[tuple[str, str, str | None, str | None]]:
    """(stream, key, before, after) of what differs; a stream that is new or gone is one row with an empty key."""
    found: list[tuple[str, str, str | None, str | None]] = []
    for stream in sorted(before.keys() | after.keys()):
        old, new = before.get(stream), after.get(stream)
        if old is None or new is None:
            told = (None, "collected") if old is None else ("collected", None)
            found.append((stream, "", *told))
            continue
        found += [
            (stream, key, old.get(key), new.get(key))
            for key in sorted(old.keys() | new.keys())
            if _told(key, old.get(key)) != _told(key, new.get(key))
        ]
    return found
