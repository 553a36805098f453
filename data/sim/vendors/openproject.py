"""OpenProject API v3: HAL, pages by number (called offset), a capped page size, open work packages unless asked."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from data.sim import dataset, paging
from data.sim.access import Basic, Call, Reply
from data.sim.engine import Simulator, route
from data.sim.table import START, Record, Table, iso

KEY = "demo-openproject-key"
KIND = {"content-type": "application/hal+json; charset=utf-8"}
IDENTIFIERS = {400: "InvalidQuery", 401: "Unauthenticated", 403: "MissingPermission", 404: "NotFound"}
STATUSES = {
    1: ("Neu 新建", False, True),
    7: ("In progress", False, False),
    12: ("Closed", True, False),
    14: ("Rejected", True, False),
}
TYPES = {1: ("Task", False), 2: ("Meilenstein", True)}
HEALTH = ["on_track", "at_risk", "off_track", "not_started", "finished", "discontinued"]


def link(kind: str, number: int | str | None, title: str | None = None) -> Record:
    """A HAL link; one that leads nowhere is there, with null."""
    return {"href": None if number is None else f"/api/v3/{kind}/{number}", "title": title}


def _project(place: int, row: Record) -> Record:
    links = {"status": link("project_statuses", HEALTH[place % 6]), "parent": link("projects", None)}
    links |= {"customField6": {"href": f"/api/v3/custom_options/{place}", "title": f"HT-{place}"}, "memberships": {}}
    text = {"format": "markdown", "raw": "Inhalt", "html": "<p>Inhalt</p>"}
    own = {"description": text, "customField5": f"C-{1000 + row['customer']}"}
    named = {"identifier": row["code"].lower(), "name": row["name"], "active": row["active"]}
    return {"id": 12 + place, **named, **own, "_links": links}


def _package(place: int, row: Record) -> Record:
    status = 12 if row["done"] else 14 if place % 7 == 4 else 1 if place % 5 == 1 else 7
    links = {
        "project": link("projects", 12 + row["project"]),
        "status": link("statuses", status, STATUSES[status][0]),
        "type": link("types", 2 if row["milestone"] else 1),
        "assignee": link("users", 11 + row["owner"] if place % 2 == 0 else None),
        "responsible": link("users", 12),
        "parent": link("work_packages", None),
        "delete": {"href": f"/work_packages/bulk?ids={1500 + place}", "method": "delete"},
    }
    dates = {"date": row["due"]} if row["milestone"] else {"startDate": None, "dueDate": row["due"]}
    fixed = {"lockVersion": 0, "estimatedTime": "PT10H", "percentageDone": 40}
    return {"_type": "WorkPackage", "id": 1500 + place, "subject": row["name"], **dates, **fixed, "_links": links}


def _user(place: int, row: Record) -> Record:
    named = {"login": row["code"].lower(), "name": row["name"], "email": row["email"]}
    links = {"self": link("users", 11 + place)}
    return {"id": 11 + place, **named, "status": "active" if row["active"] else "locked", "_links": links}


def _version(place: int, row: Record) -> Record:
    facts = {"name": f"v{place}", "status": ["open", "locked", "closed"][place % 3], "endDate": row["end"]}
    return {"id": 300 + place, **facts, "_links": {"definingProject": link("projects", 12 + place)}}


class Vendor(Simulator):
    """`cap` rows a page at most, whatever is asked for; the change stamp may be filtered under the names `filters`."""

    connector = "openproject"
    cap = 1000
    filters = ("updatedAt",)
    names_users = True
    by_cursor = False

    def setup(self) -> None:
        """Statuses and types stand beside the tables: they carry no stamp."""
        self.auth = Basic("apikey", KEY)
        plans = dataset.projects()
        rows = {
            "users": [_user(n, row) for n, row in enumerate(dataset.people())],
            "projects": [_project(n, row) for n, row in enumerate(plans)],
            "versions": [_version(n, row) for n, row in enumerate(plans)],
            "work_packages": [_package(n, row) for n, row in enumerate(dataset.tasks())],
            "programs": [],
            "portfolios": [],
        }
        for name, made in rows.items():
            stamped = [{**row, "createdAt": iso(START), "updatedAt": ""} for row in made]
            label = "subject" if name == "work_packages" else "name"
            self.tables[name] = Table(self.clock, stamped, stamps=("updatedAt",), label=label)

    def settings(self) -> dict[str, Any]:
        """Small pages, so that there are several."""
        own = {"customer_field": "customField5", "contract_field": "customField6"}
        return {"base_url": self.url, "api_key": KEY, "page_size": 5, "calls_per_second": 100_000, **own}

    def error(self, status: int, reason: str) -> Any:
        """An identifier for programs, a sentence for people."""
        name = IDENTIFIERS.get(status, "InternalServerError")
        return {"_type": "Error", "errorIdentifier": f"urn:openproject-org:api:v3:errors:{name}", "message": reason}

    def _collection(self, call: Call, rows: list[Record]) -> Reply:
        """A page; its links repeat the question."""
        number, size = call.number("offset", 1), min(call.number("pageSize", 20), self.cap)
        part, more = paging.numbered(rows, number, size)
        select = call.query.get("select", "")
        if select:
            wanted = [name.removeprefix("elements/") for name in select.split(",") if name.startswith("elements/")]
            shown = [{name: row[name] for name in wanted} for row in part]
            return Reply(200, {"total": len(rows), "_embedded": {"elements": shown}}, KIND)

        def again(page: int) -> str:
            return f"{call.path}?{urlencode({**call.query, 'offset': page, 'pageSize': size})}"

        links = {"self": {"href": again(number)}}
        if more:
            links["nextByCursor" if self.by_cursor else "nextByOffset"] = {"href": again(number + 1)}
        facts = {"_type": "Collection", "total": len(rows), "count": len(part), "pageSize": size, "offset": number}
        return Reply(200, {**facts, "_embedded": {"elements": part}, "_links": links}, KIND)

    @route("GET", "/api/v3/users")
    def users(self, call: Call) -> Reply:
        """Users, for administrators; to others there is no such list."""
        if not self.names_users:
            return self.refuse(404, "The requested resource could not be found.")
        return self._collection(call, self.tables["users"].ordered())

    @route("GET", "/api/v3/projects")
    @route("GET", "/api/v3/programs")
    @route("GET", "/api/v3/portfolios")
    def plans(self, call: Call) -> Reply:
        """Projects and what groups them."""
        return self._collection(call, self.tables[call.path.rpartition("/")[2]].ordered())

    @route("GET", "/api/v3/versions")
    def versions(self, call: Call) -> Reply:
        """Unpaged: everything, whatever is asked for."""
        return self._unpaged(self.tables["versions"].ordered())

    @staticmethod
    def _unpaged(rows: list[Record]) -> Reply:
        facts = {"_type": "Collection", "total": len(rows), "count": len(rows)}
        return Reply(200, {**facts, "_embedded": {"elements": rows}, "_links": {"self": {}}}, KIND)

    @route("GET", "/api/v3/statuses")
    def statuses(self, call: Call) -> Reply:
        """Every status, with what it means."""
        shown = []
        for number, (name, closed, first) in STATUSES.items():
            links = {"self": link("statuses", number)}
            shown.append({"id": number, "name": name, "isClosed": closed, "isDefault": first, "_links": links})
        return self._unpaged(shown)

    @route("GET", "/api/v3/types")
    def types(self, call: Call) -> Reply:
        """Every type; its name is the company's own."""
        shown = []
        for number, (name, flag) in TYPES.items():
            links = {"self": link("types", number)}
            shown.append({"id": number, "name": name, "isMilestone": flag, "_links": links})
        return self._unpaged(shown)

    @route("GET", "/api/v3/work_packages")
    def work_packages(self, call: Call) -> Reply:
        """Those whose status is open, unless `filters` is sent; sorted by id unless asked."""
        rows = self.tables["work_packages"].ordered()
        if "filters" not in call.query:
            closed = {f"/api/v3/statuses/{number}" for number, (_, is_closed, _) in STATUSES.items() if is_closed}
            rows = [row for row in rows if row["_links"]["status"]["href"] not in closed]
        for one in json.loads(call.query.get("filters", "[]")):
            ((name, test),) = one.items()
            if name not in self.filters or test["operator"] != "<>d" or len(test["values"]) != 2:
                return self.refuse(400, f"Filters {name} filter does not exist or has no such operator.")
            low, high = (paging.instant(text) for text in test["values"])
            rows = [row for row in rows if low <= paging.instant(row["updatedAt"]) <= high]
        for key, way in reversed(json.loads(call.query.get("sortBy", '[["id","asc"]]'))):
            rows.sort(key=lambda row, key=key: row[key], reverse=way == "desc")  # type: ignore[misc]
        return self._collection(call, rows)
