"""What account managers did: calls, mails, chats (Task) and visits, meetings (Event) in the CRM."""

from __future__ import annotations

from random import Random

from data.demo import timing
from data.demo.words import CALL_SUBJECTS, MAIL_SUBJECTS, VISIT_SUBJECTS
from data.demo.world import Entity, Record, World, pick

_RESULTS = (
    "客户表示月底前安排付款",
    "客户对服务响应较满意",
    "需总部提供技术方案",
    "客户预算待批",
    "对方财务正在核对发票",
    "下季度有新增需求",
    "暂无进展，约定下周再联系",
)


def task(
    world: World,
    entity: Entity,
    moment: int,
    kind: str,
    subject: str,
    text: str,
    direction: str = "outbound",
    who: int = 0,
) -> Record:
    """Append a Task: kind Call, Email, Chat or Note."""
    fields: Record = {
        "AccountId": entity.crm_ids[0],
        "WhoId": entity.contacts[who % len(entity.contacts)]["id"] or None,
        "WhatId": None,
        "OwnerId": entity.owner.user_id,
        "Subject": subject,
        "Description": text,
        "Type": kind,
        "Direction__c": direction,
        "Status": "Completed",
        "ActivityDate": timing.iso(timing.day_of(moment)),
        "CompletedDateTime": timing.salesforce(moment),
    }
    return world.sf("Task", world.sf_id("00T", "task"), moment, moment, fields)


def event(world: World, entity: Entity, moment: int, kind: str, subject: str, text: str, who: int = 0) -> Record:
    """Append an Event: kind Visit or Meeting."""
    fields: Record = {
        "AccountId": entity.crm_ids[0],
        "WhoId": entity.contacts[who % len(entity.contacts)]["id"] or None,
        "WhatId": None,
        "OwnerId": entity.owner.user_id,
        "Subject": subject,
        "Description": text,
        "Type": kind,
        "StartDateTime": timing.salesforce(moment),
        "EndDateTime": timing.salesforce(moment + 5400),
    }
    return world.sf("Event", world.sf_id("00U", "event"), moment - 3600, moment + 5400, fields)


def _one(world: World, rng: Random, entity: Entity, moment: int) -> None:
    choice, who = rng.random(), int(rng.random() * 4)
    text = pick(rng, _RESULTS)
    if choice < 0.45:
        direction = "inbound" if rng.random() < 0.25 else "outbound"
        task(world, entity, moment, "Call", f"电话：{pick(rng, CALL_SUBJECTS)}", text, direction, who)
    elif choice < 0.70:
        task(world, entity, moment, "Email", f"邮件：{pick(rng, MAIL_SUBJECTS)}", text, "outbound", who)
    elif choice < 0.80:
        task(world, entity, moment, "Chat", "微信沟通", text, "inbound", who)
    else:
        subject = pick(rng, VISIT_SUBJECTS)
        event(world, entity, moment, "Meeting" if "会议" in subject else "Visit", subject, text, who)


def build(world: World) -> None:
    """About three contacts a year per customer, more for the important ones, fewer after churn."""
    rng = world.rng("interactions")
    weight = {"A": 6.0, "B": 3.2, "C": 1.8, "D": 0.9}
    for entity in world.entities:
        if not entity.crm_ids or not entity.contacts:
            continue
        begin = max(world.start, entity.since)
        rate = weight[entity.tier] if entity.erp else 1.2
        day = begin + int(rng.random() * 90)
        last = world.today - 14 if entity.is_lead else world.today
        while day < last:
            _one(world, rng, entity, timing.at(day, 32400 + int(rng.random() * 30000)))
            slow = 4.0 if entity.churned_on and day > entity.churned_on else 1.0
            day += 1 + int(rng.expovariate(rate / 365) * slow)
