"""Shopify's Admin API in GraphQL: cost and errors within HTTP 200, lists that end at 25,000, terms that are ignored."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from data.sim import dataset
from data.sim.access import Call, Key, Reply
from data.sim.engine import Simulator, route
from data.sim.paging import COMPARE
from data.sim.table import START, Record, Table, iso
from data.sim.vendors import _graphql as graphql

TOKEN, VERSION = "shpat_demo_0000", "2026-07"  # of a shop that does not exist
KINDS = {"customers": "Customer", "companies": "Company", "productVariants": "ProductVariant", "orders": "Order"}
TERM = re.compile(r"(updated_at|customer_id|id):(>=|<=|>|<)?'?([^']+?)'?")
LABEL = {
    "customers": "displayName",
    "companies": "name",
    "productVariants": "displayName",
    "orders": "displayFulfillmentStatus",
}


def gid(kind: str, number: int) -> str:
    """gid://shopify/Order/5001."""
    return f"gid://shopify/{kind}/{number}"


def money(amount: str, rate: str = "1.25") -> Record:
    """An amount of the shop, and what the customer saw; no zero too many at the end, as Shopify writes it."""
    cents = round(float(amount) * 100)
    other = round(cents * float(rate))
    texts = [f"{value // 100}.{value % 100:02}" for value in (cents, other)]
    short = [text.removesuffix("0") for text in texts]
    return {
        "shopMoney": {"amount": short[0], "currencyCode": "EUR"},
        "presentmentMoney": {"amount": short[1], "currencyCode": "USD"},
    }


def person(number: int, row: Record) -> Record:
    """A customer's own fields."""
    return {
        "id": gid("Customer", 7000 + number),
        "displayName": f"{row['first']} {row['last']}",
        "defaultEmailAddress": {"emailAddress": row["email"]} if number % 6 else None,
        "defaultPhoneNumber": {"phoneNumber": row["phone"]},
    }


class Vendor(Simulator):
    """`cap` is where a list ends; `version` the oldest version still there; `scopes` of the app; `points` in the
    bucket; `understands`: whether the shop knows the term updated_at, or ignores it."""

    connector = "shopify"
    cap, most_cost, version, understands = 25_000, 1000, VERSION, True

    def setup(self) -> None:
        """Persons, companies, variants and orders with all that happened to them."""
        self.auth = Key(TOKEN, "x-shopify-access-token")
        self.scopes = ["read_orders", "read_all_orders", "read_customers", "read_products"]
        self.points, self.restore_rate = 2_000_000.0, 100.0
        stamps = {"createdAt": iso(START), "updatedAt": ""}
        persons = [
            {**person(n, row), **stamps, "state": "ENABLED"}
            | {
                "defaultAddress": {
                    **dict.fromkeys(("company", "province", "zip")),
                    "address1": "Weg 1",
                    "city": "Berlin",
                }
            }
            for n, row in enumerate(dataset.contacts())
        ]
        for n, row in enumerate(persons):
            row["defaultAddress"] |= {"company": f"Firma {n}" if n % 2 else None, "countryCodeV2": "DE", "phone": None}
        companies = [
            {"id": gid("Company", 90 + n), "name": row["name"], "externalId": row["code"], **stamps}
            | {"contacts": [self._contact(n, 3 * n + m) for m in range(3)]}
            for n, row in enumerate(dataset.customers()[:5])
        ]
        variants = [
            {
                "id": gid("ProductVariant", 400 + n),
                "sku": row["code"],
                "displayName": f"{row['name']} - Standard",
                **stamps,
            }
            | {
                "product": {
                    "id": gid("Product", 40 + n),
                    "title": row["name"],
                    "productType": "Pumpen",
                    "vendor": "Example",
                }
            }
            for n, row in enumerate(dataset.products())
        ]
        for n, row in enumerate(variants):
            row["product"]["status"] = "ARCHIVED" if n == 8 else "ACTIVE"
        orders = [self._order(n, row) | stamps for n, row in enumerate(dataset.orders())]
        found = {"customers": persons, "companies": companies, "productVariants": variants, "orders": orders}
        for name, rows in found.items():
            keyed = [{**row, "key": int(row["id"].rpartition("/")[2])} for row in rows]
            self.tables[name] = Table(self.clock, keyed, key="key", stamps=("updatedAt",), label=LABEL[name])
        self.children["shop"] = lambda: {"1": {}}

    @staticmethod
    def _contact(company: int, number: int) -> Record:
        row = dataset.contacts()[number]
        made = {"id": gid("CompanyContact", 10 * company + number), "title": row["title"], "isMainContact": number == 0}
        return {**made, "customer": person(number, row)}

    def _order(self, n: int, row: dict[str, Any]) -> Record:
        paid, cancelled = dataset.invoices()[n]["paid"], n == 4
        name = f"#{1001 + n}"
        lines = [self._line(n, place, line, row) for place, line in enumerate(row["lines"])]
        moved = [("AUTHORIZATION", row["gross"], 0)] + ([("SALE", paid, 1)] if paid != "0.00" else [])
        moved += [("REFUND", "10.00", 2)] if n == 3 else []
        current = "0.00" if cancelled else f"{float(row['gross']) - 10 * (n == 3):.2f}"
        return {
            "id": gid("Order", 5001 + n),
            "name": name,
            "processedAt": f"{row['date']}T09:00:00Z",
            "cancelledAt": iso(START) if cancelled else None,
            "closedAt": None,
            "test": n == 6,
            "currencyCode": "EUR",
            "taxesIncluded": False,
            "displayFinancialStatus": "PAID" if paid == row["gross"] else "PENDING",
            "displayFulfillmentStatus": "FULFILLED" if n % 2 == 0 else "UNFULFILLED",
            "customer": {"id": gid("Customer", 7000 + row["customer"])} if n != 7 else None,
            "company": {"id": gid("Company", 91)} if n == 1 else None,
            "purchasingEntity": {"company": {"id": gid("Company", 91)}} if n == 1 else None,
            "paymentTerms": None if n % 3 == 0 else self._terms(row),
            "totalPriceSet": money(row["gross"]),
            "totalTaxSet": money(row["tax"]),
            "currentTotalPriceSet": money(current),
            "lineItems": lines,
            "fulfillments": [self._sent(n, name)] if n % 2 == 0 else [],
            "transactions": [self._moved(n, *each) for each in moved],
            "refunds": [self._refund(n)] if n == 3 else [],
        }

    @staticmethod
    def _terms(row: dict[str, Any]) -> Record:
        due = {"dueAt": "2026-07-01T00:00:00Z", "amount": {"amount": row["gross"], "currencyCode": "EUR"}}
        return {"paymentTermsName": "Net 30", "paymentSchedules": [due]}

    @staticmethod
    def _line(n: int, place: int, line: dict[str, Any], row: dict[str, Any]) -> Record:
        last = place == len(row["lines"]) - 1
        return {
            "id": gid("LineItem", 10 * n + place + 60_000),
            "sku": f"P-{line['product']:03}",
            "name": "Wärmepumpe 热泵",
            "quantity": line["quantity"],
            "variant": {"id": gid("ProductVariant", 400 + line["product"])},
            "originalUnitPriceSet": money(line["price"]),
            "discountedTotalSet": money(line["net"]),
            "taxLines": [{"priceSet": money(row["tax"])}] if last else [],
        }

    @staticmethod
    def _moved(n: int, kind: str, amount: str, place: int) -> Record:
        parent = {"id": gid("OrderTransaction", 100 * n + 1)} if kind == "REFUND" else None
        made = {"id": gid("OrderTransaction", 100 * n + place), "kind": kind, "status": "SUCCESS", "test": False}
        when = iso(START + timedelta(days=place))
        return {
            **made,
            "processedAt": when,
            "gateway": "bogus",
            "amountSet": money(amount),
            "parentTransaction": parent,
        }

    @staticmethod
    def _refund(n: int) -> Record:
        when = iso(START + timedelta(days=2))
        return {"id": gid("Refund", 800 + n), "createdAt": when, "note": "zurück", "totalRefundedSet": money("10.00")}

    @staticmethod
    def _sent(n: int, name: str) -> Record:
        made = {
            "id": gid("Fulfillment", 300 + n),
            "name": f"{name}-F1",
            "status": "SUCCESS",
            "displayStatus": "DELIVERED",
        }
        when = {"createdAt": iso(START), "deliveredAt": iso(START + timedelta(days=3))}
        return {**made, **when, "trackingInfo": [{"company": "Post", "number": f"T{n}"}]}

    def settings(self) -> dict[str, Any]:
        """Small pages, so that there are several."""
        return {"base_url": self.url, "token": TOKEN, "page_size": 10, "calls_per_second": 10_000}

    def error(self, status: int, reason: str) -> Any:
        """Shopify's words for what went wrong."""
        return {"errors": reason}

    def add(self, stream: str) -> str:
        """A new record's id follows its number."""
        made = super().add(stream)
        self.tables[stream].rows[made]["id"] = gid(KINDS[stream], int(made))
        return made

    def handle(self, call: Call) -> Reply:
        """Every answer names the version that gave it."""
        reply = super().handle(call)
        reply.headers = {**reply.headers, "X-Shopify-API-Version": self.version}
        return reply

    @staticmethod
    def fault(code: str, reason: str) -> Record:
        """An error, within HTTP 200."""
        return {"errors": [{"message": reason, "extensions": {"code": code}}], "data": None}

    @route("POST", "/admin/api/{version}/graphql.json")
    def query(self, call: Call) -> Any:
        """One query; what it costs is taken from the bucket."""
        fields = graphql.parse(call.body["query"], call.body.get("variables") or {})
        wanted = graphql.cost(fields)
        if wanted > self.most_cost:
            return self.fault(
                "MAX_COST_EXCEEDED", f"Query cost is {wanted}, which exceeds the single query max cost limit"
            )
        if wanted > self.points:
            return self.fault("THROTTLED", "Throttled") | {"extensions": self._cost(wanted)}
        self.points -= wanted
        try:
            data = {one.name: self._root(one) for one in fields}
        except KeyError as missing:
            return self.fault("undefinedField", f"Field {missing} doesn't exist")
        except PermissionError as limit:
            return self.fault("BAD_REQUEST", str(limit))
        return {"data": data, "extensions": self._cost(wanted)}

    def _cost(self, wanted: int) -> Record:
        status = {"maximumAvailable": 2000.0, "currentlyAvailable": self.points, "restoreRate": self.restore_rate}
        return {"cost": {"requestedQueryCost": wanted, "actualQueryCost": wanted, "throttleStatus": status}}

    def _root(self, one: graphql.Field) -> Any:
        if one.name == "shop":
            shop = {"id": gid("Shop", 1), "name": "Demo Shop", "currencyCode": "EUR", "ianaTimezone": "Europe/Berlin"}
            return graphql.shown(shop, one)
        if one.name == "currentAppInstallation":
            return graphql.shown({"accessScopes": [{"handle": scope} for scope in self.scopes]}, one)
        if one.name in {"order", "company"}:
            known = self.tables["orders" if one.name == "order" else "companies"].rows
            return graphql.shown(known[one.arguments["id"].rpartition("/")[2]], one)
        if one.name not in KINDS:
            raise KeyError(one.name)
        rows = self._matching(
            self.tables[one.name].ordered(), one.arguments.get("q") or one.arguments.get("query") or ""
        )
        if one.name == "orders" and "read_all_orders" not in self.scopes:
            oldest = iso(self.clock.now - timedelta(days=60))
            rows = [row for row in rows if row["processedAt"] >= oldest]
        if int(one.arguments.get("after") or 0) + int(one.arguments["first"]) > self.cap:
            raise PermissionError(f"Pagination is limited to {self.cap} objects")
        return graphql.shown(rows, one)

    def _matching(self, rows: list[Record], text: str) -> list[Record]:
        """Rows of a search; a term that is not understood is ignored."""
        for part in text.split(" AND "):
            term = TERM.fullmatch(part.strip())
            if term and term[1] == "id":
                rows = [row for row in rows if COMPARE[term[2] or "="](row["key"], int(term[3]))]
            elif term and term[1] == "customer_id":
                rows = [row for row in rows if (row.get("customer") or {}).get("id") == gid("Customer", int(term[3]))]
            elif term and self.understands:
                rows = [row for row in rows if COMPARE[term[2] or "="](row["updatedAt"], term[3])]
        return rows
