"""CSV as people send it: which letters it is written in and what separates its columns.

Marks at the beginning decide (UTF-8, UTF-16, UTF-32); then UTF-8; then GB 18030, where what it would say is Chinese.
Anything else must be named: a guess between old Western encodings changes letters without a word.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter

import polars as pl

from ingest.errors import ContractError

SEPARATORS = (",", ";", "\t", "|")
AUTO = "auto"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE, _LINES = 200_000, 50
_COMMON = 0.5


def decoded(data: bytes, name: str, encoding: str = AUTO) -> str:
    """The text of the file `name`. ContractError when its encoding cannot be told, or is not the one given."""
    wanted = _encoding(data) if encoding == AUTO else encoding
    try:
        text = data.decode(wanted)
    except LookupError as error:
        raise ContractError(
            f"{encoding!r} is no encoding", valid="auto, utf-8, gb18030, utf-16, big5, cp1252 …"
        ) from error
    except UnicodeError as error:
        place = data.count(b"\n", 0, getattr(error, "start", 0)) + 1
        told = "neither UTF-8 nor GB 18030" if wanted == "gb18030" and encoding == AUTO else f"not {wanted}"
        raise ContractError(
            f"{name}: line {place} is {told}",
            remedy="set `encoding` of this source to what the file is written in, or save it as UTF-8",
        ) from error
    if wanted == "gb18030" and encoding == AUTO and not _is_chinese(text):
        raise ContractError(
            f"{name} is neither UTF-8 nor Chinese in GB 18030",
            valid="big5, cp1252, latin-1, shift_jis …",
            remedy="set `encoding` of this source to what the file is written in, or save it as UTF-8",
        )
    return text.removeprefix("\ufeff")


def _encoding(data: bytes) -> str:
    for mark, name in _MARKS:
        if data.startswith(mark):
            return name
    head = data[:_SAMPLE]
    if b"\0" in head:  # no text in UTF-8 or GB 18030 holds NUL; Latin letters in UTF-16 have it on one side
        return "utf-16-le" if head[1::2].count(0) >= head[0::2].count(0) else "utf-16-be"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "gb18030"
    return "utf-8"


def _is_chinese(text: str) -> bool:
    """Whether most letters beyond ASCII are common ones: Western text read as GB 18030 gives rare ones."""
    letters = Counter(letter for letter in text[:_SAMPLE] if letter > "\x7f")
    common = sum(count for letter, count in letters.items() if _is_common(letter))
    return common >= _COMMON * letters.total()


def _is_common(letter: str) -> bool:
    try:
        letter.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


def separator_of(text: str) -> str:
    """What separates the columns: what cuts the first lines into the same number of values, the more the likelier."""
    lines = text[:_SAMPLE].splitlines(keepends=True)
    whole = lines if len(text) <= _SAMPLE else lines[:-1]
    best, found = (0.0, 1), ","
    for one in SEPARATORS:
        widths = [len(row) for row, _ in zip(csv.reader(whole, delimiter=one), range(_LINES), strict=False) if row]
        if widths and widths[0] > 1:
            score = (round(widths.count(widths[0]) / len(widths), 2), widths[0])
            best, found = max((best, found), (score, one))
    return found


def table(data: bytes, name: str, separator: str = AUTO, encoding: str = AUTO) -> pl.DataFrame:
    """The table of a CSV file, every value as text. ContractError names the line that does not fit its header."""
    text = decoded(data, name, encoding)
    if text[:4].lower() == "sep=":  # the way to tell Excel
        first, _, text = text.partition("\n")
        separator = first.strip()[4:5] if separator == AUTO else separator
    if not text.strip():
        return pl.DataFrame()
    cut = separator_of(text) if separator == AUTO else separator
    try:
        return pl.read_csv(text.encode(), separator=cut, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise ContractError(
            f"{name} cannot be read: {_ragged(text, cut) or error}",
            remedy="correct the line, or set `separator` of this source",
        ) from error


def _ragged(text: str, separator: str) -> str:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    width = len(next(rows, []))
    for row in rows:
        if len(row) > width:
            return f"line {rows.line_num} has {len(row)} values, the header {width}"
    return ""
