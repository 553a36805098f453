"""What a cell of the mapping sheet says, read back: the other direction of model.mapping_export."""

from __future__ import annotations

from typing import Any

from model.conform.spec import CONVERSIONS, FieldSpec
from model.mapping_export import condition

_ELSE = ", else "
ORIGIN = "a path, paths joined by ', else ', 'text TEMPLATE', 'always VALUE', 'times PATH or number', joined by '; '"


def read(column: str, text: str, before: FieldSpec | None) -> dict[str, Any]:
    """Keys of a field's mapping that the cell `text` of `column` sets; a key with None is taken away.

    ValueError says what cannot be read, and what can.
    """
    if column == "from":
        return _origin(text, before)
    if column == "conversions":
        return {"convert": _conversions(text)}
    if column == "empty_values":
        return {"nulls": [part.strip() for part in text.split(",") if part.strip()] or None}
    if column == "required":
        if text.lower() not in {"", "yes"}:
            raise ValueError(f"{text!r} is no mark; valid: yes, or nothing")
        return {"required": True if text else None}
    if column == "on_error":
        if text not in {"reject", "null"}:
            raise ValueError(f"{text!r}; valid: reject, null")
        return {"on_error": text}
    return {column: text or None}


def _conversions(text: str) -> list[str] | None:
    names = [part.strip() for part in text.split(",") if part.strip()]
    for name in names:
        if name not in CONVERSIONS and not name.startswith("hook:"):
            raise ValueError(f"unknown conversion {name!r}; valid: {', '.join(CONVERSIONS)}, hook:<name>")
    return names or None


def _origin(text: str, before: FieldSpec | None) -> dict[str, Any]:
    said: dict[str, Any] = dict.fromkeys(("path", "template", "constant", "cases", "times", "scale"))
    known = {} if before is None else {f"{c.value or 'nothing'} when {condition(c.when)}": c for c in before.cases}
    rest = text
    cases = []
    for words, case in known.items():  # their own words may hold the signs that part the others
        if words in rest:
            rest = rest.replace(words, "", 1)
            cases.append(case.model_dump(exclude_none=True))
    said["cases"] = cases or None
    for part in (one.strip() for one in rest.split(";")):
        _part(part, said)
    return said


def _part(part: str, said: dict[str, Any]) -> None:
    word, _, value = part.partition(" ")
    if not part:
        return
    if word == "text" and value:
        said["template"] = value
    elif word == "always":
        said["constant"] = value
    elif word == "times" and value:
        try:
            said["scale"] = float(value)
        except ValueError:
            said["times"] = value
    elif " when " in part:
        raise ValueError(f"{part!r}: cases are written in config/conform; valid here: {ORIGIN}")
    elif said["path"] is not None:
        raise ValueError(f"{part!r} comes after other paths; valid: {ORIGIN}")
    else:
        said["path"] = [one.strip() for one in part.split(_ELSE) if one.strip()]
