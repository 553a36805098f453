"""What belongs to one customer, read from vendors that can be asked for it: that, all of it, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from data.sim.table import Record
from ingest import landing
from ingest.targets import Cause, read_customer, read_records
from tests.connectors.harness import Harness
from tests.connectors.test_single_records import good, rows

Mine = Callable[[Record, str], bool]
CAUSE = Cause("customer")


def linked(name: str) -> Mine:
    """Whether a row's Odoo link names this record."""
    return lambda row, key: bool(row[name]) and str(row[name][0]) == key


def says(name: str) -> Mine:
    return lambda row, key: str(row[name]) == key


def _number(link: Record | None) -> str:
    """The number at the end of a Shopify link; nothing of none."""
    return str((link or {}).get("id", "")).rpartition("/")[2]


VENDORS: dict[str, tuple[str, dict[str, Mine]]] = {
    "odoo": (
        "res.partner",
        {
            "crm.lead": linked("partner_id"), "sale.order": linked("partner_id"),
            "account.move": linked("commercial_partner_id"), "account.payment": linked("partner_id"),
        },
    ),
    "erpnext": (
        "Customer",
        {
            "Opportunity": says("party_name"), "Sales_Order": says("customer"), "Delivery_Note": says("customer"),
            "Sales_Invoice": says("customer"), "Payment_Entry": says("party"),
        },
    ),
    "shopify": ("customers", {"orders": lambda row, key: _number(row["customer"]) == key}),
}  # fmt: skip


@pytest.mark.parametrize("connector", VENDORS)
def test_one_customer_is_read_with_all_that_is_its_own_and_nothing_else(
    connect: Callable[..., Harness], waits: list[float], connector: str
) -> None:
    customers, streams = VENDORS[connector]
    harness = connect(connector)
    harness.sync()
    tables, known = harness.vendor.tables, {name: harness.documents(name) for name in (customers, *streams)}
    key = max(
        known[customers],
        key=lambda one: (sum(any(of(row, one) for row in known[name].values()) for name, of in streams.items()), one),
    )
    harness.vendor.clock.advance(seconds=30)
    for name, documents in known.items():
        for row_id in documents:
            tables[name].edit(row_id)
    done = good(read_customer(harness.instance, "src", [key], CAUSE))
    for name, of in streams.items():
        mine = {row_id for row_id, row in known[name].items() if of(row, key)}
        assert mine, f"{name} has nothing of the chosen customer"
        changed = harness.documents(name)
        assert {row_id for row_id in changed if changed[row_id] != known[name][row_id]} == mine
        assert done[name].rows_landed == len(mine)
    now = harness.documents(customers)
    assert {row_id for row_id in now if now[row_id] != known[customers][row_id]} == {key}
    harness.sync(minutes=5)
    for name in known:
        assert harness.missing(name) == (set(), set())


def test_what_a_contact_of_an_odoo_customer_bought_is_the_customer_s(
    connect: Callable[..., Harness], waits: list[float]
) -> None:
    harness = connect("odoo")
    harness.sync()
    orders = harness.vendor.tables["sale.order"]
    bought = next(row_id for row_id, row in orders.rows.items() if row["partner_id"][0] == 300)
    company = str(harness.vendor.tables["res.partner"].rows["300"]["parent_id"][0])
    harness.vendor.clock.advance(seconds=30)
    before = harness.documents("sale.order")
    orders.edit(bought)
    good(read_customer(harness.instance, "src", [company], CAUSE))
    after = harness.documents("sale.order")
    assert [row_id for row_id in after if after[row_id] != before[row_id]] == [bought]


@pytest.mark.parametrize("name", ['A "b" {window.start}], ["name", "!=", "', "北岭 仪器（苏州）", "a\\b"])
def test_a_quoted_id_is_one_id_whatever_its_characters(
    connect: Callable[..., Harness], waits: list[float], name: str
) -> None:
    """ERPNext names customers by their names: quotation marks, braces and Chinese are all in ids."""
    harness = connect("erpnext")
    harness.sync("Customer")
    known, other = len(rows(harness, "Customer")), min(harness.documents("Customer"))
    table: Any = harness.vendor.tables["Customer"]
    harness.vendor.clock.advance(seconds=30)
    table.add({**table.rows[other], "name": name, "customer_name": name})
    table.edit(other)
    good(read_records(harness.instance, "src", {"Customer": [name]}, CAUSE))
    landed = landing.runs(harness.instance.landing, "src", "Customer")
    assert len(landed) == 2
    assert len(rows(harness, "Customer")) == known + 1
    assert name in harness.documents("Customer")
