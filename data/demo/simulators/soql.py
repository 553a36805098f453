"""A small SOQL: SELECT … FROM … WHERE … AND … ORDER BY … LIMIT n, over rows that are dicts."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from data.demo.world import Record

_SHAPE = re.compile(
    r"^\s*SELECT\s+(?P<fields>.+?)\s+FROM\s+(?P<table>\w+)(?:\s+WHERE\s+(?P<where>.+?))?"
    r"(?:\s+ORDER\s+BY\s+(?P<order>.+?))?(?:\s+LIMIT\s+(?P<limit>\d+))?(?:\s+OFFSET\s+(?P<offset>\d+))?\s*$",
    re.IGNORECASE | re.DOTALL,
)
_TERM = re.compile(
    r"^\s*\(?\s*(\w+)\s*(>=|<=|!=|<>|=|>|<|\bLIKE\b|\bNOT\s+IN\b|\bIN\b)\s*(.+?)\s*$",
    re.IGNORECASE | re.DOTALL,
)
_INSTANT = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)$")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
Test = Callable[[Record], bool]


class SoqlError(Exception):
    """A query the vendor would refuse; `code` is its errorCode."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Query:
    """A parsed query."""

    fields: list[str]
    table: str
    tests: list[Test] = field(default_factory=list)
    order: list[tuple[str, bool]] = field(default_factory=list)
    limit: int | None = None


def _value(text: str) -> Any:
    text = text.strip()
    if text.startswith("'"):
        return text.strip("'").replace("\\'", "'")
    lowered = text.lower()
    if lowered in {"true", "false"}:
        return lowered == "true"
    if lowered == "null":
        return None
    if _INSTANT.match(text):
        return _instant(text)
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        return float(text)
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return text
    raise SoqlError("MALFORMED_QUERY", f"unexpected token: '{text}'")


def _instant(text: str) -> str:
    from data.demo import timing

    moment = timing.parse_utc(re.sub(r"\.\d+", "", text))
    return timing.salesforce(moment)


def _test(term: str, known: Sequence[str]) -> Test:
    match = _TERM.match(term)
    if not match:
        raise SoqlError("MALFORMED_QUERY", f"unexpected token: '{term.strip()}'")
    name, op, raw = match[1], re.sub(r"\s+", " ", match[2].upper()), match[3]
    if op not in {"IN", "NOT IN"}:
        raw = raw.rstrip(") ") if not raw.strip().startswith("'") else raw.strip().rstrip(")")
    name = _field(name, known)
    if op in {"IN", "NOT IN"}:
        values = {_value(part) for part in raw.strip().strip("()").split(",")}
        wanted = op == "IN"
        return lambda row: (row.get(name) in values) is wanted
    if op == "LIKE":
        pattern = re.compile(re.escape(str(_value(raw))).replace("%", ".*"), re.IGNORECASE)
        return lambda row: bool(pattern.fullmatch(str(row.get(name) or "")))
    value, compare = _value(raw), _COMPARE[op]
    if op in {"=", "!=", "<>"}:
        return lambda row: compare(row.get(name), value)
    return lambda row: row.get(name) is not None and compare(row[name], value)


def _field(name: str, known: Sequence[str]) -> str:
    for candidate in known:
        if candidate.lower() == name.lower():
            return candidate
    raise SoqlError(
        "INVALID_FIELD",
        f"No such column '{name}' on entity. If you are attempting to use a custom field, append '__c'.",
    )


def parse(text: str, tables: dict[str, list[str]]) -> Query:
    """Parse `text` against the known fields per table; raises SoqlError with the vendor's code."""
    match = _SHAPE.match(text)
    if not match:
        raise SoqlError("MALFORMED_QUERY", f"unexpected token: '{text.strip()[:40]}'")
    table = next((name for name in tables if name.lower() == match["table"].lower()), "")
    if not table:
        raise SoqlError("INVALID_TYPE", f"sObject type '{match['table']}' is not supported.")
    if match["offset"] and int(match["offset"]) > 2000:
        raise SoqlError("NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000")
    known = tables[table]
    if match["fields"].strip().upper() == "FIELDS(ALL)":
        if not match["limit"] or int(match["limit"]) > 200:
            raise SoqlError("MALFORMED_QUERY", "The SOQL FIELDS function must have a LIMIT of at most 200")
        fields = list(known)
    else:
        fields = [_field(part.strip(), known) for part in match["fields"].split(",")]
    query = Query(fields, table, limit=int(match["limit"]) if match["limit"] else None)
    if match["where"]:
        query.tests = [_test(term, known) for term in re.split(r"\s+AND\s+", match["where"], flags=re.IGNORECASE)]
    for part in (match["order"] or "").split(","):
        if part.strip():
            words = part.split()
            query.order.append((_field(words[0], known), len(words) > 1 and words[1].upper() == "DESC"))
    return query


def run(query: Query, rows: Sequence[Record]) -> list[Record]:
    """Rows that pass, ordered; nulls first as the vendor sorts them."""
    found = [row for row in rows if all(test(row) for test in query.tests)]
    for name, descending in reversed(query.order):
        found.sort(
            key=lambda row: (row[name] is not None, row[name] if row[name] is not None else ""),
            reverse=descending,
        )
    return found[: query.limit] if query.limit is not None else found
