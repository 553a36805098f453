"""What landing holds of each source: files, bytes, packed runs, and when it was last packed and thinned out."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from ingest import landing, packs
from ops.store import Store, stamp, unstamp
from ops.tables import audit, kv

PRUNED = "landing.prune"
"""The audit's action when versions have left."""
_PACKED = "landing.packed:"


@dataclass(frozen=True)
class Held:
    """What one stream's folder holds; `loose` are committed runs with files of their own. Bytes include manifests."""

    source: str
    stream: str
    files: int
    bytes: int
    packed: int
    loose: int


def held(root: Path, source: str) -> list[Held]:
    """One row per stream of `source` in the working copy, by name; reads names and sizes only."""
    return [_stream(root, source, stream) for stream in landing.streams(root, source)]


def _stream(root: Path, source: str, stream: str) -> Held:
    folder = root / source / stream
    packed = packs.catalogue(folder)
    files = size = loose = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name == packs.CATALOGUE or entry.name.startswith(packs.PREFIX):
                files, size = files + 1, size + entry.stat().st_size
            elif entry.is_dir() and entry.name not in packed and "manifest.json" in (found := _files(entry.path)):
                loose += 1
                files, size = files + len(found), size + sum(found.values())
    return Held(source, stream, files, size, len(packed), loose)


def _files(folder: str) -> dict[str, int]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
    except FileNotFoundError:  # packed since it was listed
        return {}


def note_packed(store: Store, source: str, facts: Mapping[str, Any]) -> None:
    """Remember that `source` has been packed now, and from how many files into how many."""
    entry = {"key": f"{_PACKED}{source}", "value": json.dumps(dict(facts)), "updated_at": stamp()}
    with store.begin() as connection:
        store.upsert(connection, kv, entry, ["key"])


def last_packed(store: Store) -> dict[str, tuple[datetime, dict[str, Any]]]:
    """Source → when it was last packed (UTC), and its files and bytes before and after."""
    chosen = select(kv.c.key, kv.c.value, kv.c.updated_at).where(kv.c.key.startswith(_PACKED, autoescape=True))
    with store.read() as connection:
        rows = connection.execute(chosen).all()
    return {row.key.removeprefix(_PACKED): (unstamp(row.updated_at), json.loads(row.value)) for row in rows}


def last_pruned(store: Store) -> dict[str, tuple[datetime, int]]:
    """Source → when versions of it last left (UTC), and how many."""
    newest = select(func.max(audit.c.audit_id)).where(audit.c.action == PRUNED).group_by(audit.c.subject)
    chosen = select(audit.c.subject, audit.c.at, audit.c.details).where(audit.c.audit_id.in_(newest))
    with store.read() as connection:
        rows = connection.execute(chosen).all()
    return {
        row.subject: (unstamp(row.at), sum(int(one["leaving"]) for one in json.loads(row.details)["streams"]))
        for row in rows
    }
