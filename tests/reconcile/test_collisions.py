"""Teams and systems that contradict each other: quotes, prices, milestones, projects, warranty."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest

from ops.instance import Instance
from tests.receivables import books
from tests.reconcile.conftest import CONTRACT, INVOICE, Files, found, told

# one set of books: every test asks its own rule about documents of its own
FILES: Files = {
    "customer": "code,name\nC1,示例仪器有限公司\nC2,样本电子有限公司\n",
    "employee": "code,name,email\nE1,林北,e1@example.com\nE2,林南,e2@example.com\n",
    "opportunity": "customer_id,number,name,kind,owner_id,amount,currency,created_at,close_on,is_closed\n"
    "C1,OP-1,产线扩建,expansion,E1,560000,CNY,2026-10-01 09:00:00,2026-12-31,false\n"
    "C1,OP-2,产线 扩建,new,E2,486000,CNY,2026-10-20 09:00:00,2026-12-31,false\n"
    # the same person, another thing, closed, or quoted by nobody else: no collision
    "C1,OP-3,产线扩建,expansion,E1,300000,CNY,2026-10-21 09:00:00,2026-12-31,false\n"
    "C1,OP-4,实验室,renewal,E2,120000,CNY,2026-10-22 09:00:00,2026-12-31,false\n"
    "C1,OP-5,产线扩建,expansion,E2,1,CNY,2026-10-23 09:00:00,2026-12-31,true\n"
    "C1,OP-6,仓库改造,expansion,E1,70000,CNY,2026-10-24 09:00:00,2026-12-31,false\n",
    "sales_order": "customer_id,number,owner_id,order_on,currency,gross_amount\n"
    "C1,SO-1,E1,2026-03-01,CNY,1000\nC1,SO-2,E2,2026-05-01,CNY,1\nC1,SO-3,E1,2026-05-01,CNY,1\n"
    "C1,SO-4,E2,2026-11-01,CNY,1\n",
    # P1 too far apart, P2 within tolerance, P3 of one person, P4 in another season
    "sales_order_line": "order_id,line_number,product_code,quantity,unit_price,gross_amount\n"
    "SO-1,1,P1,10,100,1000\nSO-2,1,p1,4,80,1\nSO-1,2,P2,10,100,1000\nSO-2,2,p2,4,91,1\n"
    "SO-1,3,P3,10,100,1000\nSO-3,1,p3,4,50,1\nSO-1,4,P4,10,100,1000\nSO-4,1,p4,4,50,1\n",
    "contract": CONTRACT
    + "".join(f"C1,HT-{n},sales,1000,CNY,2026-01-05,2026-01-05,2026-09-30\n" for n in (1, 2, 3)),
    "project": "code,name,contract_number,status,start_on,amount,currency\n"
    "P1,一,HT-1,active,2026-01-05,1000,CNY\nP2,二,HT-2,active,2026-01-05,,\nP3,三,HT-3,active,2026-01-05,850,CNY\n",
    "milestone": "project_id,name,kind,status,planned_on,done_on\n"
    "P1,验收,milestone,done,2026-06-01,2026-06-01\nP2,验收,milestone,open,2026-12-31,\n"
    "P3,验收,milestone,done,2026-06-01,2026-06-01\n",
    "invoice": INVOICE + "C1,A2,invoice,,HT-2,2026-02-01,2026-03-01,CNY,1000\n"
    "C1,A3,invoice,,HT-3,2026-06-20,2026-07-20,CNY,1000\n",
    "ticket": "customer_id,number,subject,product_code,serial_number,created_at\n"
    "C1,T-1,保修期内更换,P9,,2026-10-01 09:00:00\n"  # never sold
    "C1,T-2,under Warranty,P1,,2026-10-01 09:00:00\n"  # sold before
    "C1,T-3,交期查询,P9,,2026-10-01 09:00:00\n"  # claims nothing
    "C1,T-4,质保维修,,,2026-10-01 09:00:00\n"  # names no product
    "C1,S-1,质保维修,P9,sn 001,2026-10-01 09:00:00\n"  # the last day of its warranty
    "C1,S-2,质保维修,P9,SN001,2026-10-02 09:00:00\n"  # the day after
    "C1,S-3,质保维修,P9,SN-002,2026-10-01 09:00:00\n"  # another customer's
    "C1,S-4,质保维修,P1,SN-404,2026-10-01 09:00:00\n"  # nobody's
    "C1,S-5,质保维修,P1,SN-003,2026-10-01 09:00:00\n"  # returned before
    "C1,S-6,三包维修,P1,SN-004,2026-09-30 09:00:00\n"  # out of warranty, in a service contract
    "C1,S-7,漂移,P1,SN-404,2026-10-01 09:00:00\n"  # claims nothing
    "C1,S-8,质保维修,P1,SN-005,2025-12-01 09:00:00\n",  # before any device was known
    "asset": "customer_id,serial_number,status,status_on,shipped_on,warranty_end_on,contract_number\n"
    "C1,SN-001,,,2026-01-01,2026-10-01,\nC2,SN-002,,,2026-01-01,2027-10-01,\n"
    "C1,SN-003,returned,2026-09-30,2026-01-01,2027-10-01,\nC1,SN-004,,,2026-01-01,2026-03-01,HT-1\n",
}  # fmt: skip


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    made = books.instance(tmp_path_factory.mktemp("collisions"), FILES)
    yield made
    made.store.close()


def test_two_people_quote_the_same_thing_differently(instance: Instance) -> None:
    assert told(instance, "quote_collision") == [
        ("OP-1", "amount", Decimal(560000), Decimal(486000), Decimal(74000)),
        ("OP-2", "amount", Decimal(486000), Decimal(300000), Decimal(186000)),
    ]


def test_two_people_sell_one_product_at_prices_too_far_apart(instance: Instance) -> None:
    """Not within tolerance, not one person's own prices, not those of another season."""
    assert told(instance, "price_collision") == [("SO-1", "amount", Decimal(400), Decimal(320), Decimal(80))]


def test_milestones_and_revenue(instance: Instance) -> None:
    assert [row[:2] for row in told(instance, "milestone_revenue")] == [("A2", "missing"), ("P1 验收", "missing")]
    assert [row[1] for row in told(instance, "milestone_revenue", date(2026, 6, 30))] == ["missing", "timing"]
    assert told(instance, "project_contract") == [("HT-3", "amount", Decimal(1000), Decimal(850), Decimal(150))]


def test_warranty_claimed_on_what_was_never_sold(instance: Instance) -> None:
    (item,) = found(instance, "warranty_unknown")
    assert (item["number"], item["class"], item["left_count"], item["right_count"], item["difference"]) == (
        "T-1", "missing", 1, 0, None,
    )  # fmt: skip


def test_warranty_claimed_on_a_device_that_is_not_covered(instance: Instance) -> None:
    """A claim with a serial number asks the device; one without asks whether the product was sold."""
    told = [(item["number"], item["class"]) for item in found(instance, "warranty_serial")]
    assert sorted(told) == [("S-2", "missing"), ("S-3", "missing"), ("S-4", "missing"), ("S-5", "missing")]
