"""Zendesk Support: cursor and time-based incremental exports with their budget, audits, comments."""

from __future__ import annotations

import base64
from bisect import bisect_right
from collections.abc import Callable
from itertools import groupby
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from data.demo import clock, timing
from data.demo.company import Company
from data.demo.simulators.base import Budget, answer, basic_auth
from data.demo.world import Record

CREDENTIALS = {
    "email": "integration@chengyuan.example.com",
    "api_token": "demo-zendesk-token",
    "subdomain": "chengyuan-demo",
}
PAGE = 1000
PLURALS = ("organizations", "users", "tickets")
_PRIVATE = {"stamp", "history"}
_LAST = 10**18


def _place(row: Record) -> tuple[int, int]:
    return row["stamp"], row["id"]


class Zendesk:
    """The export feeds over the company's tickets, users and organisations."""

    def __init__(self, company: Company, exports_per_minute: int = 600, withhold_seconds: int = 1) -> None:
        self.company = company
        self.budget = Budget(exports_per_minute)
        self.withhold = withhold_seconds
        self._sorted: dict[str, tuple[int, list[Record]]] = {}

    def app(self) -> Starlette:
        """The vendor's routes."""
        api = "/api/v2"
        return Starlette(
            routes=[
                Route(api + "/users/me.json", self.me),
                Route(api + "/users/me", self.me),
                Route(api + "/incremental/tickets/cursor.json", self.tickets),
                Route(api + "/incremental/tickets/cursor", self.tickets),
                Route(api + "/incremental/users/cursor.json", self.users),
                Route(api + "/incremental/users/cursor", self.users),
                Route(api + "/incremental/organizations.json", self.organizations),
                Route(api + "/incremental/organizations", self.organizations),
                Route(api + "/incremental/ticket_events.json", self.events),
                *(Route(f"{api}/{name}/show_many.json", self.show_many) for name in PLURALS),
                Route(api + "/organizations/{number:int}/{name}.json", self.of_organization),
                Route(api + "/tickets/{number:int}/audits.json", self.audits),
                Route(api + "/tickets/{number:int}/audits", self.audits),
                Route(api + "/tickets/{number:int}/comments.json", self.comments),
                Route(api + "/tickets/{number:int}/comments", self.comments),
            ]
        )

    def _refused(self, request: Request, export: bool = False) -> Response | None:
        if basic_auth(request) != (f"{CREDENTIALS['email']}/token", CREDENTIALS["api_token"]):
            return answer({"error": "Couldn't authenticate you"}, 401)
        wait = self.budget.take() if export else 0
        if wait:
            text = {
                "error": "APIRateLimitExceeded",
                "description": "Number of allowed incremental export API requests per minute exceeded",
            }
            return answer(
                text,
                429,
                {
                    "Retry-After": str(wait),
                    "X-Rate-Limit": str(self.budget.limit),
                    "X-Rate-Limit-Remaining": "0",
                },
            )
        return None

    async def me(self, request: Request) -> Response:
        """The signed-in user; a cheap check of the credentials."""
        refused = self._refused(request)
        return refused or answer(
            {"user": {"id": 1, "email": CREDENTIALS["email"], "role": "admin", "time_zone": "Beijing"}}
        )

    def _limit(self) -> int:
        return max(self.company.world.as_of, clock.epoch() - self.withhold)

    def _rows(self, name: str) -> list[Record]:
        version = self.company.world.version
        if name not in self._sorted or self._sorted[name][0] != version:
            source = self._all_events() if name == "ticket_events" else self.company.zendesk[name]
            self._sorted[name] = (version, sorted(source, key=_place))
        return self._sorted[name][1]

    def _cursor_page(self, request: Request, name: str, drop: set[str]) -> Response:
        query = request.query_params
        size = query.get("per_page", "1000")
        count = min(PAGE, max(1, int(size))) if size.isdigit() else PAGE
        bound = self._limit()
        if query.get("cursor"):
            try:
                stamp, _, key = base64.urlsafe_b64decode(query["cursor"]).decode().partition(".0||")
                after = (int(stamp), int(key.rstrip("|")))
            except ValueError:
                return answer({"error": "InvalidCursor", "description": "cursor is not valid"}, 400)
        else:
            start = query.get("start_time", "")
            if not start.isdigit():
                return answer(
                    {
                        "error": "StartTimeMissing",
                        "description": "Missing parameter: Required parameter start_time is missing",
                    },
                    400,
                )
            if int(start) > bound + 60:
                text = "Too recent start_time. Use a start_time older than 60 seconds"
                return answer({"error": "InvalidValue", "description": text}, 422)
            after = (int(start), -1)
        every = self._rows(name)
        rows = every[bisect_right(every, after, key=_place) : bisect_right(every, (bound, _LAST), key=_place)]
        part = rows[:count]
        last = (part[-1]["stamp"], part[-1]["id"]) if part else after
        cursor = base64.urlsafe_b64encode(f"{last[0]}.0||{last[1]}|".encode()).decode()
        url = f"{str(request.base_url).rstrip('/')}{request.url.path}?cursor={cursor}&per_page={count}"
        if query.get("include"):
            url += f"&include={query['include']}"
        content = {name: [{k: v for k, v in row.items() if k not in drop} for row in part]}
        paging: Record = {"after_url": url, "after_cursor": cursor, "before_url": None, "before_cursor": None}
        return answer({**content, **paging, "end_of_stream": len(part) == len(rows)})

    async def tickets(self, request: Request) -> Response:
        """Tickets by `generated_timestamp`, deleted ones included."""
        refused = self._refused(request, export=True)
        if refused:
            return refused
        included = request.query_params.get("include", "")
        drop = set(_PRIVATE)
        drop |= {key for key, word in (("metric_set", "metric_sets"), ("slas", "slas")) if word not in included}
        return self._cursor_page(request, "tickets", drop)

    async def users(self, request: Request) -> Response:
        """Agents and end users."""
        refused = self._refused(request, export=True)
        return refused or self._cursor_page(request, "users", _PRIVATE)

    def _time_page(self, request: Request, name: str) -> Response:
        start = request.query_params.get("start_time", "")
        if not start.isdigit():
            return answer(
                {
                    "error": "StartTimeMissing",
                    "description": "Missing parameter: Required parameter start_time is missing",
                },
                400,
            )
        every = self._rows(name)
        first = bisect_right(every, (int(start), -1), key=_place)
        rows = every[first : bisect_right(every, (self._limit(), _LAST), key=_place)]
        stop = PAGE
        while stop < len(rows) and (
            rows[stop]["stamp"] == rows[stop - 1]["stamp"] or rows[stop - 1]["stamp"] == int(start)
        ):
            stop += 1
        part = rows[:stop]
        end = part[-1]["stamp"] if part else int(start)
        url = f"{str(request.base_url).rstrip('/')}{request.url.path}?start_time={end}"
        content: Record = {name: [{k: v for k, v in row.items() if k not in _PRIVATE} for row in part]}
        return answer(
            {
                **content,
                "next_page": url,
                "count": len(part),
                "end_time": end,
                "end_of_stream": len(part) == len(rows),
            }
        )

    async def organizations(self, request: Request) -> Response:
        """Organisations; the boundary second repeats on the next page."""
        refused = self._refused(request, export=True)
        return refused or self._time_page(request, "organizations")

    async def events(self, request: Request) -> Response:
        """Ticket events: every change and comment of every ticket."""
        refused = self._refused(request, export=True)
        return refused or self._time_page(request, "ticket_events")

    async def show_many(self, request: Request) -> Response:
        """Records by their ids, a hundred at most; unknown ones are left out."""
        refused = self._refused(request)
        ids = [int(one) for one in request.query_params.get("ids", "").split(",") if one.isdigit()]
        if refused or len(ids) > 100:
            return refused or answer({"error": "TooManyValues", "description": "too many values"}, 400)
        name = request.url.path.split("/")[3]
        return answer({name: self._shown(request, name, lambda row: row["id"] in ids), "next_page": None})

    async def of_organization(self, request: Request) -> Response:
        """The users or tickets of one organisation."""
        refused = self._refused(request)
        number, name = request.path_params["number"], request.path_params["name"]
        if refused or name not in {"users", "tickets"}:
            return refused or answer({"error": "RecordNotFound", "description": "Not found"}, 404)
        rows = self._shown(request, name, lambda row: row.get("organization_id") == number)
        return answer({name: rows, "next_page": None, "count": len(rows)})

    def _shown(self, request: Request, name: str, wanted: Callable[[Record], bool]) -> list[Record]:
        included = request.query_params.get("include", "")
        hidden = _PRIVATE | {k for k, word in (("metric_set", "metric_sets"), ("slas", "slas")) if word not in included}
        rows = [row for row in self._rows(name) if wanted(row) and row.get("status") != "deleted"]
        return [{key: value for key, value in row.items() if key not in hidden} for row in rows]

    def _all_events(self) -> list[Record]:
        return [event for row in self.company.zendesk["tickets"] for event in ticket_events(row)]

    def _ticket(self, number: int) -> Record | None:
        row = next((t for t in self.company.zendesk["tickets"] if t["id"] == number), None)
        return None if row is None or row["status"] == "deleted" else row

    async def audits(self, request: Request) -> Response:
        """The audits of one ticket; 404 for a deleted one."""
        refused = self._refused(request)
        row = None if refused else self._ticket(request.path_params["number"])
        if refused or row is None:
            return refused or answer({"error": "RecordNotFound", "description": "Not found"}, 404)
        audits = [as_audit(event) for event in ticket_events(row)]
        return answer({"audits": audits, "next_page": None, "previous_page": None, "count": len(audits)})

    async def comments(self, request: Request) -> Response:
        """The comments of one ticket."""
        refused = self._refused(request)
        row = None if refused else self._ticket(request.path_params["number"])
        if refused or row is None:
            return refused or answer({"error": "RecordNotFound", "description": "Not found"}, 404)
        first = {
            "id": row["id"] * 100 + 99,
            "author_id": row["requester_id"],
            "body": row["description"],
            "public": True,
            "created_at": row["created_at"],
        }
        rest = [
            {
                "id": child["id"],
                "author_id": event["updater_id"],
                "body": child["body"],
                "public": True,
                "created_at": event["created_at"],
            }
            for event in ticket_events(row)
            for child in event["child_events"]
            if child["event_type"] == "Comment"
        ]
        return answer({"comments": [first, *rest], "next_page": None, "previous_page": None, "count": 1 + len(rest)})


def ticket_events(row: Record) -> list[Record]:
    """The history of one ticket as events: changes of one author at one moment belong together."""
    events = []
    position = 0
    for (moment, author), group in groupby(row["history"], key=lambda item: (item[0], item[1])):
        children: list[dict[str, Any]] = []
        for _, _, field, before, after in group:
            position += 1
            child: Record = {"id": row["id"] * 100 + position}
            if field == "comment":
                child |= {"event_type": "Comment", "body": after, "public": True}
            else:
                child |= {
                    "event_type": "Create" if before is None else "Change",
                    field: after,
                    "previous_value": before,
                }
            children.append(child)
        events.append(
            {
                "id": row["id"] * 100 + position,
                "ticket_id": row["id"],
                "timestamp": moment,
                "created_at": timing.utc(moment),
                "updater_id": author,
                "via": row["via"],
                "child_events": children,
                "stamp": moment,
            }
        )
    return events


def as_audit(event: Record) -> Record:
    """The same event in the shape of the audits endpoint."""
    changes = []
    for child in event["child_events"]:
        if child["event_type"] == "Comment":
            changes.append({"id": child["id"], "type": "Comment", "body": child["body"], "public": True})
            continue
        field = next(key for key in child if key not in {"id", "event_type", "previous_value"})
        changes.append(
            {
                "id": child["id"],
                "type": child["event_type"],
                "field_name": field,
                "previous_value": child["previous_value"],
                "value": child[field],
            }
        )
    return {
        "id": event["id"],
        "ticket_id": event["ticket_id"],
        "created_at": event["created_at"],
        "author_id": event["updater_id"],
        "via": event["via"],
        "events": changes,
    }
