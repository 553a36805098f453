"""The ledger of trust case 1 of the credit controller, summed from core by the open-amount definition."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ops.instance import Instance
from tests.warehouse import helpers

OPEN = """
with settled as (
    select invoice_key, plan_row, sum(amount) as amount from core.fct_allocation
    where known_to is null and excluded_reason is null and effective_on <= date '{day}'
        and (reversed_on is null or reversed_on > date '{day}')
    group by invoice_key, plan_row
)
select i.currency, sum(i.amount - coalesce(s.amount, 0)) as open,
    sum(case when i.due_on < date '{day}' then i.amount - coalesce(s.amount, 0) else 0 end) as overdue,
    sum(case when i.due_on is null then i.amount - coalesce(s.amount, 0) else 0 end) as no_due_date
from core.fct_plan_row i
left join settled s on s.invoice_key = i.invoice_key and s.plan_row = i.plan_row
where i.known_to is null and i.excluded_reason is null and i.posted_on <= date '{day}'
group by i.currency order by i.currency
"""


def stage(inst: Instance) -> None:
    with helpers.open_staging(inst) as con:
        helpers.put(con, "customer", "erp", [{"id": "C1", "code": "C1", "name": "示例仪器有限公司"}])
        base: dict[str, Any] = {"customer_id": "C1", "currency": "CNY"}
        helpers.put(con, "invoice", "erp", [
            base | {"id": "A1", "number": "A1", "invoice_on": "2026-08-01", "gross_amount": 113000},
            base | {"id": "A2", "number": "A2", "invoice_on": "2026-09-20", "gross_amount": 22600},
            base | {"id": "A3", "number": "A3", "invoice_on": "2026-10-22", "due_on": "2026-11-21",
                    "gross_amount": 9040},
            base | {"id": "A4", "number": "A4", "invoice_on": "2025-10-22", "due_on": "2025-11-21",
                    "gross_amount": 3000},
            {"id": "E1", "number": "E1", "customer_id": "C1", "currency": "EUR", "invoice_on": "2026-07-01",
             "due_on": "2026-08-23", "gross_amount": 10000},
        ])  # fmt: skip
        helpers.put(con, "invoice_plan", "erp", [
            {"id": "A1-1", "invoice_id": "A1", "row_number": 1, "due_on": "2026-08-31", "amount": 33900},
            {"id": "A1-2", "invoice_id": "A1", "row_number": 2, "due_on": "2026-10-30", "amount": 67800},
            {"id": "A1-3", "invoice_id": "A1", "row_number": 3, "due_on": "2027-08-01", "amount": 11300,
             "is_retention": True},
        ])  # fmt: skip
        helpers.put(con, "receipt", "erp", [
            base | {"id": "R1", "number": "R1", "received_on": "2026-09-05", "amount": 50000},
            {"id": "R2", "number": "R2", "customer_id": "C1", "currency": "EUR", "received_on": "2026-10-02",
             "amount": 4000},
            {"id": "R3", "number": "R3", "customer_id": "C1", "currency": "EUR", "received_on": "2026-11-20",
             "amount": 6000},
        ])  # fmt: skip
        helpers.put(con, "credit_note", "erp", [
            base | {"id": "N1", "number": "N1", "kind": "red_letter", "credit_on": "2026-10-12",
                    "gross_amount": 5650},
        ])  # fmt: skip
        helpers.put(con, "allocation", "erp", [
            {"id": "1", "kind": "receipt", "receipt_id": "R1", "invoice_id": "A1", "plan_row_number": 1,
             "amount": 33900, "allocated_on": "2026-09-08"},
            {"id": "2", "kind": "receipt", "receipt_id": "R1", "invoice_id": "A1", "plan_row_number": 2,
             "amount": 10000, "allocated_on": "2026-09-08"},
            {"id": "3", "kind": "credit_note", "credit_note_id": "N1", "invoice_id": "A1", "plan_row_number": 2,
             "amount": 5650, "allocated_on": "2026-10-12"},
            {"id": "4", "kind": "write_off", "invoice_id": "A4", "plan_row_number": 1, "amount": 1000,
             "allocated_on": "2026-11-25"},
            {"id": "5", "kind": "receipt", "receipt_id": "R2", "invoice_id": "E1", "plan_row_number": 1,
             "amount": 4000, "allocated_on": "2026-10-02"},
            {"id": "6", "kind": "receipt", "receipt_id": "R3", "invoice_id": "E1", "plan_row_number": 1,
             "amount": 6000, "allocated_on": "2026-11-24"},
        ])  # fmt: skip


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2026-11-21", [("CNY", "98090", "55150", "22600"), ("EUR", "6000", "6000", "0")]),
        ("2026-09-06", [("CNY", "116000", "36900", "0"), ("EUR", "10000", "10000", "0")]),
    ],
)
def test_open_and_overdue(inst: Instance, day: str, expected: list[tuple[str, ...]]) -> None:
    stage(inst)
    result = helpers.make(inst)
    assert result.mode == "full"
    found = helpers.rows(inst, OPEN.format(day=day))
    assert found == [(c, *(Decimal(a) for a in amounts)) for c, *amounts in expected]


def test_open_items_as_known_now(inst: Instance) -> None:
    stage(inst)
    helpers.make(inst)
    found = helpers.rows(
        inst, "select record_key, open_amount, settled_on from marts.mart_open_item order by record_key"
    )
    assert {key: str(amount) for key, amount, _ in found} == {
        "erp:A1#1": "0.00",
        "erp:A1#2": "52150.00",
        "erp:A1#3": "11300.00",
        "erp:A2#1": "22600.00",
        "erp:A3#1": "9040.00",
        "erp:A4#1": "2000.00",
        "erp:E1#1": "0.00",
    }


def test_history_before_the_first_collection_is_labelled(inst: Instance) -> None:
    stage(inst)
    helpers.make(inst)
    (row,) = helpers.rows(
        inst,
        "select is_reconstructed, cast(known_from as date) from core.fct_plan_row where invoice_number = 'A4'",
    )
    assert row[0] is True
    assert str(row[1]) == "2025-10-22"


def test_month_ends_equal_the_ledger_on_those_days(inst: Instance) -> None:
    stage(inst)
    helpers.make(inst)
    found = helpers.rows(inst, "select * from marts.mart_receivables_trend where month_on <= date '2026-11-01'")
    assert len(found) > 10
    checked = 0
    for month, currency, amount, overdue in found:
        (day,) = helpers.rows(inst, f"select last_day(date '{month}')")[0]
        ledger = {row[0]: row[1:3] for row in helpers.rows(inst, OPEN.format(day=day))}
        assert ledger.get(currency, (0, 0)) == (amount, overdue), (month, currency)
        checked += 1
    assert checked == len(found)
