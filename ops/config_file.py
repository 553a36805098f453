"""Changing c360.toml in place: comments, order and spacing of what is not changed stay."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import ParseError
from tomlkit.items import AoT
from tomlkit.toml_document import TOMLDocument

from ops.errors import FatalError
from ops.instance import parse_config


def fingerprint(path: Path) -> str:
    """A mark of what the file says now; another one as soon as anything in it has changed. FatalError: unreadable."""
    return hashlib.blake2b(_read(path).encode(), digest_size=16).hexdigest()


def edit(path: Path, change: Callable[[TOMLDocument], None], *, seen: str | None = None) -> None:
    """Apply `change` to the document at `path` and write it atomically, if the result is a valid configuration.

    With `seen`, the fingerprint of what the person looked at, a file that says something else by now is left alone.
    FatalError for that, for a file that may not be written and for a result that is no valid configuration.
    """
    path = path.resolve()
    before = _read(path)
    if seen is not None and seen != hashlib.blake2b(before.encode(), digest_size=16).hexdigest():
        raise _meanwhile(path)
    try:
        document = tomlkit.parse(before)
    except ParseError as error:
        raise FatalError(f"{path} is not valid TOML: {error}", remedy="correct the line it names") from error
    change(document)
    parse_config(document.unwrap(), str(path))
    mode = path.stat().st_mode
    if not mode & stat.S_IWUSR or not os.access(path, os.W_OK):
        raise FatalError(f"{path} is write-protected", remedy="let c360 write it, or change it by hand")
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".c360.")
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(tomlkit.dumps(document))
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode & 0o777)
        if _read(path) != before:
            Path(temporary).unlink()
            raise _meanwhile(path)
        Path(temporary).replace(path)
    except OSError as error:
        raise FatalError(
            f"{path} cannot be written: {error.strerror}", remedy="let c360 write its folder, or change it by hand"
        ) from error


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise FatalError(f"{path} cannot be read: {error.strerror}", remedy="let c360 read it") from error


def _meanwhile(path: Path) -> FatalError:
    return FatalError(f"{path.name} was changed meanwhile", remedy="look at what is in effect now, and save again")


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
    change_source(path, source, {key: value})


def change_source(path: Path, source: str, values: Mapping[str, Any], *, seen: str | None = None) -> None:
    """Set keys of the `[[source]]` called `source`; None removes a key, a mapping is set key by key.

    FatalError names the sources there are; see `edit` for the rest.
    """

    def change(document: TOMLDocument) -> None:
        tables = document.get("source", [])
        for table in tables:
            if table.get("name") == source:
                _set(table, values)
                return
        names = ", ".join(str(table.get("name")) for table in tables) or "none configured yet"
        raise FatalError(f"there is no source {source!r}", valid=names, remedy="check the name in c360.toml")

    edit(path, change, seen=seen)


def _set(table: Any, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if value is None:
            table.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(table.get(key), Mapping):
            _set(table[key], value)
        elif isinstance(value, Mapping):
            table[key] = {name: one for name, one in value.items() if one is not None}
        elif table.get(key) != value or isinstance(table.get(key), bool) != isinstance(value, bool):
            table[key] = value


def add_source(path: Path, source: dict[str, Any], *, seen: str | None = None) -> None:
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

    edit(path, change, seen=seen)
