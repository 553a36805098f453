"""A migrated store and a laid out warehouse, made once by the product and copied for every test that begins one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import count
from pathlib import Path

import duckdb
import pytest

from model import build, warehouse
from model.staging import open_warehouse
from ops.instance import Instance, InstanceConfig
from ops.store import Store

_SQLITE = "sqlite:///"


@contextmanager
def once(folder: Path) -> Iterator[None]:
    """Inside, a SQLite store or a warehouse file that is not there begins as a copy; `folder` holds the originals."""
    open_store, begin = Store.__init__, warehouse._begin
    numbers = count()

    def copy(content: bytes, path: Path) -> None:
        # complete under another name first, and never over a file that someone else has made by then
        part = path.with_name(f".{path.name}.{os.getpid()}.{next(numbers)}")
        part.write_bytes(content)
        with suppress(FileExistsError):
            os.link(part, path)
        part.unlink()

    def open_copied(store: Store, url: str) -> None:
        path = Path(url.removeprefix(_SQLITE))
        if url.startswith(_SQLITE) and path.parent.is_dir() and not path.exists():
            copy(store_file(), path)
        open_store(store, url)

    def begin_copied(_con: duckdb.DuckDBPyConnection, path: Path) -> None:
        copy(warehouse_file(), path)

    @cache
    def store_file() -> bytes:
        path = folder / "ops.db"
        made = Store.__new__(Store)
        open_store(made, f"{_SQLITE}{path}")
        made.close()
        return path.read_bytes()

    @cache
    def warehouse_file() -> bytes:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(warehouse, "_begin", begin)
            made = Instance.create(folder / "i", InstanceConfig())
            with open_warehouse(made) as con:
                build._prepare(con)
                con.execute("checkpoint warehouse")
        return warehouse.warehouse_path(made.warehouse).read_bytes()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "__init__", open_copied)
        patch.setattr(warehouse, "_begin", begin_copied)
        yield
