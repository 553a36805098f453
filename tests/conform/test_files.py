"""The file source: CSV, Excel and Parquet with a mapping; a real wholesaler's year of invoice lines."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import polars as pl
import pytest

from ingest import collect, files
from ingest.errors import ContractError
from model import conform, staging
from ops.instance import Instance

Make = Callable[..., Instance]
LINES = {
    "Invoice": ["489434", "489434", "C489449", "489435", "489436"],
    "StockCode": ["85048", "79323P", "22087", "POST", "X"],
    "Description": ["BALL", "LIGHTS", "BUNTING", "POSTAGE", None],
    "Quantity": [12, 2, -3, 1, -1],
    "InvoiceDate": [datetime.fromisoformat("2009-12-01 07:45")] * 5,
    "Price": [6.95, 6.755, 2.95, 18.0, 0.0],
    "Customer ID": [13085.0, 13085.0, 16321.0, None, None],
    "Country": ["United Kingdom"] * 5,
}


def books(instance: Instance, sql: str) -> list[tuple[object, ...]]:
    with staging.open_warehouse(instance) as con:
        return con.execute(sql).fetchall()


@pytest.mark.parametrize("suffix", ["csv", "xlsx", "parquet"])
def test_lines_in_are_staged_or_set_aside(tmp_path: Path, file_instance: Make, suffix: str) -> None:
    frame = pl.DataFrame(LINES)
    path = tmp_path / f"lines.{suffix}"
    if suffix == "xlsx":
        frame.write_excel(path)
    else:
        getattr(frame, f"write_{suffix}")(path)
    if suffix == "csv":
        path.write_text(path.read_text().replace("13085.0", "13085").replace("16321.0", "16321"))
    instance = file_instance("files", path=str(path), mapping="online_retail")
    assert [run.error for run in collect.sync(instance, "books") if run.error] == []
    counts = conform.stage(instance).counts
    assert (counts.landed, counts.staged, counts.rejected) == (5, 3, 2)
    sales = "SELECT customer_id, number, invoice_on, gross_amount FROM staging.invoice ORDER BY gross_amount"
    on = date(2009, 12, 1)
    assert books(instance, sales) == [
        ("13085", "489434", on, Decimal("13.51")),
        ("13085", "489434", on, Decimal("83.40")),
    ]
    returned = "SELECT customer_id, number, gross_amount FROM staging.credit_note"
    assert books(instance, returned) == [("16321", "C489449", Decimal("8.85"))]


def test_a_file_in_an_old_chinese_encoding_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes("名称,城市\n北辰,上海\n".encode("gb18030"))
    assert files.read_table(path).rows() == [("北辰", "上海")]


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.xlsx"
    path.write_bytes(b"no workbook")
    with pytest.raises(ContractError, match=r"x\.xlsx cannot be read"):
        files.read_table(path)


@pytest.mark.parametrize("key", [[], ["Invoice", "Quantity"], ["Customer ID"]])
def test_rows_in_bulk_are_the_rows_one_by_one(key: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.files.PAGE", 2)
    awkward = {"Description": ['a"b\\c\n', "", None, "北辰\u2028", "x/y"], "Invoice": ["1", None, None, "", "2"]}
    frame = files._plain(pl.DataFrame({**LINES, **awkward, "ok": [True, None, False, True, None]}))
    blank = pl.DataFrame({name: [None] for name in frame.columns}, schema=frame.schema)
    frame, path = pl.concat([frame, blank, frame]), Path("lines.parquet")
    expected = []
    for row in files.records(frame, path):
        parts = [row[name] for name in key] or [row["_file"], row["_row"]]
        expected.append({"_id": ":".join(str(part) for part in parts), **row})
    gone = {"gone", expected[0]["_id"]}
    pages = list(files.rows(frame, path.name, key, gone))
    found = [json.loads(text) for page in pages for text in page.documents or []]
    assert found == expected
    assert [list(row) for row in found] == [list(row) for row in expected]
    assert [row_id for page in pages for row_id in page.ids or []] == [row["_id"] for row in expected]
    assert gone == {"gone"}


def test_a_missing_key_column_is_named(tmp_path: Path, file_instance: Make) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    instance = file_instance("files", path=str(tmp_path / "x.csv"), mapping="online_retail", key=["c"])
    (run,) = collect.sync(instance, "books")
    assert run.error
    assert "x.csv: key column(s) missing: c" in run.error


def shared_file() -> Path:
    default = Path(__file__).resolve().parents[3] / "shared"
    return Path(os.environ.get("C360_SHARED", default)) / "data" / "online_retail_2010.parquet"


@pytest.mark.shared
def test_a_real_year_of_invoice_lines(file_instance: Make, capsys: pytest.CaptureFixture[str]) -> None:
    """Lines in = landed = staged + set aside; revenue per customer equals plain SQL over the file, to the cent."""
    path = shared_file()
    if not path.is_file():
        with capsys.disabled():
            os.write(1, f"\nNOT RUN: {path} is absent (set C360_SHARED to the folder that holds data/)\n".encode())
        pytest.skip(f"{path} is absent")
    instance = file_instance("files", path=str(path), mapping="online_retail")
    (run,) = collect.sync(instance, "books")
    assert run.error is None
    counts = conform.stage(instance).counts
    con = duckdb.connect()
    con.execute("CREATE VIEW lines AS SELECT * FROM read_parquet(?)".replace("?", f"'{path}'"))
    lines, anonymous = con.execute('SELECT count(*), count(*) - count("Customer ID") FROM lines').fetchall()[0]
    assert (counts.landed, counts.staged + counts.unchanged, counts.rejected) == (
        lines,
        lines - anonymous,
        anonymous,
    )
    expected = con.execute(
        'SELECT CAST(CAST("Customer ID" AS BIGINT) AS VARCHAR), '
        "sum(CAST(CAST(Quantity AS DECIMAL(18, 6)) * CAST(Price AS DECIMAL(18, 6)) AS DECIMAL(18, 2))) "
        'FROM lines WHERE "Customer ID" IS NOT NULL GROUP BY 1 ORDER BY 1'
    ).fetchall()
    revenue = (
        "SELECT customer_id, CAST(sum(amount) AS DECIMAL(38, 2)) FROM (SELECT customer_id, gross_amount AS amount "
        "FROM staging.invoice UNION ALL SELECT customer_id, -gross_amount FROM staging.credit_note) "
        "GROUP BY 1 ORDER BY 1"
    )
    assert books(instance, revenue) == expected
