"""Template folder: one table per canonical entity, named after it; no mapping needed.

What the columns are is in source.toml (hook tables), which `model.templates` writes from the schema.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from ingest import files
from ingest.errors import ContractError
from ingest.hooks import Call


def pages(call: Call, _state: Any) -> Iterator[list[dict[str, Any]]]:
    """The rows of the stream's file, checked, each under its id; then the ids that left the file."""
    if call.stream is None:
        return
    folder = Path(call.settings["folder"])
    if not folder.is_dir():
        raise ContractError(
            f"the template folder {folder} does not exist",
            remedy="correct the setting `folder`, or write templates with `c360 template export FOLDER`",
        )
    _check_names(call, folder)
    known = files.living(call.home, call.source, call.stream.name)
    path = _find(folder, call.stream.name)
    rows = _rows(call, folder, path) if path else iter(())
    yield from files.paged(rows, known)


def _find(folder: Path, name: str) -> Path | None:
    found = [path for path in sorted(folder.iterdir()) if path.stem == name and path.suffix.lower() in files.SUFFIXES]
    filled = [path for path in found if len(found) == 1 or files.read_table(path).height]
    if len(filled) > 1:
        raise ContractError(
            f"both {' and '.join(path.name for path in filled)} hold rows",
            remedy="keep one of them and empty the other",
        )
    return filled[0] if filled else (found[0] if found else None)


def _check_names(call: Call, folder: Path) -> None:
    """A file that no entity reads would be lost without a word."""
    valid = [stream.name for stream in call.spec.streams]
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in files.SUFFIXES and path.stem not in valid and path.name[0] not in "~.":
            near = difflib.get_close_matches(path.stem, valid, n=1)
            raise ContractError(
                f"{path.name}: no entity has this name" + (f"; did you mean {near[0]}?" if near else ""),
                valid=", ".join(valid),
                remedy="rename the file or move it out of the folder",
            )


def _table(call: Call, path: Path, stream: str) -> pl.DataFrame:
    """The file with checked columns; blank header cells of unused columns are left out."""
    shape = call.spec.stream(stream).hook
    frame = files.read_table(path)
    frame = frame.rename({name: name.strip().lower() for name in frame.columns})
    frame = frame.select([name for name in frame.columns if not name.startswith(("__unnamed", "column_")) and name])
    valid = ["id", "entered_at", *shape["columns"]]
    unknown = [name for name in frame.columns if name not in valid]
    if unknown:
        near = difflib.get_close_matches(unknown[0], valid, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ContractError(
            f"{path.name}: unknown column {', '.join(map(repr, unknown))}{hint}",
            valid=", ".join(valid),
            remedy="rename or remove the column",
        )
    missing = [name for name in shape["required"] if name not in frame.columns]
    if missing and frame.width:
        raise ContractError(
            f"{path.name}: required column {', '.join(map(repr, missing))} is missing",
            valid=", ".join(valid),
            remedy=f"add the column to {path.name}; `c360 template export FOLDER` writes a file with every column",
        )
    return frame


def _rows(call: Call, folder: Path, path: Path) -> Iterator[dict[str, Any]]:
    name = call.stream.name if call.stream else ""
    shape = call.spec.stream(name).hook
    links = {column: _links(call, folder, targets) for column, targets in shape["refers"].items()}
    seen: dict[str, int] = {}
    same: Counter[str] = Counter()
    for row in files.records(_table(call, path, name), path):
        for column, ids in links.items():
            value = (row.get(column) or "").strip()
            row[column] = ids.get(value, value) or None
        row_id = _identity(row, shape["key"])
        if row_id is None:
            row_id = _content(row)
            same[row_id] += 1
            row_id = f"{row_id}-{same[row_id]}"
        elif row_id in seen:
            key = "id" if (row.get("id") or "").strip() else ", ".join(shape["key"])
            raise ContractError(
                f"{path.name}: rows {seen[row_id]} and {row['_row']} have the same {key}: {row_id}",
                remedy="correct one of them, or give both an `id`",
            )
        seen[row_id] = row["_row"]
        yield {"_id": row_id, **row}


def _identity(row: dict[str, Any], key: list[str]) -> str | None:
    """The id column, else the natural key, else None."""
    own = (row.get("id") or "").strip()
    if own:
        return str(own)
    parts = [(row.get(name) or "").strip() for name in key]
    return ":".join(parts) if key and all(parts) else None


def _content(row: dict[str, Any]) -> str:
    values = {name: value for name, value in row.items() if not name.startswith("_")}
    return hashlib.blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=10).hexdigest()


def _links(call: Call, folder: Path, targets: list[str]) -> dict[str, str]:
    """Natural code → id of the rows of the referred files that have an id of their own."""
    found: dict[str, str] = {}
    for target in targets:
        path = _find(folder, target)
        if path is None:
            continue
        frame = _table(call, path, target)
        key = call.spec.stream(target).hook["key"]
        if "id" in frame.columns and len(key) == 1 and key[0] in frame.columns:
            pairs = frame.select(pl.col(key[0]).str.strip_chars(), pl.col("id").str.strip_chars()).drop_nulls()
            found.update({code: row_id for code, row_id in pairs.iter_rows() if code and row_id})
    return found
