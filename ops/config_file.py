"""Changing c360.toml in place: comments, order and spacing of what is not changed stay."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import ParseError
from tomlkit.items import AoT
from tomlkit.toml_document import TOMLDocument

from ops.errors import FatalError
from ops.instance import parse_config


def edit(path: Path, change: Callable[[TOMLDocument], None]) -> None:
    """Apply `change` to the document at `path` and write it atomically, if the result is a valid configuration."""
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8"))
    except ParseError as error:
        raise FatalError(f"{path} is not valid TOML: {error}", remedy="correct the line it names") from error
    change(document)
    parse_config(document.unwrap(), str(path))
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".c360.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(tomlkit.dumps(document))
        file.flush()
        os.fsync(file.fileno())
    Path(temporary).chmod(path.stat().st_mode & 0o777)
    Path(temporary).replace(path)


def set_value(path: Path, key: str, value: Any) -> None:
    """Set a top-level key; None removes it."""

    def change(document: TOMLDocument) -> None:
        if value is None:
            document.pop(key, None)
        else:
            document[key] = value

    edit(path, change)


def set_of_source(path: Path, source: str, key: str, value: Any) -> None:
    """Set one key of the `[[source]]` called `source`; FatalError names the sources there are."""

    def change(document: TOMLDocument) -> None:
        tables = document.get("source", [])
        for table in tables:
            if table.get("name") == source:
                table[key] = value
                return
        names = ", ".join(str(table.get("name")) for table in tables) or "none configured yet"
        raise FatalError(f"there is no source {source!r}", valid=names, remedy="check the name in c360.toml")

    edit(path, change)


def add_source(path: Path, source: dict[str, Any]) -> None:
    """Append a `[[source]]`; keys whose value is None are left out."""

    def change(document: TOMLDocument) -> None:
        table = tomlkit.item({key: value for key, value in source.items() if value is not None})
        tables = document.get("source")
        if isinstance(tables, AoT):
            tables.append(table)
            return
        fresh = tomlkit.aot()
        for old in tables or []:
            fresh.append(tomlkit.item(dict(old)))
        fresh.append(table)
        document.pop("source", None)
        document["source"] = fresh

    edit(path, change)
