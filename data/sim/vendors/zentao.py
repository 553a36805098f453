"""ZenTao REST v1: a PHP session as token, filters that hide closed rows, computed states, users in two shapes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from data.sim import dataset, paging
from data.sim.access import Auth, Call, Reply
from data.sim.engine import Simulator, route
from data.sim.table import START, Record, Table, iso

ACCOUNT, PASSWORD = "demo-reader", "demo-zentao-password"
LOCKED_AFTER = 6
REFUSED = "登录失败，请检查您的用户名或密码是否填写正确。"
CHINA = timedelta(hours=8)
BUG_CODES = {"active": "激活", "confirmed": "已确认", "delay": "过期", "resolved": "已解决", "closed": "已关闭"}


def _user(number: int) -> Record:
    return {"id": 300 + number, "account": f"staff{number}", "realname": f"Staff {number}"}


def _bug_state(place: int) -> Record:
    code = list(BUG_CODES)[place % len(BUG_CODES)]
    return {"code": code, "name": BUG_CODES[code]}


PROJECT = {
    "code": lambda n, row: "" if n == 5 else row["code"],
    "name": "name",
    "PM": lambda _n, row: f"staff{row['owner']}",
    "status": lambda n, _row: ["wait", "doing", "suspended", "closed"][n % 4],
    "begin": "start",
    "end": lambda n, row: "2059-12-31" if n == 3 else row["end"],
    "realEnd": lambda n, row: row["end"] if n % 4 == 3 else None,
    "progress": lambda n, _row: f"{n * 10}",
    "customer_code": lambda _n, row: f"c-{1000 + row['customer']}",
}
TASK = {
    "name": "name",
    "project": lambda _n, row: row["project"] % 4 + 11,
    "execution": lambda _n, row: row["project"] % 4 + 101,
    "assignedTo": lambda n, row: _user(row["owner"]) if n % 2 else "closed" if row["done"] else f"staff{row['owner']}",
    "status": lambda n, row: "closed" if row["done"] else ["wait", "doing", "pause", "cancel"][n % 4],
    "closedReason": lambda n, row: "cancel" if n == 9 else "done" if row["done"] else "",
    "deadline": lambda n, row: None if n == 4 else row["due"],
    "finishedDate": lambda n, row: f"{row['due']}T17:00:00Z" if row["done"] and n != 9 else None,
    "pri": lambda n, _row: str(1 + n % 4) if n % 2 else 1 + n % 4,
    "estimate": lambda *_: 8,
    "progress": lambda n, _row: 100 if n % 3 == 0 else 0,
}
BUG = {
    "title": "subject",
    "product": lambda n, _row: 1 + n % 3,
    "project": lambda n, _row: 0 if n % 5 == 4 else str(11 + n % 4) if n % 2 else 11 + n % 4,
    "status": lambda n, _row: _bug_state(n),
    "resolution": lambda n, _row: "fixed" if n % 5 >= 3 else "",
    "assignedTo": lambda n, row: None if n % 3 == 0 else _user(row["owner"]),
    "resolvedDate": lambda n, _row: "2026-05-08T16:30:00Z" if n % 5 >= 3 else None,
    "deadline": lambda n, _row: "2026-05-15" if n % 2 else None,
}
TICKET = {
    "title": "subject",
    "desc": lambda _n, row: f"<p>{row['text']}</p>",
    "product": lambda *_: 1,
    "type": lambda *_: "stuck",
    "pri": lambda _n, row: str(row["priority"] + 1),
    "status": ("status", {"open": "wait", "pending": "doing", "solved": "done", "closed": "closed"}),
    "assignedTo": lambda _n, row: _user(row["owner"]),
    "finishedDate": lambda _n, row: iso(START) if row["status"] in {"solved", "closed"} else None,
    "closedDate": lambda _n, row: iso(START + timedelta(days=1)) if row["status"] == "closed" else None,
}
OPEN = {"bugs": "unclosed", "stories": "unclosed", "tickets": "wait"}
"""The filter of a list that is asked for without one; other lists show all."""


class Session(Auth):
    """A PHP session id in the header Token; wrong passwords in a row lock the account."""

    def __init__(self) -> None:
        self.live: set[str] = set()
        self.wrong = self.issued = 0

    def knows(self, call: Call) -> bool:
        """Whether the session lives."""
        return call.headers.get("token") in self.live

    def sign_in(self, call: Call, vendor: Simulator) -> Reply | None:
        """201 and the session, or 400."""
        if call.path != "/zentao/api.php/v1/tokens":
            return None
        if call.body != {"account": ACCOUNT, "password": PASSWORD} or self.wrong >= LOCKED_AFTER:
            self.wrong += 1
            return Reply(400, {"error": "密码尝试次数太多，请10分钟后再试。" if self.wrong > LOCKED_AFTER else REFUSED})
        self.wrong, self.issued = 0, self.issued + 1
        token = f"q7demo{self.issued:04}"
        self.live.add(token)
        return Reply(201, {"token": token})

    def expire(self) -> None:
        """PHP forgets its sessions."""
        self.live.clear()


class Vendor(Simulator):
    """Ids are numbers; a deleted row is in no list. `php_zone` False: the wall clock of China is told as UTC."""

    connector = "zentao"
    php_zone = True

    def setup(self) -> None:
        """Seven tables; tasks hang on executions, bugs and stories on products."""
        self.auth = Session()
        people = [
            {**_user(n), "realname": row["name"], "email": row["email"]} for n, row in enumerate(dataset.people())
        ]
        self.tables["users"] = Table(self.clock, people, label="realname")
        steps = [
            {
                "name": f"阶段 {n}",
                "project": 11 + n,
                "status": ["wait", "doing", "closed", "doing"][n],
                "PM": f"staff{n}",
            }
            | {"end": "2026-06-30", "realEnd": "2026-06-20" if n == 2 else None, "progress": 25 * n}
            for n in range(4)
        ]
        stories = [
            {"title": f"需求 {n}", "product": 1 + n % 3, "status": ["active", "closed", "draft"][n % 3]}
            for n in range(9)
        ]
        products = [{"name": f"压力表 {n}", "code": ["ylb0", "ylb1", ""][n], "status": "normal"} for n in range(3)]
        made = {
            "projects": (11, "name", "lastEditedDate", dataset.shaped(dataset.projects(), PROJECT)),
            "executions": (101, "name", "lastEditedDate", steps),
            "tasks": (1001, "name", "lastEditedDate", dataset.shaped(dataset.tasks(), TASK)),
            "products": (1, "name", "", products),
            "bugs": (411, "title", "lastEditedDate", dataset.shaped(dataset.tickets(), BUG)),
            "stories": (71, "title", "lastEditedDate", stories),
            "tickets": (901, "title", "editedDate", dataset.shaped(dataset.tickets(), TICKET)),
        }
        for name, (first, label, stamp, rows) in made.items():
            dates = {"openedDate": iso(START), **({stamp: ""} if stamp else {})}
            full = [{"id": first + n, **row, **dates, "deleted": False} for n, row in enumerate(rows)]
            self.tables[name] = Table(self.clock, full, stamps=(stamp,) if stamp else (), label=label)
        for one in ("task", "bug", "ticket"):
            self.children[f"{one}_actions"] = lambda one=one: {  # type: ignore[misc]
                str(action["id"]): action
                for row in self.tables[f"{one}s"].ordered()
                for action in self._actions(one, row)
            }

    def settings(self) -> dict[str, Any]:
        """Small pages, so that there are several; no histories, which cost a call each."""
        signed = {"account": ACCOUNT, "password": PASSWORD}
        return {"base_url": f"{self.url}/zentao", **signed, "page_size": 5, "calls_per_second": 100_000}

    def error(self, status: int, reason: str) -> Any:
        """One sentence."""
        return {"error": {401: "Unauthorized", 404: "404 Not found"}.get(status, reason)}

    def _page(self, call: Call, stream: str, rows: list[Record]) -> Any:
        """The page asked for, or the last one where there is no such page; 20 rows unless asked."""
        limit = call.number("limit", 100 if stream == "tasks" else 20)
        last = max(1, -(-len(rows) // limit))
        page = min(call.number("page", 1), last)
        order = call.query.get("orderBy" if stream == "tickets" else "order", "id_desc")
        field, _, way = order.rpartition("_")
        rows = sorted(rows, key=lambda row: (row.get(field) or "", row["id"]), reverse=way == "desc")
        part, _more = paging.numbered(rows, page, limit)
        local = call.query.get("timeFormat", "utc") != "utc"
        shown = [self._told(row, local=local) for row in part]
        return {"page": page, "total": len(rows), "limit": limit, stream: shown}

    def _told(self, row: Record, *, local: bool) -> Record:
        """Stored is the wall clock of China; a server without a zone takes it for UTC."""
        shift = CHINA if local or not self.php_zone else timedelta(0)
        told = dict(row)
        for key, value in row.items():
            if key.endswith("Date"):
                moment = datetime.fromisoformat(value.rstrip("Z")) + shift if value else None
                text = moment.strftime("%Y-%m-%d %H:%M:%S") if moment else "0000-00-00 00:00:00"
                told[key] = text if local else None if moment is None else iso(moment)
        return told

    def _listed(self, call: Call, stream: str, **owner: int) -> Any:
        wanted = call.query.get("status", OPEN.get(stream, "all"))
        rows = [row for row in self.tables[stream].ordered() if all(int(row[key]) == owner[key] for key in owner)]
        if wanted == "unclosed":
            rows = [row for row in rows if self._code(row) != "closed"]
        elif wanted != "all":
            rows = [row for row in rows if self._code(row) == wanted]
        return self._page(call, stream, rows)

    @staticmethod
    def _code(row: Record) -> Any:
        return row["status"]["code"] if isinstance(row["status"], dict) else row["status"]

    @route("GET", "/zentao/api.php/v1/users")
    def users(self, call: Call) -> Any:
        """The people of the company."""
        return self._page(call, "users", self.tables["users"].ordered())

    @route("GET", "/zentao/api.php/v1/projects")
    @route("GET", "/zentao/api.php/v1/products")
    @route("GET", "/zentao/api.php/v1/tickets")
    def top(self, call: Call) -> Any:
        """Lists of their own."""
        return self._listed(call, call.path.rpartition("/")[2])

    @route("GET", "/zentao/api.php/v1/projects/{project}/executions")
    @route("GET", "/zentao/api.php/v1/executions/{execution}/tasks")
    @route("GET", "/zentao/api.php/v1/products/{product}/bugs")
    @route("GET", "/zentao/api.php/v1/products/{product}/stories")
    def below(self, call: Call) -> Any:
        """Lists that belong to a record."""
        return self._listed(call, call.path.rpartition("/")[2], **{key: int(text) for key, text in call.at.items()})

    @route("GET", "/zentao/api.php/v1/{kind}/{number}")
    def one(self, call: Call) -> Any:
        """A record by itself: its plain state, and what was done to it."""
        table = self.tables.get(call.at["kind"])
        row = table.rows.get(call.at["number"]) if table else None
        if row is None:
            return self.refuse(404, "")
        local = call.query.get("timeFormat", "utc") != "utc"
        kind = call.at["kind"].removesuffix("s")
        return {**self._told(row, local=local), "status": self._code(row), "actions": self._actions(kind, row)}

    def _actions(self, kind: str, row: Record) -> list[Record]:
        """Opened, and moved to another state; their time is the wall clock in any case."""
        fixed = {"objectType": kind, "objectID": str(row["id"]), "actor": "Staff 1"}
        first, number = f"{START + CHINA:%Y-%m-%d %H:%M:%S}", int(row["id"]) * 10
        move = {"field": "status", "old": "wait", "new": self._code(row), "diff": "", "fieldName": "状态"}
        later = f"{START + CHINA + timedelta(minutes=5):%Y-%m-%d %H:%M:%S}"
        return [
            {"id": number, **fixed, "action": "opened", "date": first, "history": []},
            {"id": number + 1, **fixed, "action": "edited", "date": later, "history": [move]},
        ]
