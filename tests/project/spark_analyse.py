"""Lets Apache Spark analyse every model of a plan; prints one line a model, exit 1 when one is refused.

Usage: python tests/project/spark_analyse.py PLAN.json   (runs in the Spark environment)
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql.utils import AnalysisException, ParseException


def main() -> int:
    """Analyse; the resolved columns of each model become the tables that later models read."""
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        spark = (
            SparkSession.builder.master("local[1]")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.warehouse.dir", folder)
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.catalogImplementation", "in-memory")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.driver.host", "127.0.0.1")
            .getOrCreate()
        )
        spark.sparkContext.setLogLevel("ERROR")
        for schema in ("staging", "identity", "meta", "core", "marts"):
            spark.sql(f"CREATE DATABASE IF NOT EXISTS {schema}")
        for statement in plan["tables"]:
            spark.sql(statement)
        for model in plan["models"]:
            name = model["name"]
            try:
                fields = spark.sql(model["sql"]).schema
            except (AnalysisException, ParseException) as error:
                failed += 1
                print(f"REFUSED {name}: {str(error).splitlines()[0]}")
                continue
            columns = ", ".join(f"`{field.name}` {field.dataType.simpleString()}" for field in fields)
            spark.sql(f"CREATE TABLE {name} ({columns.replace('void', 'string')}) USING parquet")
            print(f"ok {name}: {len(fields)} columns")
        spark.stop()
    print(f"Spark analysed {len(plan['models'])} models, {failed} refused.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
