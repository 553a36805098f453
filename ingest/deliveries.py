"""What files say: a folder that is the truth as a whole, or deliveries, each complete or partial, each read once.

folder     the rows of all files together are all there are; what leaves the files is deleted
complete   the newest file names every row; what it lacks is deleted
partial    a file names rows that are new or changed; nothing is deleted, except by a column `_deleted`
A file is known by its content: renamed or sent again, it says nothing new.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from ingest import files
from ingest.errors import ContractError
from ingest.folders import Entry, Folder, ready
from ingest.hooks import Call
from ingest.sweeping import FEW
from ingest.writing import Batch

_REMEMBERED = 2_000


def batches(call: Call, folder: Folder, pattern: str, suffixes: tuple[str, ...]) -> Iterator[Batch]:
    """The rows that the files bring, the deletions they imply, and what to remember of them for the next run."""
    settings, where = call.settings, f"{call.source}: {folder.label}"
    now = ready(folder, pattern, suffixes, settings)
    if settings["delivery"] == "folder" and not now.files and not now.waiting:
        raise ContractError(
            f"{where} holds no file that can be read",
            valid=f"{pattern} ending in {', '.join(suffixes)}",
            remedy="put the files there, or correct `path` and `pattern` of this source",
        )
    if settings["delivery"] != "folder" and not settings["key"]:
        raise ContractError(
            f"source {call.source}: delivery = {settings['delivery']} needs the columns that identify a row",
            remedy="set `key` of this source",
        )
    call.warnings.extend(_waits(where, now.waiting))
    with tempfile.TemporaryDirectory(prefix="c360-files-") as place:
        one = _Reading(call, folder, Path(place), dict(now.waiting))
        yield from one.whole(now.files) if settings["delivery"] == "folder" else one.deliveries(now.files)
    call.warnings.extend(_waits(where, {name: why for name, why in one.waiting.items() if name not in now.waiting}))


def _waits(where: str, files_and_reasons: dict[str, str]) -> list[str]:
    return [f"{where}/{name} waits for the next run: {why}" for name, why in sorted(files_and_reasons.items())]


@dataclass
class _Past:
    """What earlier runs have read: contents, place of the last complete file, file → size, stamp, content."""

    seen: dict[str, None]
    complete: str
    files: dict[str, Any]

    def copy(self) -> _Past:
        """The same, to go back to."""
        return _Past(dict(self.seen), self.complete, dict(self.files))


class _Reading:
    """One run over one folder."""

    def __init__(self, call: Call, folder: Folder, place: Path, waiting: dict[str, str]) -> None:
        self.call, self.folder, self.place, self.waiting = call, folder, place, waiting
        self.settings = call.settings
        self.key: list[str] = call.settings["key"]
        shown = {name: value for name, value in self.settings.items() if name not in _NO_MATTER}
        self.mark = hashlib.blake2b(json.dumps(shown, sort_keys=True).encode(), digest_size=8).hexdigest()
        token = json.loads(call.token) if call.token else {}
        self.known: dict[str, Any] = token if token.get("mark") == self.mark else {}

    def whole(self, entries: list[Entry]) -> Iterator[Batch]:
        """All files as one truth; without a look at them when none has changed."""
        listed = {one.name: list(one.state) for one in entries}
        if not self.waiting and self.known.get("files") == listed:
            return
        living = files.living(self.call.home, self.call.source, "rows")
        gone = set(living)
        for entry in entries:
            read = self._read(entry)
            if read:
                yield from files.rows(read[0], entry.name, self.key, gone)
        if not self.waiting:
            yield self._deleted(gone, living)
            yield self._token({"files": listed})

    def deliveries(self, entries: list[Entry]) -> Iterator[Batch]:
        """The files that bring something new, in order, from the last complete one on."""
        memo: dict[str, Any] = self.known.get("files", {})
        past = _Past(dict.fromkeys(self.known.get("seen", [])), self.known.get("complete", ""), {})
        past.files = {one.name: memo[one.name] for one in entries if memo.get(one.name, [])[:2] == list(one.state)}
        fresh = [one for one in entries if one.name not in past.files]
        first = max((n for n, one in enumerate(fresh) if self._surely_stands(one, memo, past)), default=0)
        living: set[str] | None = None
        before = past.copy()
        for number, entry in enumerate(fresh):
            read = self._read(entry)
            if read is None:
                if number <= first:
                    past = before  # nothing was applied: the file that was to stand for all may yet be withdrawn
                break  # what came after it may build on it
            frame, content = read
            is_new = self._is_new(entry, content, memo, past)
            past.files[entry.name] = [*entry.state, content]
            past.seen[content] = None
            if not is_new or number < first:
                continue  # a later complete file says all that an earlier one said
            if living is None:
                living = files.living(self.call.home, self.call.source, "rows")
            yield from self._apply(entry, frame, living)
            if self._is_complete(entry):
                past.complete = self._order(entry)
        yield self._token({"files": past.files, "seen": list(past.seen)[-_REMEMBERED:], "complete": past.complete})

    def _apply(self, entry: Entry, frame: pl.DataFrame, living: set[str]) -> Iterator[Batch]:
        """The rows of one delivery and, when it is complete, the deletions; `living` follows."""
        gone = set(living)
        for batch in files.rows(frame, entry.name, self.key, gone):
            living.update(batch.ids or [])
            yield batch
        if self._is_complete(entry):
            deleted = self._deleted(gone, living)
            living.difference_update(record["_id"] for record in deleted.records)
            yield deleted

    def _is_new(self, entry: Entry, content: str, memo: dict[str, Any], past: _Past) -> bool:
        """Whether a delivery counts: not one sent again, nor one older than the complete file that stands for all."""
        if memo.get(entry.name, ["", "", ""])[2] == content:
            return False
        if past.complete and self._order(entry) <= past.complete:
            if content not in past.seen:
                where = f"{self.call.source}: {self.folder.label}/{entry.name}"
                self.call.warnings.append(
                    f"{where} is older than the complete file that was read last, and was left out."
                    " To do: send it again under a new name, if it counts"
                )
            return False
        # a complete file that looks like an earlier one says that things are again as they were
        return self._is_complete(entry) or content not in past.seen

    def _surely_stands(self, entry: Entry, memo: dict[str, Any], past: _Past) -> bool:
        """Whether a file not yet read is complete and will count, so that what came before it need not be applied."""
        is_other = entry.name not in memo or memo[entry.name][0] != entry.size
        return self._is_complete(entry) and is_other and self._order(entry) > past.complete

    def _order(self, entry: Entry) -> str:
        return entry.name if self.settings["order"] == "name" else f"{entry.modified.isoformat()} {entry.name}"

    def _is_complete(self, entry: Entry) -> bool:
        names = str(self.settings["complete_names"])
        return self.settings["delivery"] == "complete" or bool(names and fnmatch.fnmatchcase(entry.name, names))

    def _read(self, entry: Entry) -> tuple[pl.DataFrame, str] | None:
        """The table and the mark of its content; None, and it waits, when the file changed meanwhile."""
        where = f"{self.call.source}: {self.folder.label}/{entry.name}"
        path = self.folder.fetch(entry.name, self.place)
        try:
            data = path.read_bytes()
            self.call.client.count(len(data))
            is_same = len(data) == entry.size
            frame = files.parsed(data, entry.name, self.settings) if is_same else pl.DataFrame()
        except ContractError as error:
            if self._is_steady(entry):
                raise ContractError(f"{where}: {error.what}", valid=error.valid, remedy=error.remedy) from error
            is_same = False
        finally:
            if path.parent == self.place:
                path.unlink(missing_ok=True)
        if not is_same or not self._is_steady(entry):
            self.waiting[entry.name] = "it changed while it was read"
            return None
        if frame.width:
            self._check_key(frame, where)
        return frame, hashlib.blake2b(data, digest_size=16).hexdigest()

    def _is_steady(self, entry: Entry) -> bool:
        now = self.folder.entry(entry.name)
        return now is not None and now.state == entry.state

    def _check_key(self, frame: pl.DataFrame, where: str) -> None:
        missing = [name for name in self.key if name not in frame.columns]
        if missing:
            raise ContractError(
                f"{where}: key column(s) missing: {', '.join(missing)}",
                valid=", ".join(frame.columns),
                remedy="correct the file or the setting `key` of the source",
            )
        filled = frame.with_row_index("·", 2).filter(files.is_filled(frame))
        for name in self.key:
            empty = filled.filter(pl.col(name).is_null() | (pl.col(name).cast(pl.String).str.strip_chars() == ""))
            if empty.height:
                raise ContractError(
                    f"{where}: row {empty['·'][0]} has no {name}, which is part of the key",
                    remedy="fill it in, or choose other columns as `key` of the source",
                )
        if self.key and (double := filled.height - filled.select(self.key).n_unique()):
            twice = filled.filter(~pl.struct(self.key).is_first_distinct())["·"][0]
            self.call.warnings.append(
                f"{where}: {double} row(s) have the key of an earlier one, such as row {twice}; the last one counts."
                " To do: check `key` of this source"
            )

    def _deleted(self, gone: set[str], living: set[str]) -> Batch:
        """The rows that are gone, unless they are too many to believe: a file cut short looks just like that."""
        percent = float(self.settings["max_deleted_percent"])
        if len(gone) > max(FEW, len(living) * percent / 100) or (len(gone) == len(living) > 1):
            self.call.warnings.append(
                f"{self.call.source}: the files lack {len(gone)} of {len(living)} known rows, more than {percent:g} %:"
                " nothing was marked deleted."
                " To do: check the files; if the rows are really gone, raise max_deleted_percent of this source"
            )
            return Batch([])
        return Batch([{"_id": row_id, "_deleted": True} for row_id in sorted(gone)])

    def _token(self, facts: dict[str, Any]) -> Batch:
        return Batch([], token=json.dumps({"mark": self.mark, **facts}))


_NO_MATTER = {"password", "private_key", "passphrase", "access_key", "secret_key", "settle_s", "mapping"}
