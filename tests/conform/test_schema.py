"""The canonical schema is complete enough to fill in a template from."""

from __future__ import annotations

import duckdb
import polars as pl
import pytest

from model import schema, staging
from model.conform import convert
from model.conform.spec import FieldSpec

COLUMNS = [(entity, column) for entity in schema.entities().values() for column in entity.columns]


def test_every_entity_of_the_contract_is_there() -> None:
    assert set(schema.entities()) == {
        "customer",
        "contact",
        "employee",
        "product",
        "opportunity",
        "contract",
        "sales_order",
        "sales_order_line",
        "shipment",
        "asset",
        "invoice",
        "invoice_plan",
        "receipt",
        "allocation",
        "credit_note",
        "ticket",
        "ticket_event",
        "interaction",
        "project",
        "milestone",
        "exchange_rate",
        "control_balance",
    }


@pytest.mark.parametrize(("entity", "column"), COLUMNS, ids=lambda x: getattr(x, "name", ""))
def test_column_is_described_and_its_example_fits(entity: schema.Entity, column: schema.Column) -> None:
    assert column.zh
    assert column.en
    assert column.description
    assert column.description_zh
    assert all(target in schema.entities() for target in column.refers_to)
    if column.example:
        frame = pl.DataFrame({"v": [column.example]})
        value = frame.select(v=convert.typed(pl.col("v"), column, FieldSpec(path=["v"]), "Asia/Shanghai"))["v"][0]
        assert value is not None
        assert not column.lookup or value in column.lookup


def test_staging_tables_follow_the_schema_and_gain_new_columns() -> None:
    con = duckdb.connect()
    staging.create(con)
    con.execute("ALTER TABLE staging.invoice DROP COLUMN due_on")
    staging.create(con)
    found = {row[0] for row in con.execute("SELECT column_name FROM (DESCRIBE staging.invoice)").fetchall()}
    assert found == set(staging.columns(schema.entity("invoice")))


def test_unknown_entity_names_the_valid_ones() -> None:
    with pytest.raises(schema.FatalError, match=r"unknown canonical entity 'invoces'.*invoice_plan"):
        schema.entity("invoces")
