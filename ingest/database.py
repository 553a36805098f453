"""A database as a source: the rows of a table or query as documents, by key, in bounded memory, resumable anywhere.

A full read goes through the table in the order of its id; a window asks for `updated` from the last run on (less the
overlap) and for rows without a stamp; a sweep reads the ids alone. Nothing is ever written: sessions are read only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import polars as pl

from ingest.cursor import Window, written
from ingest.dialects import DIALECTS, Column
from ingest.documents import identify, text_of
from ingest.drivers import Driver, Place, PostgreSqlDriver
from ingest.errors import ContractError, SpecError
from ingest.spec import StreamSpec
from ingest.template import render
from ingest.writing import Batch
from ops import clock

if TYPE_CHECKING:
    from ingest.http import SourceClient

BATCH_ROWS = 10_000
PAGE_BYTES = 32 * 1024 * 1024
FEWEST = 500
_SKEW_S = 5
_MOST_SEEN = 0.9


@dataclass(frozen=True)
class Ask:
    """One pass over one stream: which rows, how conditions are written, and where to add warnings."""

    stream: StreamSpec
    step: dict[str, Any]
    window: Window
    zone: str
    full: bool
    context: dict[str, Any]
    warnings: list[str]

    @property
    def is_sweep(self) -> bool:
        """Whether only the ids are asked for."""
        return bool(self.step["kind"] == "sweep")


class Database:
    """The database of one source, signed in to when first asked."""

    def __init__(self, client: SourceClient) -> None:
        self._client = client
        self._driver: Driver | None = None
        self._columns: dict[str, list[Column]] = {}

    @property
    def driver(self) -> Driver:
        """The connection. LoginError or SourceBusy when there is none to be had."""
        if self._driver is None:
            self._driver = self._connect()
        return self._driver

    def _connect(self) -> Driver:
        from ingest.drivers_paged import MySqlDriver, SqlServerDriver

        client, settings = self._client, self._client.settings
        name = str(render(client.spec.sql.dialect, client.context()))
        drivers: dict[str, Callable[[Place], Driver]]
        drivers = {"postgresql": PostgreSqlDriver, "mysql": MySqlDriver, "sqlserver": SqlServerDriver}
        if name not in drivers:
            raise SpecError(f"source {client.source.name}: sql.dialect is {name!r}", valid=", ".join(DIALECTS))
        client.check_loopback(str(settings["host"]))
        client.hide(quote(str(settings["password"]), safe=""))  # as it stands in an address
        texts = {key: str(settings[key]) for key in ("host", "database", "user", "password", "tls", "row_security")}
        ca = str(settings["ca"] or "")
        return drivers[name](Place(client.source.name, port=int(settings["port"]), ca=ca, **texts))

    def offset(self) -> timedelta:
        """How far the server's clock is ahead of ours; nothing below five seconds. Signs in."""
        offset = self.driver.now() - clock.wall()
        return offset if abs(offset) > timedelta(seconds=_SKEW_S) else timedelta(0)

    def close(self) -> None:
        """End the connections."""
        if self._driver:
            self._driver.close()

    def batches(self, ask: Ask, page: Any, where: str) -> Iterator[Batch]:
        """The documents of one pass, going on after the key in `page` (None: from the start)."""
        source = self._source(ask)
        columns = self._described(ask.stream, source, where)
        keys = [_named(columns, path, f"{where}: id", "id") for path in ask.stream.id_paths]
        wanted = keys if ask.is_sweep else self._wanted(ask.stream, columns, keys)
        conditions = self._conditions(ask, columns, where)
        makes = _Documents(ask, [one.name for one in keys], self._client.hooks.record is not None)
        after: list[str] | None = page["after"] if page else None
        count, limit = 0, self.driver.page
        while True:
            only = conditions + ([self.driver.dialect.after(keys, after)] if after else [])
            sql = self.driver.dialect.select(source, wanted, only, keys, limit)
            rows = size = 0
            start = after
            for frame in self._frames(sql, where):
                rows, size = rows + frame.height, size + int(frame.estimated_size())
                batch, after = makes.of(frame, after, where)
                count += len(batch.records)
                yield batch
            if limit is None or rows < limit:
                break
            if after == start:
                raise ContractError(f"{where}: more than {limit} rows have the id {after}", remedy="correct the id")
            limit = min(self.driver.page or limit, max(FEWEST, PAGE_BYTES * rows // max(size, 1)))
        if ask.full and ask.step["kind"] == "window" and not page:
            self._judge(ask, source, count, where)

    def _source(self, ask: Ask) -> str:
        table = str(render(ask.stream.table, ask.context))
        return self.driver.dialect.source(table, str(render(ask.stream.query, ask.context)))

    def _described(self, stream: StreamSpec, source: str, where: str) -> list[Column]:
        if stream.name not in self._columns:
            self._client.count(0)
            columns = self.driver.describe(source, where)
            names = [one.name for one in columns]
            if double := sorted({name for name in names if names.count(name) > 1}):
                raise ContractError(
                    f"{where}: the query gives two columns called {', '.join(double)}",
                    remedy="name each column once in the query of source.toml",
                )
            self._columns[stream.name] = columns
        return self._columns[stream.name]

    def _wanted(self, stream: StreamSpec, columns: list[Column], keys: list[Column]) -> list[Column]:
        if not stream.fields:
            return [one for one in columns if one.name not in stream.drop]
        listed = [_named(columns, name, f"stream {stream.name}: fields", "fields") for name in stream.fields]
        more = keys + ([_named(columns, stream.updated, stream.name, "updated")] if stream.updated else [])
        return list(dict.fromkeys([*listed, *more]))

    def _conditions(self, ask: Ask, columns: list[Column], where: str) -> list[str]:
        written_out = str(render(ask.step["filter"] or "", self._context(ask, columns, where)))
        if written_out:
            return [written_out]
        if ask.full or ask.step["kind"] != "window" or ask.stream.incremental.type != "window":
            return []
        column = _named(columns, ask.stream.updated, f"{where}: updated", "updated")
        return [self.driver.dialect.changed(column, _start(ask, column))]

    def _context(self, ask: Ask, columns: list[Column], where: str) -> dict[str, Any]:
        """`ids` as a list of literals of the id's type."""
        ids = ask.step.get("ids")
        if not ids:
            return ask.context
        key = _named(columns, ask.stream.id_paths[0], f"{where}: id", "id")
        return {**ask.context, "ids": ", ".join(self.driver.dialect.literal(one, key) for one in ids.split(","))}

    def _frames(self, sql: str, where: str) -> Iterator[pl.DataFrame]:
        for batch in self.driver.batches(sql, where):
            self._client.count(batch.nbytes)
            frame = pl.DataFrame(pl.from_arrow(batch))
            for start in range(0, frame.height, BATCH_ROWS):
                yield frame.slice(start, BATCH_ROWS)

    def _judge(self, ask: Ask, source: str, count: int, where: str) -> None:
        """Rows that the server filters for this role look like rows that are not there: said, not believed."""
        hidden = self.driver.hidden(source, str(render(ask.stream.table, ask.context)))
        for one in hidden:
            user = self.driver.place.user
            told = f"{where}: row-level security filters {one.table} for {user}: {count} of about {one.rows} rows"
            remedy = f"ALTER ROLE {user} BYPASSRLS, or a policy that shows it every row"
            if count == 0 and one.rows:
                raise ContractError(told, remedy=remedy)
            if ask.stream.table and count < _MOST_SEEN * one.rows:
                ask.warnings.append(f"{told}. To do: {remedy}")


@dataclass(frozen=True)
class _Documents:
    """Makes batches of frames: documents as JSON, ids, and the values that collecting looks at."""

    ask: Ask
    keys: list[str]
    whole: bool

    def of(self, frame: pl.DataFrame, after: Sequence[str] | None, where: str) -> tuple[Batch, list[str] | None]:
        """The batch of `frame` without the row at `after`, which has been read, and the key to go on from."""
        values = [[text_of(value) for value in frame[name]] for name in self.keys]
        if frame.height and after is not None and [column[0] for column in values] == list(after):
            frame, values = frame.slice(1), [column[1:] for column in values]
        if not frame.height:
            return Batch([], {"after": after}), list(after) if after else None
        for name in self.keys:
            if frame[name].null_count():
                raise ContractError(
                    f"{where}: {frame[name].null_count()} row(s) have no {name}",
                    remedy="an id is never empty: choose other columns as the stream's id",
                )
        last = [column[-1] for column in values]
        if self.ask.is_sweep or self.whole:
            return Batch(frame.to_dicts(), {"after": last}), last
        stream = self.ask.stream
        looked = [*stream.id_paths, *stream.assertions.required, stream.deletes.path]
        looked += [stream.deletes.flag.path] if stream.deletes.flag else []
        looked += [stream.merges.path] if stream.merges else []
        heads = frame.select([name for name in dict.fromkeys(looked) if name in frame.columns]).to_dicts()
        documents = frame.write_ndjson().encode().split(b"\n")[: frame.height]
        ids = [identify(head, stream.id_paths) or "" for head in heads]
        return Batch(heads, {"after": last}, documents=documents, ids=ids), last


def _named(columns: Sequence[Column], name: str, where: str, key: str) -> Column:
    for column in columns:
        if column.name == name:
            return column
    raise ContractError(
        f"{where}: there is no column {name!r}",
        valid=", ".join(column.name for column in columns),
        remedy=f"correct {key} in source.toml; the role may also lack the right to see this column",
    )


def _start(ask: Ask, column: Column) -> str:
    """The lower bound of the window as the column holds such moments."""
    spec, start = ask.stream.incremental, ask.window.start
    if column.kind == "instant":
        return str(written(start, "iso", "UTC"))
    if column.kind == "datetime":
        return str(written(start, "%Y-%m-%d %H:%M:%S", ask.zone))
    if column.kind == "date":
        return str(written(start, "%Y-%m-%d", ask.zone))
    return str(written(start, spec.format, ask.zone))
