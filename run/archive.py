"""A backup as a folder or a tar file: files with checksums, and a manifest that is written last.

The manifest `backup.json` lists every file with size and SHA-256; without it, or with one byte different, nothing of a
backup is used.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from ops.errors import FatalError

MANIFEST = "backup.json"
FORMAT = 1
_BLOCK = 1 << 20
_ARCHIVES = (".tar", ".tar.gz", ".tgz")


class Damaged(FatalError):  # noqa: N818 - named after its state
    """The backup is incomplete or was changed; nothing was restored."""

    def __init__(self, what: str) -> None:
        super().__init__(what, valid="a complete backup, as written by `c360 backup`", remedy="use another backup")


class Writer:
    """Collects files into `target`, which appears under its name only when it is complete."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.part = target.with_name(f".{target.name}.part")
        self.files: list[dict[str, Any]] = []
        self._tar: tarfile.TarFile | None = None

    @property
    def size(self) -> int:
        """Bytes of all files so far."""
        return sum(int(file["size"]) for file in self.files)

    def open(self) -> None:
        """Begin; what a killed backup left under the same name goes."""
        if self.target.exists():
            raise FatalError(f"{self.target} exists already", remedy="name a new file or folder")
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self.discard()
        if not self.target.name.endswith(_ARCHIVES):
            self.part.mkdir(mode=0o700)
            return
        handle = os.open(self.part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.close(handle)
        if self.target.name.endswith(".tar"):
            self._tar = tarfile.open(self.part, "w")  # noqa: SIM115 - closed by close and discard
        else:
            self._tar = tarfile.open(self.part, "w:gz", compresslevel=1)  # noqa: SIM115

    def add(self, name: str, source: Path) -> None:
        """Add the file `source` as `name`."""
        with source.open("rb") as file:
            self._write(name, file, source.stat().st_size)

    def add_text(self, name: str, text: str) -> None:
        """Add a small text file."""
        data = text.encode()
        self._write(name, io.BytesIO(data), len(data))

    def _write(self, name: str, file: IO[bytes], size: int) -> None:
        read = _Hashing(file)
        if self._tar is not None:
            info = tarfile.TarInfo(name)
            info.size, info.mode = size, 0o600
            self._tar.addfile(info, read)
        else:
            path = self.part / name
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with path.open("wb") as out:
                shutil.copyfileobj(read, out, _BLOCK)
                out.flush()
                os.fsync(out.fileno())
            path.chmod(0o600)
        if name != MANIFEST:
            self.files.append({"path": name, "size": read.size, "sha256": read.hexdigest})

    def close(self, facts: dict[str, Any]) -> None:
        """Write the manifest, then give the backup its name."""
        content = {"format": FORMAT, **facts, "files": self.files, "digest": _digest(self.files)}
        self.add_text(MANIFEST, json.dumps(content, ensure_ascii=False, indent=1))
        if self._tar is not None:
            self._tar.close()
            with self.part.open("rb") as file:
                os.fsync(file.fileno())
        self.part.replace(self.target)

    def discard(self) -> None:
        """Remove what was begun."""
        if self._tar is not None:
            self._tar.close()
        if self.part.is_dir():
            shutil.rmtree(self.part)
        else:
            self.part.unlink(missing_ok=True)


@contextmanager
def writing(target: Path) -> Iterator[Writer]:
    """A Writer that is discarded when the block fails; the block calls `close`."""
    writer = Writer(target)
    writer.open()
    try:
        yield writer
    except BaseException:
        writer.discard()
        raise


class _Hashing(io.RawIOBase):
    """A file that is hashed while it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file, self._hash, self.size = file, hashlib.sha256(), 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._hash.update(data)
        self.size += len(data)
        return data

    @property
    def hexdigest(self) -> str:
        """The hash of what was read so far."""
        return self._hash.hexdigest()


def _digest(files: list[dict[str, Any]]) -> str:
    listed = "\n".join(f"{file['sha256']} {file['size']} {file['path']}" for file in files)
    return hashlib.sha256(listed.encode()).hexdigest()


def unpack(backup: Path, folder: Path) -> dict[str, Any]:
    """Copy every file of `backup` into `folder`, verified; returns the manifest. Damaged says what is wrong."""
    if not backup.exists():
        raise FatalError(f"there is no backup {backup}", remedy="check the path")
    found: dict[str, tuple[int, str]] = {}
    manifest: bytes | None = None
    try:
        for name, file in _members(backup):
            if name == MANIFEST:
                manifest = file.read()
                continue
            found[name] = _place(folder, name, file)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise Damaged(f"{backup} cannot be read to its end: {error}") from error
    if manifest is None:
        raise Damaged(f"{backup} has no {MANIFEST}: it is not a backup, or it was not finished")
    return _verified(backup, manifest, found)


def _members(backup: Path) -> Iterator[tuple[str, IO[bytes]]]:
    if backup.is_dir():
        for path in sorted(backup.rglob("*")):
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise Damaged(f"{backup} holds {path.name!r}, which is no plain file")
            if path.is_file():
                with path.open("rb") as file:
                    yield path.relative_to(backup).as_posix(), file
        return
    with tarfile.open(backup, "r|*") as archive:
        for member in archive:
            if not member.isfile():
                raise Damaged(f"{backup} holds {member.name!r}, which is no plain file")
            inside = archive.extractfile(member)
            if inside is not None:
                yield member.name, inside


def _place(folder: Path, name: str, file: IO[bytes]) -> tuple[int, str]:
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts:
        raise Damaged(f"the backup holds a file that would lie outside of the instance: {name!r}")
    path = folder / pure
    path.parent.mkdir(parents=True, exist_ok=True)
    read = _Hashing(file)
    with path.open("wb") as out:
        shutil.copyfileobj(read, out, _BLOCK)
        out.flush()
        os.fsync(out.fileno())
    return read.size, read.hexdigest


def _verified(backup: Path, text: bytes, found: dict[str, tuple[int, str]]) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads(text)
        files = manifest["files"]
        listed = {file["path"]: (file["size"], file["sha256"]) for file in files}
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{MANIFEST} of {backup} cannot be read: {error}") from error
    if manifest.get("format") != FORMAT:
        raise Damaged(f"{backup} has format {manifest.get('format')}; this version reads format {FORMAT}")
    if manifest.get("digest") != _digest(files):
        raise Damaged(f"{MANIFEST} of {backup} was changed")
    for name in sorted(listed.keys() | found.keys()):
        if name not in found:
            raise Damaged(f"{backup} lacks {name}")
        if name not in listed:
            raise Damaged(f"{backup} holds {name}, which its manifest does not list")
        if listed[name] != found[name]:
            raise Damaged(f"{name} in {backup} differs from its checksum")
    return manifest
