"""Annual service contracts whose renewal depends on how the customer was served and paid, and opportunities."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from random import Random

from data.demo import timing
from data.demo.words import LOSS_REASONS, OPPORTUNITY_NAMES
from data.demo.world import Entity, Record, World, pick

STAGES = (("线索", 10), ("需求确认", 25), ("方案", 50), ("谈判", 75))


@dataclass(slots=True)
class ServiceTerm:
    """One service contract period that is invoiced: entity, number, start day, fen."""

    entity: Entity
    number: str
    start: int
    amount: int


def year_of(world: World, entity: Entity, day: int) -> int:
    """Index into an entity's yearly habits."""
    return max(0, min(len(entity.late) - 1, (day - world.start) // 365))


def habit(world: World, values: tuple[float, ...], end: int) -> float:
    """Mean of a yearly habit over the 12 months before `end`, each year weighted by its share."""
    place = max(0.0, min(len(values) - 1.0, (end - world.start) / 365))
    year, share = int(place), place % 1
    return values[year] * share + values[max(0, year - 1)] * (1 - share)


def renewal_odds(world: World, entity: Entity, end: int) -> float:
    """Probability that a contract renews: tenure, late payment, missed SLA, usage trend, satisfaction."""
    tenure = (end - entity.since) / 365
    usage = habit(world, entity.usage, end)
    trend = usage / habit(world, entity.usage, end - 365) - 1
    score = 3.1 + 0.3 * (min(tenure, 6) - 2) - 0.11 * habit(world, entity.late, end)
    score -= 8.0 * (habit(world, entity.misses, end) - 0.22)
    score += 2.6 * max(-0.6, min(0.6, trend)) + 6.0 * (habit(world, entity.mood, end) - 0.8)
    return 1 / (1 + exp(-score))


def contract(world: World, entity: Entity, start: int, fields: Record) -> str:
    key = world.sf_id("800", "contract")
    signed = start - 12
    row: Record = {
        "AccountId": entity.crm_ids[0],
        "OwnerId": entity.owner.user_id,
        "ContractNumber": f"HT-{world.next('contract', 10001)}",
        "CurrencyIsoCode": entity.currency,
        "StartDate": timing.iso(start),
        "CompanySignedDate": timing.iso(signed),
        "Opportunity__c": None,
        "Owner_Forecast__c": None,
        "Renewal_Of__c": None,
        "Auto_Renew__c": False,
        "Service_Level__c": None,
        **fields,
    }
    moment = timing.at(signed, 50000)
    world.sf("Contract", key, moment, moment, row)
    return key


def _status(world: World, start: int, end: int) -> str:
    if end < world.today:
        return "Expired"
    return "Activated" if start <= world.today + 12 else "Draft"


def _chain(world: World, rng: Random, entity: Entity, terms: list[ServiceTerm]) -> None:
    begin = max(entity.since + 30 + int(rng.random() * 300), world.start - 1500)
    amount = int((8 + rng.random() * 20) * entity.size * (1 if entity.currency == "CNY" else 0.14)) * 1000_00 + 6000_00
    auto = rng.random() < 0.2
    previous = ""
    while begin < world.today:
        end = timing.add_months(begin, 12) - 1
        fields: Record = {
            "Name": f"{entity.short}年度维保服务",
            "Contract_Kind__c": "Service",
            "Status": _status(world, begin, end),
            "Amount__c": amount / 100,
            "EndDate": timing.iso(end),
            "ContractTerm": 12,
            "Is_Recurring__c": True,
            "Renewal_Of__c": previous or None,
            "Auto_Renew__c": auto,
        }
        odds = renewal_odds(world, entity, end)
        if world.today <= end < world.today + 180 and rng.random() < 0.7:
            fields["Owner_Forecast__c"] = float(min(95, max(5, round((odds * 100 + rng.gauss(14, 18)) / 5) * 5)))
        previous = contract(world, entity, begin, fields)
        if begin >= world.start:
            terms.append(ServiceTerm(entity, world.salesforce["Contract"][-1]["ContractNumber"], begin, amount))
        if end >= world.today:
            _renewal_opportunity(world, rng, entity, end, amount, closed=None)
            break
        renewed = end < world.start or rng.random() < min(0.98, odds + 0.06 * auto)
        if end >= world.start:
            world.renewals["decided"] += 1
            world.renewals["renewed"] += renewed
            _renewal_opportunity(world, rng, entity, end, amount, closed=renewed)
        if not renewed:
            entity.churned_on = end
            break
        begin, amount = end + 1, int(amount * (1 + rng.gauss(0.03, 0.06)) / 100_00) * 100_00


def _renewal_opportunity(world: World, rng: Random, entity: Entity, end: int, amount: int, closed: bool | None) -> None:
    if closed is None and end - world.today > 150:
        return
    created = min(end - 100 + int(rng.random() * 40), world.today - 2)
    stage, probability = ("赢单", 100) if closed else ("输单", 0) if closed is False else pick(rng, STAGES[1:])
    opportunity(world, rng, entity, f"{entity.short}年度维保续签", "Renewal", created, end, amount, stage, probability)


def opportunity(
    world: World,
    rng: Random,
    entity: Entity,
    name: str,
    kind: str,
    created: int,
    close: int,
    amount: int | None,
    stage: str,
    probability: int,
) -> Record:
    key = world.sf_id("006", "opportunity")
    closed = stage in {"赢单", "输单"}
    moment = timing.at(created, 33000 + int(rng.random() * 28000))
    done = world.clip(timing.at(close, 60000))
    fields: Record = {
        "AccountId": entity.crm_ids[0],
        "OwnerId": entity.owner.user_id,
        "Number__c": f"OPP-{world.next('opportunity', 20001)}",
        "Name": name,
        "StageName": stage,
        "Type": kind,
        "Amount": None if amount is None else amount / 100,
        "CurrencyIsoCode": entity.currency,
        "Probability": float(probability),
        "CloseDate": timing.iso(close) if amount is not None else None,
        "IsClosed": closed,
        "IsWon": stage == "赢单",
        "Loss_Reason__c": pick(rng, LOSS_REASONS) if stage == "输单" else None,
        "Closed_At__c": timing.salesforce(done) if closed else None,
    }
    changed = done if closed else moment + int(rng.random() * max(1, world.as_of - moment))
    return world.sf("Opportunity", key, moment, changed, fields)


def _pipeline(world: World, rng: Random, entity: Entity) -> None:
    years = (world.today - max(world.start, entity.since)) / 365
    for _ in range(int(years * (0.7 + entity.size * 0.35) + rng.random())):
        created = max(world.start, entity.since) + int(
            rng.random() * (world.today - max(world.start, entity.since) - 3)
        )
        close = created + 30 + int(rng.random() * 150)
        amount = int(rng.lognormvariate(2.4, 0.8) * 12) * 1000_00
        kind = "New Business" if created < entity.since + 60 else "Expansion"
        if close < world.today:
            stage, probability = ("赢单", 100) if rng.random() < 0.42 else ("输单", 0)
        else:
            stage, probability = pick(rng, STAGES)
        opportunity(
            world,
            rng,
            entity,
            f"{entity.short}{pick(rng, OPPORTUNITY_NAMES)}",
            kind,
            created,
            close,
            amount,
            stage,
            probability,
        )


def _lead(world: World, rng: Random, entity: Entity, terms: list[ServiceTerm]) -> None:
    """The anchor's three contracts in force (3.86 million) and the six opportunities of its screen."""
    today = world.today
    end = today + 70
    begin = timing.add_months(end, -12) + 1
    previous = ""
    chain = [timing.add_months(begin, -12 * k) for k in range(5, -1, -1)]
    for start in chain:
        stop = timing.add_months(start, 12) - 1
        fields = {
            "Name": "北辰精密年度维保服务",
            "Contract_Kind__c": "Service",
            "Status": _status(world, start, stop),
            "Amount__c": 420000.0 if start == begin else 400000.0,
            "EndDate": timing.iso(stop),
            "ContractTerm": 12,
            "Is_Recurring__c": True,
            "Renewal_Of__c": previous or None,
            "Owner_Forecast__c": 80.0 if start == begin else None,
        }
        previous = contract(world, entity, start, fields)
        if start >= world.start and start != begin:
            terms.append(ServiceTerm(entity, world.salesforce["Contract"][-1]["ContractNumber"], start, 400000_00))
    for number, name, kind, amount, months in (
        ("HT-0932", "北辰精密二期产线检测", "Sales", 1660000.0, 18),
        ("HT-0951", "北辰精密备件与耗材框架", "Frame", 1780000.0, 24),
    ):
        start = today - 190
        stop = timing.add_months(start, months) - 1
        fields = {
            "Name": name,
            "Contract_Kind__c": kind,
            "Status": "Activated",
            "Amount__c": amount,
            "ContractNumber": number,
        }
        fields |= {"EndDate": timing.iso(stop), "ContractTerm": months, "Is_Recurring__c": False}
        contract(world, entity, start, fields)
    for name, kind, created, close, value, stage, probability in (
        ("三期扩产", "Expansion", 75, -115, 1280000_00, "方案", 50),
        ("年度维保续签", "Renewal", 40, -65, 420000_00, "谈判", 75),
        ("备件框架", "Expansion", 12, -120, None, "线索", 10),
        ("二期产线检测", "Expansion", 320, 195, 1660000_00, "赢单", 100),
        ("实验室搬迁", "Expansion", 210, 95, 380000_00, "赢单", 100),
        ("视觉检测站", "New Business", 600, 470, 520000_00, "输单", 0),
    ):
        opportunity(world, rng, entity, name, kind, today - created, today - close, value, stage, probability)


def build(world: World) -> list[ServiceTerm]:
    """Contracts and opportunities in the CRM; returns the service periods to invoice. Sets `churned_on`."""
    rng = world.rng("contracts")
    terms: list[ServiceTerm] = []
    for entity in world.entities:
        if not entity.crm_ids:
            continue
        if entity.is_lead:
            _lead(world, rng, entity, terms)
            continue
        if entity.erp and entity.index > 3 and rng.random() < 0.66:
            _chain(world, rng, entity, terms)
        _pipeline(world, rng, entity)
    _former(world)
    return terms


def _former(world: World) -> None:
    gone = {key for e in world.entities if e.churned_on and e.churned_on < world.today - 365 for key in e.crm_ids}
    for row in world.salesforce["Account"]:
        if row["Id"] in gone:
            row.update(Type="Former Customer", Active__c=False)
