"""Folders of files, here or elsewhere: what they list, and one file of them on this machine's disk to read.

A file counts when it has rested and, where that is agreed, when its marker stands beside it. What changes while it is
read is not believed: its size and stamp are compared before and after.
"""

from __future__ import annotations

import fnmatch
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from ingest.errors import ContractError
from ops import clock

if TYPE_CHECKING:
    from ingest.hooks import Call


@dataclass(frozen=True)
class Entry:
    """One file of a folder: its size in bytes and what changes when it is written anew, such as its time."""

    name: str
    size: int
    stamp: str
    modified: datetime

    @property
    def state(self) -> tuple[int, str]:
        """What is the same as long as nobody writes to the file."""
        return self.size, self.stamp


class Folder(ABC):
    """The files of one folder; folders below it are not looked into."""

    label: str

    @abstractmethod
    def entries(self) -> list[Entry]:
        """Its files, by name. ContractError when there is no such folder."""

    @abstractmethod
    def entry(self, name: str) -> Entry | None:
        """One file as it is now; None when it has gone."""

    @abstractmethod
    def fetch(self, name: str, place: Path) -> Path:
        """The file on this machine: itself, or a copy in the folder `place`."""

    def close(self) -> None:
        """End the connection."""
        return


class Local(Folder):
    """A folder of this machine, or one it has mounted."""

    def __init__(self, path: Path) -> None:
        self.path, self.label = path, str(path)

    def entries(self) -> list[Entry]:
        """Its files, by name."""
        if not self.path.is_dir():
            raise ContractError(f"{self.path} is neither a file nor a folder", remedy="correct `path` of the source")
        found = [self.entry(path.name) for path in sorted(self.path.iterdir()) if path.is_file()]
        return [one for one in found if one]

    def entry(self, name: str) -> Entry | None:
        """One file as it is now."""
        try:
            facts = (self.path / name).stat()
        except FileNotFoundError:
            return None
        return Entry(name, facts.st_size, str(facts.st_mtime_ns), datetime.fromtimestamp(facts.st_mtime, UTC))

    def fetch(self, name: str, place: Path) -> Path:
        """The file itself."""
        return self.path / name


@dataclass(frozen=True)
class Ready:
    """The files to read and those that must wait, each with the reason."""

    files: list[Entry]
    waiting: dict[str, str]


def open_folder(call: Call, suffixes: Sequence[str]) -> tuple[Folder, str]:
    """The folder that `path` of the settings names, and the pattern that its files' names must match."""
    path, pattern = str(call.settings["path"]), str(call.settings["pattern"])
    scheme = path.partition("://")[0] if "://" in path else ""
    if scheme in {"sftp", "s3"}:
        from ingest.remote_folders import S3, Sftp

        parts = urlsplit(path)
        folder, _, last = parts.path.rstrip("/").rpartition("/")
        name = unquote(last)
        if name.lower().endswith(tuple(suffixes)):
            path, pattern = parts._replace(path=folder).geturl(), _literal(name)
        return (Sftp if scheme == "sftp" else S3)(call, path), pattern
    if scheme:
        raise ContractError(f"{path!r} cannot be opened", valid="a path, sftp://…, s3://…", remedy="correct `path`")
    place = Path(path)
    return (Local(place.parent), _literal(place.name)) if place.is_file() else (Local(place), pattern)


def _literal(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def ready(folder: Folder, pattern: str, suffixes: Sequence[str], settings: dict[str, Any]) -> Ready:
    """Which files of the folder may be read now, in the order in which they count."""
    everything = {one.name: one for one in folder.entries()}
    marker, rest_s = str(settings["done_suffix"]), float(settings["settle_s"])
    found, waiting = [], {}
    for name, entry in everything.items():
        is_ours = name.lower().endswith(tuple(suffixes)) and fnmatch.fnmatchcase(name, pattern)
        if not is_ours or name.startswith(("~", ".")) or (marker and name.endswith(marker)):
            continue
        age = (clock.wall() - entry.modified).total_seconds()
        if marker and name + marker not in everything:
            waiting[name] = f"{name}{marker} is not there yet"
        elif age < rest_s:
            waiting[name] = f"it was written {max(age, 0):.0f} s ago, less than settle_s = {rest_s:g}"
        else:
            found.append(entry)
    by_name = settings["order"] == "name"
    return Ready(sorted(found, key=lambda one: one.name if by_name else (one.modified, one.name)), waiting)
