"""What the systems say differently on purpose: contracts, orders, invoices, projects and quotes that do not agree.

Every deal is planted once per 200 customers, the larger the company the more; `world.contradictions` names what a
reconciliation should find, by rule, class and the number that both sides name. Agreeing deals are planted too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from random import Random

from data.demo import contracts, delivery, documents, masters, money, service, timing
from data.demo.words import MILESTONES
from data.demo.world import Bill, Entity, PlanRow, Record, World, pick

SMALLEST = 40  # customers; a smaller company stays as plain as its size
LATE = 260  # days ago that a deal began, so that nothing of it is a matter of time any more


class Planter:
    """Plants deals at one customer after the other."""

    def __init__(self, world: World, rng: Random) -> None:
        self.world, self.rng = world, rng
        fit = [
            entity
            for entity in world.entities
            if entity.erp and entity.crm_ids and entity.org_id and entity.requesters and entity.kind != "bucket"
            and not entity.is_lead and entity.currency == "CNY" and not entity.churned_on
            and entity.since < world.today - 400 and entity.index > 3
        ]  # fmt: skip
        rng.shuffle(fit)
        self.homes: Iterator[Entity] = cycle(fit)

    def expect(self, rule: str, kind: str, number: str, entity: Entity) -> None:
        """Note what a reconciliation should find."""
        self.world.contradictions.append({"rule": rule, "class": kind, "number": number, "truth_id": entity.truth_id})

    def without_returns(self, entity: Entity) -> Entity:
        """`entity`, or the next customer whose account has no return yet: returns of an account add up."""
        returned = {row["FRetcustId"] for row in self.world.kingdee.get("SAL_RETURNSTOCK", ())}
        for _ in range(50):
            if entity.erp[0].id not in returned:
                break
            entity = next(self.homes)
        return entity

    def contract(self, entity: Entity, ago: int, amount: int, ends: int, **fields: object) -> str:
        """A sales contract signed `ago` days before today and running until `ends` days after it; its number."""
        start = self.world.today - ago
        row: Record = {
            "Name": f"{entity.short}设备采购", "Contract_Kind__c": "Sales", "Amount__c": amount / 100,
            "Status": "Expired" if ends < 0 else "Activated", "EndDate": timing.iso(self.world.today + ends),
            "ContractTerm": 6, "Is_Recurring__c": False, **fields,
        }  # fmt: skip
        contracts.contract(self.world, entity, start, row)
        return str(self.world.salesforce["Contract"][-1]["ContractNumber"])

    def number(self) -> str:
        """The number that the next contract will get."""
        return f"HT-{self.world.next('contract', 10001)}"

    def order(self, entity: Entity, ago: int, *, contract: str = "", delivery: int = 10) -> Record:
        """An approved order with 10 days to its delivery."""
        day = self.world.today - ago
        row = documents.order(self.world, self.rng, entity, entity.erp[0], day, 120_000_00, day + delivery)
        row.update(FDocumentStatus="C", FCancelStatus="A", FCancelDate=None, F_PAEZ_ContractNo=contract)
        row.update(FApproveDate=row["FApproveDate"] or row["FModifyDate"])
        if delivery < ago:
            row["FCloseStatus"] = "B"
            for line in row["FSaleOrderEntry"]:
                line.update(FDeliQty=line["FQty"], FStockOutQty=line["FQty"], FInvoiceQty=line["FQty"])
                line["FMRPCLOSESTATUS"] = "B"
        return row

    def sell(self, entity: Entity, order: Record, ago: int, bills: int = 1) -> list[Bill]:
        """Ship the order, invoice it and collect the money; `bills` times the same invoice, all of them paid."""
        world, account, day = self.world, entity.erp[0], self.world.today - ago
        documents.shipment(world, self.rng, entity, account, order, day + 10)
        gross = fen(order)
        made = []
        for copy in range(bills):
            row = PlanRow(1, day + 45, gross)
            bill = money.bill(world, self.rng, entity, account, day + 12 + copy, [row], source=order["FBillNo"])
            got = money.receipt(world, self.rng, entity, account, "CNY", day + 44, gross)
            money.match(world, self.rng, "receipt", bill, row, got.id, gross, day + 45)
            money.applied(got, gross)
            made.append(bill)
        return made

    def project(self, entity: Entity, contract: str, value: int | None, ago: int, *, done: bool) -> None:
        """A delivery project of the contract; its milestones are done, or none is."""
        world, day = self.world, self.world.today - ago
        delivered: Record = {
            "customerCode": entity.erp[0].code, "customerName": entity.name, "contractNumber": contract,
            "status": "done" if done else "active", "health": "green", "progress": 100 if done else 10,
            "startDate": timing.iso(day), "plannedEnd": timing.iso(day + 100),
            "actualEnd": timing.iso(day + 100) if done else None,
            "value": None if value is None else value / 100, "currency": None if value is None else "CNY",
        }  # fmt: skip
        lead = pick(self.rng, world.engineers)
        key = f"XM{world.next('project key'):04d}"
        home = delivery.project(world, entity, key, f"{entity.short}设备交付", lead, delivered)
        for position, label in enumerate(MILESTONES):
            due = day + 100 * (position + 1) // len(MILESTONES) if done else world.today + 30 + position
            delivery.milestone(world, home, lead, label, due, due, due if done else 0, day, 0)


def fen(order: Record) -> int:
    """Gross amount of an order in fen."""
    gross: int = round(order["FBillAllAmount"] * 100)
    return gross


def unsold(world: World, entity: Entity) -> list[Record]:
    """Products that this customer never ordered."""
    accounts = {account.id for account in entity.erp}
    mine = [order for order in world.kingdee["SAL_SaleOrder"] if order["FCustId"] in accounts]
    sold = {line["FMaterialId"] for order in mine for line in order["FSaleOrderEntry"]}
    return [one for one in world.kingdee["BD_MATERIAL"] if one["FMATERIALID"] not in sold]


def _agreeing(p: Planter, e: Entity) -> None:
    """Contract, order, shipment, invoice, money and project say the same."""
    order = p.order(e, LATE)
    number = order["F_PAEZ_ContractNo"] = p.contract(e, LATE, fen(order), -60)
    p.sell(e, order, LATE)
    p.project(e, number, fen(order), LATE, done=True)


def _order_amount(p: Planter, e: Entity) -> None:
    """More was ordered and invoiced than the contract says."""
    order = p.order(e, LATE)
    number = order["F_PAEZ_ContractNo"] = p.contract(e, LATE, fen(order) * 92 // 100, -60)
    p.sell(e, order, LATE)
    p.expect("contract_order", "amount", number, e)
    p.expect("contract_invoice", "amount", number, e)


def _order_missing(p: Planter, e: Entity) -> None:
    """Signed, ended, never ordered."""
    number = p.contract(e, LATE, 186_000_00, -60)
    p.expect("contract_order", "missing", number, e)
    p.expect("contract_invoice", "missing", number, e)


def _contract_unknown(p: Planter, e: Entity) -> None:
    """An order names a contract that the CRM does not have."""
    number = f"{p.number()}X"
    order = p.order(e, LATE, contract=number)
    p.sell(e, order, LATE)
    p.expect("contract_order", "missing", number, e)
    p.expect("contract_invoice", "missing", number, e)


def _order_currency(p: Planter, e: Entity) -> None:
    """The contract is in dollars, the order in yuan."""
    order = p.order(e, LATE)
    amount = round(fen(order) / masters.rate("USD", p.world.today - LATE))
    number = order["F_PAEZ_ContractNo"] = p.contract(e, LATE, amount, -60, CurrencyIsoCode="USD")
    p.sell(e, order, LATE)
    p.expect("contract_order", "currency", number, e)
    p.expect("contract_invoice", "currency", number, e)


def _order_twice(p: Planter, e: Entity) -> None:
    """One order was entered twice; the second will be delivered next month."""
    order = p.order(e, LATE)
    number = order["F_PAEZ_ContractNo"] = p.contract(e, LATE, fen(order), -60)
    p.sell(e, order, LATE)
    again = p.order(e, 20, contract=number, delivery=40)
    nothing = {"FDeliQty": 0.0, "FStockOutQty": 0.0, "FInvoiceQty": 0.0, "FMRPCLOSESTATUS": "A"}
    lines = [
        {**line, **nothing, "FSaleOrderEntry_FEntryID": p.world.next("entry", 500001)}
        for line in order["FSaleOrderEntry"]
    ]
    copied = ("FBillAmount", "FBillTaxAmount", "FBillAllAmount", "FSettleCurrId")
    again.update(FSaleOrderEntry=lines, **{name: order[name] for name in copied})
    p.expect("contract_order", "duplicate", number, e)
    p.expect("order_shipment", "timing", again["FBillNo"], e)


def _fresh(p: Planter, e: Entity) -> None:
    """Signed this week: order and invoice are a matter of time."""
    number = p.contract(e, 5, 98_000_00, 120)
    p.expect("contract_order", "timing", number, e)
    p.expect("contract_invoice", "timing", number, e)


def _invoice_twice(p: Planter, e: Entity) -> None:
    """One shipment was invoiced twice."""
    order = p.order(e, LATE)
    p.sell(e, order, LATE, bills=2)
    p.expect("shipment_invoice", "duplicate", order["FBillNo"], e)


def _milestone_without_revenue(p: Planter, e: Entity) -> None:
    """The project is accepted, nothing was ordered or invoiced."""
    number = p.contract(e, LATE, 230_000_00, 30)
    p.project(e, number, 230_000_00, LATE - 20, done=True)
    p.expect("milestone_revenue", "missing", number, e)
    p.expect("contract_order", "missing", number, e)
    p.expect("contract_invoice", "missing", number, e)


def _revenue_without_milestone(p: Planter, e: Entity) -> None:
    """Everything is invoiced, the project has not reached its first milestone; it names no value."""
    order = p.order(e, LATE)
    number = order["F_PAEZ_ContractNo"] = p.contract(e, LATE, fen(order), 30)
    p.sell(e, order, LATE)
    p.project(e, number, None, LATE, done=False)
    p.expect("milestone_revenue", "missing", number, e)


def _project_value(p: Planter, e: Entity) -> None:
    """The project is worth less than its contract."""
    order = p.order(e, LATE)
    number = order["F_PAEZ_ContractNo"] = p.contract(e, LATE, fen(order), -60)
    p.sell(e, order, LATE)
    p.project(e, number, fen(order) * 85 // 100, LATE, done=True)
    p.expect("project_contract", "amount", number, e)


def _return_only(p: Planter, e: Entity) -> None:
    """Goods came back and nobody credited them."""
    e = p.without_returns(e)
    order = p.order(e, LATE)
    p.sell(e, order, LATE)
    documents.goods_return(p.world, p.rng, e, e.erp[0], order, p.world.today - LATE + 60)
    p.expect("return_credit", "missing", p.world.kingdee["SAL_RETURNSTOCK"][-1]["FBillNo"], e)


def _credit_only(p: Planter, e: Entity) -> None:
    """A return was credited and nothing came back."""
    e = p.without_returns(e)
    day = p.world.today - LATE + 60
    note = money.bill(p.world, p.rng, e, e.erp[0], day, [PlanRow(1, 0, 8_800_00)], "credit", reason="退货")
    p.expect("return_credit", "missing", note.number, e)


def _quotes(p: Planter, e: Entity) -> None:
    """Two people offer the same line extension at different prices."""
    other = next(one for one in p.world.managers if one.active and one.number != e.owner.number)
    name, today = f"{e.short}产线扩建", p.world.today
    first = contracts.opportunity(p.world, p.rng, e, name, "Expansion", today - 40, today + 60, 560_000_00, "方案", 50)
    second = contracts.opportunity(
        p.world, p.rng, e, name, "Expansion", today - 25, today + 75, 486_000_00, "需求确认", 25
    )
    second["OwnerId"] = other.user_id
    p.expect("quote_collision", "amount", first["Number__c"], e)


def _prices(p: Planter, e: Entity) -> None:
    """Two people sell one product at prices a third apart."""
    other = next(one for one in p.world.managers if one.active and one.number != e.owner.number)
    material = pick(p.rng, unsold(p.world, e))
    for ago, factor, seller in ((LATE, 100, e.owner), (LATE - 45, 68, other)):
        order = p.order(e, ago)
        price, line = material["price"] * factor // 100, order["FSaleOrderEntry"][0]
        net = round(price * 4 * 100 / 113)
        line.update(
            FMaterialId=material["FMATERIALID"], FUnitID=material["FBaseUnitId"], FQty=4.0, FDeliQty=4.0,
            FStockOutQty=4.0, FInvoiceQty=4.0, FPrice=round(net / 400, 6), FTaxPrice=price / 100, FEntryTaxRate=13.0,
            FAmount=net / 100, FEntryTaxAmount=(price * 4 - net) / 100, FAllAmount=price * 4 / 100, gross=price * 4,
            net=net,
        )  # fmt: skip
        order.update(
            FSaleOrderEntry=[line], FSalerId=seller.erp_id, FBillAmount=net / 100, FBillAllAmount=price * 4 / 100,
            FBillTaxAmount=(price * 4 - net) / 100,
        )  # fmt: skip
        p.sell(e, order, ago)
    first = p.world.kingdee["SAL_SaleOrder"][-2]
    p.expect("price_collision", "amount", first["FBillNo"], e)


def _warranty(p: Planter, e: Entity) -> None:
    """Warranty is claimed on a product that the ERP never sold to this customer."""
    material = pick(p.rng, unsold(p.world, e))
    number, created = p.world.next("ticket"), timing.at(p.world.today - 30, 36000)
    fields: Record = {
        "subject": "保修期内故障，要求免费维修", "product": material["FNumber"], "priority": "normal",
        "agent": pick(p.rng, p.world.agents), "channel": "email", "score": "unoffered", "replied": created + 3600,
        "solved": None, "closed": None, "status": "open", "type": "problem",
    }  # fmt: skip
    service.ticket(p.world, e, number, created, fields)
    p.expect("warranty_unknown", "missing", str(number), e)


_DEALS: tuple[Callable[[Planter, Entity], None], ...] = (
    _agreeing, _order_amount, _order_missing, _contract_unknown, _order_currency, _order_twice, _fresh, _invoice_twice,
    _milestone_without_revenue, _revenue_without_milestone, _project_value, _return_only, _credit_only, _quotes,
    _prices, _warranty,
)  # fmt: skip


def build(world: World) -> None:
    """Plant every deal, once per 200 customers and at least once; nothing in a company too small for them."""
    planter = Planter(world, world.rng("contradictions"))
    if world.customers < SMALLEST or next(planter.homes, None) is None:
        return
    for _ in range(max(1, world.customers // 200)):
        for deal in _DEALS:
            deal(planter, next(planter.homes))
