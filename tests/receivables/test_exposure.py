"""Credit exposure: five components, each document once, against the limit; a group shares its head's limit."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from typer.testing import CliRunner

from model import serve
from model.policy import HIDDEN, Viewer
from model.receivables.exposure import COMPONENTS
from ops.instance import Instance
from run.cli import app
from tests.receivables import books

DAY = date(2026, 11, 21)
FINANCE = Viewer(user="chen.li", name="陈立", role="finance", masks=frozenset({"phone"}))
FILES = {
    "employee": "code,name\nE9,示例员工\n",
    "customer": "code,name,uscc,parent_id,credit_limit_amount,credit_currency,is_on_hold,owner_id\n"
    "C1,示例仪器有限公司,,,200000,CNY,,\n"
    "G1,示例控股集团有限公司,91310115MA1K3F6X2Q,,100000,CNY,,\n"
    "G2,示例控股集团有限公司苏州分公司,,G1,,,,E9\n"
    "E1,Example Instruments GmbH,,,1000,EUR,,\n"
    "H1,示例涂料有限公司,,,500000,CNY,true,\n"
    "M1,示例电气有限公司,,,1000,CNY,,\n",
    "sales_order": "customer_id,number,order_on,document_status,is_void,is_closed,currency,gross_amount\n"
    "C1,SO1,2026-09-01,approved,,,CNY,100000\n"  # shipped 60,000, invoiced 40,000
    "C1,SO2,2026-09-02,draft,,,CNY,900000\n"  # not approved
    "C1,SO3,2026-09-03,approved,true,,CNY,900000\n"  # void
    "C1,SO4,2026-09-04,approved,,true,CNY,50000\n"  # closed short: 30,000 shipped, not invoiced
    "C1,SO5,2026-09-05,approved,,,CNY,20000\n"  # invoiced before delivery
    "C1,SO6,2026-12-01,approved,,,CNY,7000000\n"  # tomorrow's
    "C1,SO7,2026-09-06,approved,,,CNY,10000\n"  # provisional 6,000 of a delivery that no shipment shows
    "G2,SO8,2026-09-06,approved,,,CNY,70000\n",
    "shipment": "customer_id,number,order_number,shipped_on,is_return,currency,gross_amount\n"
    "C1,D1,SO1,2026-09-20,,CNY,65000\nC1,D2,SO1,2026-09-25,true,CNY,5000\nC1,D4,SO4,2026-09-20,,CNY,30000\n",
    "invoice": "customer_id,number,kind,order_number,invoice_on,due_on,currency,gross_amount\n"
    "C1,A1,invoice,SO1,2026-10-01,2026-11-01,CNY,40000\n"
    "C1,A5,invoice,SO5,2026-10-01,2026-11-01,CNY,20000\n"
    "C1,A9,invoice,,2026-10-01,2026-11-01,CNY,15000\n"
    "C1,P7,provisional,SO7,2026-10-01,,CNY,6000\n"
    "G1,G9,invoice,,2026-10-01,2026-12-01,CNY,45000\n"
    "E1,E9,invoice,,2026-10-01,2026-12-01,EUR,500\n"
    "E1,E8,invoice,,2026-10-01,2026-12-01,CNY,900\n"
    "M1,M9,invoice,,2026-10-01,2026-12-01,JPY,90000\n",
    "receipt": "customer_id,number,received_on,method,purpose,currency,amount,bill_state,bill_matures_on,has_recourse\n"
    "C1,R1,2026-11-01,bank_bill,sale,CNY,15000,pending,2027-05-01,\n"
    "C1,R2,2026-11-02,transfer,prepayment,CNY,8000,,,\n"
    "C1,R3,2026-11-03,transfer,sale,CNY,500,,,\n"
    "C1,R4,2026-11-03,commercial_bill,sale,CNY,3000,endorsed,2027-05-01,\n"
    "C1,R5,2026-11-03,commercial_bill,sale,CNY,2000,discounted,2027-05-01,false\n"
    "C1,R6,2026-04-03,bank_bill,sale,CNY,1000,settled,2026-10-03,\n",
    "allocation": "kind,receipt_id,invoice_id,amount,allocated_on\n"
    "receipt,R1,A9,12000,2026-11-01\nreceipt,R4,A1,3000,2026-11-03\nreceipt,R5,A1,2000,2026-11-03\n"
    "receipt,R6,A1,1000,2026-11-03\n",
    "exchange_rate": "from_currency,to_currency,valid_on,rate\nEUR,CNY,2026-11-01,8\n",
}


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("C360_NOW", "2026-11-21T02:00:00+00:00")
        made = books.instance(tmp_path_factory.mktemp("exposure"), FILES)
        yield made
        made.store.close()


def of(instance: Instance, name: str, viewer: Viewer = FINANCE) -> dict[str, Any]:
    db = serve.open_published(instance)
    key = serve.resolve(viewer, db, name)
    (row,) = serve.exposure(viewer, db, key, DAY)["rows"]
    return dict(row)


def test_five_components_each_document_once(instance: Instance) -> None:
    row = of(instance, "C1")
    # 40,000 - 6,000 of A1, A5, what the bill leaves of A9
    assert row["components"] == {
        "invoiced_open": 34000 + 20000 + 3000,
        "delivered_not_invoiced": 20000 + 30000 + 6000,
        "undelivered_orders": 40000 + 0 + 4000,
        # the used part of R1; R4 is contingent; R5 is without recourse, R6 settled
        "unmatured_bills": 12000 + 3000,
        "advances": 8000,
    }
    assert row["exposure"] == 57000 + 56000 + 44000 + 15000 - 8000
    assert (row["percent"], row["headroom"], row["is_over"]) == (Decimal("82.0"), 36000, False)
    (cny,) = row["by_currency"]
    assert (cny["contingent_bills"], cny["untied_advances"], cny["unallocated"]) == (3000, 0, 3000 + 8000 + 500)
    assert (row["limit"]["amount"], row["limit"]["source"], row["limit"]["currency"]) == (200000, "books", "CNY")


def test_the_orders_behind_it_add_up(instance: Instance) -> None:
    row, db = of(instance, "C1"), serve.open_published(instance)
    orders = serve.exposure_orders(FINANCE, db, row["customer_key"], DAY)
    for name in ("delivered_not_invoiced", "undelivered_orders"):
        assert sum(order[name] for order in orders) == row["components"][name]
    assert {order["order_number"] for order in orders} == {"SO1", "SO4", "SO7"}


def test_a_group_shares_the_limit_of_its_head(instance: Instance) -> None:
    branch, head = of(instance, "G2"), of(instance, "G1")
    assert (branch["exposure"], head["exposure"]) == (70000, 45000)
    for row in (branch, head):
        assert (row["group"]["exposure"], row["group"]["percent"], row["is_over"]) == (115000, Decimal("115.0"), True)
        assert row["limit"]["is_shared"]


def test_the_group_s_sum_is_hidden_from_who_sees_only_a_part(instance: Instance) -> None:
    db = serve.open_published(instance)
    (employee,) = db.rows("select employee_key from core.dim_employee")
    owner = Viewer(user="a", name="a", role="account_manager", scope="own", masks=frozenset(), **employee)
    (row,) = serve.exposure(owner, db, None, DAY)["rows"]
    assert (row["name"], row["exposure"]) == ("示例控股集团有限公司苏州分公司", 70000)
    assert {row[name] for name in ("percent", "headroom", "is_over")} == {HIDDEN}
    assert row["group"]["exposure"] == HIDDEN
    assert "45000" not in str(row)
    nobody = Viewer(user="a", name="a", role="account_manager", scope="own", masks=frozenset())
    assert serve.exposure(nobody, db, None, DAY)["rows"] == []


def test_amounts_meet_the_limit_s_currency_and_a_missing_rate_is_said(instance: Instance) -> None:
    row = of(instance, "E1")
    assert row["exposure"] == Decimal("612.50")
    assert {part["currency"]: part["in_limit_currency"] for part in row["by_currency"]} == {
        "EUR": 500, "CNY": Decimal("112.50")}  # fmt: skip
    missing = of(instance, "M1")
    assert (missing["missing_rates"], missing["is_over"], missing["exposure"]) == (["JPY"], None, 0)


def test_proposals(instance: Instance) -> None:
    found = serve.exposure(FINANCE, serve.open_published(instance), None, DAY)["proposals"]
    names = {(item["action"], item["name"]) for item in found}
    assert ("release", "示例涂料有限公司") in names
    assert ("hold", "示例控股集团有限公司") in names
    assert not any(name == "示例仪器有限公司" for _, name in names)


def test_the_mask_holds(instance: Instance) -> None:
    db = serve.open_published(instance)
    found = serve.exposure(Viewer.operator(), db, None, DAY)
    assert found["proposals"] == HIDDEN
    for row in found["rows"]:
        assert {row[name] for name in ("exposure",)} == {HIDDEN}
        assert row["limit"] is None or row["limit"]["amount"] == HIDDEN
        assert row["percent"] in (HIDDEN, None)
        assert row["group"] is None or row["group"]["limit"]["amount"] == HIDDEN
    result = CliRunner().invoke(app, ["--home", str(instance.home), "exposure", "C1", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["rows"][0]["by_currency"][0]["exposure"] == "164000.00"
    assert "200000" not in result.output


def test_the_card_says_the_same(instance: Instance) -> None:
    credit = serve.customer(FINANCE, serve.open_published(instance), "C1", as_of=DAY)["kpis"]["credit"]
    assert (credit["limit"], credit["exposure"], credit["percent"]) == (200000, 164000, Decimal("82.0"))


def test_a_past_day_counts_documents_of_then(instance: Instance) -> None:
    db = serve.open_published(instance)
    key = serve.resolve(FINANCE, db, "C1")
    found = serve.exposure(FINANCE, db, key, date(2026, 9, 22))
    assert found["order_state"] == "documents"
    components = found["rows"][0]["components"]
    assert components["delivered_not_invoiced"] == 65000 + 30000
    assert components["undelivered_orders"] == 35000 + 20000 + 10000
    assert components["invoiced_open"] == 0


def chains(seed: int) -> tuple[dict[str, str], dict[str, dict[str, int]]]:
    """Random books of ten customers and, counted apart in plain Python, what each component must be."""
    random = Random(seed)
    wanted: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(COMPONENTS, 0))
    rows: dict[str, list[str]] = defaultdict(list)
    for number in range(10):
        customer = f"K{number}"
        rows["customer"].append(f"{customer},随机客户{number}有限公司")
        prepaid = room = 0
        for place in range(random.randint(0, 6)):
            order, on = f"O{number}-{place}", date(2026, 1, 1) + timedelta(days=random.randint(0, 200))
            amount, closed = random.randint(1, 900) * 100, random.random() < 0.3
            rows["sales_order"].append(f"{customer},{order},{on},approved,{closed},CNY,{amount}")
            shipped = invoiced = 0
            for piece in range(random.randint(0, 3)):
                part = random.randint(1, 300) * 100
                rows["shipment"].append(f"{customer},S{order}-{piece},{order},{on},CNY,{part}")
                shipped += part
            for piece in range(random.randint(0, 2)):
                part, invoice = random.randint(1, 300) * 100, f"I{order}-{piece}"
                paid = random.choice([0, part // 2, part])
                rows["invoice"].append(f"{customer},{invoice},{order},{on},2026-12-01,CNY,{part}")
                if paid:
                    bill = random.random() < 0.5
                    rows["receipt"].append(
                        f"{customer},R{invoice},{on},{'bank_bill' if bill else 'transfer'},sale,CNY,{paid},"
                        + ("pending,2027-01-01" if bill else ",")
                    )
                    rows["allocation"].append(f"receipt,R{invoice},{invoice},{paid},{on}")
                    wanted[customer]["unmatured_bills"] += paid if bill else 0
                wanted[customer]["invoiced_open"] += part - paid
                invoiced += part
            left = max(shipped - invoiced, 0)
            rest = 0 if closed else max(amount - max(shipped, invoiced), 0)
            wanted[customer]["delivered_not_invoiced"] += left
            wanted[customer]["undelivered_orders"] += rest
            room += left + rest
        if random.random() < 0.5:
            prepaid = random.randint(1, 500) * 100
            rows["receipt"].append(f"{customer},PRE{number},2026-08-01,transfer,prepayment,CNY,{prepaid},,")
        wanted[customer]["advances"] = min(prepaid, room)
    heads = {
        "customer": "code,name", "sales_order": "customer_id,number,order_on,document_status,is_closed,currency,"
        "gross_amount", "shipment": "customer_id,number,order_number,shipped_on,currency,gross_amount",
        "invoice": "customer_id,number,order_number,invoice_on,due_on,currency,gross_amount",
        "receipt": "customer_id,number,received_on,method,purpose,currency,amount,bill_state,bill_matures_on",
        "allocation": "kind,receipt_id,invoice_id,amount,allocated_on",
    }  # fmt: skip
    return {name: "\n".join([heads[name], *found]) + "\n" for name, found in rows.items()}, dict(wanted)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_chains_count_every_document_once(seed: int, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C360_NOW", "2026-11-21T02:00:00+00:00")
    files, wanted = chains(seed)
    made = books.instance(tmp_path, files)
    found = {row["name"]: row for row in serve.exposure(FINANCE, serve.open_published(made), None, DAY)["rows"]}
    made.store.close()
    for customer, parts in wanted.items():
        row = found.get(f"随机客户{customer[1:]}有限公司")
        got = dict.fromkeys(COMPONENTS, Decimal(0)) if row is None else row["components"]
        assert got == parts, customer
        assert row is None or row["exposure"] == sum(parts.values()) - 2 * parts["advances"] >= 0


def test_the_card_of_every_demo_customer_agrees(demo_company: Instance) -> None:
    db = serve.open_published(demo_company)
    for day in (db.today(), date(2026, 8, 31)):
        rows = serve.exposure(FINANCE, db, None, day)["rows"]
        alone = [row for row in rows if row["limit"] and not row["group"] and not row["missing_rates"]]
        for row in alone[:25]:
            credit = serve.customer(FINANCE, db, row["customer_key"], as_of=day)["kpis"]["credit"]
            assert credit["components"] == row["components"], (row["name"], day)
        assert len(alone) > 10


def test_the_worklist_scores_by_the_same_exposure(demo_company: Instance) -> None:
    db = serve.open_published(demo_company)
    over = {row["customer_key"]: row["is_over"] for row in serve.exposure(FINANCE, db)["rows"] if not row["group"]}
    lines = [line for line in serve.worklist(FINANCE, db) if line["customer_key"] in over]
    assert {line["is_over_limit"] for line in lines} >= {True, False}
    for line in lines:
        assert line["is_over_limit"] is over[line["customer_key"]], line["name"]
        assert line["score_parts"]["over_limit"] == (1.25 if line["is_over_limit"] else 1.0)
    assert {line["is_over_limit"] for line in serve.worklist(Viewer.operator(), db)} == {None}, "behind the mask"
