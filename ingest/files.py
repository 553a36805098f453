"""Tables in files: CSV, Excel and Parquet as records, each with the file and the row it stands in.

A record keeps its values as written: CSV and Excel cells as text, Parquet values by type (dates as ISO text, whole
floating numbers as integers, so that an id such as 13085.0 is 13085).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastexcel
import polars as pl

from ingest import csv_text, landing
from ingest.csv_text import AUTO
from ingest.documents import digest
from ingest.errors import ContractError
from ingest.writing import Batch

SUFFIXES = (".csv", ".xlsx", ".xls", ".parquet")
OTHERS = (".tsv", ".xlsm", ".xlsb", ".ods")
TEXT = (".csv", ".tsv", ".txt")
PAGE = 5_000


def read_table(path: Path, *, separator: str = AUTO, sheet: str | None = None, encoding: str = AUTO) -> pl.DataFrame:
    """One table. CSV in any encoding that `csv_text` can tell; of a workbook the first or the named sheet."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ContractError(f"{path.name} cannot be read: {error}", remedy="check the rights of the file") from error
    return parsed(data, path.name, {"separator": separator, "sheet": sheet or "", "encoding": encoding})


def parsed(data: bytes, name: str, settings: dict[str, Any]) -> pl.DataFrame:
    """The table in a file of this name; `separator`, `sheet` and `encoding` as in the settings of the file source."""
    suffix = Path(name).suffix.lower()
    if suffix in TEXT:
        return csv_text.table(data, name, settings["separator"], settings["encoding"])
    if suffix not in SUFFIXES + OTHERS:
        raise ContractError(f"{name} is of no kind that can be read", valid=", ".join(SUFFIXES))
    try:
        return _plain(pl.read_parquet(data)) if suffix == ".parquet" else _excel(data, settings["sheet"])
    except (pl.exceptions.PolarsError, fastexcel.FastExcelError, OSError, ValueError) as error:
        raise ContractError(f"{name} cannot be read: {error}", remedy="save it again as CSV UTF-8 or XLSX") from error


def _excel(data: bytes, sheet: str) -> pl.DataFrame:
    if sheet:
        frame = pl.read_excel(data, sheet_name=sheet, infer_schema_length=0, drop_empty_rows=False)
    else:
        frame = pl.read_excel(data, sheet_id=1, infer_schema_length=0, drop_empty_rows=False)
    return frame.with_columns(pl.all().cast(pl.String).str.replace(r"^(\d{4}-\d\d-\d\d) 00:00:00$", "$1"))


def _plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Columns that a document can hold: instants and dates as ISO text, whole floats as integers."""
    columns = []
    for name, kind in frame.schema.items():
        column = pl.col(name)
        if kind.is_float() and frame.select((column == column.round()).fill_null(value=True).all()).item():
            column = column.cast(pl.Int64, strict=False)
        elif kind.is_temporal():
            column = column.dt.to_string("iso:strict") if isinstance(kind, pl.Datetime) else column.cast(pl.String)
        elif kind.is_decimal() or not (kind.is_numeric() or kind in (pl.String, pl.Boolean)):
            column = column.cast(pl.String)
        columns.append(column.alias(name))
    return frame.select(columns)


def records(frame: pl.DataFrame, path: Path) -> Iterator[dict[str, Any]]:
    """Rows as records with `_file` and `_row` (the header is row 1); blank rows are left out."""
    names = frame.columns
    for number, row in enumerate(frame.iter_rows(), start=2):
        if any(value not in (None, "") for value in row):
            yield {"_file": path.name, "_row": number, **dict(zip(names, row, strict=True))}


def rows(frame: pl.DataFrame, name: str, key: list[str], gone: set[str]) -> Iterator[Batch]:
    """Every row of the file `name` as a document, known by its `key` columns or its place; its id leaves `gone`.

    The same documents as `records` gives, with `_id` in front, made a page at a time without touching single rows.
    Their hashes leave out the file and the row they stand in: a file renamed, or a row moved, is no change.
    """
    table = _placed(frame, name, key)
    for start in range(0, table.height, PAGE):
        page = table.slice(start, PAGE)
        ids = [str(value) for value in page["_id"]]
        gone.difference_update(ids)
        documents = page.write_ndjson().encode().split(b"\n")[: page.height]
        heads = page.select(name for name in ("_id", "_deleted") if name in page.columns).to_dicts()
        marks = [_mark(row_id, document) for row_id, document in zip(ids, documents, strict=True)]
        yield Batch(heads, documents=documents, ids=ids, marks=marks)


def _mark(row_id: str, document: bytes) -> str:
    # a quote inside a value is escaped, so this is the key itself
    _, _, rest = document.partition(b',"_row":')
    return digest(row_id.encode() + b"\0" + rest.partition(b",")[2])


def is_filled(frame: pl.DataFrame) -> pl.Expr:
    """Whether any value of the row is there."""
    return pl.any_horizontal(
        [pl.col(name).is_not_null() & (pl.col(name).cast(pl.String) != "") for name in frame.columns]
    )


def _placed(frame: pl.DataFrame, name: str, key: list[str]) -> pl.DataFrame:
    """The rows that are not blank, with `_id`, `_file` and `_row` before the columns of the file."""
    row = pl.int_range(2, frame.height + 2)
    parts = [pl.Series([str(value) for value in frame[column]], dtype=pl.String) for column in key]
    row_id = pl.concat_str(parts or [pl.lit(name), row], separator=":")
    columns = {"_id": row_id, "_file": pl.lit(name), "_row": row, **{one: pl.col(one) for one in frame.columns}}
    return frame.select(is_filled(frame).alias("·"), **columns).filter("·").drop("·") if frame.width else pl.DataFrame()


def living(home: Path, source: str, stream: str) -> set[str]:
    """Ids that landing holds as not deleted."""
    state: dict[str, bool] = {}
    root = home / "landing"
    for run_id in landing.runs(root, source, stream):
        for part in landing.parts(root, source, stream, run_id):
            state.update(part.read(["id", "deleted"]).iter_rows())
    return {row_id for row_id, is_deleted in state.items() if not is_deleted}


def paged(rows: Iterator[dict[str, Any]], known: set[str]) -> Iterator[list[dict[str, Any]]]:
    """Pages of records that carry their id in `_id`; then one that says which known ids are gone."""
    page: list[dict[str, Any]] = []
    for row in rows:
        known.discard(row["_id"])
        page.append(row)
        if len(page) >= PAGE:
            yield page
            page = []
    yield page + [{"_id": row_id, "_deleted": True} for row_id in sorted(known)]
