"""The template source: files in, receivables out, and errors that say what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple
from datetime import date
from decimal import Decimal
from pathlib import Path

import fastexcel
import pytest
import xlsxwriter

from ingest import collect
from ingest.spec import SHIPPED
from model import conform, schema, staging, templates
from ops.errors import FatalError
from ops.instance import Instance
from ops.tables import quarantine

CASE = Path(__file__).parent / "trust_case_1"
Make = Callable[..., Instance]


def collected(instance: Instance) -> list[str]:
    """Errors of one collection of `books`."""
    return [f"{r.error} {r.remedy}" for r in collect.sync(instance, "books") if r.error]


def test_the_connector_follows_the_schema() -> None:
    written = (SHIPPED / "template" / "source.toml").read_text(encoding="utf-8")
    assert written == templates.source_toml(), "write it again from model.templates.source_toml"


def test_export_writes_every_entity_documented(tmp_path: Path) -> None:
    written = templates.export(tmp_path / "t", language="zh")
    assert len(written) == 2 * len(schema.entities())
    assert (tmp_path / "t" / "invoice.csv").read_bytes().startswith(b"\xef\xbb\xbfid,customer_id,number,")
    book = fastexcel.read_excel(tmp_path / "t" / "invoice.xlsx")
    assert book.sheet_names == ["填写", "说明"]
    about = book.load_sheet(1, header_row=3).to_polars()
    assert about["列"].to_list() == [column.name for column in templates.columns(schema.entity("invoice"))]
    with pytest.raises(FatalError, match="already holds"):
        templates.export(tmp_path / "t")


def test_an_empty_export_is_a_source_without_rows(tmp_path: Path, file_instance: Make) -> None:
    templates.export(tmp_path / "t", language="en")
    instance = file_instance("template", folder=str(tmp_path / "t"))
    assert collected(instance) == []
    assert conform.stage(instance).counts.landed == 0


def test_trust_case_1_arrives_whole_with_its_defaults(file_instance: Make) -> None:
    instance = file_instance("template", folder=str(CASE))
    assert collected(instance) == []
    assert astuple(conform.stage(instance).counts) == (19, 0, 19, 0, 0)
    with staging.open_warehouse(instance) as con:
        invoice = con.execute(
            "SELECT kind, document_status, is_void, posted_on, due_on, gross_amount, entered_at "
            "FROM staging.invoice WHERE source_id = 'A1'"
        ).fetchall()
        assert invoice == [("invoice", "approved", False, date(2026, 8, 1), None, Decimal("113000.00"), None)]
        plan = con.execute("SELECT sum(amount), bool_or(is_retention) FROM staging.invoice_plan").fetchall()
        assert plan == [(Decimal("113000.00"), True)]
        settled = con.execute("SELECT kind, sum(amount) FROM staging.allocation GROUP BY 1 ORDER BY 1").fetchall()
        assert settled == [
            ("credit_note", Decimal("5650.00")),
            ("receipt", Decimal("53900.00")),
            ("write_off", Decimal("1000.00")),
        ]


def write(folder: Path, **files: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return str(folder)


def test_a_missing_column_names_file_column_and_remedy(tmp_path: Path, file_instance: Make) -> None:
    folder = write(tmp_path / "t", customer="code,name\nC1,x\n", invoice="customer_id,number\nC1,A1\n")
    instance = file_instance("template", folder=folder)
    (error,) = collected(instance)
    assert "invoice.csv" in error
    assert "'gross_amount'" in error
    assert "add the column to invoice.csv" in error
    assert conform.stage(instance).counts.staged == 1, "the other files go on"


def test_an_unknown_column_is_refused_with_the_valid_ones(tmp_path: Path, file_instance: Make) -> None:
    instance = file_instance("template", folder=write(tmp_path / "t", customer="code,nmae\nC1,x\n"))
    (error,) = collected(instance)
    assert "customer.csv: unknown column 'nmae' (did you mean 'name'?)" in error


def test_a_file_that_no_entity_reads_is_refused(tmp_path: Path, file_instance: Make) -> None:
    instance = file_instance("template", folder=write(tmp_path / "t", invoices="number\nA1\n"))
    assert "invoices.csv: no entity has this name; did you mean invoice?" in collected(instance)[0]


def test_two_rows_with_one_number_are_refused(tmp_path: Path, file_instance: Make) -> None:
    instance = file_instance("template", folder=write(tmp_path / "t", customer="code,name\nC1,x\nC2,y\nC1,z\n"))
    assert "customer.csv: rows 2 and 4 have the same code: C1" in collected(instance)[0]


def test_a_broken_cell_goes_to_quarantine_with_its_row(tmp_path: Path, file_instance: Make) -> None:
    head = "customer_id,number,invoice_on,currency,gross_amount\n"
    folder = write(tmp_path / "t", invoice=head + "C1,A1,2026-08-01,CNY,10\nC1,A2,soon,CNY,5\n")
    instance = file_instance("template", folder=folder)
    assert collected(instance) == []
    assert astuple(conform.stage(instance).counts) == (2, 0, 1, 0, 1)
    with instance.store.read() as connection:
        chosen = quarantine.select().order_by(quarantine.c.quarantine_id)
        row = connection.execute(chosen).mappings().all()[0]
    assert (row["field"], row["value"], row["reason"]) == (
        "invoice_on",
        "soon",
        "not a date (invoice.csv row 3)",
    )


def test_codes_resolve_to_ids_and_rows_that_leave_are_deleted(tmp_path: Path, file_instance: Make) -> None:
    rows = "customer_id,name\nC1,张三\n"
    folder = write(tmp_path / "t", customer="id,code,name\n77,C1,x\n78,C2,y\n", contact=rows)
    instance = file_instance("template", folder=folder)
    collected(instance)
    conform.stage(instance)
    write(tmp_path / "t", customer="id,code,name\n77,C1,x\n")
    collected(instance)
    conform.stage(instance)
    with staging.open_warehouse(instance) as con:
        assert con.execute("SELECT customer_id FROM staging.contact").fetchall() == [("77",)]
        current = "SELECT source_id, is_deleted FROM staging.customer WHERE seen_to IS NULL ORDER BY 1"
        assert con.execute(current).fetchall() == [("77", False), ("78", True)]


def test_a_workbook_is_as_good_as_a_csv(tmp_path: Path, file_instance: Make) -> None:
    (tmp_path / "t").mkdir()
    book = xlsxwriter.Workbook(str(tmp_path / "t" / "invoice.xlsx"))
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["customer_id", "number", "invoice_on", "currency", "gross_amount"])
    sheet.write_row(1, 0, ["C1", "A1"])
    sheet.write_datetime(1, 2, date(2026, 8, 1), book.add_format({"num_format": "yyyy-mm-dd"}))
    sheet.write_row(1, 3, ["CNY", -12.5])
    book.close()
    instance = file_instance("template", folder=str(tmp_path / "t"))
    assert collected(instance) == []
    assert astuple(conform.stage(instance).counts) == (1, 0, 1, 0, 0)
    with staging.open_warehouse(instance) as con:
        found = con.execute("SELECT invoice_on, gross_amount, kind FROM staging.invoice").fetchall()
    assert found == [(date(2026, 8, 1), Decimal("-12.50"), "red")]
