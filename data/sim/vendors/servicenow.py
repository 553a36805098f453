"""ServiceNow Table API v2: strings only, pages cut before rights are checked, queries with wrong fields ignored."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from data.sim import dataset
from data.sim.access import Basic, Call, Reply
from data.sim.engine import Simulator, route
from data.sim.table import START, Record, Table

USER, PASSWORD = "c360.reader", "demo-servicenow-password"
TERM = re.compile(r"(\w+?)(>=|<=|=|IN|>|<)(.*)")
STATE = {"open": "2", "pending": "3", "solved": "6", "closed": "7"}
CASE = {"open": "10", "pending": "18", "solved": "6", "closed": "3"}
PREFIX = {
    "sys_user": "a1",
    "customer_account": "b2",
    "customer_contact": "c3",
    "incident": "d4",
    "sn_customerservice_case": "e5",
    "sys_audit": "f6",
    "sys_journal_field": "fa",
}


def written(moment: datetime) -> str:
    """2026-08-01 09:15:22, in UTC."""
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def sys_id(table: str, place: int) -> str:
    """Thirty-two hexadecimal digits."""
    return f"{PREFIX[table]}{place:030x}"


def _of(table: str, name: str) -> Any:
    return lambda _n, row: {"value": sys_id(table, row[name]), "link": f"/api/now/v2/table/{table}"}


def _ticket(number: str, states: dict[str, str], company: str, person: str) -> dict[str, Any]:
    done = {"solved", "closed"}
    return {
        "number": lambda n, _row: f"{number}{10000 + n:07}",
        "short_description": "subject",
        "description": "text",
        "state": ("status", states),
        "priority": lambda _n, row: str(1 + row["priority"]),
        "category": lambda *_: "",
        "contact_type": lambda n, _row: ["phone", "email", "self-service"][n % 3],
        company: _of("customer_account", "customer"),
        person: _of("customer_contact", "contact"),
        "assigned_to": lambda n, row: "" if n % 7 == 6 else _of("sys_user", "owner")(n, row),
        "opened_at": lambda *_: written(START),
        "resolved_at": lambda _n, row: written(START + timedelta(days=1)) if row["status"] in done else "",
        "closed_at": lambda _n, row: written(START + timedelta(days=2)) if row["status"] == "closed" else "",
    }


ACCOUNT = {
    "number": lambda n, _row: f"ACCT{n:07}",
    "name": "name",
    "phone": "phone",
    "website": "domain",
    "city": "city",
    "country": "country",
    "u_erp_code": "code",
}
CONTACT = {
    "name": lambda _n, row: f"{row['first']} {row['last']}",
    "email": "email",
    "phone": "phone",
    "mobile_phone": lambda *_: "",
    "title": "title",
    "active": lambda *_: "true",
    "account": _of("customer_account", "customer"),
}


class Vendor(Simulator):
    """`zone_hours` is the integration user's zone; `hidden` are ids that its rights do not show."""

    connector = "servicenow"

    def setup(self) -> None:
        """Seven tables; the history and the journal belong to the incidents."""
        self.auth = Basic(USER, PASSWORD)
        self.zone_hours, self.zone_name = 0, "GMT"
        self.hidden: set[str] = set()
        users = [
            {"user_name": row["code"], "name": row["name"], "email": row["email"], "active": str(row["active"]).lower()}
            for row in dataset.people()
        ]
        incident = _ticket("INC", STATE, "company", "caller_id")
        case = _ticket("CS", CASE, "account", "contact")
        audit = {"fieldname": "state", "oldvalue": "1", "newvalue": "2", "user": "E001"}
        about = [{"tablename": "incident", "documentkey": sys_id("incident", n), **audit} for n in range(25)]
        said = [
            {"name": "incident", "element": kind, "value": f"Bitte prüfen 请检查 {n}", "sys_created_by": "E002"}
            | {"element_id": sys_id("incident", n)}
            for n, kind in enumerate(["comments", "work_notes"] * 12)
        ]
        rows = {
            "sys_user": (users, "name"),
            "customer_account": (dataset.shaped(dataset.customers(), ACCOUNT), "name"),
            "customer_contact": (dataset.shaped(dataset.contacts(), CONTACT), "name"),
            "incident": (dataset.shaped(dataset.tickets(), incident), "short_description"),
            "sn_customerservice_case": (dataset.shaped(dataset.tickets(23), case), "short_description"),
            "sys_audit": (about, "newvalue"),
            "sys_journal_field": (said, "value"),
        }
        for name, (made, label) in rows.items():
            logged = name in {"sys_audit", "sys_journal_field"}
            stamps = ("sys_created_on",) if logged else ("sys_updated_on",)
            fixed = {"sys_created_on": written(START), "sys_updated_on": written(START)}
            full = [{"sys_id": sys_id(name, n), **row, **fixed} for n, row in enumerate(made)]
            self.tables[name] = Table(self.clock, full, key="sys_id", stamps=stamps, label=label, write=written)

    def settings(self) -> dict[str, Any]:
        """Small pages, so that there are several."""
        known = {"base_url": self.url, "user": USER, "password": PASSWORD}
        return {**known, "page_size": 20, "calls_per_hour": 10_000_000}

    def error(self, status: int, reason: str) -> Any:
        """The message is general, the detail says more."""
        message = "User Not Authenticated" if status == 401 else "Exception while reading"
        return {"error": {"message": message, "detail": reason}, "status": "failure"}

    def new_id(self, stream: str) -> str:
        """An id that no record has."""
        return sys_id(stream, 1_000_000 + self.tables[stream].made)

    @route("GET", "/api/now/v2/table/{table}")
    def listed(self, call: Call) -> Reply:
        """A page of a table; rows that rights hide are taken out of the page afterwards."""
        query, name = call.query.get("sysparm_query", ""), call.at["table"]
        if name not in self.tables:
            return self.refuse(400, f"Invalid table {name}")
        if "gs.getUserName()" in query:
            return Reply(200, {"result": [{"user_name": USER, "time_zone": self.zone_name}]})
        rows = self._chosen(self.tables[name], query)
        start, size = call.number("sysparm_offset", 0), call.number("sysparm_limit", 10_000)
        shown = [self._shown(row, call) for row in rows[start : start + size] if row["sys_id"] not in self.hidden]
        wanted = {"first": 0} | ({"next": start + size} if start + size < len(rows) else {})
        pages = [(rel, urlencode({**call.query, "sysparm_offset": place})) for rel, place in wanted.items()]
        links = ",".join(f'<{self.url}{call.path}?{text}>;rel="{rel}"' for rel, text in pages)
        return Reply(200, {"result": shown}, {"link": links, "x-total-count": str(len(rows))})

    def _chosen(self, table: Table, query: str) -> list[Record]:
        """Rows that pass every condition the table understands, in the order asked for."""
        rows, order = list(table.rows.values()), []
        known = set().union(*(row.keys() for row in rows)) if rows else set()
        for part in filter(None, query.split("^")):
            if part.startswith("ORDERBY"):
                order.append(part.removeprefix("ORDERBY"))
            elif (found := TERM.fullmatch(part)) and found[1] in known:
                rows = [row for row in rows if self._holds(row[found[1]], found[2], found[3])]
        return sorted(rows, key=lambda row: [str(row.get(name, "")) for name in [*order, "sys_id"]])

    def _holds(self, value: Any, sign: str, wanted: str) -> bool:
        if sign == "IN":
            return str(value) in wanted.split(",")
        if re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", wanted):
            there = datetime.fromisoformat(wanted).replace(tzinfo=UTC) - timedelta(hours=self.zone_hours)
            wanted = written(there)
        tests = {">=": value >= wanted, "<=": value <= wanted, ">": value > wanted, "<": value < wanted}
        return bool(tests.get(sign, value == wanted))

    @staticmethod
    def _shown(row: Record, call: Call) -> Record:
        names = [name for name in call.query.get("sysparm_fields", "").split(",") if name] or list(row)
        flat = call.query.get("sysparm_exclude_reference_link") == "true"
        cells = {name: row[name] for name in names if name in row}
        return {k: v["value"] if flat and isinstance(v, dict) else v for k, v in cells.items()}
