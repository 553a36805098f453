"""Life goes on: every call changes records in all four systems, stamped with the moment it happens."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from data.demo import clock, delivery, dirt, interactions, money, service, timing
from data.demo.words import PRODUCTS, TICKET_SUBJECTS
from data.demo.world import Bill, Employee, ErpAccount, PlanRow, Record, World, pick

Change = Callable[[World, Random, int], bool]


def _touch(row: Record, moment: int) -> None:
    stamp = timing.salesforce(moment)
    row.update(LastModifiedDate=stamp, SystemModstamp=stamp)


def _stamp(row: Record, moment: int, *fields: str) -> None:
    row.update(dict.fromkeys(fields or ("FCreateDate", "FModifyDate", "FApproveDate"), timing.wall(moment)))


def _late(rng: Random) -> int:
    """One change in five commits four minutes after its own stamp: below a watermark, inside the overlap."""
    return 240 if rng.random() < 0.2 else 0


def _open_bills(world: World, rng: Random) -> list[Bill]:
    bills = [
        b for b in world.ledger.bills.values() if b.live and b.kind in {"invoice", "opening"} and not b.entity.is_lead
    ]
    return [b for b in rng.sample(bills, min(len(bills), 400)) if any(r.amount > r.settled for r in b.rows)]


def _account(bill: Bill) -> ErpAccount:
    return next(a for a in bill.entity.erp if a.id == bill.row["FCUSTOMERID"])


def _receipt(world: World, rng: Random, moment: int) -> bool:
    candidates = _open_bills(world, rng)
    if not candidates:
        return False
    bill = pick(rng, candidates)
    row = next(r for r in bill.rows if r.amount > r.settled)
    amount = row.amount - row.settled
    got = money.receipt(world, rng, bill.entity, _account(bill), bill.currency, world.today, amount)
    _stamp(got.row, moment)
    if rng.random() < 0.7:
        match = money.match(world, rng, "receipt", bill, row, got.id, amount, world.today)
        _stamp(match, moment, "FCreateDate", "FModifyDate")
        money.applied(got, amount)
    return True


def _bill(world: World, rng: Random, moment: int) -> bool:
    entity = pick(rng, [e for e in world.entities if e.erp and e.index > 3])
    amount = int(rng.lognormvariate(10.5, 0.8)) * 100
    bill = money.bill(world, rng, entity, entity.erp[0], world.today, [PlanRow(1, world.today + 30, amount)])
    _stamp(bill.row, moment - _late(rng))
    if bill.row["F_PAEZ_InvoiceNo"]:
        _stamp(world.kingdee["IV_SALESIC"][-1], moment)
    return True


def _unapprove(world: World, rng: Random, moment: int) -> bool:
    """A bill without payments goes back to 重新审核, or is voided."""
    touched = {match.bill for match in world.ledger.matches}
    candidates = [b for b in _open_bills(world, rng) if b.id not in touched]
    if not candidates:
        return False
    bill = pick(rng, candidates)
    bill.live = False
    if rng.random() < 0.5:
        bill.row.update(FDocumentStatus="D", FApproveDate=None, FModifyDate=timing.wall(moment))
    else:
        bill.row.update(FCancelStatus="B", FCancelDate=timing.wall(moment), FModifyDate=timing.wall(moment))
    return True


def _hard_delete(world: World, rng: Random, moment: int) -> bool:
    """A draft order vanishes from the ERP without a trace."""
    rows = world.kingdee["SAL_SaleOrder"]
    drafts = [k for k, row in enumerate(rows) if row["FDocumentStatus"] in {"Z", "A"}]
    if drafts:
        rows.pop(pick(rng, drafts))
    return bool(drafts)


def _credit_limit(world: World, rng: Random, moment: int) -> bool:
    rows = [
        r for r in world.kingdee["BD_Customer"] if r["F_PAEZ_CreditLimit"] and not r["FNumber"].startswith("C-01187")
    ]
    row = pick(rng, rows)
    row["F_PAEZ_CreditLimit"] = round(row["F_PAEZ_CreditLimit"] * pick(rng, (0.8, 1.2, 1.5)), 2)
    _stamp(row, moment, "FModifyDate")
    return True


def _ticket(world: World, rng: Random, moment: int) -> bool:
    rows = [t for t in world.zendesk["tickets"] if t["status"] in {"new", "open", "pending", "hold"}]
    rows = [t for t in rows if t["id"] not in service.RESERVED]
    if not rows:
        return False
    row = pick(rng, rows)
    author = pick(rng, world.agents).agent_id
    after = pick(rng, ("open", "pending", "solved"))
    row["history"].append((moment, author, "status", row["status"], after))
    row.update(status=after, updated_at=timing.utc(moment), generated_timestamp=moment, stamp=moment)
    row["assignee_id"] = row["assignee_id"] or author
    if after == "solved":
        row["metric_set"]["solved_at"] = timing.utc(moment)
    return True


def _new_ticket(world: World, rng: Random, moment: int) -> bool:
    entity = pick(rng, [e for e in world.entities if e.org_id and e.requesters])
    product = pick(rng, PRODUCTS)
    fields: Record = {
        "subject": pick(rng, TICKET_SUBJECTS[product[2]]).format(p=product[0], n=rng.randint(10, 99)),
        "product": f"{product[1]}-300",
    }
    fields |= {
        "priority": pick(rng, service.PRIORITIES),
        "agent": pick(rng, world.agents),
        "channel": "voice",
        "score": "unoffered",
    }
    fields |= {"replied": None, "solved": None, "closed": None}
    service.ticket(world, entity, world.next("ticket"), moment - 3, fields)
    return True


def _delete_ticket(world: World, rng: Random, moment: int) -> bool:
    rows = [t for t in world.zendesk["tickets"] if t["status"] == "closed" and t["created_at"] != "not a time"]
    if rows:
        dirt.scrub(pick(rng, rows), moment)
    return bool(rows)


def _task(world: World, rng: Random, moment: int) -> bool:
    entity = pick(rng, [e for e in world.entities if e.crm_ids and e.contacts])
    interactions.task(world, entity, moment, "Call", "电话：确认付款安排", "客户表示本周内付款")
    moment -= _late(rng)
    for field in ("CreatedDate", "LastModifiedDate", "SystemModstamp"):
        world.salesforce["Task"][-1][field] = timing.salesforce(moment)
    return True


def _opportunity(world: World, rng: Random, moment: int) -> bool:
    rows = [o for o in world.salesforce["Opportunity"] if not o["IsClosed"] and not o["IsDeleted"]]
    if not rows:
        return False
    row = pick(rng, rows)
    row["StageName"], row["Probability"] = pick(rng, (("方案", 50.0), ("谈判", 75.0)))
    _touch(row, moment)
    return True


def _crm_merge(world: World, rng: Random, moment: int) -> bool:
    doubles = [e for e in world.entities if len(e.crm_ids) > 1]
    if not doubles:
        return False
    entity = pick(rng, doubles)
    loser = entity.crm_ids.pop()
    entity.merged_ids.append(loser)
    row = next(r for r in world.salesforce["Account"] if r["Id"] == loser)
    dirt.delete(world, row, moment)
    row["MasterRecordId"] = entity.crm_ids[0]
    for table in ("Contact", "Opportunity", "Task", "Event", "Contract", "Asset"):
        for child in world.salesforce.get(table, ()):
            if child["AccountId"] == loser:
                child["AccountId"] = entity.crm_ids[0]
                _touch(child, moment)
    return True


def _crm_delete(world: World, rng: Random, moment: int) -> bool:
    rows = [c for c in world.salesforce["Contact"] if not c["IsDeleted"] and not c["Is_Primary__c"]]
    if rows:
        dirt.delete(world, pick(rng, rows), moment)
    return bool(rows)


def _slip(world: World, rng: Random, moment: int) -> bool:
    rows = [
        i
        for i in world.jira["issues"]
        if not i["fields"]["resolutiondate"] and i["fields"]["issuetype"]["name"] == "里程碑"
    ]
    rows = [i for i in rows if not i["key"].startswith("BC")]
    if not rows:
        return False
    row = pick(rng, rows)
    owner: Employee = pick(rng, world.engineers)
    before = row["fields"]["duedate"] or ""
    if rng.random() < 0.5:
        after = timing.iso(world.today + rng.randint(3, 40))
        row["fields"]["duedate"] = after
        row["history"].append((moment, owner, "duedate", before, after))
    else:
        row["fields"].update(
            status=delivery.status("done"), resolutiondate=timing.jira(moment), customfield_10051=100.0
        )
        row["history"].append((moment, owner, "status", "进行中", "已完成"))
    row["fields"]["updated"] = timing.jira(moment)
    row["stamp"] = moment
    return True


_CHANGES: tuple[tuple[str, Change, int], ...] = (
    ("receipt", _receipt, 5),
    ("bill", _bill, 3),
    ("unapproved bill", _unapprove, 1),
    ("deleted order", _hard_delete, 1),
    ("credit limit", _credit_limit, 1),
    ("ticket update", _ticket, 4),
    ("new ticket", _new_ticket, 2),
    ("deleted ticket", _delete_ticket, 1),
    ("call", _task, 2),
    ("opportunity", _opportunity, 2),
    ("account merge", _crm_merge, 1),
    ("deleted contact", _crm_delete, 1),
    ("milestone", _slip, 2),
)


def advance(world: World, changes: int = 20, moment: int | None = None) -> dict[str, int]:
    """Make `changes` changes; every kind comes round. `moment` is an epoch second (default: the clock)."""
    moment = clock.epoch() if moment is None else moment
    world.version += 1
    world.today = max(world.today, timing.day_of(moment))
    world.as_of = max(world.as_of, moment + 1)
    rng = world.rng(f"advance {world.version}")
    deck = [(name, action) for name, action, weight in _CHANGES for _ in range(weight)]
    done: dict[str, int] = {}
    while sum(done.values()) < changes:
        rng.shuffle(deck)
        for name, action in deck[: changes - sum(done.values())]:
            done[name] = done.get(name, 0) + 1 if action(world, rng, moment) else done.get(name, 0)
            if not done[name]:
                done.pop(name)
    return done
