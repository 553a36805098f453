"""What the SQL console accepts: one query over named tables, judged on two independent syntax trees.

sqlglot reads what was typed, resolves every table and writes the statement anew. DuckDB's own parser then reads what
sqlglot wrote, and every node of that tree must be on an allow-list: a difference between the two parsers ends in a
refusal, never in a table that was not asked for.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import sqlglot
from sqlglot import exp

from model.serve.console_functions import SCALAR_FUNCTIONS, TABLE_FUNCTIONS
from ops.errors import FatalError

CATALOG = "memory"
MAX_CHARACTERS = 20_000
_NAMES = "tables as core.NAME or marts.NAME, and the names of your own CTEs"
_RESERVED = ("duckdb_", "pragma_", "sqlite_", "pg_", "information_schema", "sql_")
_STRUCTURE = frozenset(
    {
        *("SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"),
        *("BASE_TABLE", "SUBQUERY", "JOIN", "TABLE_FUNCTION", "EMPTY", "EXPRESSION_LIST"),
        *("ORDER_MODIFIER", "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER", "DISTINCT_MODIFIER"),
    }
)
_EXPRESSIONS = frozenset(
    {
        *("COLUMN_REF", "CONSTANT", "FUNCTION", "WINDOW", "CAST", "CASE", "COMPARISON", "CONJUNCTION", "OPERATOR"),
        *("BETWEEN", "SUBQUERY", "STAR", "LAMBDA", "LAMBDA_REF", "POSITIONAL_REFERENCE", "TYPE", "COLLATE"),
    }
)


class Refused(FatalError):  # noqa: N818 - named after what happened
    """The console does not run this statement; nothing was read."""


@dataclass(frozen=True)
class Statement:
    """A statement ready to run; `tables` are the (schema, name) it reads, all of them in CATALOG."""

    sql: str
    tables: frozenset[tuple[str, str]]


def prepare(text: str, known: frozenset[tuple[str, str]], now: datetime, zone: str, limit: int) -> Statement:
    """`text` as a statement over `known` tables with at most `limit` rows; Refused says what is not allowed.

    `now` (aware) and the company's `zone` stand in for current_timestamp and current_date.
    """
    tree = _parse(text)
    tables = frozenset(filter(None, [_resolve(table, known) for table in list(tree.find_all(exp.Table))]))
    _fix_clock(tree, now, zone)
    sql = _limited(tree, limit).sql("duckdb", comments=False)
    names = {cte.alias_or_name.lower() for cte in tree.find_all(exp.CTE)}
    _verify(sql, tables, names)
    return Statement(sql, tables)


def _parse(text: str) -> exp.Query:
    if len(text) > MAX_CHARACTERS:
        raise Refused(f"the statement has {len(text):,} characters", valid=f"at most {MAX_CHARACTERS:,}")
    try:
        found = [tree for tree in sqlglot.parse(text, read="duckdb") if tree is not None]
    except (sqlglot.errors.SqlglotError, RecursionError) as error:
        shown = str(error).replace("\x1b[4m", "").replace("\x1b[0m", "")
        raise Refused(f"this is not SQL the console understands: {shown}", valid="one SELECT of DuckDB SQL") from error
    if len(found) != 1:
        raise Refused(f"{len(found)} statements were given", valid="exactly one SELECT")
    if not isinstance(found[0], exp.Query):
        raise Refused(f"{found[0].key.upper()} is not allowed here", valid="one SELECT (WITH, UNION … included)")
    return found[0]


def _resolve(table: exp.Table, known: frozenset[tuple[str, str]]) -> tuple[str, str] | None:
    """Point a table at its gated twin; None for a CTE and for a table function, which `_verify` judges."""
    if not isinstance(table.this, exp.Identifier):
        if isinstance(table.this, exp.Func) and not table.args.get("db"):
            return None
        raise Refused(f"{table.sql('duckdb')} names a table with too many parts", valid=_NAMES)
    if table.args.get("when"):
        raise Refused("AT is not allowed here", valid="the published build as it stands")
    schema, name = table.db.lower(), table.name.lower()
    if table.catalog:
        raise Refused(f"{table.sql('duckdb')} names a catalogue", valid=_NAMES)
    if not schema:
        if name in _visible(table):
            return None
        homes = [item for item in known if item[1] == name]
        schema = homes[0][0] if homes else ""
    if (schema, name) not in known:
        raise _unknown(table, known)
    for part, value in (("catalog", CATALOG), ("db", schema), ("this", name)):
        table.set(part, exp.to_identifier(value, quoted=True))
    return schema, name


def _unknown(table: exp.Table, known: frozenset[tuple[str, str]]) -> Refused:
    names = {name: f"{schema}.{name}" for schema, name in sorted(known)}
    near = [names[name] for name in difflib.get_close_matches(table.name.lower(), names, n=3)]
    return Refused(
        f"there is no table {table.sql('duckdb')} that you may query",
        valid=", ".join(near) or ", ".join(names.values()),
        remedy="`c360 query --tables` lists tables and columns",
    )


def _visible(node: exp.Expr) -> set[str]:
    """Lower-case names of the CTEs that a table at `node` can see."""
    names: set[str] = set()
    child: exp.Expr = node
    while child.parent is not None:
        parent = child.parent
        if isinstance(parent, exp.With):
            place = next(i for i, cte in enumerate(parent.expressions) if cte is child)
            upto = place + 1 if parent.args.get("recursive") else place
            names |= {cte.alias_or_name.lower() for cte in parent.expressions[:upto]}
        elif not isinstance(child, exp.With) and isinstance(parent.args.get("with_"), exp.With):
            names |= {cte.alias_or_name.lower() for cte in parent.args["with_"].expressions}
        child = parent
    return names


def _fix_clock(tree: exp.Query, now: datetime, zone: str) -> None:
    """The company's date and the product's clock instead of the machine's."""
    day = now.astimezone(ZoneInfo(zone)).date().isoformat()
    for node in list(tree.walk()):
        if isinstance(node, exp.CurrentDate):
            node.replace(exp.cast(exp.Literal.string(day), "date"))
        elif isinstance(node, exp.CurrentTimestamp) or (
            isinstance(node, exp.Anonymous) and node.name.lower() in {"now", "get_current_timestamp"}
        ):
            node.replace(exp.cast(exp.Literal.string(now.isoformat()), "timestamptz"))


def _limited(tree: exp.Query, limit: int) -> exp.Query:
    """The query with its own smaller limit, or `limit`."""
    own = tree.args.get("limit")
    if own is None:
        return tree.limit(limit)
    count = own.expression if isinstance(own, exp.Limit) else None
    if isinstance(count, exp.Literal) and count.is_int and int(count.this) > limit:
        own.set("expression", exp.Literal.number(limit))
    return tree


def _verify(sql: str, tables: frozenset[tuple[str, str]], ctes: set[str]) -> None:
    """Refuse whatever DuckDB's parser sees in `sql` that is not allowed by name."""
    strange = [name for name in ctes if name.startswith(_RESERVED)]
    if strange:
        raise Refused(f"a CTE may not be called {strange[0]!r}", valid="another name")
    cursor = _parser().cursor()
    try:
        found = cursor.execute("select json_serialize_sql(?)", [sql]).fetchall()[0][0]
    except duckdb.Error as error:
        raise Refused(f"this is not SQL the console understands: {error}", valid="one SELECT") from error
    finally:
        cursor.close()
    tree = json.loads(found)
    if tree.get("error") or len(tree.get("statements", [])) != 1:
        raise Refused(tree.get("error_message") or "not one statement", valid="one SELECT")
    for node in _nodes(tree["statements"][0]["node"]):
        _judge(node, tables, ctes)


@cache
def _parser() -> duckdb.DuckDBPyConnection:
    """DuckDB without any data, for its parser."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("set enable_external_access = false")
    return connection


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            yield item
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)


def _judge(node: dict[str, Any], tables: frozenset[tuple[str, str]], ctes: set[str]) -> None:
    kind, group = node.get("type"), node.get("class")
    if isinstance(group, str) and group not in _EXPRESSIONS:
        raise Refused(f"{group.lower().replace('_', ' ')} is not allowed here", valid="ordinary expressions")
    if isinstance(kind, str) and group is None and "id" not in node and kind not in _STRUCTURE:
        allowed = kind in {"ASCENDING", "DESCENDING", "ORDER_DEFAULT"}
        if not allowed:
            raise Refused(f"{kind.lower().replace('_', ' ')} is not allowed here", valid="SELECT over tables and CTEs")
    if kind == "BASE_TABLE":
        path = [str(part) for part in node["qualified_name"]["path"]]
        own = len(path) == 1 and path[0].lower() in ctes
        gated = len(path) == 3 and path[0] == CATALOG and (path[1], path[2]) in tables
        if not (own or gated) or node.get("at_clause"):
            raise Refused(f"{'.'.join(path)} is not a table of the console", valid=_NAMES)
    if "function_name" in node:
        _function(node, TABLE_FUNCTIONS | SCALAR_FUNCTIONS)
    if kind == "TABLE_FUNCTION" and str(node["function"].get("function_name", "")).lower() not in TABLE_FUNCTIONS:
        raise Refused(f"{node['function'].get('function_name')}() is no table here", valid=_NAMES)


def _function(node: dict[str, Any], allowed: frozenset[str]) -> None:
    name = str(node["function_name"]).lower()
    path = [str(part).lower() for part in node.get("qualified_name", {}).get("path", [name])]
    if name in allowed and path == [name]:
        return
    near = difflib.get_close_matches(name, allowed, n=3)
    raise Refused(f"the function {'.'.join(path)}() is not allowed here", valid=", ".join(near) or "see docs/query.md")
