"""The published build as readers see it: opened by version name, read-only, shared by threads."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import duckdb
import polars as pl

from model import build_run, parsed, publish
from model.publish import Published
from ops import clock
from ops.errors import FatalError
from ops.instance import Instance

_open: dict[tuple[str, str], Served] = {}
_lock = threading.Lock()


# Both look for work to save in large plans; in a lookup's small one they cost more than the query itself
# (measured on the customer screen: 8 of 11 ms of optimising, and a second scan of the timeline).
_NOT_FOR_LOOKUPS = "common_subplan,late_materialization"


class _Cache(dict[tuple[Any, ...], Any]):
    """Answers of one version, the oldest dropped beyond a limit."""

    limit = 5000

    def __setitem__(self, key: tuple[Any, ...], value: Any) -> None:
        super().__setitem__(key, value)
        while len(self) > self.limit:
            self.pop(next(iter(self)), None)


class Served:
    """One published version with the instance it belongs to. `query_count` counts queries, for tests and benchmarks."""

    def __init__(self, instance: Instance, published: Published) -> None:
        self.instance, self.published = instance, published
        self.version = published.version
        self.query_count = 0
        self.cache: dict[tuple[Any, ...], Any] = _Cache()
        self._connection = duckdb.connect(str(published.path), read_only=True)
        self._connection.execute("set timezone = 'UTC'")
        self._connection.execute(f"set disabled_optimizers = '{_NOT_FOR_LOOKUPS}'")
        self._local = threading.local()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """This thread's cursor."""
        if not hasattr(self._local, "cursor"):
            self._local.cursor = self._connection.cursor()
            self._local.cursor.execute("set timezone = 'UTC'")
        cursor: duckdb.DuckDBPyConnection = self._local.cursor
        return cursor

    def rows(self, sql: str, parameters: Sequence[Any] | dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """All rows of a query as dictionaries."""
        self.query_count += 1
        cursor = self.cursor()
        with self._told():
            result = cursor.execute(parsed.statement(cursor, sql), parameters or [])
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def frame(self, sql: str, parameters: Sequence[Any] | dict[str, Any] | None = None) -> pl.DataFrame:
        """All rows of a query as a frame: for tables with many rows."""
        self.query_count += 1
        cursor = self.cursor()
        with self._told():
            table = cursor.sql(parsed.statement(cursor, sql), params=parameters or []).to_arrow_table()
        found = pl.from_arrow(table)
        if not isinstance(found, pl.DataFrame):
            raise TypeError("an Arrow table did not become a frame")
        return found

    @contextmanager
    def _told(self) -> Iterator[None]:
        """A table or column that the build lacks because other models made it is said as that."""
        try:
            yield
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            if self._is_of_these_models():
                raise
            raise FatalError(
                f"the published build {self.version} was made by another version of this program: "
                + str(error).splitlines()[0],
                remedy="run `c360 build`; it makes everything anew",
            ) from error

    def _is_of_these_models(self) -> bool:
        """Whether the models that made the build are those of this program."""
        found = self.cursor().execute("select value from meta.state where key = 'signature'").fetchone()
        return found is not None and build_run.fingerprint() in json.loads(found[0])

    def today(self) -> date:
        """The business date of the company."""
        return clock.today(self.instance.config.zone)

    def close(self) -> None:
        """Close the connection; the version stays on disk."""
        with _lock:
            _open.pop((str(self.instance.home), self.version), None)
        self._connection.close()


def open_published(instance: Instance) -> Served:
    """The current version, opened once per process; a newer publication opens beside it and replaces it."""
    published = publish.current(instance)
    key = (str(instance.home), published.version)
    with _lock:
        served = _open.get(key)
        if served is None:
            served = _open[key] = Served(instance, published)
            for old in [item for item in _open if item[0] == key[0] and item != key][:-1]:
                _open.pop(old)
        return served
