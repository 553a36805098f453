"""Backing an instance up while it works, and restoring it into a new folder.

In a backup: c360.toml, config/, models/, documents/, the operational store, the served build, committed landing runs
(unless a bucket holds them: they stay there); secrets and the warehouse on request. The store is copied before landing,
because a cursor may stand behind landing but never ahead of it; store, build and warehouse are copied under the
builder's lease, because they must agree.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest import compacting, packs
from model import build, delivery, publish, warehouse
from ops import clock, config_file, dump, secrets
from ops.errors import FatalError
from ops.instance import Instance, parse_config
from ops.leases import LeaseHeld, lease
from ops.migrations import MIGRATIONS
from ops.progress import Progress, quiet
from ops.store import Store, stamp
from run import archive

_LANDING, _PUBLISHED, _SECRETS = "landing", "published", "secrets"
_FOLDERS = ("config", "models", "documents")
_HELD = "restored from a backup, and the instance it was made of may have sent the same messages"


@dataclass(frozen=True)
class Backup:
    """What a backup holds; bytes before compression."""

    path: Path
    files: int
    bytes: int
    build: str | None
    runs: int


@dataclass(frozen=True)
class Restored:
    """What was restored; `missing_secrets` are the files that c360.toml names and the backup does not hold.

    Nothing is sent until a person releases the outbox; `held_messages` waited in it.
    """

    home: Path
    files: int
    build: str | None
    has_warehouse: bool
    missing_secrets: list[str]
    held_messages: int = 0
    landing: str | None = None
    """The bucket that holds landing; the backup has none of it."""


def back_up(
    instance: Instance,
    target: Path,
    *,
    with_secrets: bool = False,
    with_warehouse: bool = False,
    wait_s: float = 600.0,
    progress: Progress = quiet,
) -> Backup:
    """Write a backup of `instance` to `target` (a folder, or a file ending in .tar, .tar.gz or .tgz), mode 0600.

    Collecting may go on meanwhile; a running build is waited for, at most `wait_s` seconds (LeaseHeld after that).
    FatalError when the target exists.
    """
    with archive.writing(target) as out:
        with _alone(instance, (build.LEASE, publish.LEASE), wait_s, progress):
            version = _settled(instance, out, with_warehouse=with_warehouse)
        progress(f"store and build {version or '(none)'}: {out.size / 1e6:,.1f} MB")
        if with_secrets:
            _folder(out, instance.secrets, _SECRETS)
        runs, bucket = 0, instance.config.landing
        if bucket is not None:
            progress(f"landing stays at {bucket.path} and is not in this backup")
        else:
            with _alone(instance, (compacting.LEASE,), wait_s, progress):
                runs = _landing(instance, out)
            progress(f"{runs} landing run(s): {out.size / 1e6:,.1f} MB in all")
        facts = {
            "created_at": stamp(),
            "company": instance.config.company,
            "mode": instance.config.mode,
            "store": {"kind": "sqlite" if instance.store.is_sqlite else "postgresql", "version": len(MIGRATIONS)},
            "build": version,
            "landing": bucket.path if bucket else None,
            "with_secrets": with_secrets,
            "with_warehouse": with_warehouse,
        }
        out.close(facts)
        return Backup(target, len(out.files), out.size, version, runs)


@contextmanager
def _alone(instance: Instance, names: tuple[str, ...], wait_s: float, progress: Progress) -> Iterator[None]:
    """Hold these leases, waited for."""
    until, told = clock.monotonic() + wait_s, False
    with ExitStack() as stack:
        for name in names:
            while True:
                try:
                    stack.enter_context(lease(instance.store, name))
                    break
                except LeaseHeld as held:
                    if clock.monotonic() >= until:
                        raise
                    if not told:
                        progress(f"waiting: {held.what}")
                        told = True
                    clock.sleep(0.5)
        yield


def _settled(instance: Instance, out: archive.Writer, *, with_warehouse: bool) -> str | None:
    """Configuration, store, served build and warehouse, all of one moment; the version served."""
    out.add("c360.toml", instance.home / "c360.toml")
    for name in _FOLDERS:
        _folder(out, instance.home / name, name)
    with tempfile.TemporaryDirectory(dir=out.target.parent, prefix=".c360-store-") as place:
        folder = Path(place)
        for path in dump.snapshot(instance.store, folder):
            out.add(path.relative_to(folder).as_posix(), path)
    now = publish.current_or_none(instance)
    if now is not None:
        for path in (now.path, now.search_path, now.path.with_suffix(".json"), now.path.parent / "current.json"):
            if path.is_file():
                out.add(f"{_PUBLISHED}/{path.name}", path)
    file = warehouse.warehouse_path(instance.warehouse)
    if with_warehouse and file.is_file():
        warehouse.connect(file).close()  # settles a log that a killed build left
        for path in sorted(file.parent.glob(f"{file.name}*")):
            out.add(f"warehouse/{path.name}", path)
    return now.version if now else None


def _folder(out: archive.Writer, folder: Path, name: str) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            out.add(f"{name}/{path.relative_to(folder).as_posix()}", path)


def _landing(instance: Instance, out: archive.Writer) -> int:
    """Committed runs only, each manifest after its parts; the number of runs. Nothing of landing leaves meanwhile."""
    runs = 0
    for folder in sorted(path for path in instance.landing.glob("*/*") if path.is_dir()):
        place = f"{_LANDING}/{folder.relative_to(instance.landing).as_posix()}"
        packed = packs.catalogue(folder)
        loose = [path for path in sorted(folder.glob("*/manifest.json")) if path.parent.name not in packed]
        for name in sorted({part["pack"] for facts in packed.values() for part in facts["parts"]}):
            out.add(f"{place}/{name}", folder / name)
        if packed:
            out.add_text(f"{place}/{packs.CATALOGUE}", json.dumps(packs.listed(packed), ensure_ascii=False))
        for manifest in loose:
            text = manifest.read_text(encoding="utf-8")
            for part in json.loads(text)["parts"]:
                out.add(f"{place}/{manifest.parent.name}/{part['name']}", manifest.parent / part["name"])
            out.add_text(f"{place}/{manifest.parent.name}/manifest.json", text)
        runs += len(packed) + len(loose)
    return runs


def restore(backup: Path, home: Path, *, store_url: str | None = None, progress: Progress = quiet) -> Restored:
    """Restore `backup` into the new folder `home`, with the store brought to this version.

    `home` appears under its name only when everything is verified and in place. `store_url` (or "sqlite") names
    another operational store than the backed-up c360.toml does. Damaged when a checksum differs; FatalError when
    `home` or the named store already holds something.
    """
    home = home.resolve()
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise FatalError(f"{home} is not empty", remedy="name a new folder with --home")
    home.parent.mkdir(parents=True, exist_ok=True)
    with _workplace(home) as folder:
        manifest = archive.unpack(backup, folder)
        progress(f"{len(manifest['files'])} files verified")
        config = folder / "c360.toml"
        if not config.is_file():
            raise archive.Damaged(f"{backup} has no c360.toml")
        if store_url is not None:
            config_file.set_value(config, "store_url", None if store_url == "sqlite" else store_url)
        url = parse_config(tomllib.loads(config.read_text(encoding="utf-8")), "c360.toml").store_url
        _restore_store(folder, secrets.resolve(url, folder / _SECRETS) if url and secrets.is_ref(url) else url)
        missing = _tidy(folder)
        folder.replace(home)
    instance = Instance.load(home)
    now = publish.current_or_none(instance)
    has_warehouse = warehouse.warehouse_path(instance.warehouse).is_file()
    stopped = delivery.held(instance.store)
    waiting = stopped.messages if stopped else 0
    files, version = len(manifest["files"]), now.version if now else None
    bucket = instance.config.landing
    return Restored(home, files, version, has_warehouse, missing, waiting, bucket.path if bucket else None)


@contextmanager
def _workplace(home: Path) -> Iterator[Path]:
    """A folder beside `home` that one restore holds; what a killed one left is removed first."""
    folder = home.with_name(f".{home.name}.restoring")
    lock = home.with_name(f".{home.name}.restoring.lock")
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FatalError(f"another restore into {home} is running", remedy="wait for it to end") from error
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            lock.unlink(missing_ok=True)


def _restore_store(folder: Path, url: str | None) -> None:
    """Put the backed-up store where the configuration wants it; opening it applies the migrations."""
    inside = folder / dump.SQLITE_FILE
    if url is None and inside.is_file():
        store = Store(f"sqlite:///{inside}")
        delivery.hold(store, _HELD)
        store.close()
        return
    store = Store(url or f"sqlite:///{inside.with_suffix('.new')}")
    try:
        dump.load(folder, store)
        delivery.hold(store, _HELD)
    finally:
        store.close()
    inside.unlink(missing_ok=True)
    shutil.rmtree(folder / dump.TABLE_FOLDER, ignore_errors=True)
    if url is None:
        inside.with_suffix(".new").replace(inside)


def _tidy(folder: Path) -> list[str]:
    """Folders and modes of an instance; the secret files that are named but absent."""
    for name in (_LANDING, _PUBLISHED, "warehouse", "config"):
        (folder / name).mkdir(exist_ok=True)
    private = folder / _SECRETS
    private.mkdir(exist_ok=True)
    private.chmod(0o700)
    for path in private.rglob("*"):
        path.chmod(0o600 if path.is_file() else 0o700)
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)
    raw = tomllib.loads((folder / "c360.toml").read_text(encoding="utf-8"))
    return sorted({name for name in _secret_files(raw) if not (private / name).is_file()})


def _secret_files(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _secret_files(item)
    elif isinstance(value, list):
        for item in value:
            yield from _secret_files(item)
    elif isinstance(value, str) and value.startswith("file:"):
        yield value.removeprefix("file:")
