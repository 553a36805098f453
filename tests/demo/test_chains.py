"""Contracts behind orders, and the books' own month-end balances: both agree with the rest of the company."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal

import pytest

from data.demo import closing
from data.demo.company import Company, generate

TODAY = date(2026, 11, 21)


@pytest.fixture(scope="module")
def company() -> Company:
    return generate(120, today=TODAY)


def test_a_sales_contract_is_ordered_shipped_and_invoiced_for_its_amount(company: Company) -> None:
    planted = {row["number"] for row in company.truth["reconciliation"]} | {"HT-0932", "HT-0951"}
    orders = {row["FBillNo"]: row for row in company.kingdee["SAL_SaleOrder"]}
    shipped: dict[str, Decimal] = defaultdict(Decimal)
    invoiced: dict[str, Decimal] = defaultdict(Decimal)
    for row in company.kingdee["SAL_OUTSTOCK"]:
        shipped[row["F_PAEZ_OrderNo"]] += Decimal(str(row["FBillAllAmount"]))
    for bill in company.world.ledger.bills.values():
        if bill.live and bill.kind == "invoice":
            invoiced[bill.row["F_PAEZ_OrderNo"]] += Decimal(bill.sign * sum(row.amount for row in bill.rows)) / 100
    by_contract = {row["F_PAEZ_ContractNo"]: name for name, row in orders.items() if row["F_PAEZ_ContractNo"]}
    checked = 0
    for contract in company.salesforce["Contract"]:
        number = contract["ContractNumber"]
        if contract["Contract_Kind__c"] != "Sales" or number in planted:
            continue
        order = by_contract[number]
        amounts = {Decimal(str(contract["Amount__c"])), Decimal(str(orders[order]["FBillAllAmount"])),
                   shipped[order], invoiced[order]}  # fmt: skip
        assert len(amounts) == 1, (number, amounts)
        checked += 1
    assert checked > 20


def test_the_anchor_s_contracts_are_ordered(company: Company) -> None:
    ordered: dict[str, Decimal] = defaultdict(Decimal)
    for row in company.kingdee["SAL_SaleOrder"]:
        ordered[row["F_PAEZ_ContractNo"]] += Decimal(str(row["FBillAllAmount"]))
    assert ordered["HT-0932"] == 426_000
    assert 818_200 < ordered["HT-0951"] < 1_780_000


def test_the_books_balance_is_what_the_ledger_says(company: Company) -> None:
    truth = company.truth
    for currency, fen in closing.balance(company.world, company.world.today).items():
        net = Decimal(truth["open_ar"].get(currency, "0"))
        net -= sum(Decimal(truth[name].get(currency, "0")) for name in ("unallocated_credits", "unallocated_receipts"))
        assert Decimal(fen) / 100 == net, currency


def test_the_last_three_month_ends_are_stated(company: Company) -> None:
    days = {row["FDATE"][:10] for row in company.kingdee["AR_Control"]}
    assert days == {"2026-08-31", "2026-09-30", "2026-10-31"}
