"""Credit exposure by component against the limit, own or shared by the group, with proposals to hold or release."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import date
from decimal import Decimal
from typing import Any

from model.policy import HIDDEN, Viewer
from model.receivables.exposure import (
    COMPONENTS,
    components_sql,
    convert,
    limits_sql,
    measured,
    of_documents,
    orders_sql,
)
from model.receivables.items import received_parameters
from model.serve import links, money, work
from model.serve.aging import aging
from model.serve.connection import Served
from model.serve.find import NotFound
from model.serve.timeline import end_of

ZERO = Decimal(0)
BESIDE = ("contingent_bills", "untied_advances", "unallocated")
_HIDDEN = ("exposure", "percent", "headroom", "is_over")


def exposure(viewer: Viewer, db: Served, customer_key: str | None = None, as_of: date | None = None) -> dict[str, Any]:
    """{as_of, order_state, rows, totals, proposals}: what every customer of the viewer (or one) could cost, by part.

    Rows: customer_key, name, is_on_hold, by_currency (the components, exposure, and in_limit_currency or null without
    a rate), components and exposure in the limit's `currency`, missing_rates, limit {amount, currency, source,
    valid_from}, percent, headroom, is_over and `group` (the limit that its head shares, against the exposure of all
    its members). Highest percent first. Behind the credit mask limits, what is measured against them and proposals
    are hidden. Order lines carry no dates: on a past day (order_state "documents") only documents count.
    """
    day = as_of or db.today()
    meta = _customers(viewer, db, customer_key)
    if customer_key is not None and not any(row["customer_key"] == customer_key for row in meta if row["is_visible"]):
        raise NotFound(f"no customer {customer_key!r}", remedy="search it by name or code")
    keys = None if customer_key is None else [row["customer_key"] for row in meta]
    parts, limits = _components(db, day, keys), _limits(db, day, keys)
    rows = [_row(db, customer, parts.get(customer["customer_key"], []), limits, day) for customer in meta]
    _share(db, rows, meta, limits, day)
    shown = [row for row, customer in zip(rows, meta, strict=True) if customer["is_visible"] and _has_anything(row)]
    if customer_key is not None:
        shown = [row for row in rows if row["customer_key"] == customer_key]
    proposals = HIDDEN if "credit" in viewer.masks else _proposals(viewer, db, shown, day)
    shown = sorted((_masked(viewer, row) for row in shown), key=_order)
    return {
        "as_of": day,
        "order_state": "documents" if day < db.today() else "documents and lines",
        "totals": _totals(shown),
        "rows": shown,
        "proposals": proposals,
    }


def exposure_orders(viewer: Viewer, db: Served, customer_key: str, as_of: date | None = None) -> list[dict[str, Any]]:
    """Orders behind delivered_not_invoiced and undelivered_orders of one customer, with link; their sums agree."""
    day = as_of or db.today()
    rule, named = viewer.named_rows()
    received = work.recorded_receipts(db)
    sql = orders_sql(customer=True, lines=day >= db.today(), received=bool(received))
    rows = db.rows(
        f"""select o.* from ({sql}) as o join core.dim_customer as customer on customer.customer_key = o.customer_key
            where (o.delivered_not_invoiced > 0 or o.undelivered_orders > 0) and {rule}
            order by o.undelivered_orders + o.delivered_not_invoiced desc, o.order_key""",
        {"as_of": day, "customer_key": customer_key, **named, **received_parameters(received)},
    )
    return [
        {**row, "link": links.link(db, "sales_order", {
            "source": row["source"], "source_id": (row["order_key"] or "").partition(":")[2],
            "number": row["order_number"]})}
        for row in rows
    ]  # fmt: skip


def of_card(db: Served, owed: dict[str, Any], header: dict[str, Any], day: date) -> list[dict[str, Any]]:
    """The components per currency from what a customer's card has read; equal to `exposure`'s."""

    def until(name: str) -> list[dict[str, Any]]:
        return [row for row in header[name] or [] if row["moved_on"] <= day]

    used: dict[str, Decimal] = defaultdict(Decimal)
    for row in until("receipt_uses"):
        used[row["record_key"]] += row["amount"]
    receipts = [{**row, "used": used[row["record_key"]]} for row in until("receipts")]
    unallocated = {row["currency"]: row["unallocated"] for row in owed["by_currency"]}
    return of_documents(
        owed["items"], until("order_movements"), receipts, unallocated, day, lines=day >= db.today(),
        blind=header["blind"] or (),
    )  # fmt: skip


def against(db: Served, parts: list[dict[str, Any]], limit: Decimal | None, currency: str, day: date) -> dict[str, Any]:
    """{components, exposure, percent, headroom, is_over, missing_rates} of `parts` in the limit's `currency`.

    A currency without a rate stays out and is named; then the exposure is a lower bound, and is_over is null unless
    what is known exceeds the limit already.
    """
    return measured(parts, limit, currency, money.rates(db, day))


def over_limit(db: Served, keys: Collection[str], day: date) -> dict[str, bool | None]:
    """Customer of `keys` with a limit of its own → whether its exposure exceeds it (null: a rate is missing)."""
    limits = _limits(db, day, keys) if keys else {}
    parts = _components(db, day, sorted(limits)) if limits else {}
    return {
        key: against(db, parts.get(key, []), limit["amount"], limit["currency"], day)["is_over"]
        for key, limit in limits.items()
    }


def _components(db: Served, day: date, keys: list[str] | None) -> dict[str, list[dict[str, Any]]]:
    """Customer → its components per currency; all customers without `keys`."""
    received = work.recorded_receipts(db)
    cached = ("exposure", day, None if keys is None else tuple(keys), tuple(sorted(received.items())))
    if cached not in db.cache:
        sql = components_sql(customer=keys is not None, lines=day >= db.today(), received=bool(received))
        parameters: dict[str, Any] = {"as_of": day, **received_parameters(received)}
        if keys is not None and len(keys) == 1:
            parameters["customer_key"] = keys[0]
        elif keys is not None:
            sql = sql.replace("= $customer_key", "in (select unnest($customer_keys))")
            parameters["customer_keys"] = keys
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in db.rows(f"{sql} order by customer_key, currency", parameters):
            found[row.pop("customer_key")].append(row)
        db.cache[cached] = dict(found)
    answer: dict[str, list[dict[str, Any]]] = db.cache[cached]
    return answer


def _customers(viewer: Viewer, db: Served, key: str | None) -> list[dict[str, Any]]:
    """Customers (or `key` with the other members of its group), also those the viewer may not see."""
    rule, named = viewer.named_rows()
    only = """where coalesce(customer.group_key, customer.customer_key) in (
        select coalesce(group_key, customer_key) from core.dim_customer where customer_key = $key)"""
    return db.rows(
        f"""select customer.customer_key, customer.name, customer.owner_key, customer.owner_name,
                   coalesce(customer.group_key, customer.customer_key) as group_key, customer.group_name,
                   customer.is_on_hold, coalesce({rule}, false) as is_visible
            from core.dim_customer as customer {only if key else ""} order by customer.customer_key""",
        {**named, **({"key": key} if key else {})},
    )


def _limits(db: Served, day: date, keys: Collection[str] | None) -> dict[str, dict[str, Any]]:
    """Customer → its own limit on `day`: amount, currency, source, source_id, valid_from (null: since ever known)."""
    rows = db.rows(
        limits_sql(keyed=keys is not None),
        {"until": end_of(db, day), **({"keys": list(keys)} if keys is not None else {})},
    )
    base = db.instance.config.base_currency
    return {
        row.pop("customer_key"): {**row, "currency": row["currency"] or base}
        for row in rows
        if row["amount"] is not None
    }


def _row(
    db: Served, customer: dict[str, Any], parts: list[dict[str, Any]], limits: dict[str, dict[str, Any]], day: date
) -> dict[str, Any]:
    limit = limits.get(customer["customer_key"])
    currency = limit["currency"] if limit else db.instance.config.base_currency
    rates = money.rates(db, day)
    by_currency = []
    for part in parts:
        total = sum((part[name] for name in COMPONENTS), ZERO) - 2 * part["advances"]
        has_rate = part["currency"] == currency or {part["currency"], currency} <= rates.keys()
        value = convert(total, part["currency"], currency, rates).quantize(money.CENT) if has_rate else None
        by_currency.append({**part, "exposure": total, "in_limit_currency": value})
    return {
        **{name: customer[name] for name in ("customer_key", "name", "owner_key", "owner_name", "is_on_hold")},
        "currency": currency,
        "by_currency": by_currency,
        "limit": limit,
        **against(db, parts, limit["amount"] if limit else None, currency, day),
        "group": None,
    }


def _share(
    db: Served, rows: list[dict[str, Any]], meta: list[dict[str, Any]], limits: dict[str, dict[str, Any]], day: date
) -> None:
    """Give the members of every group whose head has a limit the group's exposure against it."""
    groups: dict[str, list[int]] = defaultdict(list)
    for place, customer in enumerate(meta):
        groups[customer["group_key"]].append(place)
    for head, places in groups.items():
        if len(places) < 2 or head not in limits:
            continue
        limit = limits[head]
        if not any(meta[place]["is_visible"] and meta[place]["customer_key"] == head for place in places):
            limit = {**dict.fromkeys(limit), "amount": HIDDEN, "currency": limit["currency"]}
        parts = [part for place in places for part in rows[place]["by_currency"]]
        shared = against(db, parts, limits[head]["amount"], limit["currency"], day)
        whole = all(meta[place]["is_visible"] for place in places)
        group = {
            "group_key": head,
            "name": next((meta[place]["group_name"] for place in places if meta[place]["group_name"]), None),
            # sum and count would tell of customers whom the viewer may not see, the limit of their head
            "members": len(places) if whole else HIDDEN,
            "limit": limit,
            **(shared if whole else dict.fromkeys(shared, HIDDEN)),
        }
        for place in places:
            rows[place]["group"] = group
            if rows[place]["customer_key"] == head or rows[place]["limit"] is None:
                kept = {name: shared[name] for name in ("percent", "headroom", "is_over")}
                rows[place].update(kept if whole else dict.fromkeys(kept, HIDDEN))
                rows[place]["limit"] = {**limit, "is_shared": True}


def _has_anything(row: dict[str, Any]) -> bool:
    return bool(row["by_currency"]) or row["limit"] is not None


def _proposals(viewer: Viewer, db: Served, rows: list[dict[str, Any]], day: date) -> list[dict[str, Any]]:
    """hold: over the limit and not on hold; release: on hold, within the limit and nothing overdue."""
    held = [row["customer_key"] for row in rows if row["is_on_hold"]]
    late = {row["customer_key"] for row in aging(viewer, db, day)["rows"] if row["overdue"] > 0} if held else set()
    found = []
    for row in rows:
        over = row["is_over"] is True or (row["group"] or {}).get("is_over") is True
        action = None
        if over and not row["is_on_hold"]:
            action, reason = "hold", "exposure.over_limit"
        elif row["is_on_hold"] and row["is_over"] is False and not over and row["customer_key"] not in late:
            action, reason = "release", "exposure.within_limit"
        if action is not None:
            kept = ("customer_key", "name", "owner_key", "owner_name", "exposure", "percent", "currency", "limit")
            found.append({"action": action, "reason": reason, **{name: row[name] for name in kept}})
    return sorted(found, key=lambda item: (item["action"], -(item["percent"] or ZERO), item["customer_key"]))


def _masked(viewer: Viewer, row: dict[str, Any]) -> dict[str, Any]:
    if "credit" not in viewer.masks:
        return row

    def hide(entry: dict[str, Any]) -> dict[str, Any]:
        hidden = {name: viewer.hide("credit", entry[name]) for name in (*_HIDDEN, "components")}
        limit = entry["limit"] and {**entry["limit"], "amount": HIDDEN}
        return {**entry, **hidden, "limit": limit}

    return {**hide(row), "group": row["group"] and hide(row["group"])}


def _order(row: dict[str, Any]) -> tuple[Decimal, Decimal, str]:
    percent = row["percent"] if isinstance(row["percent"], Decimal) else ZERO
    value = row["exposure"] if isinstance(row["exposure"], Decimal) else ZERO
    return -percent, -value, row["customer_key"]


def _totals(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Per currency the sums of the components and the exposure of the rows."""
    totals: dict[str, dict[str, Any]] = {}
    for row in rows:
        for part in row["by_currency"]:
            total = totals.setdefault(part["currency"], defaultdict(Decimal))
            for name in (*COMPONENTS, *BESIDE, "exposure"):
                total[name] += part[name]
    return [{"currency": code, **totals[code]} for code in sorted(totals)]
