"""The staff: account managers in four regions, directors, service agents, engineers, finance; in all four systems."""

from __future__ import annotations

from data.demo import timing
from data.demo.masters import DEPARTMENTS
from data.demo.words import GIVEN, REGIONS, SURNAMES
from data.demo.world import Employee, World

DOMAIN = "chengyuan.example.com"
ANCHOR_OWNER = "林晓岚"
_PLAN = (
    ("总经理", "总经办", 1, ""),
    ("销售总监", "销售部", 4, "each"),
    ("客户经理", "销售部", 20, "each"),
    ("客户经理", "销售部", 2, "left"),
    ("服务工程师", "客户服务部", 14, ""),
    ("项目经理", "工程部", 10, ""),
    ("应收会计", "财务部", 4, ""),
)


def _names(world: World) -> list[tuple[str, str]]:
    rng = world.rng("staff names")
    names = {("林晓岚", "linxiaolan"): None, ("周文博", "zhouwenbo"): None, ("赵志远", "zhaozhiyuan"): None}
    while len(names) < 60:
        surname, given = SURNAMES[int(rng.random() * len(SURNAMES))], GIVEN[int(rng.random() * len(GIVEN))]
        names[(surname[0] + given[0], surname[1] + given[1])] = None
    return list(names)


def _new(world: World, name: tuple[str, str], title: str, department: str, region: str, active: bool) -> Employee:
    rng = world.rng("staff " + name[1])
    serial = world.next("staff", 12)
    return Employee(
        number=f"ZY{serial:04d}",
        name=name[0],
        email=f"{name[1]}@{DOMAIN}",
        phone=f"139{int(rng.random() * 1e8):08d}",
        title=title,
        department=department,
        region=region,
        active=active,
        user_id=world.sf_id("005", "user"),
        erp_id=100200 + serial,
        agent_id=21100500 + serial * 37,
        account_id=f"5b10a{serial:04d}{int(rng.random() * 16**15):015x}",
    )


def _systems(world: World, person: Employee, head: str) -> None:
    joined = timing.add_months(world.start, -48) + int(person.number[2:]) * 11
    created = timing.at(joined, 33000)
    changed = world.clip(timing.at(world.start + 500, 40000)) if not person.active else created
    world.sf(
        "User",
        person.user_id,
        created,
        changed,
        {
            "Name": person.name,
            "Email": person.email,
            "EmployeeNumber": person.number,
            "Department": person.department,
            "Division": person.region,
            "Title": person.title,
            "Phone": person.phone,
            "ManagerId": head or None,
            "IsActive": person.active,
        },
    )
    world.salesforce["User"][-1].pop("IsDeleted")
    world.add(
        "kingdee",
        "BD_Empinfo",
        {
            "FID": person.erp_id,
            "FStaffNumber": person.number,
            "FNumber": person.number,
            "FName": person.name,
            "FEMail": person.email,
            "FMobile": person.phone,
            "FPostDept": DEPARTMENTS[person.department],
            "FDocumentStatus": "C",
            "FForbidStatus": "A" if person.active else "B",
            "FCreateDate": timing.wall(created),
            "FModifyDate": timing.wall(changed),
        },
    )
    if person.department in {"客户服务部", "销售部"}:
        _agent(world, person, created)
    if person.department in {"工程部", "客户服务部"}:
        _jira_user(world, person)


def _agent(world: World, person: Employee, created: int) -> None:
    world.add(
        "zendesk",
        "users",
        {
            "id": person.agent_id,
            "name": person.name,
            "email": person.email,
            "phone": person.phone,
            "role": "agent",
            "organization_id": None,
            "active": person.active,
            "suspended": False,
            "external_id": person.number,
            "user_fields": {"position": person.title},
            "created_at": timing.utc(created),
            "updated_at": timing.utc(created),
            "stamp": created,
        },
    )


def _jira_user(world: World, person: Employee) -> None:
    world.add(
        "jira",
        "users",
        {
            "accountId": person.account_id,
            "accountType": "atlassian",
            "displayName": person.name,
            "emailAddress": person.email,
            "active": person.active,
        },
    )


def build(world: World) -> None:
    """About 55 employees; 林晓岚 is an account manager of 华东, 周文博 a service engineer, 赵志远 a project manager."""
    names = _names(world)
    fixed = {"客户经理": names.pop(0), "服务工程师": names.pop(0), "项目经理": names.pop(0)}
    for title, department, count, spread in _PLAN:
        for k in range(count):
            name = fixed.pop(title) if k == 0 and title in fixed and spread != "left" else names.pop(0)
            region = REGIONS[k % 4] if spread else "总部"
            world.staff.append(_new(world, name, title, department, region, spread != "left"))
    chief = world.staff[0]
    heads = {person.region: person for person in world.staff if person.title == "销售总监"}
    for person in world.staff:
        superior = heads[person.region] if person.title == "客户经理" else chief
        person.manager = "" if person is chief else superior.user_id
        _systems(world, person, person.manager)
    world.managers = [p for p in world.staff if p.title == "客户经理"]
    world.agents = [p for p in world.staff if p.title == "服务工程师"]
    world.engineers = [p for p in world.staff if p.title == "项目经理"]
