"""Dataverse Web API: delta links with stubs of the deleted, page cookies, annotations, tables that are described."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from data.sim import dataset, paging
from data.sim.access import Call, OAuth, Reply
from data.sim.engine import Simulator, route
from data.sim.table import START, Record, Table, iso

SECRET = "demo-client-secret"  # noqa: S105 - of a company that does not exist
API = "/api/data/v9.2"
NAMES = {
    "systemusers": "systemuser", "accounts": "account", "contacts": "contact", "products": "product",
    "opportunities": "opportunity", "contracts": "contract", "incidents": "incident",
    "activitypointers": "activitypointer", "salesorders": "salesorder", "salesorderdetails": "salesorderdetail",
    "invoices": "invoice", "transactioncurrencies": "transactioncurrency", "teams": "team",
}  # fmt: skip
PLACES = {name: place for place, name in enumerate(NAMES.values(), 1)}
KEYS = {"activitypointers": "activityid"}
LABELS = {"accounts": "name", "contacts": "jobtitle", "incidents": "title", "systemusers": "title"}
CURRENCIES = ["EUR", "CNY", "USD"]
WORDS = {
    "statuscode": {1: "In Bearbeitung", 3: "Gewonnen", 4: "Vom Mitbewerber", 2: "Angehalten"},
    "casetypecode": {1: "Frage", 2: "Störung"},
    "paymenttermscode": {1: "Netto 30", 4: "Netto 60"},
}
DELTA, PREFER = "$deltatoken", re.compile(r"odata\.maxpagesize=(\d+)")


def guid(table: str, number: int) -> str:
    """The id of a record; its first group tells the table."""
    return f"{PLACES[table]:08x}-0d87-4711-80e5-{number:012x}"


@dataclass
class Place:
    """Where a list goes on: the ids that are left, or everything after the last (stamp, id); the delta's instant."""

    rest: list[str]
    last: tuple[Any, str] | None
    token: str
    since: str


class Entra(OAuth):
    """Tokens for the environment as a whole; no refresh token."""

    def sign_in(self, call: Call, vendor: Simulator) -> Reply | None:
        """A token for the right secret and the environment's own scope."""
        self.form["scope"] = f"{vendor.url}/.default"
        reply = super().sign_in(call, vendor)
        if reply is None or reply.status == 200:
            return reply
        return Reply(401, {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret."})


class Vendor(Simulator):
    """`untracked` are the tables without change tracking, `keep_days` how long a delta link lives, `describes` whether
    the user may read the tables' descriptions, `is_wide` whether its role reads the whole organisation."""

    connector = "dynamics"
    most, keep_days, describes, is_wide, ignores_filters = 5000, 7, True, True, False

    def setup(self) -> None:
        """Tables by their sets; every row has all columns of its table."""
        form = {"grant_type": "client_credentials", "client_id": "demo-app", "client_secret": SECRET}
        self.auth = Entra("/demo-tenant/oauth2/v2.0/token", form)
        self.auth.more |= {"expires_in": 3599}
        self.untracked: set[str] = set()
        self.missing: set[str] = set()
        self.places: dict[str, Place] = {}
        self.issued: set[tuple[tuple[str, str], ...]] = set()
        made = {**self._people(), **self._sales(), **self._service()}
        for name, rows in made.items():
            stamps, label = {"createdon": iso(START), "modifiedon": ""}, LABELS.get(name, "name")
            whole = [{**row, **stamps} for row in rows]
            key = KEYS.get(name, f"{NAMES[name]}id")
            self.tables[name] = Table(self.clock, whole, key=key, stamps=("modifiedon",), label=label)

    def settings(self) -> dict[str, Any]:
        """Small pages, no waiting; contracts and activities are read in one test."""
        app = {"tenant": "demo-tenant", "client_id": "demo-app", "client_secret": SECRET, "login_url": self.url}
        return {"base_url": self.url, **app, "page_size": 10, "calls_per_second": 100_000} | dict.fromkeys(
            ("contracts", "activities"), False
        )

    def error(self, status: int, reason: str) -> Any:
        """A code in hexadecimal digits and a message."""
        code = {429: "0x80072322", 403: "0x80040220", 404: "0x80060888", 400: "0x80060888"}.get(status, "0x80040216")
        return {"error": {"code": code, "message": reason}}

    def new_id(self, stream: str) -> str:
        """Ids are made at random; here they count up."""
        return guid(NAMES[stream], 9000 + self.tables[stream].made)

    def merge(self, stream: str, loser: str, survivor: str) -> None:
        """The loser stays, inactive, and names its survivor."""
        self.tables[stream].edit(loser, merged=True, _masterid_value=survivor, statecode=1, statuscode=2)

    def _people(self) -> dict[str, list[Record]]:
        users = [
            {"systemuserid": guid("systemuser", n), "fullname": one["name"], "title": "", "employeeid": one["code"]}
            | {"internalemailaddress": one["email"], "isdisabled": not one["active"], "applicationid": None}
            | {"_businessunitid_value": guid("team", 7), "_parentsystemuserid_value": None}
            for n, one in enumerate(dataset.people())
        ]
        app = {"systemuserid": guid("systemuser", 99), "fullname": "# collector", "applicationid": guid("team", 1)}
        accounts = [
            {"accountid": guid("account", n), "name": one["name"], "accountnumber": one["code"], "statecode": 0}
            | {"telephone1": one["phone"], "websiteurl": f"https://{one['domain']}", "address1_city": one["city"]}
            | {"_ownerid_value": guid("team" if n == 5 else "systemuser", one["owner"]), "statuscode": 1}
            | {"_transactioncurrencyid_value": guid("transactioncurrency", n % 3), "_parentaccountid_value": None}
            | {"merged": False, "_masterid_value": None, "new_erpcode": f"E{one['code']}", "paymenttermscode": 1}
            | {"creditlimit": 5000.0 if n == 2 else None, "creditonhold": n == 2, "statuscodename": None}
            for n, one in enumerate(dataset.customers())
        ]
        contacts = [
            {"contactid": guid("contact", n), "fullname": f"{one['first']} {one['last']}", "jobtitle": one["title"]}
            | {"emailaddress1": one["email"], "telephone1": one["phone"], "statecode": 0, "merged": False}
            | {"_parentcustomerid_value": None if n == 30 else guid("account", one["customer"])}
            | {"_masterid_value": None, "_ownerid_value": guid("systemuser", 0), "statuscode": 1}
            for n, one in enumerate(dataset.contacts())
        ]
        return {"systemusers": [*users, {**users[0], **app}], "accounts": accounts, "contacts": contacts}

    def _sales(self) -> dict[str, list[Record]]:
        products = [
            {"productid": guid("product", n), "productnumber": one["code"], "name": one["name"], "statecode": 0}
            | {"productstructure": 2 if n == 8 else 1, "_defaultuomid_value": guid("team", 8)}
            for n, one in enumerate(dataset.products())
        ]
        states = {"open": (0, 1), "won": (1, 3), "lost": (2, 4)}
        deals = [
            {"opportunityid": guid("opportunity", n), "name": one["name"], "estimatedvalue": float(one["amount"])}
            | {"actualvalue": 7.25 if n == 2 else 0.0 if n % 4 == 3 else None, "stepname": None}
            | {"_customerid_value": guid("contact" if n == 8 else "account", one["customer"])}
            | {"_parentaccountid_value": guid("account", 4) if n == 8 else None, "closeprobability": 40}
            | {"_transactioncurrencyid_value": guid("transactioncurrency", CURRENCIES.index(one["currency"]))}
            | {"estimatedclosedate": one["close"], "actualclosedate": one["close"] if n % 4 > 1 else None}
            | dict(zip(("statecode", "statuscode"), states[one["stage"]], strict=True))
            | {"_ownerid_value": guid("systemuser", one["owner"])}
            for n, one in enumerate(dataset.deals())
        ]
        contracts = [
            {"contractid": guid("contract", n), "contractnumber": f"CNR-0100{n}", "title": f"Wartung {n}"}
            | {"_customerid_value": guid("account", n), "totalprice": 1200.5, "statecode": 2, "name": ""}
            | {"_transactioncurrencyid_value": guid("transactioncurrency", 0), "activeon": "2026-01-01"}
            | {"expireson": "2026-12-31", "_ownerid_value": guid("systemuser", 0)}
            for n in range(3)
        ]
        return {"products": products, "opportunities": deals, "contracts": contracts, **self._documents()}

    @staticmethod
    def _documents() -> dict[str, list[Record]]:
        orders, lines, invoices = [], [], []
        pairs = list(zip(dataset.orders(), dataset.invoices(), strict=True))
        for n, (one, bill) in enumerate(pairs):
            order = {"salesorderid": guid("salesorder", n), "ordernumber": one["number"], "name": ""}
            facts: Record = {
                "_customerid_value": guid("account", one["customer"]),
                "_ownerid_value": guid("systemuser", 0),
            }
            facts |= {"_transactioncurrencyid_value": guid("transactioncurrency", n % 2), "statecode": 2 * (n == 4)}
            facts |= {"totalamount": float(one["gross"]), "totaltax": float(one["tax"]), "exchangerate": 1.25}
            orders.append({**order, **facts, "submitdate": one["date"], "paymenttermscode": 4})
            dates = {"duedate": bill["due"], "_salesorderid_value": order["salesorderid"], "statecode": 3 * (n == 4)}
            number = {"invoiceid": guid("invoice", n), "invoicenumber": bill["number"], "name": ""}
            invoices.append({**facts, **number, **dates})
            lines += [
                {"salesorderdetailid": guid("salesorderdetail", 10 * n + k), "lineitemnumber": k + 1, "name": ""}
                | {"_salesorderid_value": order["salesorderid"], "_productid_value": guid("product", line["product"])}
                | {"quantity": float(line["quantity"]), "extendedamount": float(line["net"])}
                for k, line in enumerate(one["lines"])
            ]
        return {"salesorders": orders, "salesorderdetails": lines, "invoices": invoices}

    @staticmethod
    def _service() -> dict[str, list[Record]]:
        states = {"open": (0, 1), "pending": (0, 3), "solved": (1, 5), "closed": (2, 6)}
        cases = [
            {"incidentid": guid("incident", n), "ticketnumber": f"CAS-{n:05}", "title": one["subject"]}
            | {"description": one["text"], "prioritycode": 1 + one["priority"] % 3, "caseorigincode": 2}
            | {"_customerid_value": guid("contact" if n == 4 else "account", one["customer"]), "casetypecode": 2}
            | dict(zip(("statecode", "statuscode"), states[one["status"]], strict=True))
            | {"_primarycontactid_value": None if n == 4 else guid("contact", one["contact"])}
            | {"_ownerid_value": guid("systemuser", one["owner"]), "merged": False, "_masterid_value": None}
            | {"firstresponseslastatus": 3, "resolvebyslastatus": 1}
            for n, one in enumerate(dataset.tickets())
        ]
        ended: dict[int, Any] = {0: iso(START)}
        kinds = ["phonecall", "email", "appointment", "task", "opportunityclose"]
        about = ["account", "incident", "opportunity", "contact", "opportunity"]
        activities = [
            {"activityid": guid("activitypointer", n), "activitytypecode": kind, "subject": f"Gespräch {n}"}
            | {"_regardingobjectid_value": guid(about[n], 1), "_ownerid_value": guid("systemuser", 1)}
            | {"actualend": ended.get(n), "scheduledstart": iso(START), "name": ""}
            for n, kind in enumerate(kinds)
        ]
        return {"incidents": cases, "activitypointers": activities}

    @route("GET", API + "/EntityDefinitions(LogicalName='{table}')")
    def described(self, call: Call) -> Any:
        """A table's columns and whether it tracks changes."""
        if not self.describes:
            return self.refuse(403, "Principal user is missing prvReadEntity privilege")
        name = next(key for key, one in NAMES.items() if one == call.at["table"])
        if name in self.missing:
            return self.refuse(404, f"Could not find an entity with name {call.at['table']}")
        attributes = [self._attribute(column) for column in self._columns(name)]
        of = {"AttributeOf": "statecode", "IsCustomAttribute": False, "IsValidForRead": True}
        attributes.append({"LogicalName": "statecodename", "AttributeType": "Virtual", **of})
        return {"LogicalName": call.at["table"], "ChangeTrackingEnabled": name not in self.untracked} | {
            "Attributes": attributes
        }

    def _columns(self, name: str) -> set[str]:
        return {column for row in self.tables[name].rows.values() for column in row}

    @staticmethod
    def _attribute(column: str) -> Record:
        is_lookup = column.startswith("_")
        kind = {"_customerid_value": "Customer", "_ownerid_value": "Owner"}.get(column, "Lookup")
        plain = "Picklist" if column.endswith("code") and column != "new_erpcode" else "String"
        plain = "EntityName" if column == "activitytypecode" else plain
        return {
            "LogicalName": column.removeprefix("_").removesuffix("_value") if is_lookup else column,
            "AttributeType": kind if is_lookup else "Virtual" if column == "statuscodename" else plain,
            "AttributeOf": "statuscode" if column == "statuscodename" else None,
            "IsCustomAttribute": column.startswith("new_"),
            "IsValidForRead": True,
        }

    @route("GET", API + "/{name}")
    def listed(self, call: Call) -> Any:
        """A list, the changes since a delta link, or the next page of either."""
        name, query, prefer = call.at["name"], call.query, call.headers.get("prefer", "")
        if name == "transactioncurrencies":
            ids = [guid("transactioncurrency", n) for n in range(3)]
            pairs = zip(ids, CURRENCIES, strict=True)
            return {"value": [{"transactioncurrencyid": key, "isocurrencycode": code} for key, code in pairs]}
        if name not in self.tables or name in self.missing:
            return self.refuse(404, f"Resource not found for the segment '{name}'.")
        if "$apply" in query:
            return self._applied(name, query["$apply"])
        columns = query.get("$select", "").split(",")
        if unknown := [one for one in columns if one not in self._columns(name)]:
            return self.refuse(400, f"Could not find a property named '{unknown[0]}'")
        if "$skiptoken" in query:
            if tuple(sorted(query.items())) not in self.issued:
                return self.refuse(400, "Malformed XML in the Paging Cookie")
            place = self.places[query["$skiptoken"]]
        else:
            started = self._start(name, query, prefer)
            if isinstance(started, Reply):
                return started
            place = started
        size = PREFER.search(prefer)
        return self._page(call, columns, place, min(self.most, int(size.group(1)) if size else self.most))

    def _applied(self, name: str, text: str) -> Any:
        """filter(column eq true|false)/aggregate($count as alias); 50,000 rows at most."""
        form = re.fullmatch(r"filter\((\w+) eq (true|false)\)/aggregate\(\$count as (\w+)\)", text)
        if form is None:
            return self.refuse(400, "The query specified in the URI is not valid")
        rows = [row for row in self.tables[name].rows.values() if bool(row.get(form[1])) == (form[2] == "true")]
        if len(rows) > 50_000:
            return self.refuse(400, "AggregateQueryRecordLimit exceeded. Cannot perform this operation.")
        return {"@odata.context": f"{self.url}{API}/$metadata#{name}({form[3]})", "value": [{form[3]: len(rows)}]}

    def _start(self, name: str, query: dict[str, str], prefer: str) -> Place | Reply:
        table, is_tracking = self.tables[name], "odata.track-changes" in prefer
        if (is_tracking or DELTA in query) and not self.is_wide:
            return self.refuse(403, f"Principal user is missing prvRead{NAMES[name]} privilege at organization level")
        if is_tracking and {"$filter", "$orderby", "$expand", "$top"} & query.keys():
            return self.refuse(400, "The query parameter is not supported with change tracking")
        if is_tracking and name in self.untracked:
            return self.refuse(400, f"Entity {NAMES[name]} does not have change tracking enabled")
        token = f"919058!{self.clock.now:%m/%d/%Y %H:%M:%S}"
        if DELTA in query:
            since = datetime.strptime(f"{query[DELTA].partition('!')[2]} +0000", "%m/%d/%Y %H:%M:%S %z")
            if self.clock.now - since > timedelta(days=self.keep_days):
                told = "Version stamp associated with the client has expired. Please perform a full sync."
                return Reply(400, {"error": {"code": "0x80044352", "message": told}})
            changed = [*table.since(since), *table.since(since, gone=True)]
            return Place([row[table.key] for row in changed], None, token, "")
        if is_tracking:
            return Place([row[table.key] for row in table.ordered()], None, token, "")
        bound = re.fullmatch(r"modifiedon ge (\S+)", query.get("$filter", "modifiedon ge 0"))
        if bound is None or query.get("$orderby", "") != f"modifiedon asc,{table.key} asc":
            return self.refuse(400, "The query syntax is not known")
        return Place([], ("", ""), "", "" if self.ignores_filters else bound.group(1))

    def _page(self, call: Call, columns: list[str], place: Place, size: int) -> Record:
        name, table = call.at["name"], self.tables[call.at["name"]]
        address = f"{self.url}{API}/{name}?$select={','.join(columns)}"
        kind = f"{self.url}{API}/$metadata#{name}"
        if place.last is None:
            ids, rest = place.rest[:size], place.rest[size:]
            following = Place(rest, None, place.token, "") if rest else None
        else:
            rows = sorted(table.rows.values(), key=lambda row: (row["modifiedon"], row[table.key]))
            rows = [row for row in rows if row["modifiedon"] >= place.since]
            part, more = paging.after(rows, lambda row: (row["modifiedon"], row[table.key]), place.last, size)
            ids = [row[table.key] for row in part]
            last = (part[-1]["modifiedon"], ids[-1]) if part else place.last
            following = Place([], last, "", place.since) if more else None
        stubs = [{"@odata.context": f"{kind}/$deletedEntity", "id": key, "reason": "deleted"} for key in ids]
        wide = "FormattedValue" in call.headers.get("prefer", "")
        shown = [self._shown(table.rows[key], columns, wide=wide) for key in ids if key in table.rows]
        shown += [stub for stub in stubs if stub["id"] in table.gone]
        answer: Record = {"@odata.context": f"{kind}({','.join(columns)})", "value": shown}
        if following:
            cookie = f'<cookie pagenumber="{len(self.places) + 2}" pagingcookie="%253ccookie" istracking="False" />'
            self.places[cookie] = following
            self.issued.add(tuple(sorted({"$select": ",".join(columns), "$skiptoken": cookie}.items())))
            answer["@odata.nextLink"] = f"{address}&$skiptoken={quote(cookie)}"
        elif place.token:
            answer["@odata.deltaLink"] = f"{address}&{DELTA}={quote(place.token, safe='')}"
        return answer

    def _shown(self, row: Record, columns: list[str], *, wide: bool) -> Record:
        found = {"@odata.etag": f'W/"{row["modifiedon"]}"', **{column: row[column] for column in columns}}
        for column, value in list(found.items()) if wide else []:
            if column.startswith("_") and value:
                table = next(name for name, place in PLACES.items() if place == int(value[:8], 16))
                found[f"{column}@Microsoft.Dynamics.CRM.lookuplogicalname"] = table
                found[f"{column}@OData.Community.Display.V1.FormattedValue"] = f"{table} {int(value[-12:], 16)}"
            elif isinstance(value, int | float) and "@" not in column:
                words = WORDS.get(column, {}).get(int(value), f"{value:,}")
                found[f"{column}@OData.Community.Display.V1.FormattedValue"] = words
        return found
