"""Asana: text ids, compact answers unless opt_fields, pages only with limit, tasks by project, events by sync token."""

from __future__ import annotations

from typing import Any

from data.sim import dataset, paging
from data.sim.access import Call, Key, Reply
from data.sim.engine import Simulator, route
from data.sim.table import START, Record, Table, iso_ms

KEY = "demo-asana-token"
WORKSPACE = "1100000000000001"
HEALTH = ["on_track", "at_risk", "off_track", "on_hold", "complete", "dropped"]
USER, PROJECT, TASK, SUBTASK = 1200000000000011, 1203000000000012, 1204711000000042, 1205000000000100


def picked(row: Record, fields: str) -> Record:
    """The fields asked for, at any depth; id, name and type when none are."""
    if not fields:
        return {key: value for key, value in row.items() if key in {"gid", "name", "resource_type"}}
    inner: dict[str, list[str]] = {"gid": []}
    for path in fields.split(","):
        head, _, rest = path.partition(".")
        inner.setdefault(head, []).extend([rest] if rest else [])
    return {key: _inside(row[key], ",".join(rests)) for key, rests in inner.items() if key in row}


def _inside(value: Any, fields: str) -> Any:
    if isinstance(value, list):
        return [_inside(one, fields) for one in value]
    return picked(value, fields) if isinstance(value, dict) and fields else value


def _project(place: int, row: Record) -> Record:
    own = {"Customer": f"C-{1000 + row['customer']}", "Contract": f"HT-{place}"}
    dates = {"start_on": row["start"], "due_on": row["end"], "completed": False, "completed_at": None}
    return {
        "gid": str(PROJECT + place),
        "resource_type": "project",
        "name": row["name"],
        "archived": not row["active"],
        **dates,
        "owner": {"gid": str(USER + row["owner"])},
        "current_status_update": {"status_type": HEALTH[place % 6]},
        "custom_fields": [{"gid": f"77{n}", "name": key, "display_value": own[key]} for n, key in enumerate(own)],
    }


def _task(place: int, row: Record) -> Record:
    homes = [row["project"], (row["project"] + 1) % 7] if place == 5 else [row["project"]]
    return {
        "gid": str(TASK + place), "resource_type": "task", "name": row["name"], "completed": row["done"],
        "resource_subtype": "milestone" if row["milestone"] else "default_task", "start_on": None, "due_on": row["due"],
        "due_at": None, "completed_at": iso_ms(START) if row["done"] else None, "parent": None,
        "assignee": {"gid": str(USER + row["owner"])} if place % 2 == 0 else None, "num_subtasks": int(place == 3),
        "memberships": [{"project": {"gid": str(PROJECT + n)}, "section": {"gid": str(99 + n)}} for n in homes],
    }  # fmt: skip


class Vendor(Simulator):
    """`events` is what happened, project by project; tokens that point before `oldest` have expired."""

    connector = "asana"
    events_at_once = 100

    def setup(self) -> None:
        """Tasks of seven projects, one of them in two, one with a subtask."""
        self.auth = Key(f"Bearer {KEY}")
        self.events: list[tuple[str, Record]] = []
        self.oldest = self.turn = 0
        people = [{"gid": str(USER + n), "name": row["name"], "email": row["email"]}
                  for n, row in enumerate(dataset.people())]  # fmt: skip
        projects = [_project(n, row) for n, row in enumerate(dataset.projects())]
        tasks = [_task(n, row) for n, row in enumerate(dataset.tasks())]
        parent = {"gid": tasks[3]["gid"], "memberships": tasks[3]["memberships"]}
        child = {**tasks[3], "gid": str(SUBTASK), "name": "Teilschritt", "memberships": [], "num_subtasks": 0}
        child |= {"parent": parent, "created_at": iso_ms(START), "modified_at": iso_ms(START)}
        self.child: Record = child
        self.children["subtasks"] = lambda: {child["gid"]: child}
        self.tables["users"] = Table(self.clock, people, key="gid")
        for name, made in (("projects", projects), ("tasks", tasks)):
            rows = [{**row, "created_at": iso_ms(START), "modified_at": ""} for row in made]
            self.tables[name] = Table(self.clock, rows, key="gid", stamps=("modified_at",), write=iso_ms)

    def settings(self) -> dict[str, Any]:
        """Small pages, so that there are several."""
        own = {"customer_field": "Customer", "contract_field": "Contract", "projects_at_once": 3, "page_size": 3}
        return {
            "base_url": f"{self.url}/api/1.0",
            "workspace": WORKSPACE,
            "token": KEY,
            "calls_per_minute": 10**7,
            **own,
        }

    def error(self, status: int, reason: str) -> Any:
        """A list of errors; a failure of Asana's own has a phrase to tell the support."""
        error = {"message": reason, "help": "For more information on API status codes, see the documentation"}
        return {"errors": [{**error, "phrase": "6 sad squid snuggle softly"} if status == 500 else error]}

    def new_id(self, stream: str) -> str:
        """Ids are text."""
        return str(super().new_id(stream))

    def expected(self, stream: str) -> dict[str, Record]:
        """Tasks whose projects are all deleted are in no list."""
        rows = super().expected(stream)
        living = self.tables["projects"].rows.keys()
        return {gid: row for gid, row in rows.items() if stream != "tasks" or self._homes(row) & living}

    def happen(self, action: str, task: Record, projects: list[str]) -> None:
        """Tell every one of the projects' event feeds."""
        for project in projects:
            resource = {"gid": task["gid"], "resource_type": "task", "name": task["name"]}
            self.events.append((project, {"action": action, "resource": resource, "parent": {"gid": project}}))

    def remove(self, stream: str, row_id: str) -> None:
        """Deleted; the feeds of its projects say so."""
        row = self.tables[stream].rows[row_id]
        super().remove(stream, row_id)
        if stream == "tasks":
            self.happen("deleted", row, [home["project"]["gid"] for home in row["memberships"]])

    def restore(self, stream: str, row_id: str) -> None:
        """Taken from the bin."""
        super().restore(stream, row_id)
        if stream == "tasks":
            row = self.tables[stream].rows[row_id]
            self.happen("undeleted", row, [home["project"]["gid"] for home in row["memberships"]])

    def move(self, row_id: str, homes: list[str]) -> None:
        """Into these projects and out of all others; the task's stamp stays."""
        table = self.tables["tasks"]
        before = [home["project"]["gid"] for home in table.rows[row_id]["memberships"]]
        table.quietly(row_id, memberships=[{"project": {"gid": gid}, "section": {"gid": "1"}} for gid in homes])
        self.happen("removed", table.rows[row_id], [gid for gid in before if gid not in homes])
        self.happen("added", table.rows[row_id], [gid for gid in homes if gid not in before])

    def _listed(self, call: Call, rows: list[Record]) -> Any:
        """All rows, or with `limit` a page and the token of the next one; tokens of an earlier `turn` have expired."""
        fields = call.query.get("opt_fields", "")
        if "limit" not in call.query:
            return {"data": [picked(row, fields) for row in rows]}
        if not 1 <= call.number("limit", 0) <= 100:
            return self.refuse(400, "limit: Not a number between 1 and 100")
        turn, _, last = call.query.get("offset", f"eyJ{self.turn}.").removeprefix("eyJ").partition(".")
        if turn != str(self.turn):
            return self.refuse(400, "offset: Your pagination token has expired.")
        part, more = paging.after(rows, lambda row: row["gid"], last or None, call.number("limit", 0))
        offset = f"eyJ{self.turn}.{part[-1]['gid']}" if more else ""
        following = {"offset": offset, "path": f"/?offset={offset}", "uri": f"{self.url}/?offset={offset}"}
        return {"data": [picked(row, fields) for row in part], "next_page": following if more else None}

    @route("GET", "/api/1.0/users")
    @route("GET", "/api/1.0/projects")
    def of_workspace(self, call: Call) -> Any:
        """People or projects of a workspace; there is no filter by change."""
        if call.query.get("workspace") != WORKSPACE:
            return self.refuse(400, "workspace: Missing input")
        return self._listed(call, self.tables[call.path.rpartition("/")[2]].ordered())

    @route("GET", "/api/1.0/workspaces/{gid}")
    def workspace(self, call: Call) -> Any:
        """The workspace itself."""
        return {"data": {"gid": call.at["gid"], "resource_type": "workspace"}}

    @route("GET", "/api/1.0/workspaces/{gid}/tasks/search")
    def search(self, call: Call) -> Any:
        """Only on paid plans."""
        return self.refuse(402, "Search is only available to premium users.")

    @route("GET", "/api/1.0/tasks")
    def tasks(self, call: Call) -> Any:
        """The tasks of one project, subtasks excepted, changed since."""
        if "project" not in call.query:
            return self.refuse(400, "project: Missing input")
        since = paging.instant(call.query.get("modified_since", "2000-01-01"))
        table = self.tables["tasks"]
        rows = [row for row in table.ordered() if table.changed[row["gid"]] >= since]
        return self._listed(call, [row for row in rows if call.query["project"] in self._homes(row)])

    @staticmethod
    def _homes(row: Record) -> set[str]:
        return {home["project"]["gid"] for home in row["memberships"]}

    @route("GET", "/api/1.0/tasks/{gid}")
    def task(self, call: Call) -> Any:
        """One task, in whatever project."""
        row = self.tables["tasks"].rows.get(call.at["gid"])
        found = row and {"data": picked(row, call.query.get("opt_fields", ""))}
        return found or self.refuse(404, f"task: Unknown object: {call.at['gid']}")

    @route("GET", "/api/1.0/tasks/{gid}/subtasks")
    def subtasks(self, call: Call) -> Any:
        """The one subtask there is."""
        return self._listed(call, [self.child] if call.at["gid"] == self.child["parent"]["gid"] else [])

    @route("GET", "/api/1.0/events")
    def feed(self, call: Call) -> Any:
        """What happened in a project since the token; 412 and a fresh one for none or one that has expired."""
        place = call.query.get("sync", "").removeprefix("sync-")
        if not place.isdigit() or int(place) < self.oldest:
            body = self.error(412, "Sync token invalid or too old.")
            return Reply(412, {**body, "sync": f"sync-{len(self.events)}"})
        end = min(len(self.events), int(place) + self.events_at_once)
        found = [event for project, event in self.events[int(place) : end] if project == call.query["resource"]]
        return {"data": found, "sync": f"sync-{end}", "has_more": end < len(self.events)}
