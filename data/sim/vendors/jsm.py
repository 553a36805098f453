"""Jira Service Management Cloud: JQL in minutes of the user's zone, an index that lags, SLAs that tick, short pages."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from data.sim import dataset, paging
from data.sim.access import Basic, Call, Reply
from data.sim.engine import Simulator, route
from data.sim.table import START, Record, Table

EMAIL, TOKEN = "c360@example.com", "ATATT-demo-0000"  # of a company that does not exist
ORGANIZATIONS, RESPONSE, RESOLUTION, REQUEST, RATING = (f"customfield_1{n:04}" for n in (2, 30, 31, 10, 41))
SERVICE = "com.atlassian.servicedesk:"
KINDS = {
    ORGANIZATIONS: ("Organizations", "sd-customer-organizations"),
    RESPONSE: ("Time to first response", "sd-sla-field"),
    RESOLUTION: ("Time to resolution", "sd-sla-field"),
    REQUEST: ("Request Type", "vp-origin"),
    RATING: ("Satisfaction", "sd-request-feedback"),
}
STATUS = {
    "open": ("In Progress", "indeterminate"),
    "pending": ("Waiting for customer", "indeterminate"),
    "solved": ("Resolved", "done"),
    "closed": ("Closed", "done"),
}
MINUTE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d")
HOUR = timedelta(hours=1)


def jira_time(moment: datetime) -> str:
    """2026-08-01T11:15:22.431+0200, in the zone of the site."""
    local = moment.astimezone(ZoneInfo("Europe/Berlin"))
    return local.strftime("%Y-%m-%dT%H:%M:%S.") + f"{local.microsecond // 1000:03}" + local.strftime("%z")


def person(number: int, kind: str) -> str:
    """An account id; kind: staff | customer."""
    return f"5b10{kind[0]}{number:04}"


def said(words: str) -> Record:
    """A text as an Atlassian document."""
    return {
        "type": "doc",
        "version": 1,
        "content": [{"type": "paragraph", "content": [{"type": "text", "text": words}]}],
    }


class Vendor(Simulator):
    """`zone` is the calling user's; `lag` how long a change is not found; `fold` how an hour that comes twice is read;
    `short` what a page holds at most, whatever is asked for; `anonymous`: who is not known sees an empty site."""

    connector = "jsm"
    zone, lag, fold, short, anonymous = "Asia/Shanghai", timedelta(0), 0, 9, False
    token_life = timedelta(days=7)

    def setup(self) -> None:
        """Issues with the dataset's tickets, organizations with its customers, people of both."""
        self.auth = Basic(EMAIL, TOKEN)
        staff = [
            {"accountId": person(n, "staff"), "accountType": "atlassian", "displayName": row["name"]}
            | {"emailAddress": row["email"], "active": row["active"], "self": "https://demo.example.com/user"}
            for n, row in enumerate(dataset.people())
        ]
        customers = [
            {
                "accountId": person(n, "customer"),
                "accountType": "customer",
                "displayName": f"{row['first']} {row['last']}",
            }
            | {"emailAddress": row["email"], "active": True}
            for n, row in enumerate(dataset.contacts())
        ]
        organizations = [{"id": str(1 + n), "name": row["name"]} for n, row in enumerate(dataset.customers())]
        issues = [self._issue(n, row) for n, row in enumerate(dataset.tickets())]
        self.tables["users"] = Table(self.clock, [*staff, *customers], key="accountId", label="displayName")
        self.tables["organizations"] = Table(self.clock, organizations)
        self.tables["issues"] = Table(
            self.clock, issues, stamps=("fields.updated",), label="fields.summary", write=jira_time
        )
        self.members = {
            organization["id"]: [
                customers[n]["accountId"] for n, row in enumerate(dataset.contacts()) if row["customer"] == place
            ]
            for place, organization in enumerate(organizations)
        }
        self.members["2"].append(customers[0]["accountId"])
        self.children["organization_users"] = lambda: {
            key: self.tables["users"].rows[key]
            for organization in self.tables["organizations"].rows
            for key in self.members.get(organization, [])
            if key in self.tables["users"].rows
        }
        self.children["changelog"] = lambda: self._of_issues(self._changes)
        self.children["comments"] = lambda: self._of_issues(self._comments)

    def _issue(self, place: int, row: dict[str, Any]) -> Record:
        name, category = STATUS[row["status"]]
        done = category == "done"
        fields = {
            "summary": row["subject"],
            "description": said(row["text"]),
            "status": {"id": "3", "name": name, "statusCategory": {"key": category}},
            "priority": {"name": ["Highest", "High", "Medium", "Low"][row["priority"]]},
            "issuetype": {"name": "[System] Service request"},
            "project": {"id": "10001", "key": "HELP", "projectTypeKey": "service_desk"},
            "assignee": {"accountId": person(row["owner"], "staff"), "active": True},
            "reporter": {"accountId": person(row["contact"], "customer")},
            "created": jira_time(START),
            "updated": "",
            "resolution": {"name": "Done"} if done else None,
            "resolutiondate": jira_time(START + timedelta(days=1)) if done else None,
            "labels": [],
            ORGANIZATIONS: [{"id": str(1 + row["customer"]), "name": "Example"}],
            REQUEST: {"requestType": {"id": "7", "name": "Get help"}, "currentStatus": {"status": name}},
            RATING: {"rating": 1 + place % 5} if done else None,
        }
        return {
            "id": str(10400 + place),
            "key": f"HELP-{1 + place}",
            "self": "https://demo.example.com",
            "fields": fields,
        }

    def settings(self) -> dict[str, Any]:
        """Small pages, so that there are several."""
        return {"base_url": self.url, "site": "demo", "email": EMAIL, "api_token": TOKEN, "page_size": 10} | {
            "calls_per_second": 10_000
        }

    def error(self, status: int, reason: str) -> Any:
        """Jira's words for what went wrong."""
        return {"errorMessages": [reason], "errors": {}}

    def handle(self, call: Call) -> Reply:
        """A site that is open to everyone answers strangers with what they may see: nothing."""
        if self.anonymous and not self.auth.knows(call) and not call.path.endswith("/myself"):
            self.calls.append(call)
            return Reply(200, [] if call.path.endswith("/field") else {"issues": [], "values": [], "isLast": True})
        return super().handle(call)

    def new_id(self, stream: str) -> Any:
        """Account ids are no numbers; the others are, as text."""
        return f"5b10x{self.tables[stream].made}" if stream == "users" else str(super().new_id(stream))

    def add(self, stream: str) -> str:
        """A new issue has a key of its own."""
        made = super().add(stream)
        if stream == "issues":
            self.tables[stream].rows[made]["key"] = f"HELP-{made}"
        return made

    def _time(self, moment: datetime) -> Record:
        ago = int((self.clock.now - moment).total_seconds() // 60)
        shown = {"iso8601": jira_time(moment), "jira": jira_time(moment), "friendly": f"{ago} minutes ago"}
        return {**shown, "epochMillis": int(moment.timestamp() * 1000)}

    def _sla(self, name: str, hours: int, ended: bool, late: bool) -> Record:
        stop = START + timedelta(hours=hours + 2 * late - 1)
        due = START + timedelta(hours=hours)
        cycle: Record = {
            "startTime": self._time(START),
            "breachTime": self._time(due),
            "goalDuration": {"millis": hours * 3600000},
        }
        if ended:
            cycle |= {"stopTime": self._time(stop), "breached": late, "elapsedTime": {"millis": 1}}
            return {"id": "1", "name": name, "completedCycles": [cycle]}
        gone = int((self.clock.now - START).total_seconds() * 1000)
        cycle |= {"breached": self.clock.now > due, "paused": False, "elapsedTime": {"millis": gone}}
        cycle |= {"remainingTime": {"millis": hours * 3600000 - gone, "friendly": f"{gone} ms"}}
        return {"id": "1", "name": name, "completedCycles": [], "ongoingCycle": cycle}

    def _shown(self, issue: Record, wanted: list[str]) -> Record:
        if "*all" not in wanted and wanted == ["id"]:
            return {"id": issue["id"]}
        done = issue["fields"]["status"]["statusCategory"]["key"] == "done"
        late = int(issue["id"]) % 3 == 0
        whole = issue["fields"] | {
            RESPONSE: self._sla(KINDS[RESPONSE][0], 4, True, late),
            RESOLUTION: self._sla(KINDS[RESOLUTION][0], 24 * 60, done, late),
        }
        fields = {name: value for name, value in whole.items() if name in wanted or "*all" in wanted}
        return {**issue, "expand": "operations", "fields": fields}

    def _found(self, jql: str) -> list[Record] | str:
        """The issues of a query, or why it is refused."""
        terms = [part.strip() for part in jql.partition("ORDER BY")[0].split(" AND ") if part.strip()]
        if not terms:
            return "Unbounded JQL queries are not allowed here."
        table = self.tables["issues"]
        rows = [row for row in table.ordered() if table.changed[row["id"]] <= self.clock.now - self.lag]
        for term in terms:
            name, sign, value = term.split(" ", 2)
            if name == "updated":
                minute = MINUTE.fullmatch(value.strip('"'))
                if not minute:
                    return f"Date value '{value}' for field 'updated' is invalid."
                local = datetime.fromisoformat(minute.group()).replace(tzinfo=ZoneInfo(self.zone), fold=self.fold)
                rows = [row for row in rows if table.changed[row["id"]] >= local.astimezone(UTC)]
            elif name == "statusCategory":
                rows = [
                    row for row in rows if (row["fields"]["status"]["statusCategory"]["key"] == "done") == (sign == "=")
                ]
            elif name == "projectType":
                rows = [row for row in rows if row["fields"]["project"]["projectTypeKey"] == value]
            else:
                return f"Field '{name}' does not exist or you do not have permission to view it."
        return rows

    @route("POST", "/rest/api/3/search/jql")
    def search(self, call: Call) -> Any:
        """A page by token; ids only unless fields are named; no total; a token lives seven days."""
        body = call.body
        rows = self._found(body.get("jql", ""))
        if isinstance(rows, str):
            return self.refuse(400, rows)
        start, token = 0, body.get("nextPageToken")
        if token:
            given, _, place = token.partition("@")
            if datetime.fromisoformat(given) < self.clock.now - self.token_life:
                return self.refuse(400, "The provided next page token is invalid or expired.")
            start = int(place)
        part, more = paging.offset(rows, start, min(int(body.get("maxResults", 50)), self.short))
        answer = {"issues": [self._shown(row, body.get("fields") or ["id"]) for row in part], "isLast": not more}
        return answer | ({"nextPageToken": f"{self.clock.now.isoformat()}@{start + len(part)}"} if more else {})

    @route("GET", "/rest/api/3/myself")
    def myself(self, call: Call) -> Any:
        """The calling user."""
        return {"accountId": person(0, "staff"), "timeZone": self.zone}

    @route("GET", "/rest/api/3/field")
    def field(self, call: Call) -> Any:
        """Fields with their types."""
        own = [{"id": key, "name": name, "schema": {"custom": SERVICE + kind}} for key, (name, kind) in KINDS.items()]
        return [{"id": "summary", "name": "Summary", "schema": {"type": "string"}}, *own]

    @route("GET", "/rest/api/3/users/search")
    def users(self, call: Call) -> Any:
        """People of all kinds, a plain list; a page may be short."""
        rows = sorted(self.tables["users"].rows.values(), key=lambda row: row["accountId"])
        return paging.offset(rows, call.number("startAt", 0), min(call.number("maxResults", 50), self.short))[0]

    def _page(self, call: Call, rows: list[Record]) -> Record:
        """A page of service management; the limit in force may be lower than the one asked for."""
        start, limit = call.number("start", 0), min(call.number("limit", 50), self.short)
        part, more = paging.offset(rows, start, limit)
        return {"size": len(part), "start": start, "limit": limit, "isLastPage": not more, "_links": {}, "values": part}

    @route("GET", "/rest/servicedeskapi/organization")
    def organizations(self, call: Call) -> Any:
        """Organizations by id."""
        return self._page(call, [{**row, "_links": {"self": "x"}} for row in self.tables["organizations"].ordered()])

    @route("GET", "/rest/servicedeskapi/organization/{organization}/user")
    def organization_users(self, call: Call) -> Any:
        """People of one organization."""
        known = self.tables["users"].rows
        return self._page(call, [known[key] for key in self.members.get(call.at["organization"], []) if key in known])

    def _of_issues(self, of: Any) -> dict[str, Record]:
        return {row["id"]: row for issue in self.tables["issues"].rows for row in of(issue)}

    def _changes(self, issue: str) -> list[Record]:
        moved = {"field": "status", "from": "1", "fromString": "Waiting for support", "to": "3"}
        owned = {"field": "assignee", "from": None, "fromString": None, "to": "x", "toString": "Mara"}
        return [
            {"id": f"{issue}{n}", "author": {"accountId": person(1, "staff")}, "created": jira_time(START + n * HOUR)}
            | {"items": [{**moved, "toString": "In Progress"}, owned][: 1 + n % 2]}
            for n in range(11 if issue == "10401" else 2)
        ]

    def _comments(self, issue: str) -> list[Record]:
        who = [person(2, "staff"), person(int(issue) % 23, "customer")]
        return [
            {"id": f"{issue}{n}", "body": f"Antwort 回复 {n}", "public": n != 0, "author": {"accountId": who[n % 2]}}
            | {"created": self._time(START + n * HOUR), "_links": {"self": "x"}}
            for n in range(2)
        ]

    @route("GET", "/rest/api/3/issue/{issue}/changelog")
    def changelog(self, call: Call) -> Any:
        """The whole history of an issue."""
        if call.at["issue"] not in self.tables["issues"].rows:
            return self.refuse(404, "Issue does not exist or you do not have permission to see it.")
        start, limit = call.number("startAt", 0), min(call.number("maxResults", 100), self.short)
        rows = self._changes(call.at["issue"])
        part, more = paging.offset(rows, start, limit)
        return {"startAt": start, "maxResults": limit, "total": len(rows), "isLast": not more, "values": part}

    @route("GET", "/rest/servicedeskapi/request/{issue}/comment")
    def comments(self, call: Call) -> Any:
        """What was said about a request."""
        if call.at["issue"] not in self.tables["issues"].rows:
            return self.refuse(404, "Issue does not exist or you do not have permission to see it.")
        return self._page(call, self._comments(call.at["issue"]))
