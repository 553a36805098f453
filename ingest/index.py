"""The newest state of every landed record of one stream: id → hash, parent, deleted, missing.

A derived helper beside the landed runs (index.sqlite): it tells what has really changed, which children a parent lost
and which ids a sweep misses. It is brought up to date from the committed runs whenever it is behind or broken.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from ingest import landing as landed

_TABLES = """
create table if not exists rows (
  id text primary key, hash text not null, parent_id text, deleted integer not null,
  missing integer not null default 0) without rowid;
create table if not exists run_rows (
  id text primary key, hash text not null, parent_id text, deleted integer not null,
  missing integer not null default 0) without rowid;
create table if not exists seen (id text primary key) without rowid;
create table if not exists watched (id text primary key) without rowid;
create table if not exists watching (id text primary key) without rowid;
create table if not exists strangers (id text primary key, is_asked integer not null) without rowid;
create table if not exists meta (name text primary key, value text not null);
create index if not exists rows_by_parent on rows (parent_id) where parent_id is not null;
create index if not exists run_rows_by_parent on run_rows (parent_id) where parent_id is not null;
"""

Row = tuple[str, str, str | None, bool]
_MANY = 50
_MOST_STRANGERS = 100_000


class Index:
    """Opened for one run by the process that holds the source's lease."""

    def __init__(self, landing: Path, source: str, stream: str) -> None:
        self._place = (landing, source, stream)
        self._path = landing / source / stream / "index.sqlite"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._db = self._open()
        self._top = (0, "")
        self._strangers: list[tuple[str, bool]] | None = None
        self._catch_up()
        self._is_new = not self._db.execute("select 1 from rows limit 1").fetchone()

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.DatabaseError:
            for leftover in self._path.parent.glob("index.sqlite*"):
                leftover.unlink()
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        db.execute("pragma journal_mode=wal")
        db.execute("pragma synchronous=normal")
        db.execute("drop table if exists run_rows")  # `begin` fills it again from the run's parts
        db.executescript(_TABLES)
        return db

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _catch_up(self) -> None:
        found = self._db.execute("select value from meta where name = 'last_run'").fetchone()
        for run_id in landed.runs(*self._place, after=found[0] if found else None):
            self.begin(landed.read_run(*self._place, run_id))
            self.commit(run_id, landed.manifest(*self._place, run_id).get("suspected"))

    def begin(self, frames: Iterable[pl.DataFrame] = (), *, keep_seen: bool = False) -> None:
        """Start a run, with the rows that its recorded parts already hold."""
        self._db.execute("delete from run_rows")
        self._top = (0, "")
        if not keep_seen:
            self._db.execute("delete from seen")
            self._db.execute("delete from watching")
        for frame in frames:
            self.note(frame.select("id", "hash", "parent_id", "deleted").iter_rows())

    def note(self, rows: Iterable[Row]) -> None:
        """Rows that this run has written."""
        kinds: dict[tuple[str | None, bool], list[Row]] = {}
        for row in {row[0]: row for row in rows}.values():
            kinds.setdefault(row[2:], []).append(row)
        if not kinds:
            return
        self._top = max(self._top, *(_order(row[0]) for some in kinds.values() for row in some))
        # Few statements for all: other threads run meanwhile, and no row is bound by itself.
        rest: list[Row] = []
        for (parent_id, gone), some in kinds.items():
            if len(some) < _MANY:
                rest += some
                continue
            self._db.execute(
                "insert or replace into run_rows (id, hash, parent_id, deleted)"
                " select key, value, ?, ? from json_each(?)",
                (parent_id, gone, orjson.dumps({row[0]: row[1] for row in some}).decode()),
            )
        if rest:
            self._db.execute(
                "insert or replace into run_rows (id, hash, parent_id, deleted)"
                " select value->>0, value->>1, value->>2, value->>3 from json_each(?)",
                (_json(rest),),
            )

    def note_plain(self, marks: dict[str, str]) -> None:
        """Living rows without a parent that this run has written, id → hash; none of them is noted otherwise."""
        if not marks:
            return
        self._top = max(self._top, _last(marks))
        self._db.execute(
            "insert or replace into run_rows (id, hash, parent_id, deleted)"
            " select key, value, null, 0 from json_each(?)",
            (orjson.dumps(marks).decode(),),
        )

    def current(self, ids: list[str]) -> dict[str, tuple[str, bool]]:
        """Id → (hash, deleted) as this run and the committed ones know it."""
        known: dict[str, tuple[str, bool]] = {}
        if not ids:
            return known
        tables = [] if self._is_new else ["rows"]
        # Ids mostly ascend: one that is beyond all that this run has written needs no look.
        if _first(ids) <= self._top:
            tables.append("run_rows")
        wanted = _json(ids)
        for table in tables:
            found = self._db.execute(
                f"select id, hash, deleted from {table} where id in (select value from json_each(?))", (wanted,)
            )
            known.update({row[0]: (row[1], bool(row[2])) for row in found})
        return known

    def children(self, parent_id: str) -> set[str]:
        """Ids of a parent's living rows; one that this run has written is where this run has put it."""
        rows = self._db.execute(
            "select id from rows where parent_id = ? and deleted = 0 and id not in (select id from run_rows)"
            " union select id from run_rows where parent_id = ? and deleted = 0",
            (parent_id, parent_id),
        )
        return {row[0] for row in rows}

    def see(self, ids: Iterable[str]) -> None:
        """Ids that a sweep or a full read has listed."""
        self._db.execute("insert or ignore into seen (id) select value from json_each(?)", (_json(list(ids)),))

    def seen(self, ids: list[str]) -> set[str]:
        """Those of `ids` that this run has listed."""
        rows = self._db.execute("select id from seen where id in (select value from json_each(?))", (_json(ids),))
        return {row[0] for row in rows}

    @property
    def is_watching(self) -> bool:
        """Whether an earlier run has noted which records its re-read filters listed."""
        return bool(self._db.execute("select 1 from meta where name = 'watching'").fetchone())

    def watch(self, ids: Iterable[str]) -> None:
        """Ids that a re-read filter lists now."""
        self._db.execute("insert or ignore into watching (id) select value from json_each(?)", (_json(list(ids)),))

    def left(self) -> list[str]:
        """Ids that the re-read filters listed last time, list no longer, and this run has not read otherwise."""
        rows = self._db.execute(
            "select id from watched where id not in (select id from watching)"
            " and id not in (select id from run_rows) order by id"
        )
        return [row[0] for row in rows]

    def _keep_watch(self) -> None:
        self._db.execute("delete from watched")
        self._db.execute("insert into watched select id from watching")
        self._db.execute("insert or replace into meta (name, value) values ('watching', '1')")
        self._db.execute("delete from watching")

    def alive(self) -> int:
        """Records known before this run and not deleted."""
        return int(self._db.execute("select count(*) from rows where deleted = 0").fetchone()[0])

    def missing(self) -> dict[str, int]:
        """Living ids that were not seen and not written in this run → how often they were missed before."""
        rows = self._db.execute(
            "select id, missing from rows where deleted = 0"
            " and id not in (select id from seen) and id not in (select id from run_rows)"
        )
        return {row[0]: row[1] for row in rows}

    def returned(self) -> list[str]:
        """Ids that were seen though they are known as deleted, and that this run has not read again."""
        rows = self._db.execute(
            "select id from rows where deleted = 1 and id in (select id from seen)"
            " and id not in (select id from run_rows)"
        )
        return [row[0] for row in rows]

    def settle_strangers(self, *, again: bool) -> bool:
        """Whether ids that a sweep has listed twice running are known to nobody: only a full read can bring them.

        One full read is asked for; what it does not bring is no record of this stream and is not asked for again. Where
        there are such, new ones ask for one only with `again`, because a list wider than the stream has new ones daily.
        """
        rows = self._db.execute(
            "select seen.id, strangers.is_asked from seen left join strangers on strangers.id = seen.id"
            " where seen.id not in (select id from rows) and seen.id not in (select id from run_rows) limit ?",
            (_MOST_STRANGERS + 1,),
        ).fetchall()
        if len(rows) > _MOST_STRANGERS:
            return False
        # a first time may be a record made since the list of changes was read
        states = {is_asked for _, is_asked in rows}
        asks = 0 in states and (again or 1 not in states)
        self._strangers = [(row_id, is_asked == 1 or (is_asked == 0 and asks)) for row_id, is_asked in rows]
        return asks

    def commit(self, run_id: str, suspected: list[str] | None, *, watched: bool = False) -> None:
        """Make this run's rows the newest state; `suspected` replaces the list of ids missed once (None keeps it).

        `watched`: this run has gone through the re-read filters.
        """
        self._db.execute("begin immediate")
        if self._db.execute("select 1 from rows limit 1").fetchone():
            self._db.execute(
                "insert or replace into rows (id, hash, parent_id, deleted, missing)"
                " select id, hash, parent_id, deleted, 0 from run_rows"
            )
        else:
            self._take_over()
        if suspected is not None:
            self._db.execute("update rows set missing = 0 where missing > 0")
            self._db.executemany("update rows set missing = 1 where id = ?", ((item,) for item in suspected))
        if watched:
            self._keep_watch()
        if self._strangers is not None:
            self._db.execute("delete from strangers")
            self._db.executemany("insert into strangers (id, is_asked) values (?, ?)", self._strangers)
            self._strangers = None
        self._db.execute("insert or replace into meta (name, value) values ('last_run', ?)", (run_id,))
        self._db.execute("delete from run_rows")
        self._db.execute("delete from seen")
        self._db.execute("commit")

    def _take_over(self) -> None:
        """The first run's rows become the newest state without being copied."""
        self._db.execute("drop table rows")
        self._db.execute("drop index run_rows_by_parent")
        self._db.execute("alter table run_rows rename to rows")
        for statement in filter(None, map(str.strip, _TABLES.split(";"))):
            self._db.execute(statement)


def _order(row_id: str) -> tuple[int, str]:
    """An order in which numbers written as text ascend too."""
    return len(row_id), row_id


def _first(ids: Collection[str]) -> tuple[int, str]:
    """The first of `ids` in that order, without a tuple for each."""
    sizes = set(map(len, ids))
    size = min(sizes)
    return size, min(ids if len(sizes) == 1 else (row_id for row_id in ids if len(row_id) == size))


def _last(ids: Collection[str]) -> tuple[int, str]:
    """The last of `ids` in that order."""
    sizes = set(map(len, ids))
    size = max(sizes)
    return size, max(ids if len(sizes) == 1 else (row_id for row_id in ids if len(row_id) == size))


def _json(value: list[Any]) -> str:
    return orjson.dumps(value).decode()
