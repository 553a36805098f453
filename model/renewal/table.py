"""Reading a table of features, however messy, into arrays that the learners take.

Numbers written as text become numbers, blanks become missing, dates become days, identifiers, constants and
columns that give the label away are dropped; every such decision is a note.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from model.renewal.figures import ranking_quality
from ops.errors import FatalError

Array = npt.NDArray[Any]

BLANKS = ("", "na", "n/a", "null", "nan", "none", "?", "-", "--", "#n/a")
POSITIVE = (
    "yes",
    "y",
    "true",
    "t",
    "1",
    "1.0",
    "churned",
    "churn",
    "lost",
    "renewed",
    "won",
    "是",
    "续约",
    "流失",
)
NEGATIVE = ("no", "n", "false", "f", "0", "0.0", "stayed", "retained", "active", "否", "未续约")
LEVELS = 200
PARSES = 0.95
GIVES_AWAY = 0.995


@dataclass(frozen=True)
class Table:
    """n rows: `numbers` (n, k) with NaN where missing, `categories` (n, m) level codes (-1 missing),
    `label` 0/1, `groups` codes of the id column, `days` since 1970 of the date column."""

    numbers: Array
    categories: Array
    number_names: tuple[str, ...]
    category_names: tuple[str, ...]
    label: Array
    groups: Array | None
    days: Array | None
    notes: tuple[str, ...] = ()

    @property
    def matrix(self) -> Array:
        """Numbers and category codes side by side, as one float array."""
        return np.hstack([self.numbers, self.categories.astype(float)])


@dataclass
class _Columns:
    numbers: dict[str, Array] = field(default_factory=dict)
    categories: dict[str, Array] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read(path: Path) -> pl.DataFrame:
    """A CSV (comma, semicolon or tab; UTF-8 or GB18030), Excel or Parquet file as a frame; CSV columns stay text."""
    if not path.is_file():
        raise FatalError(f"there is no file {path}", remedy="check the path")
    if path.suffix.lower() in {".parquet", ".pq"}:
        return pl.read_parquet(path)
    if path.suffix.lower() in {".xlsx", ".xls", ".xlsm"}:
        return pl.read_excel(path)
    raw = path.read_bytes()
    try:
        content = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        content = raw.decode("gb18030", errors="replace")
    header = content.partition("\n")[0]
    separator = max(",;\t", key=header.count)
    try:
        return pl.read_csv(content.encode(), separator=separator, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise FatalError(f"{path} is not a table that can be read: {error}", valid="CSV, Excel or Parquet") from error


def prepare(frame: pl.DataFrame, label: str, id_column: str | None, date_column: str | None) -> Table:
    """Turn `frame` into a Table. FatalError when a named column is missing or the label has not two values."""
    for name in filter(None, (label, id_column, date_column)):
        if name not in frame.columns:
            raise FatalError(f"the table has no column {name!r}", valid=", ".join(frame.columns))
    columns = _Columns()
    target = _label(frame.get_column(label))
    keep = target.is_not_null()
    days = _days(frame.get_column(date_column)) if date_column else None
    if days is not None:
        if days.null_count() == frame.height:
            raise FatalError(f"column {date_column!r} holds no dates", valid="2026-11-22 or a date column")
        keep = keep & days.is_not_null()
    if (dropped := frame.height - int(keep.sum())) > 0:
        columns.notes.append(f"{dropped} rows without label or date were left out")
    frame, target = frame.filter(keep), target.filter(keep)
    days = days.filter(keep) if days is not None else None
    y = target.cast(pl.Int64).to_numpy()
    for name in frame.columns:
        if name not in {label, id_column, date_column}:
            _take(frame.get_column(name), days, y, columns)
    groups = frame.get_column(id_column).cast(pl.String).rank("dense").to_numpy() if id_column else None
    if groups is not None and len(np.unique(groups)) == len(groups):
        groups = None
    return Table(
        numbers=_stack(columns.numbers, frame.height, float),
        categories=_stack(columns.categories, frame.height, np.int64),
        number_names=tuple(columns.numbers),
        category_names=tuple(columns.categories),
        label=y,
        groups=groups,
        days=days.to_numpy() if days is not None else None,
        notes=tuple(columns.notes),
    )


def _stack(columns: dict[str, Array], height: int, kind: Any) -> Array:
    if not columns:
        return np.empty((height, 0), dtype=kind)
    return np.column_stack(list(columns.values())).astype(kind)


def _text(column: pl.Series) -> pl.Series:
    stripped = column.cast(pl.String).str.strip_chars()
    blank = stripped.str.to_lowercase().is_in(list(BLANKS))
    return stripped.set(blank.fill_null(value=True), None)


def _label(column: pl.Series) -> pl.Series:
    texts = _text(column).str.to_lowercase()
    values = sorted(texts.drop_nulls().unique().to_list())
    if len(values) != 2:
        shown = ", ".join(values[:6]) + ("…" if len(values) > 6 else "")
        raise FatalError(f"label {column.name!r} has {len(values)} values ({shown})", valid="exactly two, as yes/no")
    known = [value for value in values if value in POSITIVE]
    positive = known[0] if len(known) == 1 else next((v for v in values if v not in NEGATIVE), values[1])
    found: pl.Series = texts.eq(positive)
    return found


def _days(column: pl.Series) -> pl.Series:
    if column.dtype.is_temporal():
        return column.cast(pl.Date).cast(pl.Int64)
    texts = _text(column).str.replace_all("[/.年月]", "-").str.replace_all("[日T].*$", "")
    texts = texts.str.replace(r"^(\d{4})(\d{2})(\d{2})$", "${1}-${2}-${3}").str.extract(r"^(\d{4}-\d{1,2}-\d{1,2})")
    return texts.str.to_date("%Y-%m-%d", strict=False).cast(pl.Int64)


def _number(column: pl.Series) -> pl.Series | None:
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        return column.cast(pl.Float64).fill_nan(None)
    if column.dtype != pl.String:
        return None
    texts = _text(column)
    bare = texts.str.replace_all(r"[,\s¥$€£%]", "").str.replace(r"^\((.*)\)$", "-$1")
    numbers = bare.cast(pl.Float64, strict=False).fill_nan(None)
    filled = texts.len() - texts.null_count()
    parsed = numbers.len() - numbers.null_count()
    return numbers if filled and parsed >= PARSES * filled else None


def _take(column: pl.Series, days: pl.Series | None, y: Array, into: _Columns) -> None:
    name = column.name
    numbers = None if column.dtype.is_temporal() else _number(column)
    if column.dtype.is_temporal() or (numbers is None and column.dtype == pl.String):
        numbers = _elapsed(column, days)
    if numbers is not None:
        _take_number(name, numbers, y, into)
    elif column.dtype in (pl.String, pl.Categorical, pl.Enum):
        _take_category(name, _text(column), y, into)
    else:
        into.notes.append(f"{name}: type {column.dtype} is not used")


def _elapsed(column: pl.Series, days: pl.Series | None) -> pl.Series | None:
    """Days from the column's date to the row's own date, so that no model can learn the calendar."""
    stamps = _days(column)
    filled = column.len() - _text(column).null_count()
    if not filled or stamps.len() - stamps.null_count() < PARSES * filled:
        return None
    end = days if days is not None else pl.Series([stamps.max()]).extend_constant(stamps.max(), len(stamps) - 1)
    return (end - stamps).cast(pl.Float64).rename(column.name)


def _take_number(name: str, numbers: pl.Series, y: Array, into: _Columns) -> None:
    filled = numbers.drop_nulls()
    if filled.n_unique() <= 1 and numbers.null_count() in {0, numbers.len()}:
        into.notes.append(f"{name}: constant, dropped")
        return
    whole = bool((filled == filled.round()).all())
    if whole and numbers.len() > 50 and filled.n_unique() == numbers.len() and _counts_up(name, filled):
        into.notes.append(f"{name}: an identifier, dropped")
        return
    values = numbers.to_numpy().astype(float)
    missing = np.isnan(values)
    worth = max(ranking_quality(y, np.where(missing, np.nanmedian(values), values)), ranking_quality(y, missing * 1.0))
    if _gives_away(worth, y):
        into.notes.append(f"{name}: gives the label away, dropped")
        return
    into.numbers[name] = values


def _counts_up(name: str, values: pl.Series) -> bool:
    parts = name.lower().replace("-", "_").split("_")
    named = name.endswith(("ID", "Id", "No", "Number", "编号", "编码")) or bool(
        {"id", "key", "code", "no"} & set(parts)
    )
    return named or values.is_sorted() or values.is_sorted(descending=True)


def _take_category(name: str, texts: pl.Series, y: Array, into: _Columns) -> None:
    counts = texts.drop_nulls().value_counts(name="rows").sort(["rows", name], descending=[True, False])
    if counts.height <= 1 and texts.null_count() in {0, texts.len()}:
        into.notes.append(f"{name}: constant, dropped")
        return
    if counts.height > max(50, 0.2 * texts.len()):
        into.notes.append(f"{name}: {counts.height} different values, taken for an identifier or free text, dropped")
        return
    levels = {value: rank for rank, value in enumerate(counts.get_column(name).head(LEVELS).to_list())}
    codes = np.array([-1 if value is None else levels.get(value, LEVELS) for value in texts.to_list()])
    if counts.height <= 20:
        share = {code: float(y[codes == code].mean()) for code in np.unique(codes)}
        if _gives_away(ranking_quality(y, np.array([share[code] for code in codes])), y):
            into.notes.append(f"{name}: gives the label away, dropped")
            return
    into.categories[name] = codes


def _gives_away(worth: float, y: Array) -> bool:
    return len(y) >= 100 and 10 <= y.sum() <= len(y) - 10 and worth >= GIVES_AWAY
