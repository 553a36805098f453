"""The matcher put to a labelled file: how right would it be on these records, without having seen the labels?"""

from __future__ import annotations

import re
import time
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from model.identity import metrics
from model.identity.matching import Matching, match
from model.identity.matching.prepare import FIELDS
from model.identity.names import parse_name
from model.identity.names.facts import facts
from model.identity.names.score import NameScorer
from model.identity.names.table import NameTable
from ops.errors import FatalError


@cache
def _usual_columns() -> dict[str, list[str]]:
    return tomllib.loads(Path(__file__).with_name("columns.toml").read_text(encoding="utf-8"))


def read(path: Path) -> pl.DataFrame:
    """A CSV or Parquet file as text columns. Raises FatalError where it cannot be read."""
    if not path.is_file():
        raise FatalError(f"{path}: no such file", remedy="give the path of a .csv or .parquet file")
    try:
        if path.suffix.lower() == ".parquet":
            frame = pl.read_parquet(path)
        elif path.suffix.lower() in (".csv", ".tsv", ".txt"):
            separator = "\t" if path.suffix.lower() == ".tsv" else ","
            frame = pl.read_csv(path, infer_schema=False, separator=separator, encoding=_encoding(path))
        else:
            raise FatalError(f"{path}: unknown kind of file {path.suffix!r}", valid=".csv, .tsv, .txt, .parquet")
    except (pl.exceptions.PolarsError, UnicodeError) as error:
        raise FatalError(f"{path}: not readable: {error}", remedy="save it as CSV in UTF-8 or as Parquet") from error
    frame = frame.rename({name: name.lstrip("\ufeff").strip() for name in frame.columns})
    nested = [name for name, kind in frame.schema.items() if kind.is_nested()]
    return frame.drop(nested).with_columns(pl.all().cast(pl.String))


def _encoding(path: Path) -> str:
    head = path.read_bytes()
    for encoding in ("utf-8", "gb18030"):
        try:
            head.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "latin-1"


def columns(frame: pl.DataFrame, given: Mapping[str, str], reserved: tuple[str, ...] = ()) -> dict[str, str]:
    """Field → column: as `given`, or guessed by name where nothing was given. Raises FatalError for what is not there.

    `reserved` columns (id, truth, source) are never guessed.
    """
    for field in given:
        if field not in FIELDS:
            raise FatalError(f"--map: unknown field {field!r}", valid=", ".join(FIELDS))
    for field, column in given.items():
        require(frame, column, f"--map {field}=")
    if given:
        if "name" not in given:
            raise FatalError("--map: no column for name", valid=", ".join(frame.columns), remedy="add name=COL")
        return dict(given)
    keys = {re.sub(r"[\W_]", "", name.lower()): name for name in frame.columns if name not in reserved}
    found = {
        field: keys[guess]
        for field, guesses in _usual_columns().items()
        for guess in reversed(guesses)
        if guess in keys
    }
    if "name" not in found:
        raise FatalError(
            "no column looks like the name of an organisation",
            valid=", ".join(frame.columns),
            remedy="say which one: --map name=COL",
        )
    return found


def require(frame: pl.DataFrame, column: str, option: str) -> None:
    """Raise FatalError listing the valid columns unless `frame` has `column`."""
    if column not in frame.columns:
        raise FatalError(f"{option}{column!r}: no such column", valid=", ".join(frame.columns))


def evaluate(
    frame: pl.DataFrame, identifier: str, truth: str, source: str | None = None, fields: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Run the matcher on `frame` and compare with column `truth`: records of one organisation have one value there.

    Result as design contract 16. Records without a truth value are matched but not counted. Raises FatalError for
    columns that are missing and for ids that are empty or stand twice.
    """
    require(frame, identifier, "--id ")
    require(frame, truth, "--truth ")
    if source:
        require(frame, source, "--source ")
    _unique_ids(frame, identifier, source)
    reserved = tuple(filter(None, (identifier, truth, source)))
    chosen = columns(frame, dict(fields or {}), reserved)
    records = frame.select(
        *(pl.col(column).alias(field) for field, column in chosen.items()),
        *([pl.col(source).alias("source")] if source else []),
    )
    started = time.perf_counter()
    result = match(records)
    seconds = time.perf_counter() - started
    return figures(result, frame[truth]) | {"seconds": round(seconds, 3), "columns": chosen}


def _unique_ids(frame: pl.DataFrame, identifier: str, source: str | None) -> None:
    if frame[identifier].null_count():
        raise FatalError(f"--id {identifier!r}: {frame[identifier].null_count()} records have none")
    keys = frame.select(filter(None, (source, identifier)))
    twice = len(keys) - len(keys.unique())
    if twice:
        raise FatalError(f"--id {identifier!r}: {twice} ids stand twice", remedy="give a column that is unique")


def figures(result: Matching, truth: pl.Series) -> dict[str, Any]:
    """The figures of one run: pair, cluster, b_cubed, bands (pairs) and auto_precision (null without auto pairs)."""
    labels = truth.rank("dense").fill_null(0).to_numpy().astype(np.int64)
    known = labels > 0
    measured = metrics.agreement(result.clusters[known], labels[known])
    band = result.judged.band
    counted = known[result.left] & known[result.right]
    right = labels[result.left] == labels[result.right]
    auto = (band == 2) & counted
    return {
        "records": int(known.sum()),
        "entities": int(truth.drop_nulls().n_unique()),
        "pair": _rounded(measured["pair"]),
        "cluster": _rounded(measured["cluster"]),
        "b_cubed": _rounded(measured["b_cubed"]),
        "bands": {
            "auto": int((band == 2).sum()),
            "review": int((band == 1).sum()),
            "reject": int((band == 0).sum()) + result.dropped,
        },
        "auto_precision": round(float(right[auto].mean()), 6) if auto.any() else None,
    }


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {key: round(value, 6) for key, value in values.items()}


_YES = {"1", "1.0", "true", "t", "yes", "y", "match", "same", "是"}
_NO = {"0", "0.0", "false", "f", "no", "n", "no_match", "nonmatch", "different", "否", "-1"}


def compare(frame: pl.DataFrame, left: str, right: str, truth: str) -> dict[str, Any]:
    """Score name pairs: pairs, matches, auc, best_f1, threshold. Raises FatalError for missing columns and labels."""
    for column, option in ((left, "--left "), (right, "--right "), (truth, "--truth ")):
        require(frame, column, option)
    labels = frame[truth].fill_null("").str.strip_chars().str.to_lowercase().to_list()
    wrong = sorted({label for label in labels if label not in _YES | _NO})
    if wrong:
        raise FatalError(f"--truth {truth!r}: {wrong[0]!r} is neither yes nor no", valid="0, 1, true, false, yes, no")
    scores = name_scores(frame[left].fill_null("").to_list(), frame[right].fill_null("").to_list())
    found = metrics.ranking(scores, [label in _YES for label in labels])
    return {"pairs": len(labels), "matches": sum(label in _YES for label in labels)} | {
        key: round(value, 6) if value is not None else None for key, value in found.items()
    }


def name_scores(left: list[str], right: list[str]) -> list[float]:
    """Similarity of the names left[i] and right[i], from 0 to 1."""
    names = sorted({*left, *right})
    place = {name: index for index, name in enumerate(names)}
    parsed = [parse_name(name) for name in names]
    one = np.array([place[name] for name in left], dtype=np.int64)
    two = np.array([place[name] for name in right], dtype=np.int64)
    scores = NameScorer(NameTable([facts(name) for name in parsed])).score(one, two)
    return [float(score) for score in scores]
