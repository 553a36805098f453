"""Writing a mapping overlay of the instance: what people wrote into the file stays, comments too."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import ParseError
from tomlkit.items import AoT

from ops.errors import FatalError


def entity(overlay: dict[str, Any], table: str) -> dict[str, Any]:
    """The overlay's part for an entity table, made when it is missing."""
    found: dict[str, Any] = overlay.setdefault("entity", {}).setdefault(table, {})
    return found


def document(overlay: dict[str, Any]) -> dict[str, Any]:
    """The overlay as the document that model.conform.spec lays over a mapping."""
    if not overlay:
        return {}
    tables = [{"name": name, **said} for name, said in overlay.get("entity", {}).items()]
    return {**({"lookup": overlay["lookup"]} if "lookup" in overlay else {}), **({"entity": tables} if tables else {})}


def write(path: Path, overlay: dict[str, Any]) -> None:
    """Lay `overlay` into the file at `path`, atomically; FatalError when the file there is not TOML."""
    try:
        there = tomlkit.parse(path.read_text(encoding="utf-8")) if path.is_file() else tomlkit.document()
    except ParseError as error:
        raise FatalError(f"{path} is not valid TOML: {error}", remedy="correct the line it names") from error
    for name, values in overlay.get("lookup", {}).items():
        lookups = there.setdefault("lookup", tomlkit.table(is_super_table=True))
        table = lookups.setdefault(name, tomlkit.table())
        table.update(values)
    if overlay.get("entity"):
        if not isinstance(there.get("entity"), AoT):
            there["entity"] = tomlkit.aot()
        for name, said in overlay["entity"].items():
            _lay(there["entity"], name, said)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".overlay.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(tomlkit.dumps(there))
        file.flush()
        os.fsync(file.fileno())
    Path(temporary).replace(path)


def _lay(tables: AoT, name: str, said: dict[str, Any]) -> None:
    found = next((one for one in tables if str(one.get("name", one.get("entity"))) == name), None)
    if found is None:
        found = tomlkit.table()
        found["name"] = name
        tables.append(found)
        found = tables[-1]
    for key, value in said.items():
        if key != "fields":
            found[key] = value
            continue
        fields = found.setdefault("fields", tomlkit.table())
        for field, spec in value.items():
            inline = tomlkit.inline_table()
            inline.update(spec)
            fields[field] = inline


def details(cells: list[str], version: str) -> str:
    """What the audit keeps of an import: the cells, and the version that came of it."""
    return json.dumps({"cells": cells, "version": version}, ensure_ascii=False)
