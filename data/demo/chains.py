"""Contracts behind orders: signed, ordered, shipped, invoiced and paid are one chain under the contract's number.

Only business that agrees with itself is signed for afterwards, so that nothing of it is a difference between systems.
Service contracts are invoiced without an order, as the company does it.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from random import Random

from data.demo import contracts, documents, timing
from data.demo.world import Bill, Entity, ErpAccount, Record, World

SHARE = 0.35
SIGNED_BEFORE = 2  # days between the contract's start and its order
TERM_DAYS = 182
_COUNTED = ("FDeliQty", "FStockOutQty", "FInvoiceQty")


def sold(world: World, rng: Random, entity: Entity, account: ErpAccount, bill: Bill, contract: str) -> Record:
    """The order and the shipment behind a bill that has none, worth exactly as much, under the contract's number."""
    gross = sum(row.amount for row in bill.rows)
    order = documents.order(world, rng, entity, account, bill.day - 40, gross, bill.day - 12)
    line = order["FSaleOrderEntry"][0]
    net, quantity = round(gross * 100 / 113), line["FQty"]
    line.update(
        FPrice=round(net / quantity / 100, 6), FTaxPrice=round(gross / quantity / 100, 2), FAmount=net / 100,
        FEntryTaxAmount=(gross - net) / 100, FAllAmount=gross / 100, FMRPCLOSESTATUS="B", gross=gross, net=net,
        **dict.fromkeys(_COUNTED, quantity),
    )  # fmt: skip
    order.update(
        FSaleOrderEntry=[line], FBillAmount=net / 100, FBillTaxAmount=(gross - net) / 100, FBillAllAmount=gross / 100,
        FDocumentStatus="C", FCancelStatus="A", FCancelDate=None, FCloseStatus="B", F_PAEZ_ContractNo=contract,
        FApproveDate=order["FApproveDate"] or order["FModifyDate"],
    )  # fmt: skip
    documents.shipment(world, rng, entity, account, order, bill.day - 12)
    bill.row["F_PAEZ_OrderNo"] = order["FBillNo"]
    bill.row["FEntityDetail"][0].update(FORDERNUMBER=order["FBillNo"], FSRCBILLNO=order["FBillNo"])
    return order


def build(world: World) -> None:
    """Sign a sales contract for a share of the orders that are shipped, invoiced in full and never corrected."""
    rng = world.rng("chains")
    billed: dict[str, list[Bill]] = defaultdict(list)
    for bill in world.ledger.bills.values():
        billed[bill.row["F_PAEZ_OrderNo"]].append(bill)
    corrected = {bill.row["F_PAEZ_BlueBillNo"] for bill in world.ledger.bills.values()}
    returned = {row["F_PAEZ_OrderNo"] for row in world.kingdee.get("SAL_RETURNSTOCK", ())}
    unreadable = {item["id"] for item in world.unparsable}
    homes = {account.id: entity for entity in world.entities for account in entity.erp}
    for order in world.kingdee["SAL_SaleOrder"]:
        entity, bills = homes.get(order["FCustId"]), billed[order["FBillNo"]]
        if entity is None or not entity.crm_ids or entity.is_lead or entity.kind == "bucket":
            continue
        if (
            str(order["FID"]) in unreadable
            or order["FBillNo"] in returned
            or order["F_PAEZ_ContractNo"]
            or rng.random() >= SHARE
        ):
            continue
        if _is_whole(order, bills) and not any(bill.number in corrected for bill in bills):
            order["F_PAEZ_ContractNo"] = _sign(world, entity, order)


def _is_whole(order: Record, bills: list[Bill]) -> bool:
    """Approved, and its living invoices come to its amount; nothing else was ever made out for it."""
    gross = round(order["FBillAllAmount"] * 100)
    plain = all(bill.live and bill.kind == "invoice" for bill in bills)
    is_valid = order["FDocumentStatus"] == "C" and order["FCancelStatus"] == "A"
    return is_valid and plain and sum(row.amount for bill in bills for row in bill.rows) == gross


def _sign(world: World, entity: Entity, order: Record) -> str:
    start = date.fromisoformat(order["FDate"][:10]).toordinal() - SIGNED_BEFORE
    end = start + TERM_DAYS
    row: Record = {
        "Name": f"{entity.short}设备采购", "Contract_Kind__c": "Sales", "Amount__c": order["FBillAllAmount"],
        "Status": "Expired" if end < world.today else "Activated", "EndDate": timing.iso(end), "ContractTerm": 6,
        "Is_Recurring__c": False,
    }  # fmt: skip
    contracts.contract(world, entity, start, row)
    return str(world.salesforce["Contract"][-1]["ContractNumber"])
