"""Salesforce REST: OAuth, query and queryAll with locators, describe, limits, errors as arrays."""

from __future__ import annotations

import re
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from data.demo.company import Company
from data.demo.simulators import soql
from data.demo.simulators.base import answer
from data.demo.world import Record

BATCH = 2000
DAILY = 100_000
CREDENTIALS = {
    "client_id": "demo-client",
    "client_secret": "demo-client-secret",
    "refresh_token": "demo-refresh-token",
    "api_version": "61.0",
}
_COUNT = re.compile(r"^\s*SELECT\s+COUNT\(\)\s+FROM\s+", re.IGNORECASE)
_TYPES = {bool: "boolean", float: "double", int: "int", str: "string", type(None): "string"}


class Salesforce:
    """State of the simulator: issued tokens, open locators, calls used today."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.tokens: set[str] = set()
        self.locators: dict[str, tuple[list[Record], list[str], str]] = {}
        self.used = 0
        self.fields = {name: list(rows[0]) for name, rows in company.salesforce.items() if rows}

    def app(self) -> Starlette:
        """The vendor's routes."""
        base = "/services/data/{version}"
        return Starlette(
            routes=[
                Route("/services/oauth2/token", self.token, methods=["POST"]),
                Route("/services/data", self.versions),
                Route(base + "/query", self.query),
                Route(base + "/queryAll", self.query),
                Route(base + "/query/{locator}", self.more),
                Route(base + "/queryAll/{locator}", self.more),
                Route(base + "/sobjects", self.sobjects),
                Route(base + "/sobjects/{name}/describe", self.describe),
                Route(base + "/limits", self.limits),
            ]
        )

    async def token(self, request: Request) -> Response:
        """OAuth token endpoint; errors are an object, unlike everywhere else."""
        form = await request.form()
        if (form.get("client_id"), form.get("client_secret")) != (
            CREDENTIALS["client_id"],
            CREDENTIALS["client_secret"],
        ):
            return answer({"error": "invalid_client", "error_description": "invalid client credentials"}, 400)
        grant = form.get("grant_type")
        if grant not in {"client_credentials", "refresh_token"}:
            return answer({"error": "unsupported_grant_type", "error_description": "grant type not supported"}, 400)
        if grant == "refresh_token" and form.get("refresh_token") != CREDENTIALS["refresh_token"]:
            return answer({"error": "invalid_grant", "error_description": "expired access/refresh token"}, 400)
        token = f"00D5g0000000DEMO!{len(self.tokens) + 1:08d}"
        self.tokens.add(token)
        instance = str(request.base_url).rstrip("/")
        return answer(
            {
                "access_token": token,
                "instance_url": instance,
                "token_type": "Bearer",
                "id": f"{instance}/id/demo",
                "scope": "api",
            }
        )

    def _refused(self, request: Request) -> Response | None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ").removeprefix("OAuth ")
        if token not in self.tokens:
            return self._error(401, "INVALID_SESSION_ID", "Session expired or invalid")
        self.used += 1
        if self.used > DAILY:
            return self._error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        return None

    @staticmethod
    def _error(status: int, code: str, message: str) -> Response:
        return answer([{"message": message, "errorCode": code}], status)

    def _answer(self, content: Any) -> Response:
        return answer(content, headers={"Sforce-Limit-Info": f"api-usage={self.used}/{DAILY}"})

    async def versions(self, request: Request) -> Response:
        """The API versions, without sign-in."""
        return answer([{"label": "Summer", "url": "/services/data/v61.0", "version": "61.0"}])

    async def query(self, request: Request) -> Response:
        """`query` hides deleted rows, `queryAll` shows them."""
        refused = self._refused(request)
        if refused:
            return refused
        text = request.query_params.get("q", "")
        counts = _COUNT.match(text)
        try:
            query = soql.parse(_COUNT.sub("SELECT Id FROM ", text), self.fields)
        except soql.SoqlError as error:
            return self._error(400, error.code, str(error))
        everything = request.url.path.rstrip("/").endswith("queryAll")
        rows = soql.run(query, self.company.salesforce[query.table])
        if not everything:
            rows = [row for row in rows if not row.get("IsDeleted")]
        if counts:
            return self._answer({"totalSize": len(rows), "done": True, "records": []})
        locator = f"01gRO{len(self.locators) + 1:013d}"
        self.locators[locator] = (rows, query.fields, query.table)
        return self._page(locator, 0, request.path_params["version"], self._size(request))

    @staticmethod
    def _size(request: Request) -> int:
        wanted = request.headers.get("sforce-query-options", "")
        number = wanted.partition("batchSize=")[2].split(",")[0].strip()
        return min(BATCH, max(200, int(number))) if number.isdigit() else BATCH

    async def more(self, request: Request) -> Response:
        """The next batch of a locator such as `01gRO0000000000001-2000`."""
        refused = self._refused(request)
        if refused:
            return refused
        locator, _, start = request.path_params["locator"].partition("-")
        if locator not in self.locators or not start.isdigit():
            return self._error(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._page(locator, int(start), request.path_params["version"], self._size(request))

    def _page(self, locator: str, start: int, version: str, size: int) -> Response:
        rows, fields, table = self.locators[locator]
        short = size - 137 if start // size % 4 == 2 and size > 500 else size
        part = rows[start : start + short]
        done = start + len(part) >= len(rows)
        url = f"/services/data/{version}/sobjects/{table}/"
        records = [
            {
                "attributes": {"type": table, "url": url + row["Id"]},
                **{name: row.get(name) for name in fields},
            }
            for row in part
        ]
        content: Record = {"totalSize": len(rows), "done": done, "records": records}
        if done:
            self.locators.pop(locator) if start else None
        else:
            content["nextRecordsUrl"] = f"/services/data/{version}/query/{locator}-{start + len(part)}"
        return self._answer(content)

    async def sobjects(self, request: Request) -> Response:
        """The list of objects."""
        refused = self._refused(request)
        return refused or self._answer({"sobjects": [{"name": name, "queryable": True} for name in self.fields]})

    async def describe(self, request: Request) -> Response:
        """Fields of one object with their types."""
        refused = self._refused(request)
        if refused:
            return refused
        name = request.path_params["name"]
        if name not in self.fields:
            return self._error(404, "NOT_FOUND", "The requested resource does not exist")
        fields = [
            {"name": key, "label": key, "type": self._type(name, key), "custom": key.endswith("__c")}
            for key in self.fields[name]
        ]
        return self._answer({"name": name, "label": name, "queryable": True, "fields": fields})

    def _type(self, table: str, name: str) -> str:
        if name.endswith(("Date", "Stamp", "stamp")) and name.startswith(("Created", "LastM", "SystemM")):
            return "datetime"
        if name == "Id":
            return "id"
        if name.endswith("Id"):
            return "reference"
        value = next((row[name] for row in self.company.salesforce[table][:200] if row.get(name) is not None), None)
        return _TYPES[type(value)]

    async def limits(self, request: Request) -> Response:
        """Remaining calls."""
        refused = self._refused(request)
        return refused or self._answer({"DailyApiRequests": {"Max": DAILY, "Remaining": DAILY - self.used}})
