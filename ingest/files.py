"""Tables in files: CSV, Excel and Parquet as records, each with the file and the row it stands in.

A record keeps its values as written: CSV and Excel cells as text, Parquet values by type (dates as ISO text, whole
floating numbers as integers, so that an id such as 13085.0 is 13085).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import fastexcel
import polars as pl

from ingest import landing
from ingest.errors import ContractError
from ingest.writing import Batch

SUFFIXES = (".csv", ".xlsx", ".xls", ".parquet")
PAGE = 5_000


def tables(path: Path) -> list[Path]:
    """The files of SUFFIXES at `path`, itself or inside the folder, by name; ContractError when there are none."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise ContractError(f"{path} is neither a file nor a folder", remedy="correct the setting of the source")
    found = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith(("~", ".")))
    if not found:
        raise ContractError(
            f"{path} holds no file that can be read", valid=", ".join(SUFFIXES), remedy="put the files there"
        )
    return found


def read_table(path: Path, *, separator: str = ",", sheet: str | None = None) -> pl.DataFrame:
    """One table. CSV may be UTF-8 (with or without BOM) or GB 18030; of a workbook the first or the named sheet."""
    suffix = path.suffix.lower()
    try:
        if suffix == ".csv":
            return _csv(path, separator)
        if suffix == ".parquet":
            return _plain(pl.read_parquet(path))
        if suffix in SUFFIXES:
            return _excel(path, sheet)
    except (pl.exceptions.PolarsError, fastexcel.FastExcelError, OSError, ValueError) as error:
        raise ContractError(
            f"{path.name} cannot be read: {error}", remedy="save it again as CSV UTF-8 or XLSX"
        ) from error
    raise ContractError(f"{path.name} is of no kind that can be read", valid=", ".join(SUFFIXES))


def _csv(path: Path, separator: str) -> pl.DataFrame:
    data = path.read_bytes()
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        data = data.decode("gb18030").encode()
    if not data.strip():
        return pl.DataFrame()
    return pl.read_csv(data.removeprefix(b"\xef\xbb\xbf"), separator=separator, infer_schema=False)


def _excel(path: Path, sheet: str | None) -> pl.DataFrame:
    if sheet:
        frame = pl.read_excel(path, sheet_name=sheet, infer_schema_length=0, drop_empty_rows=False)
    else:
        frame = pl.read_excel(path, sheet_id=1, infer_schema_length=0, drop_empty_rows=False)
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


def batches(frames: Iterable[tuple[Path, pl.DataFrame]], key: list[str], known: set[str]) -> Iterator[Batch]:
    """Every row of the tables as a document, known by its `key` columns or its place; then which known ids are gone.

    The same documents as `records` gives, with `_id` in front, made a page at a time without touching single rows.
    """
    for path, frame in frames:
        table = _placed(frame, path, key)
        for start in range(0, table.height, PAGE):
            page = table.slice(start, PAGE)
            ids = [str(value) for value in page["_id"]]
            known.difference_update(ids)
            documents = page.write_ndjson().encode().split(b"\n")[: page.height]
            heads = page.select(name for name in ("_id", "_deleted") if name in page.columns).to_dicts()
            yield Batch(heads, documents=documents, ids=ids)
    yield Batch([{"_id": row_id, "_deleted": True} for row_id in sorted(known)])


def _placed(frame: pl.DataFrame, path: Path, key: list[str]) -> pl.DataFrame:
    """The rows that are not blank, with `_id`, `_file` and `_row` before the columns of the file."""
    row = pl.int_range(2, frame.height + 2)
    is_filled = pl.any_horizontal(
        [pl.col(name).is_not_null() & (pl.col(name).cast(pl.String) != "") for name in frame.columns]
    )
    parts = [pl.Series([str(value) for value in frame[name]], dtype=pl.String) for name in key]
    row_id = pl.concat_str(parts or [pl.lit(path.name), row], separator=":")
    columns = {"_id": row_id, "_file": pl.lit(path.name), "_row": row, **{name: pl.col(name) for name in frame.columns}}
    return frame.select(is_filled.alias("·"), **columns).filter("·").drop("·") if frame.width else pl.DataFrame()


def living(home: Path, source: str, stream: str) -> set[str]:
    """Ids that landing holds as not deleted."""
    state: dict[str, bool] = {}
    root = home / "landing"
    for run_id in landing.runs(root, source, stream):
        for part in landing.manifest(root, source, stream, run_id)["parts"]:
            frame = pl.read_parquet(root / source / stream / run_id / part["name"], columns=["id", "deleted"])
            state.update(frame.iter_rows())
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
