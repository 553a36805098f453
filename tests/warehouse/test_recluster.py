"""Sorting again what increments left out of order changes no row."""

from __future__ import annotations

from datetime import timedelta

import pytest

from model import build_run, warehouse
from ops.instance import Instance
from tests.warehouse import helpers

CUSTOMERS = 40


def change(inst: Instance, hours: int, numbers: list[int]) -> None:
    """Give these customers an invoice of another amount."""
    with helpers.open_staging(inst) as con:
        at = helpers.T0 + timedelta(hours=hours)
        named = [{"id": f"C{n}", "code": f"C{n}", "name": f"客户{n}"} for n in numbers]
        bills = [
            {"id": f"I{n}", "number": f"I{n}", "customer_id": f"C{n}", "currency": "CNY",
             "invoice_on": "2026-09-01", "gross_amount": 100 + hours} for n in numbers
        ]  # fmt: skip
        helpers.put(con, "customer", "erp", named, at=at)
        helpers.put(con, "invoice", "erp", bills, at=at)


def tail_of(inst: Instance) -> tuple[int, int]:
    """The row id at which the tail of core.fct_invoice begins, and the rows of the table."""
    con = warehouse.connect(warehouse.warehouse_path(inst.warehouse), read_only=True)
    try:
        return con.execute("""
            select (select value::integer from meta.state where key = 'sorted:core.fct_invoice'), count(*)
            from core.fct_invoice
        """).fetchall()[0]
    finally:
        con.close()


def test_sorted_tails_and_tables_hold_the_rows_of_a_full_build(inst: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_run, "UNSORTED_LIMIT", 3)
    change(inst, 1, list(range(CUSTOMERS)))
    helpers.make(inst)
    assert tail_of(inst) == (CUSTOMERS, CUSTOMERS)
    said: list[str] = []
    for step, numbers in enumerate(([1, 2, 3], [4], [3, 11, 30], [8, 9, 10, 5, 6, 7])):
        change(inst, step + 2, numbers)
        assert helpers.make(inst, release=False, progress=said.append).mode == "incremental"
    assert any("core.fct_invoice" in line for line in said if line.startswith("sorted again"))
    begin, rows = tail_of(inst)
    assert 0 < begin <= rows == CUSTOMERS
    # a tail of a quarter of the table: all of it
    monkeypatch.setattr(build_run, "TAIL_SHARE", 0.0)
    change(inst, 9, [20, 21, 22, 23])
    assert helpers.make(inst, release=False).mode == "incremental"
    assert tail_of(inst) == (CUSTOMERS, CUSTOMERS)
    in_turns = helpers.everything(inst)
    helpers.make(inst, full=True)
    assert in_turns == helpers.everything(inst)


def test_a_warehouse_that_does_not_know_where_its_tail_begins_sorts_what_was_added_last(
    inst: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(inst, 1, list(range(CUSTOMERS)))
    helpers.make(inst, release=False)
    with helpers.open_staging(inst) as con:
        con.execute("delete from meta.state where key like 'sorted:%'")
    monkeypatch.setattr(build_run, "UNSORTED_LIMIT", 2)
    change(inst, 2, [5, 6, 7])
    assert helpers.make(inst, release=False).mode == "incremental"
    begin, rows = tail_of(inst)
    assert CUSTOMERS - 3 <= begin <= rows == CUSTOMERS
    in_turns = helpers.everything(inst)
    helpers.make(inst, full=True)
    assert in_turns == helpers.everything(inst)
