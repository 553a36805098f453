"""Shopify: the queries, what is checked before, lists within a record read to their end, and what an order comes to."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from ingest.documents import find
from ingest.errors import ContractError
from ingest.hooks import Call, Record
from ops import clock

_MONEY = "{ shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } }"
_SHOP_MONEY = "{ shopMoney { amount currencyCode } }"
_PERSON = "id displayName defaultEmailAddress { emailAddress } defaultPhoneNumber { phoneNumber }"
_ADDRESS = "defaultAddress { company address1 city province countryCodeV2 zip phone }"
_LINE = (
    f"id sku name quantity variant {{ id }} originalUnitPriceSet {_SHOP_MONEY} "
    f"discountedTotalSet {_SHOP_MONEY} taxLines {{ priceSet {_SHOP_MONEY} }}"
)
_CONNECTIONS = {
    "lineItems": _LINE,
    "contacts": f"id title isMainContact customer {{ {_PERSON} }}",
}
_LISTS = {
    "fulfillments": "id name status displayStatus createdAt deliveredAt trackingInfo { company number }",
    "transactions": f"id kind status test processedAt gateway amountSet {_MONEY} parentTransaction {{ id }}",
    "refunds": f"id createdAt note totalRefundedSet {_MONEY}",
}
_FIELDS = {
    "customers": f"{_PERSON} createdAt updatedAt state {_ADDRESS}",
    "companies": "id name externalId createdAt updatedAt",
    "productVariants": "id sku displayName updatedAt product { id title productType status vendor }",
    "orders": (
        "id name createdAt updatedAt processedAt cancelledAt closedAt test currencyCode taxesIncluded "
        "displayFinancialStatus displayFulfillmentStatus customer { id } "
        f"totalPriceSet {_MONEY} totalTaxSet {_MONEY} currentTotalPriceSet {_MONEY}"
    ),
}
_COMPANY = " purchasingEntity { ... on PurchasingCompany { company { id } } }"
_TERMS = (
    " paymentTerms { paymentTermsName paymentSchedules(first: 5) { nodes { dueAt amount { amount currencyCode } } } }"
)
_MOST = 150
_LINES = "75"
_PAID = frozenset({"SALE", "CAPTURE"})


def prepare(call: Call) -> dict[str, Any]:
    """{prepared.query} and {prepared.ids} of the stream, after the version and the scopes were checked once per run."""
    if not call.client.memo.get("shopify"):
        _check(call)
        call.client.memo["shopify"] = True
    name = call.stream.name if call.stream else ""
    if name not in _FIELDS:
        return {"query": "{ shop { id name currencyCode ianaTimezone } }"}
    nested = call.stream.hook.get("nested", []) if call.stream else []
    fields = " ".join([_FIELDS[name], *(_nested(part) for part in nested)])
    if name == "orders":
        fields += _COMPANY * bool(call.settings["b2b"]) + _TERMS * bool(call.settings["payment_terms"])
    more = ", $nested: Int!" * bool(nested)
    head = f"query($first: Int!, $q: String{more}) {{ {name}(first: $first, query: $q, sortKey: ID)"
    ids = f"query($first: Int!, $q: String) {{ {name}(first: $first, query: $q, sortKey: ID)"
    tail = "pageInfo { hasNextPage } } }"
    return {"query": f"{head} {{ nodes {{ {fields} }} {tail}", "ids": f"{ids} {{ nodes {{ id }} {tail}"}


def _nested(name: str, first: str = "$nested", after: str = "") -> str:
    if name in _LISTS:
        return f"{name}(first: {first}) {{ {_LISTS[name]} }}"
    place = f', after: "{after}"' * bool(after)
    return f"{name}(first: {first}{place}) {{ nodes {{ {_CONNECTIONS[name]} }} pageInfo {{ hasNextPage endCursor }} }}"


def _check(call: Call) -> None:
    query = "{ currentAppInstallation { accessScopes { handle } } }"
    answer = call.client.request("POST", "graphql.json", body={"query": query}, stream=call.stream)
    wanted, given = call.settings["api_version"], answer.headers.get("x-shopify-api-version", "")
    if given and given != wanted:
        raise ContractError(
            f"{call.source}: the shop answers in version {given} of the API instead of {wanted}",
            remedy=f"{wanted} is no longer there: read what has changed, then set api_version = {given!r}",
        )
    rows = find(answer.payload, "data.currentAppInstallation.accessScopes") or []
    if call.settings["all_orders"] and "read_all_orders" not in {row["handle"] for row in rows}:
        raise ContractError(
            f"{call.source}: without the scope read_all_orders the shop shows the orders of the last 60 days only",
            remedy="ask Shopify for read_all_orders, or set all_orders = false to do without the older ones",
        )


def records(call: Call, payload: Any) -> list[Record]:
    """The records with `key`, the number of their id; lists within them are whole, orders know what they come to."""
    _respect(call, payload)
    name = call.stream.name if call.stream else ""
    if name == "shop":
        return [{**payload["data"]["shop"], "key": _key(payload["data"]["shop"]["id"]), "guest": "guest"}]
    rows: list[Record] = find(payload, f"data.{name}.nodes")
    for row in rows:
        row["key"] = _key(row["id"])
        if len(row) == 2:
            continue  # a list of ids
        for part in call.stream.hook.get("nested", []) if call.stream else []:
            row[part] = _whole(call, row, part)
        if name == "orders":
            _settle(row, call.settings["receivables"])
    return rows


def _respect(call: Call, payload: Any) -> None:
    """Wait until the bucket holds what the dearest query so far costs; its size and refill are what the answer says."""
    cost = find(payload, "extensions.cost")
    if not cost:
        return
    memo = call.client.memo
    memo["shopify_cost"] = dearest = max(float(cost["requestedQueryCost"]), memo.get("shopify_cost", 0.0))
    left, rate = (float(find(cost, f"throttleStatus.{name}") or 0) for name in ("currentlyAvailable", "restoreRate"))
    if left < dearest and rate > 0:
        clock.sleep((dearest - left + 1) / rate)


def _whole(call: Call, row: Record, part: str) -> list[Record]:
    """A list within a record, read to its end."""
    kind = "order" if call.stream and call.stream.name == "orders" else "company"
    given = row[part]
    if part in _LISTS:
        if len(given) < call.settings["nested_page"]:
            return list(given)
        found: list[Record] = _one(call, kind, row["id"], _nested(part, str(_MOST)))[part]
        if len(found) >= _MOST:
            raise ContractError(
                f"{call.source}: {row['id']} has {len(found)} or more {part}, which Shopify does not page"
            )
        return found
    found = list(given["nodes"])
    while given["pageInfo"]["hasNextPage"]:
        given = _one(call, kind, row["id"], _nested(part, _LINES, given["pageInfo"]["endCursor"]))[part]
        found += given["nodes"]
    return found


def _one(call: Call, kind: str, gid: str, fields: str) -> Record:
    query = f"query($id: ID!) {{ {kind}(id: $id) {{ {fields} }} }}"
    body = {"query": query, "variables": {"id": gid}}
    payload = call.client.request("POST", "graphql.json", body=body, stream=call.stream).payload
    _respect(call, payload)
    found: Record = payload["data"][kind]
    return found


def _key(gid: str) -> int:
    """The number at the end of gid://shopify/Order/5123456789."""
    return int(gid.rpartition("/")[2].partition("?")[0])


def _money(row: Record, path: str) -> Decimal:
    return Decimal(str(find(row, f"{path}.shopMoney.amount") or 0))


def _settle(order: Record, receivables: bool) -> None:
    """Net and gross of each line; `payments` and `credits` in the shop's currency, and what is `billed`."""
    for number, line in enumerate(order["lineItems"], 1):
        total, tax = _money(line, "discountedTotalSet"), sum(_money(one, "priceSet") for one in line["taxLines"] or [])
        gross = total if order["taxesIncluded"] else total + tax
        line |= {"number": number, "key": _key(line["id"]), "gross": str(gross), "net": str(gross - tax)}
        line["variant_key"] = _key(line["variant"]["id"]) if line["variant"] else None
    for sent in order["fulfillments"]:
        sent["key"] = _key(sent["id"])
    company = find(order, "purchasingEntity.company.id")
    order["customer_key"] = _key(company or order["customer"]["id"]) if company or order["customer"] else "guest"
    order["net"] = str(_money(order, "totalPriceSet") - _money(order, "totalTaxSet"))
    order["receivable"] = receivables
    done = [one for one in order["transactions"] if one["status"] == "SUCCESS" and not one["test"]]
    refunds = [one for one in done if one["kind"] == "REFUND"]
    order["payments"] = list(_payments([one for one in done if one["kind"] in _PAID], refunds))
    order["credits"] = [
        {
            "key": _key(one["id"]),
            "on": one["createdAt"],
            "note": one["note"],
            "amount": str(_money(one, "totalRefundedSet")),
        }
        for one in order["refunds"]
        if _money(one, "totalRefundedSet") > 0
    ]
    returned = sum((Decimal(one["amount"]) for one in order["credits"]), Decimal(0))
    order["billed"] = str(min(_money(order, "totalPriceSet"), _money(order, "currentTotalPriceSet") + returned))
    order["unpaid_cancelled"] = bool(order["cancelledAt"]) and not order["payments"]


def _payments(paid: list[Record], refunds: list[Record]) -> Iterator[Record]:
    """Money in, each with what it `settles` once its refunds are paid back; money out below zero, with `of`."""
    left = {one["id"]: _money(one, "amountSet") for one in paid}
    back: list[Record] = []
    for refund in refunds:
        amount, parent = _money(refund, "amountSet"), find(refund, "parentTransaction.id")
        source = parent if parent in left else next((key for key, room in left.items() if room >= amount), None)
        if source:
            left[source] -= amount
        back.append({**_payment(refund), "amount": str(-amount), "of": _key(source) if source else None})
    for one in paid:
        yield {
            **_payment(one),
            "amount": str(_money(one, "amountSet")),
            "settles": str(max(left[one["id"]], Decimal(0))),
        }
    yield from back


def _payment(one: Record) -> Record:
    return {"key": _key(one["id"]), "on": one["processedAt"], "gateway": one["gateway"], "kind": one["kind"]}
