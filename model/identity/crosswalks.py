"""Crosswalks that people keep in files: config/products.csv and config/employees.csv of an instance.

products.csv   source, code, product    the product with `code` in `source` is the one with code `product` elsewhere
employees.csv  source, id, employee     the record or staff number `id` in `source` is the employee `employee`, who is
                                        named by mail, staff number or source:id
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from ops.errors import FatalError

FILES = {"product": ("products.csv", ("source", "code", "product")),
         "employee": ("employees.csv", ("source", "id", "employee"))}  # fmt: skip
Row = tuple[str, str, str]


@dataclass(frozen=True)
class Crosswalks:
    """The rows of both files, in order; both empty without files."""

    product: tuple[Row, ...] = ()
    employee: tuple[Row, ...] = ()


def read(config_dir: Path | None, sources: Sequence[str]) -> Crosswalks:
    """The crosswalk files of an instance. FatalError names file, line and what is valid.

    Refused: other columns, an unknown source, an empty cell, one code that is said to be two things.
    """
    found = {}
    for kind, (name, columns) in FILES.items():
        path = config_dir / name if config_dir else None
        found[kind] = _rows(path, columns, sources) if path and path.is_file() else ()
    return Crosswalks(**found)


def _rows(path: Path, columns: tuple[str, str, str], sources: Sequence[str]) -> tuple[Row, ...]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if set(reader.fieldnames or ()) != set(columns):
                raise FatalError(
                    f"{path}: the columns are {', '.join(reader.fieldnames or ()) or 'missing'}",
                    valid=", ".join(columns), remedy="name exactly these in the first line",
                )  # fmt: skip
            lines = [(number, row) for number, row in enumerate(reader, start=2)]
    except UnicodeDecodeError as error:
        raise FatalError(f"{path} is not UTF-8", remedy="save it as UTF-8 CSV") from error
    said: dict[tuple[str, str], str] = {}
    for number, row in lines:
        source, code, target = ((row[name] or "").strip() for name in columns)
        if source not in sources:
            raise FatalError(f"{path}, line {number}: there is no source {source!r}", valid=", ".join(sources))
        if not code or not target:
            raise FatalError(f"{path}, line {number}: a cell is empty", valid=", ".join(columns))
        if said.setdefault((source, code), target) != target:
            raise FatalError(
                f"{path}, line {number}: {source} {code} is said to be {said[source, code]} and {target}",
                remedy="keep one of the two lines",
            )
    return tuple((source, code, target) for (source, code), target in sorted(said.items()))


def ddl() -> str:
    """The statements that create the tables of both files where they are missing."""
    return """
        create table if not exists meta.product_alias (source varchar, code varchar, target varchar);
        create table if not exists meta.employee_alias (source varchar, code varchar, target varchar);
    """


def write(con: duckdb.DuckDBPyConnection, crosswalks: Crosswalks) -> None:
    """Replace meta.product_alias and meta.employee_alias; the caller commits, and a full build follows."""
    for kind, rows in (("product", crosswalks.product), ("employee", crosswalks.employee)):
        con.execute(f"delete from meta.{kind}_alias")
        if rows:
            con.executemany(f"insert into meta.{kind}_alias values (?, ?, ?)", [list(row) for row in rows])
