"""What an aging cell opens adds up to it, and the movement of months ends where the aging stands."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from model import serve
from model.policy import Viewer
from model.serve import Served
from model.serve.aging import BASES, GROUPS
from ops.errors import FatalError
from tests.warehouse import helpers

TODAY = date(2026, 11, 21)
KEYS = {"customer": "customer_key", "group": "group_key", "owner": "owner_key"}


def invoice(number: str, customer: str, day: str, due: str, amount: int, **more: Any) -> dict[str, Any]:
    return {"id": number, "number": f"INV-{number}", "customer_id": f"C-{customer}", "currency": "CNY",
            "invoice_on": day, "due_on": due, "gross_amount": amount, **more}  # fmt: skip


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("C360_NOW", f"{TODAY}T02:00:00+00:00")
        made = helpers.instance(tmp_path_factory.mktemp("rows") / "i", mode="demo")
        with helpers.open_staging(made) as con:
            helpers.put(con, "employee", "erp", [
                {"id": f"E-{side}", "code": f"E-{side}", "name": f"林{side}", "email": f"{side}@example.com",
                 "team": side, "is_active": True} for side in ("north", "south")])  # fmt: skip
            helpers.put(con, "customer", "erp", [
                {"id": f"C-{side}", "code": f"K-{side}", "name": f"{side} 精密仪器有限公司", "owner_id": f"E-{side}",
                 "region": side} for side in ("north", "south")])  # fmt: skip
            helpers.put(con, "invoice", "erp", [
                invoice("1", "north", "2026-08-01", "2026-08-31", 900),
                invoice("2", "north", "2026-09-10", "2026-10-10", 400),
                invoice("3", "south", "2026-10-05", "2026-12-05", 300),
                invoice("4", "south", "2026-11-02", "2026-11-10", 50),
                invoice("5", "north", "2026-10-20", "2026-11-20", 70, currency="USD"),
            ])  # fmt: skip
            helpers.put(con, "receipt", "erp", [
                {"id": "R1", "number": "R1", "customer_id": "C-north", "currency": "CNY", "received_on": "2026-10-15",
                 "amount": 350}])  # fmt: skip
            helpers.put(con, "allocation", "erp", [
                {"id": "A1", "kind": "receipt", "receipt_id": "R1", "invoice_id": "1", "amount": 350,
                 "allocated_on": "2026-10-15", "currency": "CNY"},
                {"id": "A2", "kind": "write_off", "invoice_id": "2", "amount": 100, "allocated_on": "2026-11-05",
                 "currency": "CNY"}])  # fmt: skip
        helpers.make(made)
        yield serve.open_published(made)
        made.store.close()


@pytest.fixture(scope="module")
def viewer() -> Viewer:
    return Viewer("chen.li", "陈立", "finance", masks=frozenset())


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize("by", GROUPS)
def test_every_cell_opens_rows_that_add_up_to_it(viewer: Viewer, db: Served, by: str, basis: str) -> None:
    found = serve.aging(viewer, db, by=by, basis=basis)
    cells = 0
    for row in found["rows"]:
        for bucket, amount in row["buckets"].items():
            rows = serve.aging_rows(
                viewer, db, bucket, by=by, group=row[KEYS.get(by, by)], basis=basis, currency=row["currency"]
            )
            assert sum((one["open_amount"] for one in rows), Decimal(0)) == amount
            cells += bool(amount)
    assert cells >= 2


@pytest.mark.parametrize("net", [(), ("unallocated", "credits")])
def test_what_is_overdue_does_not_depend_on_the_basis(viewer: Viewer, db: Served, net: tuple[str, ...]) -> None:
    found = [serve.aging(viewer, db, basis=basis, net=net)["totals"] for basis in BASES]
    late = [{row["currency"]: row["overdue"] for row in totals} for totals in found]
    assert late == [{"CNY": 900 - 350 + 400 - 100 + 50, "USD": 70}] * len(BASES)
    assert {row["open"] for totals in found for row in totals} == {1200, 70}


def test_rows_obey_the_row_rule_and_the_day(viewer: Viewer, db: Served) -> None:
    key = db.rows("select employee_key from core.dim_employee where email = 'south@example.com'")[0]["employee_key"]
    south = Viewer("s", "s", "account_manager", key, scope="own")
    assert {row["invoice_number"] for row in serve.aging_rows(south, db)} == {"INV-3", "INV-4"}
    before = serve.aging_rows(viewer, db, as_of=date(2026, 9, 30))
    assert {(row["invoice_number"], row["open_amount"]) for row in before} == {("INV-1", 900), ("INV-2", 400)}


@pytest.mark.parametrize("wrong", [{"bucket": "1-31"}, {"basis": "moon"}, {"by": "colour"}])
def test_what_is_not_offered_is_refused(viewer: Viewer, db: Served, wrong: dict[str, str]) -> None:
    with pytest.raises(FatalError, match="is not offered"):
        serve.aging_rows(viewer, db, **wrong)  # type: ignore[arg-type]


def test_the_movement_of_a_month_says_what_happened(viewer: Viewer, db: Served) -> None:
    months = {(row["currency"], row["month"].month): row for row in serve.aging_movement(viewer, db, 4)}
    names = ("opening", "new", "paid", "written_off", "other", "closing", "overdue", "slipped")

    def line(month: int) -> list[int]:
        return [int(months["CNY", month][name]) for name in names]

    assert line(8) == [0, 900, 0, 0, 0, 900, 0, 0]
    assert line(9) == [900, 400, 0, 0, 0, 1300, 900, 900]
    assert line(10) == [1300, 300, 350, 0, 0, 1250, 950, 400]
    assert line(11) == [1250, 50, 0, 100, 0, 1200, 900, 50]
    assert [int(months["USD", month]["slipped"]) for month in (10, 11)] == [0, 70]


def test_the_movement_ends_where_the_aging_stands(viewer: Viewer, db: Served) -> None:
    for row in serve.aging_movement(viewer, db, 4):
        totals = {one["currency"]: one for one in serve.aging(viewer, db, row["to_on"])["totals"]}
        found = totals.get(row["currency"], {"open": Decimal(0), "overdue": Decimal(0)})
        assert (row["closing"], row["overdue"]) == (found["open"], found["overdue"])
        assert row["closing"] == row["opening"] + row["new"] - row["paid"] - row["written_off"] - row["other"]
