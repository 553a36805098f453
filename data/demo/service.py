"""Service tickets with their history, SLA and satisfaction, as the helpdesk keeps them."""

from __future__ import annotations

from random import Random

from data.demo import timing
from data.demo.contracts import year_of
from data.demo.words import PRODUCTS, TICKET_SUBJECTS
from data.demo.world import Employee, Entity, Record, World, pick

RESERVED = (47951, 47988, 48102, 48213, 48240)
PRIORITIES = ("low", "normal", "normal", "normal", "high", "high", "urgent")
REPLY_HOURS = {"urgent": 1, "high": 4, "normal": 8, "low": 24}
SOLVE_HOURS = {"urgent": 8, "high": 24, "normal": 72, "low": 120}
_CHANNELS = ("web", "email", "voice", "voice", "api", "chat")
_FIELDS = (360001, 360002, 360003, 360004, 360005)


def _when(world: World, rng: Random, entity: Entity) -> list[int]:
    begin = max(world.start, entity.since)
    rate = 2.6 * entity.size**0.5
    moments: list[int] = []
    day = begin + int(rng.random() * 100)
    while day < world.today:
        moments.append(timing.at(day, 28800 + int(rng.random() * 36000)))
        habits = entity.usage[year_of(world, entity, day)]
        quiet = 0.25 if entity.churned_on and day > entity.churned_on else 1.0
        day += 1 + int(rng.expovariate(rate * (0.5 + 0.5 * habits) * quiet / 365))
    return moments


def metric(name: str, breach: int, done: int | None, now: int) -> Record:
    """One SLA metric of a ticket as the `slas` sideload shows it."""
    late = (done or now) > breach
    return {
        "metric": name,
        "breach_at": timing.utc(breach),
        "stage": "breached" if late else "achieved" if done else "active",
    }


def ticket(world: World, entity: Entity, number: int, created: int, fields: Record) -> Record:
    """Append a ticket; `replied`, `solved` and `closed` of `fields` are epoch seconds or None."""
    priority, agent = fields["priority"], fields["agent"]
    replied, solved, closed = fields["replied"], fields["solved"], fields["closed"]
    requester = entity.requesters[number % len(entity.requesters)]
    history = _history(world, created, requester, agent, fields)
    status = "closed" if closed else "solved" if solved else fields.get("status") or ("open" if replied else "new")
    updated = history[-1][0]
    policy = [
        metric("first_reply_time", created + REPLY_HOURS[priority] * 3600, replied, world.as_of),
        metric(
            "requester_wait_time",
            fields.get("breach") or created + SOLVE_HOURS[priority] * 3600,
            solved,
            world.as_of,
        ),
    ]
    row: Record = {
        "id": number,
        "subject": fields["subject"],
        "raw_subject": fields["subject"],
        "description": fields.get("text") or f"您好，我司{fields['subject']}，请尽快协助处理，谢谢。",
        "status": status,
        "priority": priority,
        "type": fields.get("type", "problem"),
        "requester_id": requester,
        "submitter_id": requester,
        "assignee_id": agent.agent_id if replied else None,
        "organization_id": entity.org_id,
        "group_id": 4410,
        "via": {"channel": fields["channel"]},
        "tags": [],
        "custom_fields": [
            {"id": _FIELDS[0], "value": fields["product"]},
            {"id": _FIELDS[1], "value": timing.utc(fields["callback"]) if fields.get("callback") else None},
            {"id": _FIELDS[2], "value": timing.utc(replied) if replied else None},
            {"id": _FIELDS[3], "value": None},
            {"id": _FIELDS[4], "value": fields.get("serial")},
        ],
        "due_at": None,
        "satisfaction_rating": {"score": fields["score"]},
        "created_at": timing.utc(created),
        "updated_at": timing.utc(updated),
        "generated_timestamp": updated + number % 3,
        "metric_set": _metrics(number, created, updated, replied, solved),
        "slas": {"policy_metrics": policy},
        "history": history,
        "stamp": updated + number % 3,
    }
    return world.add("zendesk", "tickets", row)


def _metrics(number: int, created: int, updated: int, replied: int | None, solved: int | None) -> Record:
    reply = (replied - created) // 60 if replied else None
    full = (solved - created) // 60 if solved else None
    return {
        "ticket_id": number,
        "created_at": timing.utc(created),
        "updated_at": timing.utc(updated),
        "assigned_at": timing.utc(replied) if replied else None,
        "solved_at": timing.utc(solved) if solved else None,
        "status_updated_at": timing.utc(updated),
        "latest_comment_added_at": timing.utc(updated),
        "reopens": 0,
        "replies": 2 if solved else 1 if replied else 0,
        "reply_time_in_minutes": {"calendar": reply, "business": reply},
        "full_resolution_time_in_minutes": {"calendar": full, "business": full},
    }


def _history(
    world: World, created: int, requester: int, agent: Employee, fields: Record
) -> list[tuple[int, int, str, str | None, str]]:
    """(instant, author, field, previous value, value); field `comment` carries text."""
    rows: list[tuple[int, int, str, str | None, str]] = [(created, requester, "status", None, "new")]
    replied, solved, closed = fields["replied"], fields["solved"], fields["closed"]
    if replied:
        rows.append((replied, agent.agent_id, "status", "new", "open"))
        rows.append((replied, agent.agent_id, "comment", None, "您好，已收到您的问题，工程师正在处理。"))
    if fields.get("raised"):
        rows.append((fields["raised"], agent.agent_id, "priority", fields.get("before", "high"), fields["priority"]))
    if fields.get("status") and fields["status"] != "open" and replied:
        rows.append((world.clip(replied + 7200), agent.agent_id, "status", "open", fields["status"]))
    if solved:
        rows.append((solved, agent.agent_id, "comment", None, "问题已处理完毕，请确认。"))
        rows.append((solved, agent.agent_id, "status", "open", "solved"))
    if closed:
        rows.append((closed, -1, "status", "solved", "closed"))
    return rows


def _ordinary(world: World, rng: Random, entity: Entity, number: int, created: int) -> None:
    year = year_of(world, entity, timing.day_of(created))
    priority = pick(rng, PRIORITIES)
    miss, mood = entity.misses[year], entity.mood[year]
    replied = created + int(
        REPLY_HOURS[priority]
        * 3600
        * (1 + rng.random() * 2 if rng.random() < miss * 0.8 else 0.05 + rng.random() * 0.9)
    )
    missed = rng.random() < miss
    solved: int | None = created + int(
        SOLVE_HOURS[priority] * 3600 * (1.05 + rng.random() * 1.5 if missed else 0.1 + rng.random() * 0.85)
    )
    solved = max(solved or 0, replied + 1800)
    if not entity.is_lead and created > world.as_of - 40 * 86400 and rng.random() < 0.22:
        solved = world.as_of + 86400  # the backlog: still being worked on
    if entity.is_lead and solved >= world.as_of:
        solved = world.as_of - 7200
    closed: int | None = solved + 86400 * 4
    product = pick(rng, PRODUCTS)
    score = "unoffered"
    if rng.random() < 0.62:
        score = "good" if rng.random() < mood - (0.25 if missed else 0) else "bad"
    fields: Record = {
        "subject": pick(rng, TICKET_SUBJECTS[product[2]]).format(p=product[0], n=int(rng.random() * 90) + 10),
        "product": f"{product[1]}-{pick(rng, ('100', '300', '500'))}",
        "priority": priority,
        "agent": pick(rng, world.agents),
        "channel": pick(rng, _CHANNELS),
        "score": score,
        "replied": min(replied, world.as_of - 60) if entity.is_lead else replied if replied < world.as_of else None,
        "solved": solved if solved < world.as_of else None,
        "closed": closed if closed is not None and closed < world.as_of else None,
        "type": pick(rng, ("problem", "question", "incident", "task")),
    }
    if fields["solved"] is None:
        fields["score"] = "unoffered"
        if fields["replied"]:
            fields["status"] = pick(rng, ("open", "open", "pending", "hold"))
            if rng.random() < 0.2:
                fields["callback"] = world.as_of + int(rng.random() * 172800)
    ticket(world, entity, number, created, fields)


def build(world: World) -> None:
    """Tickets of every customer with a helpdesk organisation, numbered by creation."""
    rng = world.rng("service")
    opened: list[tuple[int, Entity]] = []
    for entity in world.entities:
        if entity.org_id and entity.requesters:
            moments = _when(world, rng, entity)
            if entity.is_lead:
                moments = [timing.at(world.start + 20 + k * 32, 36000 + k * 300) for k in range(32)]
            opened += [(moment, entity) for moment in moments]
    opened.sort(key=lambda item: (item[0], item[1].index))
    number = 48250 - len(opened) - len(RESERVED)
    number = number if number > 10000 else 60000
    for created, entity in opened:
        number += 1
        while number in RESERVED:
            number += 1
        _ordinary(world, rng, entity, number, created)
    world.next("ticket", max(number, 48240) + 10)
