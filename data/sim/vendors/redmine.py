"""Redmine's REST: open issues and active projects unless asked, a limit cut without a word, versions per project."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from data.sim import dataset
from data.sim.access import Call, Key, Reply
from data.sim.engine import Simulator, route
from data.sim.table import START, Record, Table, iso

KEY = "demo-redmine-key"
STATUSES = {1: ("New", False), 2: ("In Progress", False), 5: ("Closed", True), 6: ("Rejected", True)}
CLOSED_PROJECT, ARCHIVED_PROJECT = 5, 9


def _status(number: int) -> Record:
    name, closed = STATUSES[number]
    return {"id": number, "name": name, "is_closed": closed}


def _project(place: int, row: Record) -> Record:
    values = {"Customer": f"C-{1000 + row['customer']}", "Contract": f"HT-{place}"}
    fields = [{"id": 3 + n, "name": name, "value": value} for n, (name, value) in enumerate(values.items())]
    named = {"id": 12 + place, "name": row["name"], "identifier": row["code"].lower()}
    parent = {"parent": {"id": 12, "name": "Einführung"}} if place == 3 else {}
    status = 1 if row["active"] else CLOSED_PROJECT
    return {**named, **parent, "status": status, "custom_fields": fields, "created_on": iso(START)}


def _issue(place: int, row: Record) -> Record:
    """Keys of what is not set are left out, not null."""
    owner = {"assigned_to": {"id": 5 + row["owner"], "name": "M"}} if place % 4 else {}
    version = {"fixed_version": {"id": 30 + row["project"], "name": "Acceptance"}} if place % 2 else {}
    changes = [{"property": "attr", "name": "status_id", "old_value": "1", "new_value": "5"}]
    journal = {"user": {"id": 5, "name": "M"}, "notes": "", "created_on": iso(START), "details": changes}
    return {
        "id": 4700 + place,
        "project": {"id": 12 + row["project"], "name": "P"},
        "tracker": {"id": 1, "name": "Task"},
        "status": _status(5 if row["done"] else 6 if place % 7 == 4 else 2),
        "priority": {"id": 4, "name": "Normal"},
        "author": {"id": 5, "name": "M"},
        **owner,
        **version,
        "subject": row["name"],
        "due_date": row["due"],
        "done_ratio": 40,
        "created_on": iso(START),
        "journals": [{"id": 9000 + place, **journal}] if row["done"] else [],
    }


class Vendor(Simulator):
    """`most` is the limit to which a longer one is cut; `without_versions` are projects without issue tracking."""

    connector = "redmine"

    def setup(self) -> None:
        """Projects, their versions and issues, users, time entries; the journals stand inside the issues."""
        self.auth = Key(KEY, "x-redmine-api-key")
        self.most = 100
        self.without_versions: set[int] = set()
        versions = [
            {"id": 30 + n, "project": {"id": 12 + n, "name": "P"}, "name": f"Abnahme 验收 {n}", "status": "open"}
            | {"due_date": "2026-12-18", "sharing": "none", "created_on": iso(START)}
            for n in range(7)
        ]
        users = [
            {"id": 5 + n, "login": row["code"], "firstname": row["name"].split()[0], "lastname": row["name"].split()[1]}
            | {"mail": row["email"], "status": 1 if row["active"] else 3, "created_on": iso(START)}
            for n, row in enumerate(dataset.people())
        ]
        spent = [
            {
                "id": 800 + n,
                "issue": {"id": 4700 + n},
                "hours": 1.5,
                "comments": f"Montage {n}",
                "created_on": iso(START),
            }
            for n in range(9)
        ]
        rows = {
            "projects": ([_project(n, row) for n, row in enumerate(dataset.projects())], "name"),
            "versions": (versions, "name"),
            "issues": ([_issue(n, row) for n, row in enumerate(dataset.tasks())], "subject"),
            "users": (users, "lastname"),
            "time_entries": (spent, "comments"),
        }
        for name, (made, label) in rows.items():
            self.tables[name] = Table(self.clock, made, stamps=("updated_on",), label=label)
        self.children["issue_journals"] = lambda: {
            str(journal["id"]): journal for row in self.tables["issues"].rows.values() for journal in row["journals"]
        }

    def settings(self) -> dict[str, Any]:
        """The address, the key, and the custom fields of projects."""
        return {"base_url": self.url, "key": KEY, "customer_field": "Customer", "contract_field": "Contract"}

    def error(self, status: int, reason: str) -> Any:
        """An empty body, except for what cannot be understood."""
        return {"errors": [reason]} if status == 422 else ""

    @route("GET", "/projects.json")
    def projects(self, call: Call) -> Record:
        """Active ones unless told; archived ones never; a status that is no number finds nothing."""
        wanted = call.query.get("status", "1").split("|")
        rows = [row for row in self._all("projects") if row["status"] != ARCHIVED_PROJECT]
        return self._page(call, "projects", [row for row in rows if str(row["status"]) in wanted])

    @route("GET", "/users.json")
    def users(self, call: Call) -> Record:
        """Active ones unless told."""
        wanted = call.query.get("status", "1")
        rows = [row for row in self._all("users") if not wanted or str(row["status"]) == wanted]
        return self._page(call, "users", rows)

    @route("GET", "/issues.json")
    def issues(self, call: Call) -> Record | Reply:
        """Open ones unless `status_id` says otherwise; without journals."""
        rows = self._all("issues")
        if call.query.get("status_id") != "*":
            rows = [row for row in rows if not row["status"]["is_closed"]]
        if text := call.query.get("updated_on", ""):
            since = _since(text)
            if since is None:
                return self.refuse(422, "Updated is invalid")
            rows = [row for row in rows if self.tables["issues"].changed[str(row["id"])] > since]
        shown = [{key: value for key, value in row.items() if key != "journals"} for row in rows]
        return self._page(call, "issues", shown)

    @route("GET", "/issues/{number}.json")
    def issue(self, call: Call) -> Record | Reply:
        """One issue, with journals when they are asked for."""
        row = self.tables["issues"].rows.get(call.at["number"])
        if row is None:
            return self.refuse(404, "")
        hidden = set() if "journals" in call.query.get("include", "") else {"journals"}
        return {"issue": {key: value for key, value in row.items() if key not in hidden}}

    @route("GET", "/projects/{number}/versions.json")
    def versions(self, call: Call) -> Record | Reply:
        """All versions of a project on one page; refused where issue tracking is switched off."""
        number = int(call.at["number"])
        if number in self.without_versions:
            return self.refuse(403, "")
        shared = [row for row in self._all("versions") if row["sharing"] == "system" or row["project"]["id"] == number]
        return {"versions": shared, "total_count": len(shared)}

    @route("GET", "/time_entries.json")
    def time_entries(self, call: Call) -> Record:
        """There is no filter on updated_on: it is ignored."""
        return self._page(call, "time_entries", self._all("time_entries"))

    def _all(self, name: str) -> list[Record]:
        return self.tables[name].ordered()

    def _page(self, call: Call, name: str, rows: list[Record]) -> Record:
        start, size = call.number("offset", 0), min(call.number("limit", 25), self.most)
        return {name: rows[start : start + size], "total_count": len(rows), "offset": start, "limit": size}


def _since(text: str) -> datetime | None:
    """The instant after which rows are wanted: `>=` means later than one second before; None when it is unreadable."""
    found = re.fullmatch(r">=(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)", text)
    return datetime.fromisoformat(found[1]).astimezone(UTC) - timedelta(seconds=1) if found else None
