"""SAP Gateway, OData 2: wrapped answers, typed filters, no order unless asked, pages that may be cut short."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from data.sim import dataset
from data.sim.access import Basic, Call, Reply
from data.sim.engine import Simulator, route
from data.sim.table import START, Record, Table
from data.sim.vendors._sap_journal import booked, day

USER, PASSWORD = "C360_COMM", "demo-password-0000"
ZONE = ZoneInfo("Europe/Berlin")
BASE = "/sap/opu/odata/sap"
SETS = {
    "A_BusinessPartner": ("API_BUSINESS_PARTNER", "BusinessPartner", "BusinessPartnerFullName"),
    "A_BusinessPartnerContact": ("API_BUSINESS_PARTNER", "_key", "RelationshipCategory"),
    "A_Product": ("API_PRODUCT_SRV", "Product", "ProductGroup"),
    "A_SalesOrder": ("API_SALES_ORDER_SRV", "SalesOrder", "PurchaseOrderByCustomer"),
    "A_OutbDeliveryHeader": ("API_OUTBOUND_DELIVERY_SRV;v=0002", "DeliveryDocument", "BillOfLading"),
    "A_CustomerReturn": ("API_CUSTOMER_RETURN_SRV", "CustomerReturn", "PurchaseOrderByCustomer"),
    "A_BillingDocument": ("API_BILLING_DOCUMENT_SRV", "BillingDocument", "PurchaseOrderByCustomer"),
    "A_OperationalAcctgDocItemCube": ("API_OPLACCTGDOCITEMCUBE_SRV", "_key", "DocumentItemText"),
}  # fmt: skip
EXACT = frozenset({"A_SalesOrder", "A_CustomerReturn", "A_BillingDocument"})
"""Sets with LastChangeDateTime; the others change by days."""
TOKEN = re.compile(r"\s*(\(|\)|(?:datetimeoffset|datetime)?'(?:[^']|'')*'|\w+)")
TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq, "ne": operator.ne, "gt": operator.gt, "ge": operator.ge, "lt": operator.lt, "le": operator.le,
}  # fmt: skip


def local_day(moment: datetime) -> str | None:
    """The day of an instant in the system's zone."""
    return day(moment.astimezone(ZONE).date())


def instant(moment: datetime) -> str:
    """An instant with its offset."""
    return f"/Date({int(moment.timestamp() * 1000)}+0000)/"


class Filter:
    """A `$filter` expression; ValueError when it is none, or compares a field with another type."""

    def __init__(self, text: str) -> None:
        self.tokens = TOKEN.findall(text)
        if "".join(text.split()) != "".join("".join(self.tokens).split()):
            raise ValueError(f"Invalid token in filter {text!r}")

    def holds(self, row: Record) -> bool:
        """Whether the row passes."""
        self.place = 0
        return self._any(row)

    def _take(self) -> str:
        self.place += 1
        return str(self.tokens[self.place - 1])

    def _next(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def _any(self, row: Record) -> bool:
        found = self._all(row)
        while self._next() == "or":
            self._take()
            found = self._all(row) or found
        return found

    def _all(self, row: Record) -> bool:
        found = self._one(row)
        while self._next() == "and":
            self._take()
            found = self._one(row) and found
        return found

    def _one(self, row: Record) -> bool:
        name = self._take()
        if name == "(":
            found = self._any(row)
            self._take()
            return found
        test, literal = TESTS[self._take()], self._take()
        if name not in row:
            raise ValueError(f"Property {name} not found")
        kind, _, quoted = literal.partition("'")
        value, bound = row[name], quoted.removesuffix("'")
        if kind in {"datetime", "datetimeoffset"}:
            if value is None:
                return False
            if ("+" in value) != (kind == "datetimeoffset"):
                raise ValueError(f"Property {name} has another type than {kind}")
            limit = datetime.fromisoformat(bound).replace(tzinfo=UTC).timestamp() * 1000
            return test(int(re.findall(r"-?\d+", value)[0]), limit)
        return test(value, {"true": True, "false": False}.get(literal, bound))


class Vendor(Simulator):
    """`most` is where the server cuts a page of a set, `counts` whether it counts rows, `ignores_filters` as it says,
    `refused` are sets without authorization."""

    connector = "sap_s4"
    ignores_filters, counts = False, True

    def setup(self) -> None:
        """The sets; business partners that are no customers, and lines of other accounts, stand apart."""
        self.auth = Basic(USER, PASSWORD)
        self.most = {"A_BillingDocument": 12}
        self.refused: set[str] = set()
        self.others: dict[str, list[Record]] = {}
        for name, rows in {**self._masters(), **self._sales()}.items():
            _, key, label = SETS[name]
            exact = name in EXACT
            stamps = () if name.endswith("Contact") else ("LastChangeDateTime" if exact else "LastChangeDate",)
            fixed = (
                {"LastChangeDateTime": None} if exact else {} if name.endswith("Contact") else {"LastChangeDate": None}
            )
            made = [{"CreationDate": local_day(START), **fixed, **row} for row in rows]
            write: Any = instant if exact else local_day
            self.tables[name] = Table(self.clock, made, key=key, stamps=stamps, label=label, write=write)
        lines = list(booked().values())
        own = [line for line in lines if line["FinancialAccountType"] == "D"]
        cube = "A_OperationalAcctgDocItemCube"
        self.others[cube] = [line for line in lines if line["FinancialAccountType"] != "D"]
        label = SETS[cube][2]
        self.tables[cube] = Table(self.clock, own, key="_key", stamps=("LastChangeDate",), label=label, write=local_day)
        self._forget()

    def _forget(self) -> None:
        """What was never changed has no stamp of change."""
        for name, table in self.tables.items():
            for row_id in list(table.rows)[1::2] if name not in EXACT and table.stamps else []:
                table.quietly(row_id, LastChangeDate=None)

    def settings(self) -> dict[str, Any]:
        """Small pages, no waiting; products, deliveries and returns are read in some tests."""
        user = {"user": USER, "password": PASSWORD, "zone": ZONE.key, "write_off_types": ["SA"], "client": "100"}
        return {"base_url": self.url, **user, "page_size": 20, "calls_per_second": 100_000} | dict.fromkeys(
            ("products", "deliveries", "returns"), False
        )

    def error(self, status: int, reason: str) -> Any:
        """A code of the gateway and a message with its language."""
        inner = {"transactionid": "0000DEMO", "errordetails": []}
        message = {"lang": "en", "value": reason}
        return {"error": {"code": "/IWBEP/CM_MGW_RT/021", "message": message, "innererror": inner}}

    def new_id(self, stream: str) -> str:
        """Numbers with leading zeros."""
        return f"{8000000000 + len(self.tables[stream].rows):010}"

    def add(self, stream: str) -> str:
        """A new record has a day of creation, and where changes are days no stamp of change."""
        table, number = self.tables[stream], self.new_id(stream)
        parts = {"_key": f"1000-2026-{number}-001", "AccountingDocument": number}
        if stream.endswith("Contact"):
            parts = {"_key": f"{number}:0010100000:0090000000", "RelationshipNumber": number}
        made = table.like(parts["_key"] if table.key == "_key" else number)
        today = local_day(self.clock.now)
        facts = {"AccountingDocumentCreationDate": today} if stream.endswith("Cube") else {"CreationDate": today}
        stamp = {} if stream in EXACT or not table.stamps else {"LastChangeDate": None}
        table.quietly(made, **(parts if table.key == "_key" else {}), **facts, **stamp)
        return made

    def _masters(self) -> dict[str, list[Record]]:
        partners: list[Record] = [
            {"BusinessPartner": f"00101{n:05}", "Customer": f"00100{1000 + n:05}", "BusinessPartnerCategory": "2"}
            | {"BusinessPartnerFullName": one["name"], "SearchTerm1": one["code"], "BusinessPartnerIsBlocked": n == 4}
            | {"IsMarkedForArchiving": n == 5, "to_BusinessPartnerTax": [{"BPTaxType": "DE0", "BPTaxNumber": f"DE{n}"}]}
            | {"to_Customer": {"Customer": f"00100{1000 + n:05}", "DeletionIndicator": n == 6}}
            | {"to_BusinessPartnerAddress": [self._address(one)], "Industry": ""}
            for n, one in enumerate(dataset.customers())
        ]
        partners[7]["to_Customer"] |= {"OrderIsBlockedForCustomer": "01"}
        persons = [
            {"BusinessPartner": f"00900{n:05}", "Customer": "", "BusinessPartnerCategory": "1"}
            | {"BusinessPartnerFullName": f"{one['first']} {one['last']}", "LastName": one["last"]}
            | {"FirstName": one["first"]}
            | {"to_BusinessPartnerAddress": [self._address(one)], "LastChangeDate": None, "CreationDate": None}
            for n, one in enumerate(dataset.contacts())
        ]
        dates = {"LastChangeDate": None, "CreationDate": local_day(START)}
        supplier = {**partners[0], "BusinessPartner": "0030000001", "Customer": "", **dates}
        self.others["A_BusinessPartner"] = [supplier, *persons]
        contacts = [
            {"RelationshipNumber": f"{n:012}", "BusinessPartnerCompany": f"00101{one['customer']:05}"}
            | {
                "BusinessPartnerPerson": f"00900{n:05}",
                "ValidityEndDate": day("9999-12-31"),
                "RelationshipCategory": "",
            }
            | {"_key": f"{n:012}:00101{one['customer']:05}:00900{n:05}", "IsStandardRelationship": n == 0}
            for n, one in enumerate(dataset.contacts())
        ]
        products = [
            {"Product": one["code"], "BaseUnit": "ST", "ProductGroup": "L001", "IsMarkedForDeletion": n == 8}
            | {"to_Description": [self._word("EN", "Heat pump", n), self._word("ZH", "热泵", n)]}
            for n, one in enumerate(dataset.products())
        ]
        return {"A_BusinessPartner": partners, "A_BusinessPartnerContact": contacts, "A_Product": products}

    @staticmethod
    def _word(language: str, text: str, number: int) -> Record:
        return {"Language": language, "ProductDescription": f"{text} {number}"}

    @staticmethod
    def _address(one: Record) -> Record:
        mails = [{"EmailAddress": one["email"]}] if "email" in one else []
        phones = [{"InternationalPhoneNumber": one["phone"]}]
        return {"CityName": one.get("city", ""), "Country": "DE", "to_EmailAddress": mails, "to_PhoneNumber": phones}

    @staticmethod
    def _sales() -> dict[str, list[Record]]:
        orders, deliveries, bills, returns = [], [], [], []
        for n, (one, bill) in enumerate(zip(dataset.orders(), dataset.invoices(), strict=True)):
            number, party = f"{4711 + n:010}", {"SoldToParty": f"00100{1000 + one['customer']:05}"}
            facts = {**party, "TransactionCurrency": one["currency"], "TotalNetAmount": one["net"]}
            items = [
                {"SalesOrderItem": str(10 * k + 10), "Material": f"P-{line['product']:03}", "NetAmount": line["net"]}
                | {"RequestedQuantity": str(line["quantity"]), "RequestedQuantityUnit": "ST", "TaxAmount": "1.00"}
                | {"SalesDocumentRjcnReason": "50" if (n, k) == (2, 1) else "", "SalesOrderItemText": "Wärmepumpe"}
                for k, line in enumerate(one["lines"])
            ]
            state = {"OverallSDProcessStatus": "C" if n % 2 else "B", "OverallSDDocumentRejectionSts": "C" * (n == 6)}
            more = {"PurchaseOrderByCustomer": "", "CustomerPaymentTerms": "0001", "SalesOrganization": "1010"}
            sellers = [{"PartnerFunction": "AG", "Personnel": ""}, {"PartnerFunction": "VE", "Personnel": f"{n:08}"}]
            nav = {"to_Item": items, "to_Partner": sellers}
            orders.append({"SalesOrder": number, "SalesOrderDate": day(one["date"]), **facts, **state, **more, **nav})
            moved = {"ActualGoodsMovementDate": None if n == 3 else day(one["date"]), "BillOfLading": ""}
            moved |= {"OverallGoodsMovementStatus": "A" if n == 3 else "C"}
            lines: Record = {"to_DeliveryDocumentItem": [{"ReferenceSDDocument": number}]}
            deliveries.append({"DeliveryDocument": f"00800{n:05}", **party, **moved, **lines})
            sums = {"TaxAmount": bill["tax"], "TotalGrossAmount": bill["gross"], "CompanyCode": "1000"}
            kind = {"SDDocumentCategory": "M", "BillingDocumentIsCancelled": n == 4, "CancelledBillingDocument": ""}
            kind |= {"AccountingPostingStatus": "C", "PayerParty": party["SoldToParty"]}
            dates = {"BillingDocumentDate": day(bill["date"]), "to_Item": [{"SalesDocument": number}]}
            bills.append({"BillingDocument": f"00900{n:05}", **facts, **more, **sums, **kind, **dates})
        cancel = {"BillingDocument": "0090000900", "SDDocumentCategory": "N", "CancelledBillingDocument": "0090000004"}
        bills.append({**bills[4], **cancel, "BillingDocumentIsCancelled": False})
        memo = {"BillingDocument": "0090000910", "SDDocumentCategory": "O", "TotalGrossAmount": "60.00"}
        bills += [{**bills[8], **memo}, {**bills[9], "BillingDocument": "0090000920", "SDDocumentCategory": "U"}]
        bills.append({**bills[9], "BillingDocument": "0090000930", "AccountingPostingStatus": "B"})
        back = {"CustomerReturn": "0060000000", "CustomerReturnDate": day("2026-02-20"), "ReferenceSDDocument": number}
        returns.append({**back, **facts, "PurchaseOrderByCustomer": "", "OverallSDDocumentRejectionSts": ""})
        return {
            "A_SalesOrder": orders, "A_OutbDeliveryHeader": deliveries, "A_BillingDocument": bills,
            "A_CustomerReturn": returns,
        }  # fmt: skip

    @route("GET", BASE + "/{service}/{name}")
    def listed(self, call: Call) -> Any:
        """A set: everything unless `$top`, in no order unless `$orderby`, as XML unless `$format`."""
        name, query = call.at["name"], call.query
        if name not in self.tables or unquote(call.at["service"]) != SETS[name][0]:
            return self.refuse(404, "No service found for namespace")
        if name in self.refused:
            return self.refuse(403, f"No authorization to access service {SETS[name][0]}")
        if query.get("$format") != "json":
            return Reply(200, '<?xml version="1.0"?><feed/>', {"content-type": "application/atom+xml"})
        try:
            rows = self._rows(name, query)
        except (ValueError, KeyError, TypeError) as error:
            return self.refuse(400, str(error))
        start = int(query.get("$skiptoken", query.get("$skip", 0)))
        size = min(int(query.get("$top", len(rows) or 1)), self.most.get(name, 100_000))
        part = rows[start : start + size]
        answer: Record = {"results": [self._shown(name, row, query) for row in part]}
        if query.get("$inlinecount") == "allpages" and self.counts:
            answer["__count"] = str(len(rows))
        if len(part) < int(query.get("$top", len(rows) or 1)) and start + size < len(rows):
            answer["__next"] = f"{self.url}{call.path}?$format=json&$skiptoken={start + size}"
        return {"d": answer}

    def _rows(self, name: str, query: dict[str, str]) -> list[Record]:
        rows = [*self.tables[name].rows.values(), *self.others.get(name, [])]
        if query.get("$filter") and not self.ignores_filters:
            test = Filter(query["$filter"])
            rows = [row for row in rows if test.holds(row)]
        if "$orderby" not in query:
            turn = len(self.calls) % (len(rows) or 1)
            return rows[turn:] + rows[:turn]
        return sorted(rows, key=lambda row: tuple(str(row[field]) for field in query["$orderby"].split(",")))

    def _shown(self, name: str, row: Record, query: dict[str, str]) -> Record:
        names = [field for field in row if not field.startswith("_")]
        if "$select" in query:
            names = query["$select"].split(",")
            if len(set(names)) < len(names):
                raise ValueError("Duplicate property in $select")
        address = f"{self.url}{BASE}/{SETS[name][0]}/{name}('{row[SETS[name][1]]}')"
        wanted = {step for path in query.get("$expand", "").split(",") for step in path.split("/")}
        shown = {field: self._value(field, row[field], wanted, address) for field in names}
        return {"__metadata": {"id": address, "uri": address, "type": f"{SETS[name][0]}.{name}Type"}, **shown}

    def _value(self, field: str, value: Any, wanted: set[str], address: str) -> Any:
        if not field.startswith("to_"):
            return value
        if field not in wanted:
            return {"__deferred": {"uri": f"{address}/{field}"}}
        if isinstance(value, dict):
            return {"__metadata": {"uri": address}, **value}
        inner = [{key: self._value(key, one, wanted, address) for key, one in row.items()} for row in value]
        return {"results": inner}
