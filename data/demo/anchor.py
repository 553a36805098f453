"""北辰精密仪器（苏州）有限公司: the named customer whose screen every picture and test shows."""

from __future__ import annotations

from random import Random

from data.demo import chains, delivery, documents, interactions, money, service, timing
from data.demo.world import Entity, PlanRow, Record, World

OPEN_ITEMS = (
    ("INV-20417", -83, 118_400_00, ""),
    ("INV-20655", -52, 174_600_00, "数量有争议"),
    ("INV-20871", -22, 123_000_00, ""),
    ("INV-20990", 9, 402_200_00, ""),
)
PROJECTS = (  # days relative to today; a milestone is name:planned first[:slip]
    (
        "BCSZ",
        "二期产线检测",
        "active",
        "amber",
        86,
        -150,
        20,
        "HT-0932",
        "启动会:-140 设备到货:-80 安装调试:-40 验收:-3:9 终验:20",
    ),
    ("BCLAB", "实验室搬迁", "active", "green", 20, -30, 90, "", "启动会:-25 方案评审:13 搬迁实施:60 验收:90"),
    ("BCVM", "视觉检测升级", "done", "green", 100, -700, -520, "", "启动会:-690 验收:-520"),
    ("BCCAL", "校准体系搭建", "done", "green", 100, -560, -400, "", "启动会:-550 验收:-410:10"),
    ("BCDAQ", "测量数据平台", "done", "amber", 100, -430, -250, "", "启动会:-420 验收:-270:20"),
)
RETENTION = 166_000_00
PAID = 260_000_00
UNALLOCATED = 30_000_00


def _clear(world: World, rng: Random, entity: Entity) -> None:
    """All earlier bills are paid, so that the open items are exactly those of the picture."""
    account = entity.erp[0]
    for bill in [b for b in world.ledger.bills.values() if b.entity is entity and b.live]:
        bill.row["F_PAEZ_Dispute"] = ""
        for row in bill.rows:
            left = row.amount - row.settled
            if left <= 0 or bill.sign < 0:
                continue
            day = min(max(bill.day + 3, (row.due or bill.day) + 16), world.today - 20)
            got = money.receipt(world, rng, entity, account, "CNY", day, left)
            money.match(world, rng, "receipt", bill, row, got.id, left, day)
            money.applied(got, left)
    _apply_rest(world, rng, entity)


def _apply_rest(world: World, rng: Random, entity: Entity) -> None:
    used: dict[int, int] = {}
    for match in world.ledger.matches:
        if match.kind in {"receipt", "refund"} and not match.reversed_on:
            used[match.origin] = used.get(match.origin, 0) + match.amount
    for got in [r for r in world.ledger.receipts.values() if r.entity is entity and r.live]:
        left = got.amount - used.get(got.id, 0)
        if left > 0:
            money.refund(world, rng, entity.erp[0], got, min(got.day + 10, world.today - 2), left)


def _money(world: World, rng: Random, entity: Entity) -> None:
    today, home = world.today, entity.erp
    behind = world.rng("anchor orders")
    for position, (number, due, amount, dispute) in enumerate(OPEN_ITEMS):
        rows = [PlanRow(1, today + due, amount)]
        bill = money.bill(
            world,
            rng,
            entity,
            home[position % 2],
            today + due - 45,
            rows,
            bill_number=number,
            contract="HT-0951",
        )
        bill.row["F_PAEZ_Dispute"] = dispute
        chains.sold(world, behind, entity, home[position % 2], bill, "HT-0951")
    rows = [PlanRow(1, today - 15, PAID), PlanRow(2, today + 221, RETENTION, retention=True)]
    mixed = money.bill(world, rng, entity, home[0], today - 100, rows, bill_number="INV-20388", contract="HT-0932")
    chains.sold(world, behind, entity, home[0], mixed, "HT-0932")
    got = money.receipt(world, rng, entity, home[0], "CNY", today - 5, PAID)
    money.match(world, rng, "receipt", mixed, rows[0], got.id, PAID, today - 5)
    money.applied(got, PAID)
    money.receipt(world, rng, entity, home[0], "CNY", today - 3, UNALLOCATED)
    source = documents.order(world, rng, entity, home[0], today - 45, 240_000_00, today - 14)
    sent = documents.shipment(world, rng, entity, home[0], source, today - 14, bill="DN-3391")
    sent.update(F_PAEZ_LogStatus="已签收", F_PAEZ_SignDate=timing.midnight(today - 10))
    documents.order(world, rng, entity, home[0], today - 20, 180_000_00, today + 25)
    for row in world.kingdee["SAL_SaleOrder"][-2:]:
        row.update(FDocumentStatus="C", FCancelStatus="A", FCancelDate=None, F_PAEZ_ContractNo="HT-0951")


def _tickets(world: World, entity: Entity) -> None:
    now = world.as_of
    by_name = {agent.name: agent for agent in world.agents}
    agent = by_name["周文博"]
    rows: tuple[tuple[int, str, str, str, int, int, str], ...] = (
        (48213, "二号线传感器漂移", "urgent", "LDS-300", -12000, 26 * 3600, "open"),
        (48102, "校准证书缺页", "high", "CAL-100", -2700, 50 * 3600, "pending"),
        (48240, "备件报价", "normal", "STY-300", 18600, 8 * 3600, "open"),
        (47988, "固件升级安排", "normal", "DAQ-300", 86400, 96 * 3600, "hold"),
        (47951, "培训时间确认", "low", "CMM-500", 259200, 120 * 3600, "open"),
    )
    for number, subject, priority, product, left, age, status in rows:
        created = now - age
        fields: Record = {
            "subject": subject,
            "product": product,
            "priority": priority,
            "agent": agent,
            "channel": "voice" if number == 48213 else "web",
            "score": "unoffered",
            "replied": created + 1800,
            "solved": None,
            "closed": None,
            "status": status,
            "breach": now + left,
            "callback": now + 10 * 3600 if number == 48213 else None,
        }
        if number == 48213:
            fields |= {
                "raised": now - 1140,
                "before": "high",
                "text": "二号线激光位移传感器读数漂移，影响出货检验，请尽快派工程师。",
            }
        service.ticket(world, entity, number, created, fields)


def _contacts(world: World, entity: Entity) -> None:
    today = world.today
    interactions.task(
        world,
        entity,
        timing.at(today - 1, 58800),
        "Call",
        "电话：催收 INV-20417",
        f"陈静怡承诺 {timing.iso(today + 3)} 付款 118,400 元",
        who=0,
    )
    interactions.task(
        world,
        entity,
        timing.at(today - 8, 40000),
        "Email",
        "邮件：报价 Q-1187 发出",
        "三期扩产报价 64.8 万元",
        who=1,
    )
    interactions.task(
        world,
        entity,
        timing.at(today - 6, 52000),
        "Call",
        "电话：INV-20655 数量争议",
        "客户称到货少 2 只传感器，待仓库核对",
        "inbound",
        0,
    )
    interactions.event(
        world,
        entity,
        timing.at(today - 12, 50400),
        "Visit",
        "拜访：采购总监 王建国",
        "介绍三期扩产方案，谈及年度维保续签",
        who=1,
    )


def _projects(world: World, entity: Entity) -> None:
    today = world.today
    lead = next(p for p in world.engineers if p.name == "赵志远")
    for key, name, state, health, progress, begun, ended, contract, steps in PROJECTS:
        props: Record = {
            "customerCode": "C-01187",
            "customerName": entity.name if key != "BCLAB" else entity.short,
            "contractNumber": contract or None,
            "status": state,
            "health": health,
            "progress": progress,
            "startDate": timing.iso(today + begun),
            "plannedEnd": timing.iso(today + ended),
            "actualEnd": timing.iso(today + ended) if state == "done" else None,
        }
        home = delivery.project(world, entity, key, name, lead, props)
        for step in steps.split():
            label, first, *slip = step.split(":")
            original = today + int(first)
            due = original + int(slip[0] if slip else 0)
            done = due if due < today else 0
            part = 60 if label == "验收" and key == "BCSZ" else 10
            delivery.milestone(world, home, lead, label, original, due, done, max(world.start, today + begun), part)


def build(world: World) -> None:
    """Open items, tickets, projects and contacts of the anchor, relative to `today`."""
    rng = world.rng("anchor")
    entity = next(e for e in world.entities if e.is_lead)
    _clear(world, rng, entity)
    _money(world, rng, entity)
    _tickets(world, entity)
    _contacts(world, entity)
    _projects(world, entity)
