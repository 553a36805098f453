"""Published builds: immutable versions of the warehouse with a search sidecar, and a pointer to the current one.

published/wh-<version>.duckdb      the build
published/search-<version>.sqlite  its search sidecar
published/keys-<version>.json      the customers, and the sidecar's parts, that changed since the version before;
                                   absent after a full build
published/wh-<version>.json        written when all are complete; a version without it does not exist
published/current.json             the pointer, switched by an atomic rename

Readers open by version name, read-only. A crash at any instruction leaves the pointer on a complete version. The
version that falls out of the kept ones gives its files to the new one when nobody has it open: only the blocks and
the customers that differ are then written; what the warehouse's connections wrote (model/written.py) tells which
blocks to look at.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from model import publish_files as files
from model import search, warehouse, written
from ops import clock
from ops.errors import FatalError
from ops.instance import Instance
from ops.leases import lease
from ops.progress import Progress, quiet
from ops.store import stamp

LEASE = "publish"
_POINTER = "current.json"


@dataclass(frozen=True)
class _Change:
    """The customers of whom something changed, and the parts of the sidecar in which it did."""

    keys: set[str]
    parts: set[str]


@dataclass(frozen=True)
class Published:
    """One published version; `path` and `search_path` are absolute, `published_at` is an aware UTC instant."""

    version: str
    path: Path
    search_path: Path
    published_at: datetime
    rows: int
    build_id: str


def publish(
    instance: Instance,
    *,
    con: duckdb.DuckDBPyConnection | None = None,
    changed_keys: Sequence[str] | None = None,
    changed_parts: Sequence[str] = search.PARTS,
    base_build_id: str | None = None,
    progress: Progress | None = None,
) -> str:
    """Publish the warehouse as it stands and return the new version.

    `con`: the builder's connection, which is closed here. `changed_keys`: the customers of whom `changed_parts` of the
    sidecar changed since the build `base_build_id`, whose sidecar is then taken forward; otherwise it is built anew.
    Raises FatalError when the warehouse has no finished build.
    """
    say = progress or quiet
    with lease(instance.store, LEASE):
        folder = instance.published
        folder.mkdir(parents=True, exist_ok=True)
        before = current_or_none(instance)
        _sweep(folder)
        version = _next_version(before)
        source = warehouse.warehouse_path(instance.warehouse)
        target, sidecar = folder / f"wh-{version}.duckdb", folder / f"search-{version}.sqlite"
        spare = _take_spare(folder, instance.config.keep_builds, before, version)
        usable = before is not None and base_build_id is not None and before.build_id == base_build_id
        change = _Change(set(changed_keys), set(changed_parts)) if usable and changed_keys is not None else None
        opened = con or _open(source)
        try:
            build_id, rows = _settle(opened, source)
            _carry(opened, sidecar, before if usable else None, change, spare)
            since = written.close(opened, source, made=version, kept=_versions(folder))
        finally:
            opened.close()
        if spare:
            files.patch(source, files.part(target), since.get(spare.version))
        else:
            files.copy(source, files.part(target))
        files.part(target).replace(target)
        say(f"published build {version}: {target.stat().st_size / 1e6:,.1f} MB")
        if change is not None:
            note = {"base": base_build_id, "keys": sorted(change.keys), "parts": sorted(change.parts)}
            _write(_keys_file(folder, version), note)
        _write(
            folder / f"wh-{version}.json",
            {"version": version, "published_at": stamp(clock.now()), "rows": rows, "build_id": build_id},
        )
        _switch(folder, version)
        _prune(folder, instance.config.keep_builds, version)
    return version


def _carry(
    con: duckdb.DuckDBPyConnection,
    sidecar: Path,
    before: Published | None,
    change: _Change | None,
    spare: Published | None,
) -> None:
    """Write the sidecar: the spare one brought up to date, or a copy of the one before, or one made anew."""
    part = files.part(sidecar)
    previous = before.search_path if before and before.search_path.is_file() else None
    if spare and before and part.is_file() and change is not None:
        since = _changed_since(sidecar.parent, before, spare.build_id)
        if since is not None:
            previous, change = part, _Change(change.keys | since.keys, change.parts | since.parts)
    keys, parts = (sorted(change.keys), change.parts) if change else (None, None)
    search.build_sidecar(con, part, previous=previous, changed_keys=keys, changed_parts=parts)
    files.sync(part)
    part.replace(sidecar)


def _take_spare(folder: Path, keep: int, before: Published | None, version: str) -> Published | None:
    """Rename the files of the version that is no longer kept to parts of the new one, where nobody has it open."""
    versions = _versions(folder)
    if before is None or len(versions) < keep:
        return None
    oldest = _load(folder, versions[-1])
    if oldest is None or oldest.version == before.version:
        return None
    target, sidecar = folder / f"wh-{version}.duckdb", folder / f"search-{version}.sqlite"
    (folder / f"wh-{oldest.version}.json").unlink()
    _keys_file(folder, oldest.version).unlink(missing_ok=True)
    if not files.take(oldest.path, files.part(target)):
        for path in (oldest.path, oldest.search_path):
            path.unlink(missing_ok=True)
        return None
    if oldest.search_path.is_file():
        oldest.search_path.replace(files.part(sidecar))
    return oldest


def _changed_since(folder: Path, before: Published, build_id: str) -> _Change | None:
    """What changed between the build `build_id` and the one published before; None: not known."""
    changed = _Change(set(), set())
    by_build = {one.build_id: one.version for one in (_load(folder, v) for v in _versions(folder)) if one}
    now = before.build_id
    while now != build_id:
        path = _keys_file(folder, by_build.get(now, ""))
        if not path.is_file():
            return None
        note = json.loads(path.read_text(encoding="utf-8"))
        changed.keys.update(note["keys"])
        changed.parts.update(note.get("parts", search.PARTS))
        by_build.pop(now)
        now = str(note["base"])
    return changed


def _keys_file(folder: Path, version: str) -> Path:
    return folder / f"keys-{version}.json"


def _versions(folder: Path) -> list[str]:
    return sorted((path.stem.removeprefix("wh-") for path in folder.glob("wh-*.json")), reverse=True)


def current(instance: Instance) -> Published:
    """The version readers should open; FatalError when nothing is published yet."""
    found = current_or_none(instance)
    if found is None:
        raise FatalError(f"nothing is published in {instance.published}", remedy="run `c360 build`")
    return found


def current_or_none(instance: Instance) -> Published | None:
    """The version the pointer names, or None before the first publication."""
    pointer = instance.published / _POINTER
    if not pointer.is_file():
        return None
    version = str(json.loads(pointer.read_text(encoding="utf-8"))["version"])
    return _load(instance.published, version)


def builds(instance: Instance) -> list[dict[str, Any]]:
    """Published versions, newest first: version, published_at, current, rows."""
    now = current_or_none(instance)
    found = []
    for path in sorted(instance.published.glob("wh-*.json"), reverse=True):
        one = _load(instance.published, path.stem.removeprefix("wh-"))
        if one is None:
            continue
        row = asdict(one)
        found.append(
            {
                "version": row["version"],
                "published_at": stamp(one.published_at),
                "current": now is not None and now.version == one.version,
                "rows": row["rows"],
            }
        )
    return found


def knows(instance: Instance, build_id: str | None) -> bool:
    """True when a kept version holds this build of the warehouse."""
    kept = [_load(instance.published, version) for version in _versions(instance.published)]
    return any(one is not None and one.build_id == build_id for one in kept)


def rollback(instance: Instance, version: str) -> Published:
    """Point readers at an earlier version that is still kept; FatalError lists the kept ones.

    The warehouse is untouched: the next build publishes it again.
    """
    with lease(instance.store, LEASE):
        found = _load(instance.published, version)
        if found is None:
            kept = ", ".join(str(row["version"]) for row in builds(instance)) or "none"
            raise FatalError(f"there is no published build {version!r}", valid=kept, remedy="name one of these")
        _switch(instance.published, version)
    return found


def _load(folder: Path, version: str) -> Published | None:
    note, path = folder / f"wh-{version}.json", folder / f"wh-{version}.duckdb"
    if not note.is_file() or not path.is_file():
        return None
    raw = json.loads(note.read_text(encoding="utf-8"))
    return Published(
        version=version,
        path=path,
        search_path=folder / f"search-{version}.sqlite",
        published_at=datetime.fromisoformat(raw["published_at"]),
        rows=int(raw["rows"]),
        build_id=str(raw["build_id"]),
    )


def _next_version(before: Published | None) -> str:
    """A version that sorts after every earlier one, even when the clock stands still."""
    version = clock.now().strftime("%Y%m%d-%H%M%S-%f")
    if before is not None and version <= before.version.partition(".")[0]:
        stem, _, step = before.version.partition(".")
        version = f"{stem}.{int(step or 0) + 1:04d}"
    return version


def _open(path: Path) -> duckdb.DuckDBPyConnection:
    if not path.is_file():
        raise FatalError(f"there is no warehouse at {path}", remedy="run `c360 build`")
    con = warehouse.connect(path)
    warehouse.prepare(con)
    return con


def _settle(con: duckdb.DuckDBPyConnection, path: Path) -> tuple[str, int]:
    """Write the log into the file, so that the file alone is the warehouse; returns its build id and row count."""
    con.execute("checkpoint warehouse")
    state = con.execute("select value from meta.state where key = 'build_id'").fetchall()
    rows = con.execute(
        "select sum(estimated_size) from duckdb_tables() "
        "where database_name = 'warehouse' and schema_name in ('core', 'marts')"
    ).fetchall()
    if not state:
        raise FatalError(f"the warehouse {path} holds no finished build", remedy="run `c360 build`")
    return str(state[0][0]), int(rows[0][0] or 0)


def _write(path: Path, content: dict[str, Any]) -> None:
    part = files.part(path)
    part.write_text(json.dumps(content), encoding="utf-8")
    files.sync(part)
    part.replace(path)
    files.sync(path.parent)


def _switch(folder: Path, version: str) -> None:
    _write(folder / _POINTER, {"version": version})


def _sweep(folder: Path) -> None:
    """Remove what killed publishers left: parts, and files of versions that were never completed."""
    for path in folder.glob(".*.part"):
        path.unlink(missing_ok=True)
    for pattern, prefix in (("wh-*.duckdb", "wh-"), ("search-*.sqlite", "search-"), ("keys-*.json", "keys-")):
        for path in folder.glob(pattern):
            if not (folder / f"wh-{path.stem.removeprefix(prefix)}.json").is_file():
                path.unlink(missing_ok=True)


def _prune(folder: Path, keep: int, now: str) -> None:
    """Keep the newest `keep` versions and the current one. A reader that has a removed file open keeps it."""
    for version in _versions(folder)[keep:]:
        if version == now:
            continue
        (folder / f"wh-{version}.json").unlink(missing_ok=True)
        (folder / f"wh-{version}.duckdb").unlink(missing_ok=True)
        (folder / f"search-{version}.sqlite").unlink(missing_ok=True)
        _keys_file(folder, version).unlink(missing_ok=True)
