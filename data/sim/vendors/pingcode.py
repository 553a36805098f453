"""PingCode v1: pages from 0, epoch seconds, a token by GET, tombstones and archived rows only when asked for."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from data.sim import dataset, paging
from data.sim.access import Call, OAuth, Reply
from data.sim.engine import Simulator, route
from data.sim.table import START, Record, Table

CLIENT, SECRET = "demo-client", "demo-pingcode-secret"
EVERY = (100, 30)
"""Rows of a page: the most one gets, whatever is asked for, and how many come unasked."""
PERIOD_S = 60
KINDS = ["story", "task", "bug"]


def epoch(moment: datetime) -> int:
    """Ten digits."""
    return int(moment.timestamp())


def _end(day: str) -> int:
    """The last second of a day in China."""
    return int(datetime.fromisoformat(f"{day}T23:59:59+08:00").timestamp())


def _id(kind: str, number: int) -> str:
    return f"5e{kind}{number:018x}"


def _state(kind: str, place: int) -> Record:
    name, group = [("待处理", "pending"), ("处理中", "in_progress"), ("已完成", "completed")][place]
    return {"id": _id(kind, place), "name": name, "type": group}


def _user(number: int) -> Record:
    return {"id": _id("aaaa", number), "name": f"staff{number}", "display_name": f"Staff {number}"}


PROJECT = {
    "identifier": "code",
    "name": "name",
    "type": lambda n, _row: ["scrum", "kanban", "hybrid", "waterfall"][n % 4],
    "assignee": lambda _n, row: _user(row["owner"]),
    "state": lambda n, _row: _state("a0a0", n % 3),
    "start_at": lambda _n, row: _end(row["start"]),
    "end_at": lambda _n, row: _end(row["end"]),
    "properties": lambda _n, row: {"customer_code": f"C-{1000 + row['customer']}", "contract_number": None},
    "members": lambda _n, row: [{"id": _id("aaaa", row["owner"]), "type": "user"}],
}
ITEM = {
    "identifier": lambda n, row: f"PRJ{row['project']}-{n}",
    "title": "name",
    "type": lambda n, row: "milestone" if row["milestone"] else KINDS[n % 3],
    "project": lambda _n, row: {"id": _id("bbbb", row["project"]), "identifier": f"PRJ{row['project']}"},
    "assignee": lambda _n, row: _user(row["owner"]),
    "state": lambda n, row: _state("b0b0", 2 if row["done"] else n % 2),
    "end_at": lambda _n, row: _end(row["due"]),
    "completed_at": lambda _n, row: _end(row["due"]) if row["done"] else None,
}
TICKET = {
    "identifier": lambda n, _row: f"SLC-T{n}",
    "title": "subject",
    "description": lambda _n, row: f"<p>{row['text']}</p>",
    "product": lambda *_: {"id": _id("dddd", 0), "identifier": "SLC", "name": "压力表"},
    "assignee": lambda _n, row: _user(row["owner"]),
    "state": lambda _n, row: _state("c0c0", {"open": 0, "pending": 1, "solved": 2, "closed": 2}[row["status"]]),
    "type": lambda *_: {"id": _id("e0e0", 0), "name": "需求"},
    "customer": lambda _n, row: {"id": _id("cccc", row["customer"]), "name": f"北辰精工 Example {row['customer']}"},
    "priority": lambda _n, row: {"id": _id("f0f0", row["priority"]), "name": f"P{3 - row['priority']}"},
    "estimated_at": lambda *_: {"from": epoch(START), "to": epoch(START) + 86_400, "granularity": "day"},
    "completed_at": lambda _n, row: epoch(START) + 3600 if row["status"] in {"solved", "closed"} else None,
}


class Token(OAuth):
    """The form comes as parameters of a GET; expires_in is the instant of the end."""

    def sign_in(self, call: Call, vendor: Simulator) -> Reply | None:
        """A token that lives thirty days."""
        if call.path != self.path:
            return None
        self.more["expires_in"] = epoch(vendor.clock.now) + 30 * 86_400
        reply = super().sign_in(Call(call.method, call.path, {}, call.query, call.headers), vendor)
        good = reply is not None and reply.status == 200 and call.method == "GET"
        return reply if good else vendor.refuse(401, "client_id 或 client_secret 错误")


class Vendor(Simulator):
    """Ids are 24 hexadecimal digits; lists go by creation; a deletion moves the stamp."""

    connector = "pingcode"

    def setup(self) -> None:
        """Five tables; every row but a user's says whether it is archived or deleted."""
        form = {"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": SECRET}
        self.auth = Token("/v1/auth/token", form)
        flags = {"created_at": epoch(START), "updated_at": 0, "is_archived": 0, "is_deleted": 0}
        people = [
            {**_user(n), "display_name": row["name"], "email": row["email"], "employee_number": row["code"]}
            | {"status": "enabled" if row["active"] else "disabled", "avatar": f"https://s3.example.com/{n}.png"}
            for n, row in enumerate(dataset.people())
        ]
        self.tables["users"] = Table(self.clock, people, label="display_name", write=epoch)
        sprints = [
            {
                "name": f"迭代 {n}",
                "status": ["completed", "in_progress"][n % 2],
                "end_at": _end(str(date(2026, 6, 1 + n))),
            }
            | {"project": {"id": _id("bbbb", 2 * (n % 3))}, "assignee": _user(n % 5)}
            for n in range(5)
        ]
        made = {
            "projects": ("bbbb", "name", dataset.shaped(dataset.projects(), PROJECT)),
            "work_items": ("abcd", "title", dataset.shaped(dataset.tasks(), ITEM)),
            "tickets": ("dcba", "title", dataset.shaped(dataset.tickets(), TICKET)),
            "sprints": ("abba", "name", sprints),
        }
        for name, (kind, label, rows) in made.items():
            full = [{"id": _id(kind, n), **row, **flags} for n, row in enumerate(rows)]
            self.tables[name] = Table(self.clock, full, stamps=("updated_at",), label=label, write=epoch)
        self.children["work_item_histories"] = lambda: self._moves("work_items")
        self.children["ticket_histories"] = lambda: self._moves("tickets")

    def settings(self) -> dict[str, Any]:
        """Small pages, so that there are several; no histories, which cost a call each."""
        budget = {"page_size": 10, "calls_per_minute": 100_000, "ticket_histories": False}
        return {"base_url": self.url, "client_id": CLIENT, "client_secret": SECRET, **budget}

    def error(self, status: int, reason: str) -> Any:
        """A code as text; 100038 is the limit of calls."""
        return {"code": "100038" if status == 429 else "100000", "message": reason}

    def refuse(self, status: int, reason: str, **headers: str) -> Reply:
        """As all errors, but the wait stands in a header of the vendor's own."""
        reply = super().refuse(status, reason)
        if "Retry_After" in headers:
            reply.headers["x-pc-retry-after"] = headers["Retry_After"]
        return reply

    def new_id(self, stream: str) -> str:
        """An id made after all others."""
        return f"5f{len(self.calls):06x}{self.tables[stream].made:016x}"

    def remove(self, stream: str, row_id: str) -> None:
        """To the recycle bin: the row stays and says so."""
        super().remove(stream, row_id)
        if "is_deleted" in self.tables[stream].gone[row_id]:
            self.tables[stream].gone[row_id]["is_deleted"] = 1

    def restore(self, stream: str, row_id: str) -> None:
        """Out of the recycle bin."""
        if "is_deleted" in self.tables[stream].gone[row_id]:
            self.tables[stream].gone[row_id]["is_deleted"] = 0
        super().restore(stream, row_id)

    def _page(self, call: Call, rows: list[Record]) -> Any:
        index, size = call.number("page_index", 0), min(call.number("page_size", EVERY[1]), EVERY[0])
        part, _more = paging.numbered(rows, index, size, first=0)
        return {"page_size": size, "page_index": index, "total": len(rows), "values": part}

    def _listed(self, call: Call, stream: str, *, bin_too: bool) -> Any:
        """Rows by creation; those changed in between, of some projects, deleted and archived ones on request."""
        table, start, end = self.tables[stream], "", ""
        if "updated_between" in call.query:
            start, _, end = call.query["updated_between"].partition(",")
            if any(part and not part.isdigit() for part in (start, end)):
                return self.refuse(400, "updated_between 格式错误")
        wanted = [one for one in call.query.get("project_ids", "").split(",") if one]
        if len(wanted) > 20:
            return self.refuse(400, "project_ids 最多只能20个")
        rows = [*table.rows.values()]
        if bin_too and call.query.get("include_deleted") == "true":
            rows += table.gone.values()
        if call.query.get("include_archived") != "true":
            rows = [row for row in rows if not row["is_archived"]]
        if wanted:
            rows = [row for row in rows if row["project"]["id"] in wanted]
        rows = [row for row in rows if int(start or 0) <= row["updated_at"] <= int(end or 2**40)]
        return self._page(call, sorted(rows, key=lambda row: row["id"]))

    @route("GET", "/v1/directory/users")
    def users(self, call: Call) -> Any:
        """Every member of the company."""
        return self._page(call, self.tables["users"].ordered())

    @route("GET", "/v1/project/projects")
    def projects(self, call: Call) -> Any:
        """There is no filter by change."""
        return self._listed(call, "projects", bin_too=True)

    @route("GET", "/v1/project/work_items")
    def work_items(self, call: Call) -> Any:
        """Work items of all projects."""
        return self._listed(call, "work_items", bin_too=True)

    @route("GET", "/v1/ship/tickets")
    def tickets(self, call: Call) -> Any:
        """Tickets; include_deleted is not known here, and archived ones are told in any case."""
        call.query["include_archived"] = "true"
        return self._listed(call, "tickets", bin_too=False)

    @route("GET", "/v1/project/projects/{project}/sprints")
    def sprints(self, call: Call) -> Any:
        """Sprints of one project."""
        rows = self.tables["sprints"].ordered()
        return self._page(call, [row for row in rows if row["project"]["id"] == call.at["project"]])

    @route("GET", "/v1/project/work_items/{parent}/transition_histories")
    @route("GET", "/v1/ship/tickets/{parent}/transition_histories")
    def histories(self, call: Call) -> Any:
        """The states that one record went through, the first from nowhere."""
        stream = "tickets" if "/ship/" in call.path else "work_items"
        moves = self._moves(stream).values()
        part = "ticket" if stream == "tickets" else "work_item"
        return self._page(call, [move for move in moves if move[part]["id"] == call.at["parent"]])

    def _moves(self, stream: str) -> dict[str, Record]:
        """Of each record one move into its first state, and one into its state now."""
        part = "ticket" if stream == "tickets" else "work_item"
        kind = "c0c0" if stream == "tickets" else "b0b0"
        found = {}
        for row in self.tables[stream].ordered():
            fixed = {part: {"id": row["id"], "identifier": row["identifier"]}, "created_by": _user(1)}
            first = {**fixed, "from_state": None, "to_state": _state(kind, 0), "created_at": epoch(START)}
            moves = [first]
            if row["state"]["type"] != "pending":
                later = {"from_state": _state(kind, 0), "to_state": row["state"], "created_at": epoch(START) + PERIOD_S}
                moves.append({**fixed, **later})
            found.update({f"{row['id']}{n}": {"id": f"{row['id']}{n}", **move} for n, move in enumerate(moves)})
        return found
