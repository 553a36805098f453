"""Kingdee documents: headers, sales orders, shipments, returns; each function appends one document."""

from __future__ import annotations

from datetime import date
from random import Random

from data.demo import masters, timing
from data.demo.words import CARRIERS
from data.demo.world import Entity, ErpAccount, Record, World, pick


def stamps(world: World, rng: Random, day: int, status: str = "C", cancelled: bool = False) -> Record:
    """Status and time fields of a document dated `day`; one in fifty is entered weeks late."""
    created = timing.at(day, 32400 + int(rng.random() * 30000))
    if rng.random() < 0.02:
        created += 86400 * (10 + int(rng.random() * 30))
    created = world.clip(created)
    approved = world.clip(created + int(rng.random() * 20000))
    changed = approved
    if cancelled or status == "D":
        changed = world.clip(approved + 86400 * (1 + int(rng.random() * 12)))
    return {
        "FDocumentStatus": status,
        "FCancelStatus": "B" if cancelled else "A",
        "FCreateDate": timing.wall(created),
        "FModifyDate": timing.wall(changed),
        "FApproveDate": timing.wall(approved) if status == "C" else None,
        "FCancelDate": timing.wall(changed) if cancelled else None,
    }


def number(world: World, prefix: str, counter: str, day: int) -> str:
    """`SO2605-00123`: prefix, year and month, serial."""
    month = date.fromordinal(day)
    return f"{prefix}{month.year % 100:02d}{month.month:02d}-{world.next(counter):05d}"


def state(world: World, rng: Random, day: int) -> tuple[str, bool]:
    """Document status and void flag: drafts and re-opened ones are recent, voids are anywhere."""
    choice = rng.random()
    if choice < 0.008:
        return "C", True
    if day > world.today - 40 and choice < 0.05:
        return pick(rng, ("Z", "A", "B", "D")), False
    return ("D", False) if choice < 0.011 else ("C", False)


def _line(world: World, rng: Random, position: int, gross_target: int, tax: int, delivered: float, day: int) -> Record:
    material = pick(rng, world.kingdee["BD_MATERIAL"])
    price = int(material["price"] * (0.85 + rng.random() * 0.2))
    quantity = max(1, min(60, round(gross_target / price)))
    gross = price * quantity
    net = round(gross * 100 / (100 + tax))
    shipped = round(quantity * delivered)
    return {
        "FSaleOrderEntry_FEntryID": world.next("entry", 500001),
        "FSaleOrderEntry_FSeq": position,
        "FMaterialId": material["FMATERIALID"],
        "FUnitID": material["FBaseUnitId"],
        "FQty": float(quantity),
        "FPrice": round(net / quantity / 100, 6),
        "FTaxPrice": price / 100,
        "FEntryTaxRate": float(tax),
        "FAmount": net / 100,
        "FEntryTaxAmount": (gross - net) / 100,
        "FAllAmount": gross / 100,
        "FDeliveryDate": timing.midnight(day),
        "FDeliQty": float(shipped),
        "FStockOutQty": float(shipped),
        "FInvoiceQty": 0.0,
        "FMRPCLOSESTATUS": "B" if shipped >= quantity else "A",
        "gross": gross,
        "net": net,
    }


def order(
    world: World, rng: Random, entity: Entity, account: ErpAccount, day: int, target: int, delivery: int
) -> Record:
    """One sales order of 1 to 3 lines worth about `target` fen in the customer's currency."""
    status, cancelled = state(world, rng, day)
    tax = 13 if entity.country == "CN" else 0
    delivered = 1.0 if delivery < world.today and status == "C" and not cancelled else 0.0
    choice = rng.random()
    count = 1 if choice < 0.5 else 2 if choice < 0.85 else 3
    lines = [_line(world, rng, k + 1, target // count, tax, delivered, delivery) for k in range(count)]
    net, gross = sum(line["net"] for line in lines), sum(line["gross"] for line in lines)
    currency = masters.CURRENCIES[entity.currency][0]
    row: Record = {
        "FID": world.next("order", 200001),
        "FBillNo": number(world, "SO", "order number", day),
        "FDate": timing.midnight(day),
        "FCustId": account.id,
        "FSalerId": entity.owner.erp_id,
        "FSaleDeptId": masters.DEPARTMENTS["销售部"],
        "FSaleOrgId": account.organisation,
        "FBillTypeID": masters.BILL_TYPES["order"][0],
        "FSettleCurrId": currency,
        "FLocalCurrId": 1,
        "FExchangeRate": masters.rate(entity.currency, day),
        "FRecConditionId": masters.TERMS[entity.terms][0],
        "FBillAmount": net / 100,
        "FBillTaxAmount": (gross - net) / 100,
        "FBillAllAmount": gross / 100,
        "FCloseStatus": "B" if delivered else "A",
        "FDeliveryDate_H": timing.midnight(delivery),
        "F_PAEZ_ContractNo": "",
        "F_PAEZ_OppNo": "",
        **stamps(world, rng, day, status, cancelled),
        "FSaleOrderEntry": lines,
    }
    return world.add("kingdee", "SAL_SaleOrder", row)


def invoiced(source: Record, amount: int) -> None:
    """Count on the order's lines what approved invoices over `amount` fen bill of them."""
    share = min(1.0, amount / max(1, round(source["FBillAllAmount"] * 100)))
    for line in source["FSaleOrderEntry"]:
        line["FInvoiceQty"] = round(line["FQty"] * share, 2)


def shipment(
    world: World, rng: Random, entity: Entity, account: ErpAccount, source: Record, day: int, bill: str = ""
) -> Record:
    """The outbound delivery of a whole order."""
    carrier = pick(rng, CARRIERS)
    signed = day + 1 + int(rng.random() * 4)
    arrived = signed < world.today
    bill = bill or number(world, "DN", "shipment number", day)
    lines = [
        {
            "FEntity_FENTRYID": world.next("entry", 500001),
            "FEntity_FSeq": line["FSaleOrderEntry_FSeq"],
            "FMaterialID": line["FMaterialId"],
            "FRealQty": line["FQty"],
            "FAllAmount": line["FAllAmount"],
            "FSrcBillNo": source["FBillNo"],
            "FSoorDerno": source["FBillNo"],
        }
        for line in source["FSaleOrderEntry"]
    ]
    row: Record = {
        "FID": world.next("shipment", 300001),
        "FBillNo": bill,
        "FDate": timing.midnight(day),
        "FCustomerID": account.id,
        "FSalesManID": entity.owner.erp_id,
        "FSaleOrgId": account.organisation,
        "FSettleCurrID": source["FSettleCurrId"],
        "FBillAllAmount": source["FBillAllAmount"],
        "FCarrierID": masters.CARRIER_IDS[carrier],
        "FCarriageNO": f"SF{int(rng.random() * 1e12):012d}" if carrier != "自提" else "",
        "F_PAEZ_LogStatus": "已签收" if arrived else "在途",
        "F_PAEZ_SignDate": timing.midnight(signed) if arrived else None,
        "F_PAEZ_OrderNo": source["FBillNo"],
        **stamps(world, rng, day),
        "FEntity": lines,
    }
    return world.add("kingdee", "SAL_OUTSTOCK", row)


def goods_return(world: World, rng: Random, entity: Entity, account: ErpAccount, source: Record, day: int) -> int:
    """One line of a shipment comes back; returns the gross value in fen."""
    line = source["FSaleOrderEntry"][0]
    quantity = max(1.0, float(int(line["FQty"] * 0.3)))
    gross: int = round(line["gross"] * quantity / line["FQty"])
    row: Record = {
        "FID": world.next("return", 350001),
        "FBillNo": number(world, "RT", "return number", day),
        "FDate": timing.midnight(day),
        "FRetcustId": account.id,
        "FSalesManId": entity.owner.erp_id,
        "FSaleOrgId": account.organisation,
        "FSettleCurrID": source["FSettleCurrId"],
        "FBillAllAmount": gross / 100,
        "FReturnReason": pick(rng, ("到货损坏", "规格不符", "精度不达标", "多发退回")),
        "F_PAEZ_OrderNo": source["FBillNo"],
        **stamps(world, rng, day),
        "FEntity": [
            {
                "FEntity_FENTRYID": world.next("entry", 500001),
                "FMaterialID": line["FMaterialId"],
                "FRealQty": quantity,
                "FAllAmount": gross / 100,
                "FSrcBillNo": source["FBillNo"],
                "FOrderNo": source["FBillNo"],
            }
        ],
    }
    world.add("kingdee", "SAL_RETURNSTOCK", row)
    return gross
