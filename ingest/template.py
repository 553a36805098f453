"""Placeholders in descriptions: {settings.x}, {window.start}, {page.after} and the like."""

from __future__ import annotations

import re
from typing import Any

from ingest.documents import find
from ingest.errors import SpecError

ROOTS = frozenset(
    {
        "settings",
        "auth",
        "prepared",
        "window",
        "filter",
        "ids",
        "fields",
        "cursor",
        "page",
        "parent",
        "parent_id",
        "stream",
    }
)
_PLACE = re.compile(r"\{\{|\}\}|\{([a-z_]+)(?:\.([^{}]+))?\}")
_ONE = re.compile(r"\{([a-z_]+)(?:\.([^{}]+))?\}")


def render(value: Any, context: dict[str, Any]) -> Any:
    """`value` with every placeholder filled from `context`, at any depth of lists and tables.

    A text that is one placeholder keeps the value's type. In tables, entries that become None or "" disappear.
    """
    if isinstance(value, str):
        return _text(value, context)
    if isinstance(value, list):
        return [render(item, context) for item in value]
    if isinstance(value, dict):
        filled = {key: (item, render(item, context)) for key, item in value.items()}
        return {key: done for key, (item, done) in filled.items() if done not in (None, "") or done == item}
    return value


def _text(text: str, context: dict[str, Any]) -> Any:
    if "{" not in text and "}" not in text:
        return text
    whole = _ONE.fullmatch(text)
    if whole:
        found = _lookup(whole, context)
        return _text(found, context) if whole.group(1) == "filter" and isinstance(found, str) else found

    def fill(match: re.Match[str]) -> str:
        if match.group(1) is None:
            return match.group(0)[0]
        found = _lookup(match, context)
        if match.group(1) == "filter" and isinstance(found, str):
            found = _text(found, context)
        if isinstance(found, list):
            return ",".join(str(item) for item in found)
        return "" if found is None else str(found)

    return _PLACE.sub(fill, text)


def _lookup(match: re.Match[str], context: dict[str, Any]) -> Any:
    root, path = match.group(1), match.group(2) or ""
    if root not in ROOTS:
        raise SpecError(f"placeholder {match.group(0)} is unknown", valid=", ".join(sorted(ROOTS)))
    values = context.get(root)
    if root == "settings" and isinstance(values, dict) and path not in values:
        raise SpecError(f"placeholder {match.group(0)} names no setting", valid=", ".join(sorted(values)))
    return find(values, path) if values is not None else None


def placeholders(value: Any) -> set[tuple[str, str]]:
    """(root, path) of every placeholder in `value`, at any depth."""
    if isinstance(value, str):
        return {(m.group(1), m.group(2) or "") for m in _PLACE.finditer(value) if m.group(1)}
    if isinstance(value, list):
        return set().union(*(placeholders(item) for item in value)) if value else set()
    if isinstance(value, dict):
        return placeholders(list(value.values()))
    return set()
