"""Freshdesk v2: bare arrays, Link header, page 300 is the last, thirty days unless asked, deleted and spam apart."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from data.sim import dataset, paging
from data.sim.access import Basic, Call, Reply
from data.sim.engine import Simulator, route
from data.sim.table import START, Record, Table, iso

KEY = "demo-freshdesk-key"
STATUS = {"open": 2, "pending": 3, "solved": 4, "closed": 5}
COMPANY = {
    "name": "name",
    "domains": lambda _n, row: [row["domain"]],
    "custom_fields": lambda _n, row: {"erp_code": row["code"]},
}
CONTACT = {
    "name": lambda _n, row: f"{row['first']} {row['last']}",
    "email": "email",
    "phone": "phone",
    "job_title": "title",
    "company_id": ("customer", 9000),
    "active": lambda *_: False,
}
TICKET = {
    "subject": "subject",
    "description_text": "text",
    "status": ("status", STATUS),
    "priority": ("priority", 1),
    "source": lambda n, _row: 1 + n % 3,
    "requester_id": ("contact", 7000),
    "responder_id": ("owner", 400),
    "company_id": ("customer", 9000),
    "spam": lambda *_: False,
    "fr_escalated": lambda n, _row: n % 5 == 0,
    "is_escalated": lambda *_: False,
    "due_by": lambda *_: iso(START + timedelta(days=3)),
    "fr_due_by": lambda *_: iso(START + timedelta(hours=4)),
    "stats": lambda _n, row: {
        "first_responded_at": iso(START),
        "resolved_at": iso(START + timedelta(days=1)) if row["status"] in {"solved", "closed"} else None,
        "closed_at": iso(START + timedelta(days=1)) if row["status"] == "closed" else None,
    },
}
EVERY = (100, 30)
"""Rows of a page: the most one may ask for, and how many come unasked."""


class Vendor(Simulator):
    """Ids are numbers; a ticket is not in the list, in `filter=spam` and in `filter=deleted` at the same time."""

    connector = "freshdesk"
    last_page = 300

    def setup(self) -> None:
        """Four tables; a spam flag takes a ticket out of the list like a deletion."""
        self.auth = Basic(KEY, "X")
        people, companies = dataset.people(), dataset.shaped(dataset.customers(), COMPANY)
        agents = [{"contact": {key: row[key] for key in ("name", "email", "active")}} for row in people]
        rows = {
            "agents": (400, agents, "contact.name"),
            "companies": (9000, companies, "name"),
            "contacts": (7000, dataset.shaped(dataset.contacts(), CONTACT), "name"),
            "tickets": (41000, dataset.shaped(dataset.tickets(), TICKET), "subject"),
        }
        fixed = {"created_at": iso(START), "updated_at": ""}
        for name, (first, made, label) in rows.items():
            numbered = [{"id": first + n, **row, **fixed} for n, row in enumerate(made)]
            self.tables[name] = Table(self.clock, numbered, stamps=("updated_at",), label=label)
        self.spam: set[str] = set()

    def settings(self) -> dict[str, Any]:
        """Small pages, so that there are several; conversations are read too."""
        return {"base_url": self.url, "api_key": KEY, "per_page": 10, "calls_per_minute": 100_000}

    def error(self, status: int, reason: str) -> Any:
        """Sign-in and limits: code and message; validation: a list of errors."""
        if status == 400:
            error = {"field": "page", "message": reason, "code": "invalid_value"}
            return {"description": "Validation failed", "errors": [error]}
        return {"code": "invalid_credentials" if status == 401 else "error", "message": reason}

    def mark_spam(self, row_id: str) -> None:
        """A user marks a ticket as spam: gone from the list, found under filter=spam."""
        self.remove("tickets", row_id)
        self.tables["tickets"].gone[row_id]["spam"] = True
        self.spam.add(row_id)

    def _page(self, call: Call, rows: list[Record], cap: int | None = None) -> Reply:
        number, size = call.number("page", 1), call.number("per_page", EVERY[1])
        if size > EVERY[0]:
            return self.refuse(400, f"per_page must be at most {EVERY[0]}")
        if cap and number > cap:
            return self.refuse(400, f"You cannot access tickets beyond the {cap}th page")
        part, more = paging.numbered(rows, number, size)
        return Reply(200, part, {"link": paging.link(self.url, call, page=number + 1)} if more else {})

    @route("GET", "/api/v2/agents")
    def agents(self, call: Call) -> Reply:
        """Every agent."""
        return self._page(call, self.tables["agents"].ordered())

    @route("GET", "/api/v2/companies")
    def companies(self, call: Call) -> Reply:
        """Every company; there is no filter by change."""
        return self._page(call, self.tables["companies"].ordered())

    @route("GET", "/api/v2/contacts")
    def contacts(self, call: Call) -> Reply:
        """Contacts by `_updated_since`, written with an underscore; any other spelling is ignored."""
        since = paging.instant(call.query.get("_updated_since", "2000-01-01"))
        rows = self._of_company(call, self.tables["contacts"].since(since, gone=call.query.get("state") == "deleted"))
        return self._page(call, sorted(rows, key=lambda row: int(row["id"])))

    @staticmethod
    def _of_company(call: Call, rows: list[Record]) -> list[Record]:
        wanted = call.query.get("company_id")
        return [row for row in rows if wanted is None or str(row["company_id"]) == wanted]

    @route("GET", "/api/v2/companies/{one}")
    @route("GET", "/api/v2/contacts/{one}")
    def single(self, call: Call) -> Any:
        """One record, as the list shows it."""
        row = self.tables[call.path.split("/")[3]].rows.get(call.at["one"])
        return self.refuse(404, "not found") if row is None else row

    @route("GET", "/api/v2/tickets/{one}")
    def ticket(self, call: Call) -> Any:
        """One ticket, its description always with it; a deleted one says so."""
        table = self.tables["tickets"]
        row = table.rows.get(call.at["one"])
        if row is None:
            gone = table.gone.get(call.at["one"])
            return self.refuse(404, "not found") if gone is None else {**gone, "deleted": True}
        return row if call.query.get("include") == "stats" else {k: v for k, v in row.items() if k != "stats"}

    @route("GET", "/api/v2/tickets")
    def tickets(self, call: Call) -> Reply:
        """Tickets changed since; without `updated_since` only those made in the last thirty days."""
        table, wanted = self.tables["tickets"], call.query.get("filter", "")
        if "updated_since" in call.query:
            rows = table.since(paging.instant(call.query["updated_since"]), gone=bool(wanted))
        else:
            month = iso(self.clock.now - timedelta(days=30))
            rows = [row for row in table.since(START, gone=bool(wanted)) if row["created_at"] >= month]
        if wanted:
            rows = [row for row in rows if row["spam"] == (wanted == "spam")]
        rows = self._of_company(call, rows)
        by: Callable[[Record], Any] = lambda row: (row[call.query.get("order_by", "created_at")], row["id"])  # noqa: E731
        rows = sorted(rows, key=by, reverse=call.query.get("order_type", "desc") == "desc")
        shown = call.query.get("include", "").split(",")
        hidden = {key for key, word in (("stats", "stats"), ("description_text", "description")) if word not in shown}
        return self._page(call, [{k: v for k, v in row.items() if k not in hidden} for row in rows], self.last_page)

    @route("GET", "/api/v2/tickets/{ticket}/conversations")
    def conversations(self, call: Call) -> Any:
        """One public reply per ticket that has a first response."""
        row = self.tables["tickets"].rows.get(call.at["ticket"])
        if row is None:
            return self.refuse(404, "not found")
        says = {"user_id": row["responder_id"], "incoming": False, "private": False, "source": 0, "body_text": "Danke"}
        return self._page(call, [{"id": row["id"] * 10, "ticket_id": row["id"], "created_at": iso(START), **says}])
