"""Request Tracker 5, REST2, as a Debian server of 5.0.3 answers: stubs unless fields are named, a hundred rows a page,
deleted and merged tickets hidden, no totals where rights are checked row by row."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from data.sim import dataset
from data.sim.access import Call, Key, Reply
from data.sim.engine import Simulator, route
from data.sim.paging import COMPARE
from data.sim.table import START, Record, Table, iso

TOKEN = "1-14-demo-rt-token"  # noqa: S105 - of a simulator
ELSEWHERE = "http://rt.demo.example.com/REST/2.0"  # what the server calls itself; not the address it is reached by
NOT_LISTED = {"Privileged", "Disabled"}  # a list knows columns only; these are no columns of a user
NEVER = "1970-01-01T00:00:00Z"
STATUS = {"open": "open", "pending": "stalled", "solved": "resolved", "closed": "rejected"}
TERM = re.compile(r"(LastUpdated|Updated|EffectiveId|id|Status)\s*(>=|<=|!=|=|>|<)\s*'?([^']+?)'?")


def _user(name: str) -> Record:
    return {"type": "user", "id": name, "_url": f"{ELSEWHERE}/user/{name}"}


def _field(number: str, name: str, *values: str) -> Record:
    return {"type": "customfield", "id": number, "_url": f"{ELSEWHERE}/customfield/{number}", "name": name} | {
        "values": list(values)
    }


def _mail(place: int) -> str:
    return str(dataset.contacts()[place]["email"])


def _shuffled(value: Any) -> Any:
    """The same with keys and custom fields in another order: a Perl hash has none."""
    if isinstance(value, dict):
        return {key: _shuffled(value[key]) for key in reversed(value)}
    are_fields = isinstance(value, list) and any(isinstance(item, dict) and "values" in item for item in value)
    return [_shuffled(item) for item in reversed(value)] if are_fields else value


TICKET = {
    "Subject": "subject",
    "Status": ("status", STATUS),
    "Priority": lambda n, _row: ["0", "50", "100"][n % 3],
    "Queue": lambda *_: {"type": "queue", "id": "3", "_url": f"{ELSEWHERE}/queue/3", "Name": "Support"},
    "Owner": lambda n, row: _user("Nobody" if n % 7 == 6 else f"E{row['owner']:03}"),
    "Requestor": lambda _n, row: [_user(_mail(row["contact"]))],
    "CustomFields": lambda _n, row: [_field("4", "Customer", f"C-{1000 + row['customer']}"), _field("5", "Plant")],
    "Created": lambda *_: iso(START),
    "Started": lambda *_: iso(START),
    "Resolved": lambda _n, row: NEVER if row["status"] in {"open", "pending"} else iso(START + timedelta(days=1)),
    "Due": lambda *_: NEVER,
    "Told": lambda *_: NEVER,
}


class Vendor(Simulator):
    """`hidden` are tickets without the right to see them: rights are then checked row by row. `zone_hours` is the
    user's zone; `clamps`: a page past the end is the last page again."""

    connector = "rt"
    most = 100

    def setup(self) -> None:
        """Users by number, tickets by number; what is merged stays in the table and names its survivor."""
        self.auth = Key(f"token {TOKEN}")
        self.hidden: set[str] = set()
        self.zone_hours, self.clamps = 0, True
        self.merged: dict[str, datetime] = {}
        staff = [
            {"Name": row["code"], "RealName": row["name"], "EmailAddress": row["email"]}
            | {"Privileged": 1, "Disabled": str(int(not row["active"]))}
            for row in dataset.people()
        ]
        people = [
            {"Name": row["email"], "RealName": f"{row['first']} {row['last']}", "EmailAddress": row["email"]}
            | {"Privileged": 0, "Disabled": "0", "WorkPhone": row["phone"]}
            | {"Organization": f"C-{1000 + row['customer']}"}
            for row in dataset.contacts()
        ]
        system = [{"Name": name, "RealName": "", "Privileged": 0, "Disabled": "0"} for name in ("RT_System", "Nobody")]
        named = enumerate([*system, *staff, *people])
        users = [{"id": 1 + 6 * n, **row, "Created": iso(START), "LastUpdated": ""} for n, row in named]
        made = [
            {"id": str(101 + n), "EffectiveId": str(101 + n), **row, "LastUpdated": ""}
            for n, row in enumerate(dataset.shaped(dataset.tickets(), TICKET))
        ]
        self.tables["users"] = Table(self.clock, users, stamps=("LastUpdated",), label="RealName")
        self.tables["tickets"] = Table(self.clock, made, stamps=("LastUpdated",), label="Subject")
        self.children["user"] = lambda: self.tables["users"].rows
        self.children["history"] = lambda: {
            row["id"]: row for ticket in self.expected("tickets") for row in self._history(ticket)
        }

    def settings(self) -> dict[str, Any]:
        """Small pages, so that there are several."""
        return {"base_url": self.url, "token": TOKEN, "page_size": 10, "calls_per_second": 10_000}

    def handle(self, call: Call) -> Reply:
        """A caller that looks like a browser and fails to sign in is sent to the login page."""
        browser = "cookie" in call.headers or "Mozilla" in call.headers.get("user-agent", "")
        reply = super().handle(call)
        return (
            Reply(302, "", {"location": f"{self.url}/NoAuth/Login.html"}) if browser and reply.status == 401 else reply
        )

    def new_id(self, stream: str) -> Any:
        """A user's number is a number, a ticket's is text."""
        made = super().new_id(stream)
        return str(made) if stream == "tickets" else made

    def add(self, stream: str) -> str:
        """A new ticket is its own EffectiveId, a new user has a name of its own."""
        made = super().add(stream)
        name = "EffectiveId" if stream == "tickets" else "Name"
        self.tables[stream].rows[made][name] = made
        return made

    def merge(self, stream: str, loser: str, survivor: str) -> None:
        """The loser's EffectiveId becomes the survivor, whose stamp alone moves; both get a transaction."""
        self.tables[stream].quietly(loser, EffectiveId=survivor)
        self.tables[stream].edit(survivor, Told=iso(self.clock.now))
        self.merged[loser] = self.clock.now

    def expected(self, stream: str) -> dict[str, Record]:
        """Merged tickets are no tickets of their own."""
        rows = super().expected(stream)
        return rows if stream != "tickets" else {k: v for k, v in rows.items() if v["EffectiveId"] == k}

    def _history(self, ticket: str) -> list[Record]:
        """Of the ticket and of those merged into it; the mail that RT sent is not shown without a right of its own."""
        said = [("Create", "", "", ""), ("EmailRecord", "", "", ""), ("Status", "Status", "new", "open")]
        rows = self.tables["tickets"].rows
        return [
            {"id": f"{each}{n}", "type": "transaction", "Type": kind, "Field": field, "OldValue": old}
            | {"NewValue": new, "Creator": _user("E001"), "Created": iso(START)}
            for each in sorted(key for key, row in rows.items() if row["EffectiveId"] == ticket)
            for n, (kind, field, old, new) in enumerate([*said, ("Correspond", "", "", "")])
            if kind != "EmailRecord"
        ]

    def _listed(self, call: Call, rows: list[Record], kind: str, *, checked: bool = False) -> Reply:
        number, size = max(1, call.number("page", 1)), min(call.number("per_page", 20), self.most)
        pages, by_row = max(1, -(-len(rows) // size)), checked or bool(self.hidden)
        number = min(number, pages) if self.clamps else number
        part = [row for row in rows[(number - 1) * size : number * size] if str(row["id"]) not in self.hidden]
        names = [name for name in call.query.get("fields", "").split(",") if name]
        items: list[Record] = [
            {"type": kind, "id": row.get("Name", row["id"]), "_url": f"{ELSEWHERE}/{kind}/{row['id']}"} for row in part
        ]
        for item, row in zip(items, part, strict=True):
            item.update({name: "" if name in NOT_LISTED else row.get(name, "") for name in names})
        if len(self.calls) % 2:
            items = [_shuffled(item) for item in items]
        known = {"total": None, "pages": None} if by_row else {"total": len(rows), "pages": pages}
        body: Record = {"count": len(items), "page": number, "per_page": size, "items": items, **known}
        if number < pages and not by_row:
            body["next_page"] = f"{self.url}{call.path}?{urlencode({**call.query, 'page': number + 1})}"
        return Reply(200, body)

    @route("GET", "/REST/2.0/users")
    def users(self, call: Call) -> Reply:
        """Users; disabled ones only when asked for."""
        rows = self.tables["users"].ordered()
        shown = [row for row in rows if row["Disabled"] == "0" or call.query.get("find_disabled_rows") == "1"]
        return self._listed(call, shown, "user")

    @route("GET", "/REST/2.0/user/{user}")
    def user(self, call: Call) -> Reply:
        """One user by number or name; what looks like a number is taken for one, and what is empty is left out."""
        rows, wanted = self.tables["users"].rows, call.at["user"]
        named = {row["Name"]: row for row in rows.values() if not row["Name"].isdigit()}
        row = rows.get(wanted) or named.get(wanted)
        if row is None:
            return self.refuse(404, "Not Found")
        links = [{"ref": "self", "type": "user", "id": row["id"], "_url": f"{ELSEWHERE}/user/{row['id']}"}]
        found = {**row, "Memberships": [], "CustomFields": [], "_hyperlinks": links}
        return Reply(200, _shuffled(found) if len(self.calls) % 2 else found)

    @route("GET", "/REST/2.0/tickets")
    def tickets(self, call: Call) -> Reply:
        """TicketSQL; merged tickets only when the query looks at EffectiveId."""
        query, rows = call.query.get("query", ""), self.tables["tickets"].ordered()
        for part in query.split(" AND "):
            found = TERM.fullmatch(part.strip())
            if not found:
                return self.refuse(400, f"Incomplete query, last element (KEYWORD) in '{query}'")
            rows = [row for row in rows if self._holds(row, *found.groups())]
        if "EffectiveId" not in query:
            rows = [row for row in rows if row["EffectiveId"] == row["id"]]
        return self._listed(call, rows[::-1] if call.query.get("order") == "DESC" else rows, "ticket")

    def _holds(self, row: Record, name: str, sign: str, wanted: str) -> bool:
        if name in {"LastUpdated", "Updated"}:
            there = datetime.fromisoformat(wanted).replace(tzinfo=UTC) - timedelta(hours=self.zone_hours)
            last = row["LastUpdated"]
            if name == "Updated" and row["id"] in self.merged:
                last = max(last, iso(self.merged[row["id"]]))
            return COMPARE[sign](last, iso(there))
        return COMPARE[sign](row[name], wanted) if name == "Status" else COMPARE[sign](int(row[name]), int(wanted))

    @route("GET", "/REST/2.0/ticket/{ticket}/history")
    def history(self, call: Call) -> Reply:
        """Transactions, whose rights are always checked row by row; a merged ticket shows those of its survivor."""
        row = self.tables["tickets"].rows.get(call.at["ticket"])
        if row is None:
            return self.refuse(404, "Not Found")
        return self._listed(call, self._history(row["EffectiveId"]), "transaction", checked=True)
