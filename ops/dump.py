"""The operational store as files: a consistent snapshot while others write, and the way back into any store.

SQLite gives one file (its online backup); PostgreSQL gives one JSON-lines file per table, read in one transaction.
Leases are not carried over: they belong to processes of the store they were taken in.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Integer, Table, create_engine, func, insert, select, text

from ops.errors import FatalError
from ops.store import Store
from ops.tables import leases, metadata

SQLITE_FILE = "ops.db"
TABLE_FOLDER = "ops"
_CHUNK = 1000


def snapshot(store: Store, folder: Path) -> list[Path]:
    """Write the store as it is at one moment into `folder`; the files written."""
    folder.mkdir(parents=True, exist_ok=True)
    if store.is_sqlite:
        return [_copy_sqlite(Path(str(store.engine.url.database)), folder / SQLITE_FILE)]
    written = []
    (folder / TABLE_FOLDER).mkdir()
    with store.engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        for table in _tables():
            path = folder / TABLE_FOLDER / f"{table.name}.jsonl"
            with path.open("w", encoding="utf-8") as file:
                for row in connection.execute(select(table)).mappings():
                    file.write(json.dumps(dict(row), ensure_ascii=False) + "\n")
            written.append(path)
    return written


def load(folder: Path, store: Store) -> int:
    """Fill the empty `store` from a snapshot in one transaction; the number of rows.

    FatalError when the store already holds rows, or when a table or column of the snapshot is unknown here.
    """
    with store.begin() as connection:
        taken = [table.name for table in _tables() if connection.execute(select(table).limit(1)).first()]
        if taken:
            raise FatalError(
                f"the operational store is not empty: {', '.join(taken[:5])} hold rows",
                remedy="restore into an empty database, or give another one with --store-url",
            )
        rows = sum(_insert(connection, table, found) for table, found in _read(folder))
        if not store.is_sqlite:
            _advance_sequences(connection)
    return rows


def _tables() -> list[Table]:
    return [table for table in metadata.sorted_tables if table is not leases]


def _copy_sqlite(source: Path, target: Path) -> Path:
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as read,
        closing(sqlite3.connect(target)) as write,
    ):
        read.backup(write)
        write.execute("pragma journal_mode = delete")
        write.execute("delete from leases")
        write.commit()
        verdict = write.execute("pragma integrity_check").fetchone()[0]
    if verdict != "ok":
        raise FatalError(f"the store's copy is damaged: {verdict}", remedy="check the disk that holds ops.db")
    return target


def _read(folder: Path) -> Iterator[tuple[Table, Iterator[dict[str, Any]]]]:
    """Tables of a snapshot with their rows."""
    path = folder / SQLITE_FILE
    if path.is_file():
        engine = create_engine(f"sqlite:///{path}")
        try:
            for table in _tables():
                yield table, _rows_of(engine, table)
        finally:
            engine.dispose()
        return
    for path in sorted((folder / TABLE_FOLDER).glob("*.jsonl")):
        if path.stem not in metadata.tables:
            raise FatalError(f"the backup holds a table {path.stem!r} that this version does not know")
        yield metadata.tables[path.stem], _lines_of(path)


def _rows_of(engine: Engine, table: Table) -> Iterator[dict[str, Any]]:
    with engine.connect() as connection:
        for row in connection.execute(select(table)).mappings():
            yield dict(row)


def _lines_of(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _insert(connection: Connection, table: Table, rows: Iterator[dict[str, Any]]) -> int:
    count, chunk = 0, []
    for row in rows:
        strange = sorted(set(row) - set(table.c.keys()))
        if strange:
            raise FatalError(f"the backup's table {table.name} has unknown column(s) {', '.join(strange)}")
        chunk.append(row)
        count += 1
        if len(chunk) >= _CHUNK:
            connection.execute(insert(table), chunk)
            chunk = []
    if chunk:
        connection.execute(insert(table), chunk)
    return count


def _advance_sequences(connection: Connection) -> None:
    """PostgreSQL counts on from the highest number that was loaded."""
    for table in _tables():
        column = table.autoincrement_column
        if column is None or not isinstance(column.type, Integer):
            continue
        highest = connection.execute(select(func.max(column))).scalar()
        if highest is not None:
            where = {"table": table.name, "column": column.name, "highest": highest}
            connection.execute(text("select setval(pg_get_serial_sequence(:table, :column), :highest)"), where)
