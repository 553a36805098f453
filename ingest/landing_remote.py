"""Landing in an S3-compatible store: the bucket holds what is committed, the instance's folder is its working copy.

Objects have the names that files have below landing/. A run's parts are put whole, then its manifest, which commits it
there; only then is it committed here. Reading and writing stay those of files: a part that is not here is fetched.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import tomllib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ingest import packs
from ops import secrets
from ops.errors import FatalError, RetriableError
from ops.instance import Instance, LandingConfig, parse_config
from ops.leases import lease
from ops.store import stamp
from ops.tables import audit

_OWNER = "owner.json"
_MANIFEST = "manifest.json"
_WAIT_S = 60.0


class LandingAway(RetriableError):  # noqa: N818 - named after its state
    """The store that holds landing cannot be reached or refuses us; nothing was lost here."""


class Remote:
    """One prefix of one bucket (or, as file://, one folder)."""

    def __init__(self, config: LandingConfig, secrets_dir: Path, home: Path) -> None:
        self.address, self._home = config.path, home
        parts = urlsplit(config.path)
        path = unquote(parts.path)
        if parts.scheme == "file":
            from obstore.store import LocalStore

            self._store: Any = LocalStore(path, mkdir=True)
            return
        from obstore.store import S3Store

        given = {"access_key_id": config.access_key, "secret_access_key": config.secret_key}
        options: dict[str, Any] = {
            name: secrets.resolve(ref, secrets_dir) for name, ref in given.items() if ref is not None
        }
        options["region"] = config.region
        if config.endpoint:
            options |= {"endpoint": config.endpoint, "virtual_hosted_style_request": False}
        self._store = S3Store(
            parts.netloc,
            prefix=path.strip("/") or None,
            checksum_algorithm="SHA256",
            client_options={
                "timeout": f"{_WAIT_S:.0f}s", "allow_http": (config.endpoint or "").startswith("http:")
            },
            retry_config={"max_retries": 3},
            **options,
        )  # fmt: skip

    def put(self, name: str, data: bytes) -> None:
        """Write an object whole; the store checks its checksum, we its length."""
        import obstore
        from obstore.exceptions import BaseError

        try:
            obstore.put(self._store, name, data, use_multipart=False)
            size = int(obstore.head(self._store, name)["size"])
        except (BaseError, OSError) as error:
            raise self._away(name, error) from error
        if size != len(data):
            raise LandingAway(
                f"{self.address}/{name} has {size} bytes of {len(data)}", remedy="the next run puts it again"
            )

    def put_new(self, name: str, data: bytes) -> bytes:
        """Write an object unless there is one; what is there now."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, BaseError

        try:
            obstore.put(self._store, name, data, use_multipart=False, mode="create")
        except (AlreadyExistsError, FileExistsError):
            return self.get(name)
        except (BaseError, OSError) as error:
            raise self._away(name, error) from error
        return data

    def get(self, name: str) -> bytes:
        """An object; FileNotFoundError when there is none."""
        import obstore
        from obstore.exceptions import BaseError, NotFoundError

        try:
            return bytes(obstore.get(self._store, name).bytes())
        except (FileNotFoundError, NotFoundError) as error:
            raise FileNotFoundError(f"{self.address}/{name}") from error
        except (BaseError, OSError) as error:
            raise self._away(name, error) from error

    def names(self, prefix: str) -> set[str]:
        """Names of the objects below `prefix`."""
        import obstore
        from obstore.exceptions import BaseError

        try:
            return {str(one["path"]) for some in obstore.list(self._store, prefix=prefix) for one in some}
        except FileNotFoundError:
            return set()
        except (BaseError, OSError) as error:
            raise self._away(prefix, error) from error

    def delete(self, names: Iterable[str]) -> None:
        """Remove objects; one that is gone already is no error."""
        import obstore
        from obstore.exceptions import BaseError, NotFoundError

        for name in sorted(names):
            try:
                obstore.delete(self._store, name)
            except (FileNotFoundError, NotFoundError):
                continue
            except (BaseError, OSError) as error:
                raise self._away(name, error) from error

    def claim(self, *, by_force: bool = False) -> None:
        """Two instances that write here would undo each other's work: FatalError when another one has claimed it."""
        mine = f"{socket.gethostname()}:{self._home}"
        data = json.dumps({"home": mine}).encode()
        if by_force:
            self.put(_OWNER, data)
        found = json.loads(self.put_new(_OWNER, data))["home"]
        if found != mine:
            raise FatalError(
                f"{self.address} is the landing of {found}",
                remedy="if that instance is gone for good, run `c360 landing adopt` here; else choose another prefix",
            )

    def _away(self, name: str, error: Exception) -> LandingAway:
        text = " ".join(str(error).split())[:300]
        return LandingAway(
            f"landing at {self.address}: {name}: {text}",
            remedy="check [landing] in c360.toml, the network and the rights of the key; the next run goes on here",
        )


def of(root: Path) -> Remote | None:
    """Where the landing folder `root` has its bucket; None when it has none."""
    path = root.parent / "c360.toml"
    try:
        changed = path.stat().st_mtime_ns
    except FileNotFoundError:
        return None
    return _opened(path, changed)


@lru_cache(maxsize=8)
def _opened(path: Path, _changed: int) -> Remote | None:
    config = parse_config(tomllib.loads(path.read_text(encoding="utf-8")), str(path))
    if config.mode == "demo" and config.landing and not _is_here(config.landing):
        raise FatalError(
            f"a demo instance speaks to this machine only, and its landing is {config.landing.path}",
            remedy="take [landing] out of c360.toml",
        )
    return Remote(config.landing, path.parent / "secrets", path.parent) if config.landing else None


def _is_here(config: LandingConfig) -> bool:
    return config.path.startswith("file:") or urlsplit(config.endpoint or "").hostname in {"127.0.0.1", "localhost"}


def adopt(instance: Instance, by: str) -> str:
    """Make this instance the one that writes to its bucket, when the former one is gone; its address. Audited.

    FatalError where landing is a folder of this instance, LandingAway.
    """
    remote = of(instance.landing)
    if remote is None:
        raise FatalError("landing is a folder of this instance", remedy="name a bucket in [landing] of c360.toml")
    remote.claim(by_force=True)
    with instance.store.begin() as connection:
        values = {"at": stamp(), "actor": by, "action": "landing.adopt", "subject": remote.address}
        connection.execute(audit.insert().values(**values))
    return remote.address


def mark(data: bytes) -> str:
    """What tells one content from another."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def publish(folder: Path, manifest: dict[str, Any]) -> None:
    """Put the parts of a run's folder, then its manifest; each part's mark is noted in `manifest`. LandingAway."""
    remote = of(folder.parents[2])
    if remote is None:
        return
    place = folder.relative_to(folder.parents[2]).as_posix()
    for part in manifest["parts"]:
        data = (folder / part["name"]).read_bytes()
        part["mark"] = mark(data)
        remote.put(f"{place}/{part['name']}", data)
    remote.put(f"{place}/{_MANIFEST}", _json(manifest))


def publish_packs(stream: Path, catalogue: dict[str, Any], made: Iterable[str]) -> None:
    """Put the packs just made, then the catalogue that lists them."""
    remote = of(stream.parents[1])
    if remote is None:
        return
    place = stream.relative_to(stream.parents[1]).as_posix()
    for name in made:
        remote.put(f"{place}/{name}", (stream / name).read_bytes())
    remote.put(f"{place}/{packs.CATALOGUE}", _json(catalogue))


def refresh(root: Path, source: str, stream: str) -> tuple[int, int]:
    """Bring a stream's folder and the bucket to the same committed runs; (runs learned, runs put).

    To be called with the source's lease held. The bucket is right about what both know.
    """
    remote = of(root)
    if remote is None:
        return 0, 0
    remote.claim()
    folder, place = root / source / stream, f"{source}/{stream}"
    there = remote.names(f"{place}/")
    if f"{place}/{packs.CATALOGUE}" in there:
        _write(folder / packs.CATALOGUE, remote.get(f"{place}/{packs.CATALOGUE}"))
    elif packs.catalogue(folder):
        listed = packs.catalogue(folder)
        names = sorted({part["pack"] for facts in listed.values() for part in facts["parts"]})
        publish_packs(folder, packs.listed(listed), names)
    packed = packs.catalogue(folder)
    here = {path.parent.name for path in folder.glob(f"*/{_MANIFEST}")} - packed.keys()
    committed = {name.split("/")[-2] for name in there if name.endswith(f"/{_MANIFEST}")} - packed.keys()
    for run_id in sorted(committed - here):
        _write(folder / run_id / _MANIFEST, remote.get(f"{place}/{run_id}/{_MANIFEST}"))
    for run_id in sorted(here - committed):
        facts = packs.manifest_of(folder, run_id)
        publish(folder / run_id, facts)
    return len(committed - here), len(here - committed)


def refresh_all(instance: Instance) -> tuple[int, int]:
    """`refresh` of every stream that either side knows; the sums. LeaseHeld while a source is collected."""
    remote = of(instance.landing)
    if remote is None:
        raise FatalError("landing is a folder of this instance", remedy="name a bucket in [landing] of c360.toml")
    learned = put = 0
    for source in instance.config.sources:
        there = {name.split("/")[1] for name in remote.names(f"{source.name}/") if name.count("/") > 1}
        here = {path.name for path in (instance.landing / source.name).glob("*") if path.is_dir()}
        with lease(instance.store, f"source:{source.name}"):
            for stream in sorted(there | here):
                found = refresh(instance.landing, source.name, stream)
                learned, put = learned + found[0], put + found[1]
    return learned, put


def fetch(part: packs.Part) -> bool:
    """Get the file that holds a part's rows; False when landing has no bucket or the bucket no such object."""
    root = part.stream.parents[1]
    remote = of(root)
    if remote is None:
        return False
    name = part.path.relative_to(root).as_posix()
    try:
        data = remote.get(name)
    except FileNotFoundError:
        return False
    if part.mark and mark(data) != part.mark:
        raise LandingAway(f"{remote.address}/{name} is not what was put there", remedy="restore that object's version")
    _write(part.path, data)
    return True


def sweep(stream: Path, needed: set[str]) -> None:
    """Remove the objects that the catalogue makes superfluous, and parts of runs that were never committed.

    `needed`: names of the packs that count. To be called with the source's lease held.
    """
    remote = of(stream.parents[1])
    if remote is None:
        return
    place = stream.relative_to(stream.parents[1]).as_posix()
    there = remote.names(f"{place}/")
    packed = packs.catalogue(stream)
    runs = {name: name.split("/")[2] for name in there if name.count("/") == 3}
    committed = {run_id for name, run_id in runs.items() if name.endswith(f"/{_MANIFEST}")} - packed.keys()
    left = {name for name, run_id in runs.items() if run_id not in committed}
    left |= {
        name for name in there if name.count("/") == 2 and packs.PREFIX in name and name.split("/")[2] not in needed
    }
    remote.delete(name for name in left if name.endswith(f"/{_MANIFEST}"))
    remote.delete(name for name in left if not name.endswith(f"/{_MANIFEST}"))


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _write(path: Path, data: bytes) -> None:
    """A file by rename, unless it holds this already."""
    if path.is_file() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
