"""Delivery projects in Jira: the project, one version and one 里程碑 issue per milestone, and tasks."""

from __future__ import annotations

from random import Random

from data.demo import timing
from data.demo.words import MILESTONES, PROJECT_NAMES, TASKS
from data.demo.world import Employee, Entity, Record, World, pick

_STATUS = {
    "open": ("10000", "待办", "new"),
    "in_progress": ("3", "进行中", "indeterminate"),
    "done": ("10001", "已完成", "done"),
    "cancelled": ("10002", "已取消", "done"),
}
_CATEGORY = {"id": "10100", "name": "客户交付"}


def status(name: str) -> Record:
    """The Jira status object of open, in_progress, done or cancelled."""
    key, label, category = _STATUS[name]
    return {"id": key, "name": label, "statusCategory": {"key": category}}


def person(employee: Employee) -> Record:
    """A Jira user reference."""
    return {
        "accountId": employee.account_id,
        "displayName": employee.name,
        "emailAddress": employee.email,
        "active": employee.active,
    }


def project(world: World, entity: Entity, key: str, name: str, lead: Employee, delivery: Record) -> Record:
    """Append a project; `delivery` is its entity property (README)."""
    number = str(world.next("jira project", 10001))
    spelled = delivery["customerName"]
    lines = [
        f"客户编码: {delivery['customerCode']}" if delivery["customerCode"] else "",
        f"客户名称: {spelled}",
    ]
    lines.append(f"合同编号: {delivery['contractNumber']}" if delivery["contractNumber"] else "")
    entity.projects.append(key)
    row: Record = {
        "id": number,
        "key": key,
        "name": name,
        "description": "\n".join(line for line in lines if line),
        "projectTypeKey": "business",
        "projectCategory": _CATEGORY,
        "lead": person(lead),
        "archived": False,
        "properties": {"delivery": delivery},
    }
    return world.add("jira", "projects", row)


def issue(world: World, home: Record, name: str, kind: str, owner: Employee, fields: Record) -> Record:
    """Append an issue. `fields`: state, created, updated, due, original, done, progress, version, history."""
    key = world.next("jira issue", 20001)
    version = fields.get("version")
    created, updated = fields["created"], world.clip(fields["updated"])
    position = world.next("issues of " + home["key"])
    row: Record = {
        "id": str(key),
        "key": f"{home['key']}-{position}",
        "fields": {
            "summary": name,
            "description": None,
            "issuetype": {"id": "10010" if kind == "里程碑" else "10011", "name": kind},
            "status": status(fields["state"]),
            "project": {"id": home["id"], "key": home["key"], "name": home["name"]},
            "assignee": person(owner),
            "fixVersions": [{"id": version["id"], "name": version["name"]}] if version else [],
            "created": timing.jira(created),
            "updated": timing.jira(updated),
            "resolutiondate": timing.jira(fields["done"]) if fields.get("done") else None,
            "duedate": timing.iso(fields["due"]) if fields.get("due") else None,
            "customfield_10050": timing.iso(fields["original"]) if fields.get("original") else None,
            "customfield_10051": float(fields["progress"]),
        },
        "history": fields.get("history", []),
        "stamp": updated,
    }
    return world.add("jira", "issues", row)


def milestone(
    world: World,
    home: Record,
    owner: Employee,
    name: str,
    original: int,
    due: int,
    done: int,
    begun: int,
    progress: int,
) -> None:
    """A version and its issue; `done` is an ordinal day or 0, a slip is in the changelog."""
    version = {
        "id": str(world.next("jira version", 30001)),
        "projectId": int(home["id"]),
        "name": name,
        "description": f"原计划 {timing.iso(original)}",
        "archived": False,
        "released": bool(done),
        "startDate": timing.iso(begun),
        "releaseDate": timing.iso(done or due),
        "overdue": not done and due < world.today,
        "project": home["key"],
    }
    world.add("jira", "versions", version)
    created = timing.at(begun - 10, 34000 + world.next("jira second") % 20000)
    history: list[tuple[int, Employee, str, str, str]] = []
    updated = created
    if due != original:
        updated = world.clip(timing.at(min(original, world.today - 1) - 4, 37000))
        history.append((updated, owner, "duedate", timing.iso(original), timing.iso(due)))
    finished = world.clip(timing.at(done, 61200)) if done else None
    if finished:
        updated = max(updated, finished)
        history.append((finished, owner, "status", "进行中", "已完成"))
    state = "done" if done else "in_progress" if progress else "open"
    fields: Record = {
        "state": state,
        "created": min(created, world.as_of - 90000),
        "updated": updated,
        "due": due,
        "original": original,
        "done": finished,
        "progress": 100 if done else progress,
        "version": version,
        "history": history,
    }
    issue(world, home, name, "里程碑", owner, fields)


def _tasks(world: World, rng: Random, home: Record, begun: int, ended: int) -> None:
    for name in rng.sample(TASKS, 3 + int(rng.random() * 4)):
        due = begun + int(rng.random() * max(1, ended - begun))
        created = timing.at(min(begun, world.today - 3), 35000 + int(rng.random() * 20000))
        finished = timing.at(due + int(rng.gauss(1, 4)), 58000)
        done = created < finished < world.as_of and rng.random() < 0.9
        fields: Record = {
            "state": "done" if done else "in_progress" if due < world.today + 20 else "open",
            "created": created,
            "updated": finished if done else created + int(rng.random() * 90000),
            "due": due,
            "done": finished if done else None,
            "progress": 100 if done else int(rng.random() * 8) * 10,
        }
        issue(world, home, name, "任务", pick(rng, world.engineers), fields)


def _project(world: World, rng: Random, entity: Entity) -> None:
    span = 90 + int(rng.random() * 200)
    begun = max(world.start, entity.since) + int(
        rng.random() * max(1, world.today - max(world.start, entity.since) - 20)
    )
    owner = pick(rng, world.engineers)
    slip = max(0, int(rng.gauss(6, 12)))
    ended = begun + span
    finished = ended + slip < world.today
    state = "done" if finished else "active" if begun < world.today - 15 else "planned"
    if rng.random() < 0.05:
        state = "on_hold" if not finished else "cancelled"
    part = min(1.0, (world.today - begun) / (span + slip))
    name = f"{entity.short}{pick(rng, PROJECT_NAMES)}"
    delivery = {
        "customerCode": pick(rng, entity.erp).code if rng.random() < 0.85 else None,
        "customerName": entity.name if rng.random() < 0.6 else entity.short,
        "contractNumber": None,
        "status": state,
        "health": "green" if finished or slip < 6 else "amber" if slip < 16 else "red",
        "progress": 100 if state == "done" else int(part * 100),
        "startDate": timing.iso(begun),
        "plannedEnd": timing.iso(ended),
        "actualEnd": timing.iso(ended + slip) if finished else None,
    }
    home = project(world, entity, f"XM{world.next('project key'):04d}", name, owner, delivery)
    for position, label in enumerate(MILESTONES):
        original = begun + span * (position + 1) // len(MILESTONES)
        late = slip * (position + 1) // len(MILESTONES)
        due = original + late
        done = due if due < world.today else 0
        milestone(
            world,
            home,
            owner,
            label,
            original,
            due,
            done,
            begun,
            40 if not done and original - world.today < 20 else 0,
        )
    _tasks(world, rng, home, begun, ended)


def build(world: World) -> None:
    """Projects for about every sixth ERP customer."""
    rng = world.rng("delivery")
    for entity in world.entities:
        if not entity.erp or entity.is_lead or entity.kind == "bucket" or rng.random() > 0.06 + entity.size * 0.07:
            continue
        for _ in range(1 if rng.random() < 0.75 else 2):
            _project(world, rng, entity)
