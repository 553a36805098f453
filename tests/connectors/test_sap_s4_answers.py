"""SAP's answers: how errors, keys and amounts are written, and what the gateway says when it is busy."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from data import sim
from data.sim.access import Reply
from data.sim.engine import LOGIN_PAGE, Fault
from model import conform, staging
from tests.connectors.harness import Harness

Vendor = sim.load("sap_s4")


def test_an_error_is_told_in_its_own_words_that_stand_beside_their_language(connect: Callable[..., Harness]) -> None:
    life = connect("sap_s4")
    refusal = life.vendor.refuse(400, "said in words")
    life.vendor.handle = lambda _call: refusal  # type: ignore[method-assign,assignment]
    error = life.results("A_SalesOrder")[0].error or ""
    assert error.endswith("said in words"), error


@pytest.mark.parametrize("status", [429, 503])
def test_a_gateway_that_is_busy_is_asked_again(
    connect: Callable[..., Harness], waits: list[float], status: int
) -> None:
    life = connect("sap_s4")
    life.vendor.faults = [Fault("status", status=status, times=2)]
    life.sync("A_SalesOrder")
    assert len(waits) == 2
    assert life.missing("A_SalesOrder") == (set(), set())


@pytest.mark.usefixtures("waits")
def test_a_login_page_with_a_good_status_is_no_empty_list(connect: Callable[..., Harness]) -> None:
    life = connect("sap_s4")
    life.sync("A_SalesOrder")
    page = Reply(200, LOGIN_PAGE, {"content-type": "text/html"})
    life.vendor.handle = lambda _call: page  # type: ignore[method-assign,assignment]
    for _ in range(3):
        (result,) = life.results("A_SalesOrder", days=1)
        assert result.state == "failed"
    assert life.missing("A_SalesOrder") == (set(), set())


def test_keys_keep_their_leading_zeros_and_amounts_every_digit(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    order = min(vendor.tables["A_SalesOrder"].rows)
    vendor.tables["A_SalesOrder"].edit(order, TotalNetAmount="12345678901234.56")
    life = connect("sap_s4", vendor)
    life.sync("A_SalesOrder")
    conform.stage(life.instance)
    assert order.startswith("00")
    with staging.open_warehouse(life.instance) as con:
        sql = "SELECT source_id, number, customer_id, net_amount FROM staging.sales_order ORDER BY source_id LIMIT 1"
        found = con.execute(sql).fetchall()
    assert found == [(order, order, "0010001000", Decimal("12345678901234.56"))]


def test_a_document_that_was_archived_leaves_nothing_and_is_found_by_comparing_ids(
    connect: Callable[..., Harness],
) -> None:
    life = connect("sap_s4")
    life.sync("A_SalesOrder")
    del life.vendor.tables["A_SalesOrder"].rows[min(life.vendor.tables["A_SalesOrder"].rows)]
    for _ in range(3):
        life.sync("A_SalesOrder", days=1)
    assert life.missing("A_SalesOrder") == (set(), set())
