"""Jira Cloud: project search, versions, search by JQL with opaque tokens and no total, changelogs."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from data.demo import timing
from data.demo.company import Company
from data.demo.simulators.base import answer, basic_auth
from data.demo.world import Record

CREDENTIALS = {
    "email": "integration@chengyuan.example.com",
    "api_token": "demo-jira-token",
    "site": "chengyuan-demo",
}
ZONE = timezone(timedelta(hours=8))
ISSUE_PAGE, PROJECT_PAGE = 100, 50
_TERM = re.compile(r"^\s*(\w+)\s*(>=|<=|!=|=|>|<|\bnot in\b|\bin\b)\s*(.+?)\s*$", re.IGNORECASE | re.DOTALL)
Test = Callable[[Record], bool]


class JqlError(Exception):
    """A JQL the vendor would refuse."""


def _moment(text: str) -> int:
    text = text.strip("\"' ").replace("/", "-")
    for shape in ("%Y-%m-%d %H:%M", "%Y-%m-%d"):
        try:
            return int(datetime.strptime(text, shape).replace(tzinfo=ZONE).timestamp())
        except ValueError:
            continue
    raise JqlError(f"Date value '{text}' for field 'updated' is invalid. Valid formats include: 'yyyy-MM-dd HH:mm'.")


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


def _text(row: Record, name: str) -> set[str]:
    fields = row["fields"]
    if name == "project":
        return {fields["project"]["key"].lower(), fields["project"]["id"], fields["project"]["name"].lower()}
    if name == "issuetype":
        return {fields["issuetype"]["name"].lower(), fields["issuetype"]["id"]}
    if name == "status":
        return {fields["status"]["name"].lower()}
    return {row["key"].lower(), row["id"]}


def _test(term: str) -> Test:
    match = _TERM.match(term)
    if not match:
        raise JqlError(f"Error in the JQL Query: unexpected text '{term.strip()[:40]}'")
    name, op, value = match[1].lower(), match[2].lower(), match[3]
    if name in {"updated", "created"}:
        limit, compare = _moment(value), _COMPARE[op]
        if name == "updated":
            return lambda row: compare(row["stamp"] // 60 * 60, limit)
        return lambda row: compare(timing.parse_utc(re.sub(r"\.\d+", "", row["fields"]["created"])) // 60 * 60, limit)
    if name in {"id", "issue", "key", "project", "issuetype", "status"}:
        if name == "id" and op in {">", ">=", "<", "<="}:
            number, compare = int(value.strip("\"' ")), _COMPARE[op]
            return lambda row: compare(int(row["id"]), number)
        wanted = {part.strip("\"' ").lower() for part in value.strip("() ").split(",")}
        negative = op in {"!=", "not in"}
        return lambda row: bool(_text(row, name) & wanted) is not negative
    raise JqlError(f"Field '{match[1]}' does not exist or you do not have permission to view it.")


def parse(jql: str) -> tuple[list[Test], tuple[str, bool]]:
    """Tests and (order field, descending); an unbounded JQL raises."""
    body, _, order = re.sub(r"\s+", " ", jql).partition("ORDER BY") if "ORDER BY" in jql else (jql, "", "")
    if not body.strip():
        raise JqlError("Unbounded JQL queries are not allowed here. Please add a search restriction to your query.")
    tests = [_test(term) for term in re.split(r"\s+AND\s+", body, flags=re.IGNORECASE)]
    words = order.split(",")[0].split()
    return tests, ((words[0].lower(), len(words) > 1 and words[1].upper() == "DESC") if words else ("id", False))


class Jira:
    """The site: its users, projects, versions and issues."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.searches: dict[str, list[Record]] = {}

    def app(self) -> Starlette:
        """The vendor's routes."""
        api = "/rest/api/3"
        return Starlette(
            routes=[
                Route(api + "/myself", self.myself),
                Route(api + "/users/search", self.users),
                Route(api + "/project/search", self.projects),
                Route(api + "/project/{key}/versions", self.versions),
                Route(api + "/project/{key}/properties/{name}", self.property),
                Route(api + "/search/jql", self.search, methods=["GET", "POST"]),
                Route(api + "/search", self.withdrawn, methods=["GET", "POST"]),
                Route(api + "/issue/{key}/changelog", self.changelog),
            ]
        )

    @staticmethod
    def _refused(request: Request) -> Response | None:
        if basic_auth(request) == (CREDENTIALS["email"], CREDENTIALS["api_token"]):
            return None
        return answer({"errorMessages": ["Client must be authenticated to access this resource."], "errors": {}}, 401)

    @staticmethod
    def _missing(what: str) -> Response:
        return answer({"errorMessages": [f"No {what} could be found."], "errors": {}}, 404)

    async def withdrawn(self, request: Request) -> Response:
        """The old search, gone since CHANGE-2046."""
        text = "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API."
        return answer({"errorMessages": [text], "errors": {}}, 410)

    async def myself(self, request: Request) -> Response:
        """The caller with the time zone that JQL dates are read in."""
        refused = self._refused(request)
        return refused or answer(
            {
                "accountId": "5b10aintegration",
                "emailAddress": CREDENTIALS["email"],
                "timeZone": "Asia/Shanghai",
                "active": True,
            }
        )

    @staticmethod
    def _window(request: Request, cap: int) -> tuple[int, int]:
        start, size = (
            request.query_params.get("startAt", "0"),
            request.query_params.get("maxResults", str(cap)),
        )
        return (int(start) if start.isdigit() else 0), (min(cap, int(size)) if size.isdigit() else cap)

    async def users(self, request: Request) -> Response:
        """A plain list, by offset."""
        start, size = self._window(request, 1000)
        refused = self._refused(request)
        return refused or answer(self.company.jira["users"][start : start + size])

    async def projects(self, request: Request) -> Response:
        """Projects by offset; 50 a page however many are asked for."""
        refused = self._refused(request)
        if refused:
            return refused
        start, size = self._window(request, PROJECT_PAGE)
        expand = request.query_params.get("expand", "")
        asked = request.query_params.get("properties", "").split(",")
        rows = self.company.jira["projects"]
        part = [self._project(row, expand, asked) for row in rows[start : start + size]]
        paging = {
            "startAt": start,
            "maxResults": size,
            "total": len(rows),
            "isLast": start + size >= len(rows),
        }
        return answer({**paging, "values": part})

    @staticmethod
    def _project(row: Record, expand: str, asked: list[str]) -> Record:
        drop = {"properties"} | {name for name in ("description", "lead") if name not in expand}
        shown = {key: value for key, value in row.items() if key not in drop}
        properties = {name: value for name, value in row["properties"].items() if name in asked}
        return {**shown, "properties": properties} if properties else shown

    def _find(self, key: str) -> Record | None:
        return next((row for row in self.company.jira["projects"] if key in {row["key"], row["id"]}), None)

    async def versions(self, request: Request) -> Response:
        """All versions of a project."""
        refused = self._refused(request)
        home = None if refused else self._find(request.path_params["key"])
        if refused or home is None:
            return refused or self._missing("project")
        rows = [v for v in self.company.jira["versions"] if v["project"] == home["key"]]
        return answer([{k: v for k, v in row.items() if k != "project"} for row in rows])

    async def property(self, request: Request) -> Response:
        """One entity property of a project."""
        refused = self._refused(request)
        home = None if refused else self._find(request.path_params["key"])
        name = request.path_params["name"]
        if refused or home is None or name not in home["properties"]:
            return refused or self._missing("property")
        return answer({"key": name, "value": home["properties"][name]})

    async def search(self, request: Request) -> Response:
        """Issues by JQL: `isLast` and `nextPageToken` tell the end, there is no total."""
        refused = self._refused(request)
        if refused:
            return refused
        options: Record = (
            orjson.loads(await request.body() or b"{}") if request.method == "POST" else dict(request.query_params)
        )
        fields = options.get("fields") or []
        names = fields.split(",") if isinstance(fields, str) else list(fields)
        expand = options.get("expand") or ""
        expand = expand if isinstance(expand, str) else ",".join(expand)
        size = min(ISSUE_PAGE if names else 5000, int(options.get("maxResults") or 50))
        found = self._found(str(options.get("jql") or ""), str(options.get("nextPageToken") or ""))
        if isinstance(found, Response):
            return found
        token, start, rows = found
        part = [self._issue(request, row, names, "changelog" in expand) for row in rows[start : start + size]]
        last = start + size >= len(rows)
        content: Record = {"issues": part, "isLast": last}
        if not last:
            content["nextPageToken"] = f"{token}-{start + size}"
        return answer(content)

    def _found(self, jql: str, page: str) -> tuple[str, int, list[Record]] | Response:
        if page:
            token, _, start = page.rpartition("-")
            if token not in self.searches or not start.isdigit():
                return answer(
                    {"errorMessages": ["The provided next page token is invalid or expired."], "errors": {}},
                    400,
                )
            return token, int(start), self.searches[token]
        try:
            tests, (order, descending) = parse(jql)
        except JqlError as error:
            return answer({"errorMessages": [str(error)], "errors": {"jql": str(error)}}, 400)
        rows = [row for row in self.company.jira["issues"] if all(test(row) for test in tests)]
        rows.sort(key=lambda row: (row["stamp"] if order == "updated" else 0, int(row["id"])), reverse=descending)
        token = f"CAEaAg{len(self.searches) + 1:06d}"
        while len(self.searches) > 50:
            self.searches.pop(next(iter(self.searches)))
        self.searches[token] = rows
        return token, 0, rows

    def _issue(self, request: Request, row: Record, names: list[str], changelog: bool) -> Record:
        shown: Record = {
            "id": row["id"],
            "key": row["key"],
            "self": f"{str(request.base_url).rstrip('/')}/rest/api/3/issue/{row['id']}",
        }
        if names:
            every = "*all" in names or "*navigable" in names
            shown["fields"] = {k: v for k, v in row["fields"].items() if every or k in names}
        if changelog:
            histories = self._histories(row)
            shown["changelog"] = {
                "startAt": 0,
                "maxResults": len(histories),
                "total": len(histories),
                "histories": histories,
            }
        return shown

    @staticmethod
    def _histories(row: Record) -> list[Record]:
        return [
            {
                "id": f"{row['id']}{position:02d}",
                "author": {"accountId": owner.account_id, "displayName": owner.name},
                "created": timing.jira(moment),
                "items": [
                    {
                        "field": field,
                        "fieldtype": "jira",
                        "from": before,
                        "fromString": before,
                        "to": after,
                        "toString": after,
                    }
                ],
            }
            for position, (moment, owner, field, before, after) in enumerate(row["history"])
        ]

    async def changelog(self, request: Request) -> Response:
        """The complete changelog of one issue."""
        refused = self._refused(request)
        key = request.path_params["key"]
        row = None if refused else next((i for i in self.company.jira["issues"] if key in {i["key"], i["id"]}), None)
        if refused or row is None:
            return refused or self._missing("issue")
        values = self._histories(row)
        return answer({"startAt": 0, "maxResults": 100, "total": len(values), "isLast": True, "values": values})
