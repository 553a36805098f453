"""Which blocks of the warehouse file were written since each published version was copied from it.

warehouse/written.json   {"seal": digest of the file's headers, "since": {version: [block, …]}}
warehouse/.written.json  the same while a connection that may write is open, so that a kill leaves no note

DuckDB tells in its log where it writes. Publishing needs it where the check sums that blocks begin with are not enough:
they are the same for the same words in another order. A note holds only for the file whose headers it was sealed with;
whoever closes a connection without `close` leaves none, and the whole file is then compared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from pathlib import Path

import duckdb

HEADERS = 3 * 4096
BLOCK = 262_144  # DuckDB's default
Since = dict[str, set[int]]


def is_noted(path: Path) -> bool:
    """True when a note holds for the database file `path`; a connection to it then has to `watch`."""
    note = _load(_note(path))
    return note is not None and path.is_file() and note[0] == _seal(path)


def watch(con: duckdb.DuckDBPyConnection) -> None:
    """Note from here on what `con` writes; before the file is attached, which may already write to it."""
    con.execute("call enable_logging('FileSystem', storage = 'memory')")


def take(path: Path, *, is_watched: bool) -> None:
    """Take the note away while the file is open; where nobody watches, for good."""
    if is_watched:
        _note(path).replace(_taken(path))
        return
    for note in (_note(path), _taken(path)):
        note.unlink(missing_ok=True)


def close(
    con: duckdb.DuckDBPyConnection, path: Path, *, made: str | None = None, kept: Collection[str] | None = None
) -> Since:
    """Close the writing connection `con` of warehouse.connect and note what it wrote to the file `path`.

    Returns version → blocks written since it was copied, for those of which that is known. `made`: the version that is
    about to be copied from the file; `kept`: versions of which the note goes on, all without it.
    """
    try:
        since = _settled(con, path)
        going_on = {version: blocks for version, blocks in since.items() if kept is None or version in kept}
        if made is not None:
            going_on[made] = set()
        if going_on:
            _write(path, going_on)
    finally:
        con.close()
    return since


def _settled(con: duckdb.DuckDBPyConnection, path: Path) -> Since:
    """Let go of the file, which writes what is still to be written, and read what was noted."""
    note = _load(_taken(path))
    _taken(path).unlink(missing_ok=True)
    try:
        con.execute("use memory")
        con.execute("detach warehouse")
        if note is None or not con.execute("select current_setting('enable_logging')").fetchall()[0][0]:
            return {}
        rows = con.execute(
            "select pos, bytes from duckdb_logs_parsed('FileSystem') where op = 'WRITE' and path = ?", [str(path)]
        ).fetchall()
    except duckdb.Error:  # within a transaction that was not ended
        return {}
    blocks: set[int] = set()
    for begin, length in rows:
        blocks.update(range((begin - HEADERS) // BLOCK, (begin + length - 1 - HEADERS) // BLOCK + 1))
    if -1 not in blocks and _seal(path) != note[0]:
        return {}  # the headers, which stand before the blocks, were written, and the log does not tell
    blocks.discard(-1)
    return {version: before | blocks for version, before in note[1].items()}


def _write(path: Path, since: Since) -> None:
    content = {"seal": _seal(path), "since": {version: sorted(blocks) for version, blocks in since.items()}}
    taken = _taken(path)
    taken.write_text(json.dumps(content), encoding="utf-8")
    taken.replace(_note(path))


def _load(note: Path) -> tuple[str, Since] | None:
    try:
        raw = json.loads(note.read_text(encoding="utf-8"))
        return str(raw["seal"]), {str(version): set(blocks) for version, blocks in raw["since"].items()}
    except (OSError, ValueError, KeyError):
        return None


def _seal(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.blake2b(file.read(HEADERS), digest_size=16).hexdigest()


def _note(path: Path) -> Path:
    return path.with_name("written.json")


def _taken(path: Path) -> Path:
    return path.with_name(".written.json")
