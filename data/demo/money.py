"""AR bills, receipts, refunds and write-off records: one vendor row and one ledger entry each."""

from __future__ import annotations

from random import Random

from data.demo import codes, documents, masters, timing
from data.demo.world import Bill, Entity, ErpAccount, Match, PlanRow, Receipt, Record, World

MATCH_TYPES = {
    "receipt": "1",
    "red_invoice": "2",
    "credit_note": "3",
    "offset": "4",
    "write_off": "5",
    "fx": "6",
    "discount": "7",
    "refund": "8",
}
_KINDS = {"red": "red", "credit": "credit", "opening": "opening", "provisional_red": "red"}


def plan_entry(world: World, row: PlanRow, sign: int, gross: int) -> Record:
    """A 收款计划 row."""
    return {
        "FEntityPlan_FENTRYID": world.next("entry", 500001),
        "FEntityPlan_FSeq": row.number,
        "FENDDATE": timing.midnight(row.due) if row.due else None,
        "FPAYAMOUNTFOR": sign * row.amount / 100,
        "FPAYRATE": round(row.amount * 100 / gross, 4) if gross else 0.0,
        "FEntityPlan_FWRITTENOFFSTATUS": "A",
        "FWRITTENOFFAMOUNTFOR": 0.0,
        "FRELATEHADPAYAMOUNT": 0.0,
        "F_PAEZ_Retention": row.retention,
        "F_PAEZ_ReleaseDate": timing.midnight(row.due) if row.retention else None,
        "F_PAEZ_Condition": "验收合格满一年" if row.retention else "",
    }


def bill(
    world: World,
    rng: Random,
    entity: Entity,
    account: ErpAccount,
    day: int,
    rows: list[PlanRow],
    kind: str = "invoice",
    *,
    tax: int = 13,
    bill_number: str = "",
    source: str = "",
    contract: str = "",
    blue: str = "",
    reason: str = "",
    state: tuple[str, bool] = ("C", False),
) -> Bill:
    """Append one 应收单 with its plan. `kind`: invoice, opening, provisional, red, provisional_red, credit."""
    gross = sum(row.amount for row in rows)
    tax = tax if entity.country == "CN" else 0
    net = round(gross * 100 / (100 + tax))
    sign = -1 if kind in {"red", "credit", "provisional_red"} else 1
    due = max((row.due for row in rows), default=0)
    key = world.next("bill", 100001)
    bill_number = bill_number or documents.number(world, "INV-" if sign > 0 else "CN-", "bill number", day)
    row: Record = {
        "FID": key,
        "FBillNo": bill_number,
        "FBillTypeID": masters.BILL_TYPES[_KINDS.get(kind, "standard")][0],
        "FDATE": timing.midnight(day),
        "FENDDATE_H": timing.midnight(due) if due else None,
        "FACCNTTIMEJUDGETIME": timing.midnight(day),
        "FCUSTOMERID": account.id,
        "FSALEERID": entity.owner.erp_id,
        "FSALEDEPTID": masters.DEPARTMENTS["销售部"],
        "FCURRENCYID": masters.CURRENCIES[entity.currency][0],
        "FMAINBOOKSTDCURRID": 1,
        "FEXCHANGERATE": masters.rate(entity.currency, day),
        "FSETTLEORGID": account.organisation,
        "FPayConditon": masters.TERMS[entity.terms][0],
        **_amounts(sign, gross, net),
        "FSetAccountType": "2" if kind.startswith("provisional") else "1" if key % 3 else "3",
        "FWRITTENOFFSTATUS": "A",
        "FISINIT": kind == "opening",
        "FByVerify": "0",
        "F_PAEZ_InvoiceNo": _tax_invoice(rng, entity, kind, day),
        "F_PAEZ_OrderNo": source,
        "F_PAEZ_ContractNo": contract,
        "F_PAEZ_BlueBillNo": blue,
        "F_PAEZ_Reason": reason,
        "F_PAEZ_Dispute": "",
        **documents.stamps(world, rng, day, *state),
        "FEntityDetail": [_detail(world, rng, sign, gross, net, tax, source)],
        "FEntityPlan": [plan_entry(world, each, sign, gross) for each in rows],
    }
    world.add("kingdee", "AR_receivable", row)
    _tax_bill(world, row, day)
    entry = Bill(key, bill_number, entity, entity.currency, day, kind, sign, rows, state == ("C", False), row)
    world.ledger.bills[key] = entry
    return entry


def _amounts(sign: int, gross: int, net: int) -> Record:
    amounts = {"FNOTAXAMOUNTFOR_H": net, "FTAXAMOUNTFOR_H": gross - net, "FALLAMOUNTFOR": gross}
    return {key: sign * value / 100 for key, value in amounts.items()}


def _tax_invoice(rng: Random, entity: Entity, kind: str, day: int) -> str:
    if kind not in {"invoice", "red"} or rng.random() >= 0.9:
        return ""
    return codes.tax_invoice_number(rng, int(timing.iso(day)[:4]), entity.city.code or "31")


def _tax_bill(world: World, bill_row: Record, day: int) -> None:
    """Append the 增值税专用发票 of an AR bill that has one: its number is the bill's F_PAEZ_InvoiceNo."""
    if not bill_row["F_PAEZ_InvoiceNo"]:
        return
    stamps = ("FDocumentStatus", "FCancelStatus", "FCreateDate", "FModifyDate", "FApproveDate", "FCancelDate")
    copied = ("FDATE", "FCUSTOMERID", "FSETTLEORGID", "FCURRENCYID", "FALLAMOUNTFOR", *stamps)
    row: Record = {
        "FID": world.next("tax invoice", 600001),
        "FBillNo": documents.number(world, "FP", "tax invoice number", day),
        "FINVOICENO": bill_row["F_PAEZ_InvoiceNo"],
        "FINVOICEDATE": bill_row["FDATE"],
        "F_PAEZ_ArBillNo": bill_row["FBillNo"],
        **{key: bill_row[key] for key in copied},
    }
    world.add("kingdee", "IV_SALESIC", row)


def _detail(world: World, rng: Random, sign: int, gross: int, net: int, tax: int, source: str) -> Record:
    materials = world.kingdee["BD_MATERIAL"]
    return {
        "FEntityDetail_FENTRYID": world.next("entry", 500001),
        "FMATERIALID": materials[int(rng.random() * len(materials))]["FMATERIALID"],
        "FPRICEQTY": 1.0,
        "FNOTAXAMOUNTFOR": sign * net / 100,
        "FTAXAMOUNTFOR": sign * (gross - net) / 100,
        "FALLAMOUNTFOR_D": sign * gross / 100,
        "FENTRYTAXRATE": float(tax),
        "FORDERNUMBER": source,
        "FSRCBILLNO": source,
    }


def match(
    world: World,
    rng: Random,
    kind: str,
    target: Bill,
    row: PlanRow,
    origin: int,
    amount: int,
    day: int,
    reversed_on: int = 0,
) -> Record:
    """Write `amount` fen off one plan row; the row and its header change state, their FModifyDate does not."""
    created = world.clip(timing.at(day, 34000 + int(rng.random() * 28000)))
    changed = world.clip(timing.at(reversed_on, 40000)) if reversed_on else created
    world.ledger.matches.append(Match(kind, target.id, row.number, origin, amount, day, reversed_on))
    if not reversed_on:
        _settle(target, row, amount)
    if kind == "receipt":
        _source_entry(world, target, world.ledger.receipts[origin], amount)
    return world.add(
        "kingdee",
        "AR_Match",
        {
            "FID": world.next("match", 800001),
            "FBillNo": documents.number(world, "HX", "match number", day),
            "FDATE": timing.midnight(day),
            "FMATCHTYPE": MATCH_TYPES[kind],
            "FARBILLID": target.id,
            "FPLANSEQ": row.number,
            "FRECBILLID": origin or None,
            "FREFUNDBILLID": None,
            "FAMOUNTFOR": amount / 100,
            "FCURRENCYID": masters.CURRENCIES[target.currency][0],
            "FREVERSEDATE": timing.midnight(reversed_on) if reversed_on else None,
            "FCreateDate": timing.wall(created),
            "FModifyDate": timing.wall(changed),
        },
    )


def _source_entry(world: World, target: Bill, got: Receipt, amount: int) -> None:
    """Note the bill on the receipt that was made out for it; a bill younger than the receipt was matched later."""
    if target.day > got.day:
        return
    line = {
        "FRECEIVEBILLSRCENTRY_FEntryID": world.next("entry", 500001),
        "FSRCBILLTYPEID": "AR_receivable",
        "FSRCBILLNO": target.number,
        "FSRCBILLID": target.id,
        "FREALRECAMOUNTFOR_S": amount / 100,
        "FPLANRECAMOUNTFOR_S": amount / 100,
    }
    got.row["FRECEIVEBILLSRCENTRY"].append(line)


def _settle(target: Bill, row: PlanRow, amount: int) -> None:
    row.settled += amount
    entry = target.row["FEntityPlan"][row.number - 1]
    entry["FWRITTENOFFAMOUNTFOR"] = target.sign * row.settled / 100
    entry["FRELATEHADPAYAMOUNT"] = target.sign * row.settled / 100
    entry["FEntityPlan_FWRITTENOFFSTATUS"] = "C" if row.settled >= row.amount else "B"
    target.row["FWRITTENOFFSTATUS"] = "C" if all(r.settled >= r.amount for r in target.rows) else "B"


def receipt(
    world: World,
    rng: Random,
    entity: Entity | None,
    account: ErpAccount | None,
    currency: str,
    day: int,
    amount: int,
    *,
    method: str = "transfer",
    purpose: str = "sale",
    note: tuple[str, str, int] = ("", "", 0),
    payer: str = "",
    state: tuple[str, bool] = ("C", False),
) -> Receipt:
    """Append one 收款单. `note`: acceptance bill number, state and maturity day."""
    key = world.next("receipt", 400001)
    customer = account.id if account else None
    code = masters.CURRENCIES[currency][0]
    value = amount / 100
    entry = {
        "FRECEIVEBILLENTRY_FEntryID": world.next("entry", 500001),
        "FPURPOSEID": masters.PURPOSES[purpose][0],
        "FSETTLETYPEID": masters.SETTLE_TYPES[method][0],
        "FREALRECAMOUNTFOR_D": value,
        "FWRITTENOFFAMOUNTFOR": 0.0,
        "F_PAEZ_BillNumber": note[0],
        "F_PAEZ_BillState": note[1],
        "F_PAEZ_BillDueDate": timing.midnight(note[2]) if note[2] else None,
    }
    row: Record = {
        "FID": key,
        "FBillNo": documents.number(world, "SK", "receipt number", day),
        "FDATE": timing.midnight(day),
        "FCONTACTUNITTYPE": "BD_Customer",
        "FCONTACTUNIT": customer,
        "FPAYUNITTYPE": "BD_Customer",
        "FPAYUNIT": customer,
        "F_PAEZ_PayerName": payer or (entity.name if entity else ""),
        "FCURRENCYID": code,
        "FSETTLECUR": code,
        "FEXCHANGERATE": masters.rate(currency, day),
        "FRECTOTALAMOUNTFOR": value,
        "FREALRECAMOUNTFOR": value,
        "FSETTLEORGID": account.organisation if account else 100101,
        "FSALEERID": entity.owner.erp_id if entity else None,
        "FISINIT": False,
        "FWRITTENOFFSTATUS": "A",
        **documents.stamps(world, rng, day, *state),
        "FRECEIVEBILLENTRY": [entry],
        "FRECEIVEBILLSRCENTRY": [],
    }
    world.add("kingdee", "AR_RECEIVEBILL", row)
    result = Receipt(key, entity, currency, day, amount, state == ("C", False), row)
    world.ledger.receipts[key] = result
    return result


def applied(target: Receipt, amount: int) -> None:
    """Record on the receipt that `amount` fen of it has been written off."""
    entry = target.row["FRECEIVEBILLENTRY"][0]
    done = round(entry["FWRITTENOFFAMOUNTFOR"] * 100) + amount
    entry["FWRITTENOFFAMOUNTFOR"] = done / 100
    target.row["FWRITTENOFFSTATUS"] = "C" if done >= target.amount else "B"


def refund(world: World, rng: Random, account: ErpAccount, source: Receipt, day: int, amount: int) -> None:
    """Money paid back (or a dishonoured bill returned): a 退款单 written off against its receipt."""
    key = world.next("refund", 450001)
    row: Record = {
        "FID": key,
        "FBillNo": documents.number(world, "TK", "refund number", day),
        "FDATE": timing.midnight(day),
        "FCONTACTUNIT": account.id,
        "FCURRENCYID": masters.CURRENCIES[source.currency][0],
        "FEXCHANGERATE": masters.rate(source.currency, day),
        "FREFUNDTOTALAMOUNTFOR": amount / 100,
        "FSETTLEORGID": account.organisation,
        "FSALEERID": source.entity.owner.erp_id if source.entity else None,
        "F_PAEZ_SrcRecBillNo": source.row["FBillNo"],
        **documents.stamps(world, rng, day),
    }
    world.add("kingdee", "AR_REFUNDBILL", row)
    world.ledger.refunds[key] = Receipt(key, source.entity, source.currency, day, amount, True, row)
    created = timing.wall(world.clip(timing.at(day, 45000)))
    world.ledger.matches.append(Match("refund", 0, 0, source.id, amount, day))
    applied(source, amount)
    world.add(
        "kingdee",
        "AR_Match",
        {
            "FID": world.next("match", 800001),
            "FBillNo": documents.number(world, "HX", "match number", day),
            "FDATE": timing.midnight(day),
            "FMATCHTYPE": MATCH_TYPES["refund"],
            "FARBILLID": None,
            "FPLANSEQ": None,
            "FRECBILLID": source.id,
            "FREFUNDBILLID": key,
            "FAMOUNTFOR": amount / 100,
            "FCURRENCYID": masters.CURRENCIES[source.currency][0],
            "FREVERSEDATE": None,
            "FCreateDate": created,
            "FModifyDate": created,
        },
    )
