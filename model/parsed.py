"""Statements that a process runs again and again, parsed once.

To parse one of the models costs DuckDB two milliseconds, as much as to run it over a small company.
"""

from __future__ import annotations

import duckdb

_KEPT = 1000
_statements: dict[str, duckdb.Statement] = {}


def execute(con: duckdb.DuckDBPyConnection, sql: str) -> duckdb.DuckDBPyConnection:
    """Run the one statement `sql`, which has no parameters; its text is kept, so it must not hold values that vary."""
    return con.execute(statement(con, sql))


def statement(con: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement:
    """`sql`, one statement, parsed; any connection may run it. Raises duckdb.ParserException."""
    found = _statements.get(sql)
    if found is None:
        (found,) = con.extract_statements(sql)
        if len(_statements) >= _KEPT:
            _statements.clear()
        _statements[sql] = found
    return found
