"""Writes what Spark has to analyse: empty staging and identity tables, then every model transpiled, in run order.

Usage: python tests/project/spark_plan.py OUT.json   (runs in the project's environment, no Spark needed)
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import duckdb
import sqlglot

from model import staging, warehouse
from model.identity import survivorship

ROOT = Path(__file__).parent.parent.parent
TYPES = {
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP",
    "VARCHAR": "STRING",
    "HUGEINT": "DECIMAL(38,0)",
    "JSON": "STRING",
    "UBIGINT": "DECIMAL(20,0)",
}


def _type(name: str) -> str:
    return TYPES.get(name, sqlglot.transpile(f"SELECT CAST(NULL AS {name})", read="duckdb", write="spark")[0][20:-1])


def tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """CREATE TABLE statements for every table that models read but no model makes."""
    made = {model.name for model in warehouse.models()}
    rows = connection.execute(
        """select table_schema, table_name, list(column_name order by ordinal_position),
                  list(data_type order by ordinal_position)
           from information_schema.columns where table_catalog = 'warehouse'
             and table_schema in ('staging', 'identity', 'meta')
           group by all order by all"""
    ).fetchall()
    return [
        f"CREATE TABLE {schema}.{name} ("
        + ", ".join(f"`{column}` {_type(kind)}" for column, kind in zip(columns, kinds, strict=True))
        + ") USING parquet"
        for schema, name, columns, kinds in rows
        if f"{schema}.{name}" not in made
    ]


def empty_warehouse(folder: Path) -> duckdb.DuckDBPyConnection:
    """A warehouse with every input table and no row."""
    connection = warehouse.connect(folder / "empty.duckdb")
    warehouse.prepare(connection)
    staging.create(connection)
    connection.execute((ROOT / "model/identity/schema.sql").read_text(encoding="utf-8"))
    connection.execute(survivorship.ddl())
    return connection


def main() -> None:
    """Write the plan as JSON: {tables: [ddl], models: [{name, sql}]}."""
    with tempfile.TemporaryDirectory() as folder:
        connection = empty_warehouse(Path(folder))
        plan = {
            "tables": tables(connection),
            "models": [
                {
                    "name": model.name,
                    "sql": sqlglot.parse_one(model.sql, read="duckdb").sql("spark"),
                }
                for model in warehouse.models()
            ],
        }
        connection.close()
    Path(sys.argv[1]).write_text(json.dumps(plan, ensure_ascii=False, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
