"""Reading a table of features, however messy, into arrays that the learners take.

Numbers written as text become numbers, blanks become missing, dates become days, identifiers, constants and
columns that give the label away are dropped; every such decision is a note.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

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
SUSPICIOUS = 0.95
LEAK = "looks like a leak"
REPEATS = 20


@dataclass(frozen=True)
class Table:
    """n rows: `numbers` (n, k) with NaN where missing, `categories` (n, m) level codes (-1 missing),
    `label` 0/1, `groups` codes of the id column, `days` since 1970 of the date column. `is_one_outcome`: ids repeat
    and every one has a single label, so that an earlier row of an id would give its later ones away."""

    numbers: Array
    categories: Array
    number_names: tuple[str, ...]
    category_names: tuple[str, ...]
    label: Array
    groups: Array | None
    days: Array | None
    notes: tuple[str, ...] = ()
    is_one_outcome: bool = False

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
    if not raw.strip():
        raise FatalError(f"{path} is empty", valid="a first line with column names, then one row per case")
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
    _check(frame, [name for name in (label, id_column, date_column) if name])
    columns = _Columns()
    target = _label(frame.get_column(label))
    keep = target.is_not_null()
    days = _days(frame.get_column(date_column)) if date_column else None
    if days is not None:
        if days.null_count() > frame.height / 2:
            example = next(iter(_text(frame.get_column(str(date_column))).drop_nulls().to_list()), "")
            raise FatalError(
                f"column {date_column!r} holds no dates that can be read (as {example!r})",
                valid="2026-11-22, 2026/11/22, 20261122, 2026-11, 2026年11月22日, 22.11.2026, 22/11/2026, 22 Nov 2026",
            )
        keep = keep & days.is_not_null()
    if (dropped := frame.height - int(keep.sum())) > 0:
        columns.notes.append(f"{dropped} rows without label or date were left out")
    frame, target = frame.filter(keep), target.filter(keep)
    days = days.filter(keep) if days is not None else None
    y = target.cast(pl.Int64).to_numpy()
    for name in frame.columns:
        if name not in {label, id_column, date_column}:
            _take(frame.get_column(name), days, y, columns)
    groups = _groups(frame.get_column(id_column)) if id_column else None
    is_one_outcome = groups is not None and days is not None and _one_outcome(groups, y)
    if is_one_outcome:
        columns.notes.append(f"{id_column}: repeats with one label each, never on both sides of the time split")
    return Table(
        numbers=_stack(columns.numbers, frame.height, float),
        categories=_stack(columns.categories, frame.height, np.int64),
        number_names=tuple(columns.numbers),
        category_names=tuple(columns.categories),
        label=y,
        groups=groups,
        days=days.to_numpy() if days is not None else None,
        notes=tuple(columns.notes),
        is_one_outcome=is_one_outcome,
    )


def _check(frame: pl.DataFrame, named: list[str]) -> None:
    for name in named:
        if name not in frame.columns:
            near = get_close_matches(name, frame.columns, 1, 0.6)
            remedy = f"did you mean {near[0]!r}?" if near else None
            raise FatalError(f"the table has no column {name!r}", valid=", ".join(frame.columns), remedy=remedy)
    if len(set(named)) < len(named):
        raise FatalError("one column is named twice", valid="different columns for --label, --id and --date")
    if not frame.height:
        raise FatalError("the table has column names but no rows", valid="one row per case")


def _groups(column: pl.Series) -> Array | None:
    """Codes of the ids, None when every row has its own; rows without an id stand alone."""
    texts = _text(column)
    codes = texts.rank("dense").cast(pl.Int64)
    alone = pl.Series(range(len(texts))) + int(cast("int | None", codes.max()) or 0) + 1
    found: Array = codes.fill_null(alone).to_numpy() if codes.null_count() else codes.to_numpy()
    return None if len(np.unique(found)) == len(found) else found


def _one_outcome(groups: Array, y: Array) -> bool:
    _, place, rows = np.unique(groups, return_inverse=True, return_counts=True)
    positive = np.bincount(place, y)
    repeating = rows > 1
    return bool(repeating.sum() >= REPEATS and ((positive == 0) | (positive == rows))[repeating].all())


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
    """Days since 1970, null where no date can be read. Whether 3/4/2026 is April or March, the column decides:
    a first part above 12 anywhere means day first, else a second part above 12 means month first, else day first."""
    if column.dtype.is_temporal():
        return column.cast(pl.Date).cast(pl.Int64)
    texts = _text(column)
    plain = (
        texts.str.replace_all("[/.年月]", "-").str.replace_all("日.*$", "").str.replace_all(r"(\d)[T ]\d.*$", "${1}")
    )
    plain = plain.str.replace(r"^(\d{4})(\d{2})(\d{2})(?:\.0|-0)?$", "${1}-${2}-${3}")
    plain = plain.str.replace(r"^(\d{4})(?:-(\d{1,2})-?|(\d{2}))$", "${1}-${2}${3}-01")
    found = plain.str.extract(r"^(\d{4}-\d{1,2}-\d{1,2})").str.to_date("%Y-%m-%d", strict=False)
    if found.null_count() == texts.null_count():
        return found.cast(pl.Int64)
    parts = plain.str.extract_groups(r"^(?<a>\d{1,2})-(?<b>\d{1,2})-(?<y>\d{4})").struct.unnest()
    first, second = (parts.get_column(name).cast(pl.Int64) for name in ("a", "b"))
    month_first = bool((second > 12).any()) and not bool((first > 12).any())
    turned = plain.str.extract(r"^(\d{1,2}-\d{1,2}-\d{4})")
    found = found.fill_null(turned.str.to_date("%m-%d-%Y" if month_first else "%d-%m-%Y", strict=False))
    words = texts.str.replace_all(r"[,\-]", " ").str.replace_all(r"\s+", " ")
    for pattern in ("%d %b %Y", "%d %B %Y", "%b %d %Y", "%B %d %Y"):
        found = found.fill_null(words.str.to_date(pattern, strict=False))
    return found.cast(pl.Int64)


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
    if _leaks(name, worth, y, into):
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
    if counts.height <= max(20, texts.len() // 20):
        shifted = codes + 1
        rows = np.bincount(shifted)
        share = np.bincount(shifted, y, len(rows)) / np.maximum(rows, 1)
        if _leaks(name, ranking_quality(y, share[shifted]), y, into):
            return
    into.categories[name] = codes


def _leaks(name: str, worth: float, y: Array, into: _Columns) -> bool:
    """Whether the column gives the label away and must go; a suspicion is noted."""
    if len(y) < 100 or not 10 <= y.sum() <= len(y) - 10 or worth < SUSPICIOUS:
        return False
    if worth >= GIVES_AWAY:
        into.notes.append(f"{name}: {LEAK} (it gives the label away), dropped")
        return True
    into.notes.append(f"{name}: {LEAK} (AUC {worth:.3f} alone): was it known before the outcome?")
    return False
