"""HubSpot CRM v3: searches that lag and end at a cap, archived records apart, associations apart, merges that hide."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from data.sim import dataset, paging
from data.sim.access import Call, Key, Reply
from data.sim.engine import Simulator, route
from data.sim.table import START, Record, Table, get, iso_ms

TOKEN = "pat-eu1-demo-0000"  # noqa: S105 - of a company that does not exist
STAMP = {"contacts": "lastmodifieddate"}
STAGES = {
    "open": ("101", "Angebot 报价", "0.4"),
    "won": ("102", "Gewonnen 赢单", "1.0"),
    "lost": ("103", "Verloren", "0.0"),
}
TICKET_STAGES = {"open": "OPEN", "pending": "OPEN", "solved": "CLOSED", "closed": "CLOSED"}
TICKET_STAGE_IDS = {name: f"t-{name}" for name in TICKET_STAGES}
OWNER = {
    "email": "email",
    "firstName": lambda _n, row: row["name"].split()[0],
    "lastName": lambda _n, row: row["name"].split()[1],
}
COLUMNS: dict[str, dict[str, Any]] = {
    "companies": {
        **{name: name for name in ("name", "domain", "phone", "city")},
        "hubspot_owner_id": ("owner", 800),
        "lifecyclestage": lambda *_: "customer",
        "erp_code": "code",
    },
    "contacts": {
        "firstname": lambda n, row: row["first"] if n % 7 else None,
        "lastname": "last",
        "email": "email",
        "jobtitle": "title",
        "associatedcompanyid": ("customer", 3000),
    },
    "products": {"name": "name", "hs_sku": "code", "price": "price"},
    "deals": {
        "dealname": "name",
        "amount": "amount",
        "deal_currency_code": "currency",
        "dealstage": ("stage", {name: stage[0] for name, stage in STAGES.items()}),
        "closedate": lambda _n, row: f"{row['close']}T10:00:00.000Z",
        "hubspot_owner_id": ("owner", 800),
        "hs_is_closed": ("stage", {"open": "false", "won": "true", "lost": "true"}),
        "hs_is_closed_won": ("stage", {"open": "false", "won": "true", "lost": "false"}),
    },
    "tickets": {
        "subject": "subject",
        "content": "text",
        "hs_pipeline_stage": ("status", TICKET_STAGE_IDS),
        "hs_ticket_priority": ("priority", {0: "LOW", 1: "MEDIUM", 2: "HIGH", 3: None}),
        "source_type": lambda *_: "EMAIL",
    },
    "calls": {
        "hs_call_title": "subject",
        "hs_timestamp": lambda *_: iso_ms(START),
        "hs_call_direction": lambda *_: "OUTBOUND",
        "hubspot_owner_id": ("owner", 800),
    },
}
FIRST = {"companies": 3000, "contacts": 500, "products": 90, "deals": 21000, "tickets": 77000, "calls": 88000}
LABEL = {"contacts": "jobtitle", "deals": "dealname", "tickets": "subject", "calls": "hs_call_title"}
LINKED = {"deals": ("companies",), "tickets": ("companies", "contacts"), "calls": ("companies",)}


class Vendor(Simulator):
    """`lag` is how long a change is not yet found by a search; `cap` where a search ends."""

    connector = "hubspot"
    cap, lag = 10_000, timedelta(seconds=0)

    def setup(self) -> None:
        """Owners and objects; what is linked with what stands apart from both."""
        self.auth = Key(f"Bearer {TOKEN}")
        data = {kind: getattr(dataset, "tickets" if kind == "calls" else kind, dataset.customers)() for kind in FIRST}
        fixed = {"type": "PERSON", "archived": False, "createdAt": iso_ms(START), "updatedAt": ""}
        owners = [{"id": str(800 + n)} | row | fixed for n, row in enumerate(dataset.shaped(dataset.people(), OWNER))]
        self.tables = {"owners": Table(self.clock, owners, stamps=("updatedAt",), label="firstName", write=iso_ms)}
        self.links: dict[tuple[str, str, str], list[str]] = {}
        for kind, first in FIRST.items():
            rows = [self._object(first + n, row) for n, row in enumerate(dataset.shaped(data[kind], COLUMNS[kind]))]
            for row, neutral in zip(rows, data[kind], strict=True):
                ids = {"companies": 3000 + neutral.get("customer", 0), "contacts": 500 + neutral.get("contact", 0)}
                self.links |= {(kind, row["id"], name): [str(ids[name])] for name in LINKED.get(kind, ())}
            stamps = (f"properties.{STAMP.get(kind, 'hs_lastmodifieddate')}", "updatedAt")
            label = f"properties.{LABEL.get(kind, 'name')}"
            self.tables[kind] = Table(self.clock, rows, stamps=stamps, label=label, write=iso_ms)
        self.tables |= {kind: Table(self.clock, []) for kind in ("emails", "meetings", "notes")}

    def settings(self) -> dict[str, Any]:
        """Small pages, no waiting between calls, no activities (four streams more, all alike)."""
        budgets = {"searches_per_second": 100_000, "calls_per_second": 100_000}
        return {"base_url": self.url, "token": TOKEN, "page_size": 10, "activities": False, **budgets}

    def error(self, status: int, reason: str) -> Any:
        """Every error has a category; limits name their policy."""
        error = {"status": "error", "message": reason, "correlationId": "0000-demo", "category": "VALIDATION_ERROR"}
        return {**error, "errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING"} if status == 429 else error

    @staticmethod
    def _object(number: int, values: Record) -> Record:
        fixed = {"hs_object_id": str(number), "createdate": iso_ms(START), "hs_merged_object_ids": None}
        properties = {**{key: None if value is None else str(value) for key, value in values.items()}, **fixed}
        stamps = {"createdAt": iso_ms(START), "updatedAt": ""}
        return {"id": str(number), "properties": properties, "archived": False, **stamps}

    def new_id(self, stream: str) -> str:
        """Ids are text."""
        return str(super().new_id(stream))

    def add(self, stream: str) -> str:
        """The id stands among the properties too."""
        row_id = super().add(stream)
        if "properties" in self.tables[stream].rows[row_id]:
            self.tables[stream].quietly(row_id, properties__hs_object_id=row_id)
        return row_id

    def remove(self, stream: str, row_id: str) -> None:
        """Archived, not gone."""
        self.tables[stream].remove(row_id)
        self.tables[stream].gone[row_id] |= {"archived": True, "archivedAt": iso_ms(self.clock.now)}

    def restore(self, stream: str, row_id: str) -> None:
        """Restored within ninety days."""
        self.tables[stream].restore(row_id)
        self.tables[stream].rows[row_id]["archived"] = False

    def merge(self, stream: str, loser: str, survivor: str) -> None:
        """The survivor lists what it absorbed; the absorbed record is nowhere, not even archived."""
        table = self.tables[stream]
        table.rows.pop(loser)
        before = get(table.rows[survivor], "properties.hs_merged_object_ids")
        table.edit(survivor, properties__hs_merged_object_ids=";".join(filter(None, [before, loser])))

    @route("GET", "/crm/v3/owners")
    def owners(self, call: Call) -> Any:
        """Owners; their id is not their user id."""
        return self._listed(call, self.tables["owners"], dict)

    @route("GET", "/crm/v3/pipelines/{kind}")
    def pipelines(self, call: Call) -> Any:
        """Stages with their words."""
        if call.at["kind"] == "deals":
            known = {
                key: (label, {"isClosed": "false", "probability": chance}) for key, label, chance in STAGES.values()
            }
        else:
            known = {f"t-{name}": (name, {"ticketState": state}) for name, state in TICKET_STAGES.items()}
        stages = [{"id": key, "label": label, "metadata": more} for key, (label, more) in known.items()]
        return {"results": [{"id": "default", "label": "Vertrieb", "stages": stages}]}

    @route("GET", "/crm/v3/properties/{kind}")
    def properties(self, call: Call) -> Any:
        """One property of the company's own on companies."""
        own = [{"name": "erp_code", "hubspotDefined": False}] if call.at["kind"] == "companies" else []
        return {"results": [{"name": "name", "hubspotDefined": True}, *own]}

    @route("GET", "/crm/v3/objects/{kind}")
    def listed(self, call: Call) -> Any:
        """The list by id: living records, or with archived=true the archived ones."""
        return self._listed(call, self.tables[call.at["kind"]], lambda row: self._shown(row, ["createdate"]))

    def _listed(self, call: Call, table: Table, shown: Any) -> Any:
        if call.number("limit", 10) > 100:
            return self.refuse(400, "limit must be at most 100")
        rows = table.ordered(gone=call.query.get("archived") == "true")
        last = call.number("after", 0) or None
        part, more = paging.after(rows, lambda row: int(row["id"]), last, call.number("limit", 10))
        return {"results": [shown(row) for row in part]} | (self._next(part[-1]["id"]) if more else {})

    @staticmethod
    def _next(after: Any) -> Record:
        return {"paging": {"next": {"after": str(after), "link": "?after=" + str(after)}}}

    @staticmethod
    def _shown(row: Record, names: list[str]) -> Record:
        always = ["hs_object_id", "createdate", "hs_lastmodifieddate"]
        return {**row, "properties": {name: row["properties"].get(name) for name in dict.fromkeys([*names, *always])}}

    @route("POST", "/crm/v3/objects/{kind}/search")
    def search(self, call: Call) -> Any:
        """Filters on text, numbers and instants; sorted by one property; never archived, never past the cap."""
        body, table = call.body, self.tables[call.at["kind"]]
        start, size = int(body.get("after") or 0), int(body.get("limit", 10))
        if size > 200 or start + size > self.cap:
            return self.refuse(400, f"a search ends at {self.cap} results and 200 a page")
        rows = [row for row in table.ordered() if table.changed[row["id"]] <= self.clock.now - self.lag]
        for one in [one for group in body["filterGroups"] for one in group["filters"]]:
            if not isinstance(one["value"], str):
                return self.refuse(400, "value must be text")
            test = paging.COMPARE[{"GT": ">", "GTE": ">=", "LT": "<", "EQ": "="}[one["operator"]]]
            name, bound = one["propertyName"], float(one["value"])
            rows = [row for row in rows if test(self._number(row["properties"].get(name)), bound)]
        part, more = paging.offset(rows, start, size)
        shown = [self._shown(row, body.get("properties", [])) for row in part]
        return {"total": len(rows), "results": shown} | (self._next(start + size) if more else {})

    @staticmethod
    def _number(value: str | None) -> float:
        if value is None:
            return float("-inf")
        return float(value) if value.isdigit() else datetime.fromisoformat(value).astimezone(UTC).timestamp() * 1000

    @route("POST", "/crm/v4/associations/{kind}/{other}/batch/read")
    def associations(self, call: Call) -> Reply:
        """Links of up to a hundred records; a record without any is an error inside a good answer."""
        results, errors = [], []
        for row_id in [one["id"] for one in call.body["inputs"]]:
            ids = self.links.get((call.at["kind"], row_id, call.at["other"]), [])
            kinds = [{"category": "HUBSPOT_DEFINED", "typeId": 5, "label": "Primary"}]
            to = [{"toObjectId": int(other), "associationTypes": kinds} for other in ids]
            missing = {"subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND", "context": {"fromObjectId": [row_id]}}
            results += [{"from": {"id": row_id}, "to": to}] if ids else []
            errors += [] if ids else [{"category": "OBJECT_NOT_FOUND", **missing}]
        body = {"status": "COMPLETE", "results": results, "numErrors": len(errors), "errors": errors}
        return Reply(207 if errors else 200, body)
