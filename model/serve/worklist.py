"""The receivables worklist: one line per customer and currency with something overdue, most pressing first."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

from model.policy import Viewer
from model.receivables import bucket_of, open_items_sql
from model.receivables.items import OVERDUE
from model.serve import money, work
from model.serve.aging import aging
from model.serve.connection import Served

ZERO = Decimal(0)


def worklist(viewer: Viewer, db: Served, as_of: date | None = None, owner: str | None = None) -> list[dict[str, Any]]:
    """Customers with overdue items that this viewer may see, by score (days × share of the amount, work state in).

    `owner`: only customers of this owner key; "unowned" for those without. paid_check: unallocated cash covers what is
    overdue, so nobody is chased before it is allocated.
    """
    day = as_of or db.today()
    owed = {(row["customer_key"], row["currency"]): row for row in aging(viewer, db, day)["rows"]}
    items = _overdue(viewer, db, day)
    states = work.state_of(db, (item["record_key"] for item in items))
    grouped: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for item in items:
        if owner is None or (item["owner_key"] or "unowned") == owner:
            grouped[item["customer_key"], item["currency"]].append(item)
    rates = money.rates(db, day)
    lines = [_line(key, rows, states, owed[key], rates, day) for key, rows in grouped.items()]
    finance = _finance_contacts(viewer, db, [line["customer_key"] for line in lines])
    for line in lines:
        line["finance_contact"] = finance.get(line["customer_key"])
    return sorted(lines, key=lambda line: (-line["score"], line["customer_key"], line["currency"]))


def _overdue(viewer: Viewer, db: Served, day: date) -> list[dict[str, Any]]:
    key = ("overdue", viewer.cache_key, day)
    if key not in db.cache:
        rule, named = viewer.named_rows()
        parameters: dict[str, Any] = {"as_of": day, **named}
        rows = db.rows(
            f"""select item.customer_key, customer.name, customer.owner_key, customer.owner_name, item.record_key,
                       item.invoice_number, item.currency, item.open_amount, item.days_past_due, item.due_on,
                       item.is_retention, kpi.last_interaction_at
                from ({open_items_sql()}) as item
                join core.dim_customer as customer on customer.customer_key = item.customer_key
                left join marts.mart_customer_kpi as kpi on kpi.customer_key = item.customer_key
                where item.open_amount > 0 and item.kind <> 'provisional' and item.days_past_due > 0 and {rule}""",
            parameters,
        )
        db.cache[key] = [row | {"bucket": bucket_of(row["days_past_due"])} for row in rows]
    found: list[dict[str, Any]] = db.cache[key]
    return [row for row in found if row["bucket"] in OVERDUE]


def _line(
    key: tuple[str, str], rows: list[dict[str, Any]], states: dict[str, dict[str, Any]], owed: dict[str, Any],
    rates: dict[str, Decimal], day: date,
) -> dict[str, Any]:  # fmt: skip
    statuses = [work.status_of(row, states.get(row["record_key"], {}), day) for row in rows]
    overdue = sum((row["open_amount"] for row in rows), ZERO)
    oldest = max(row["days_past_due"] for row in rows)
    pairs = zip(rows, statuses, strict=True)
    active = sum((row["open_amount"] for row, status in pairs if status not in {"dispute", "promise", "snoozed"}), ZERO)
    promised = [state["promise"] for row in rows if "promise" in (state := states.get(row["record_key"], {}))]
    cash = owed["unallocated"]
    covered = cash >= overdue > 0
    weight = float(active * rates.get(key[1], Decimal(1))) * (1 + min(oldest, 365) / 90)
    return {
        "customer_key": key[0],
        "name": rows[0]["name"],
        "owner": rows[0]["owner_name"],
        "owner_key": rows[0]["owner_key"],
        "currency": key[1],
        "open_amount": owed["open"],
        "overdue_amount": overdue,
        "oldest_days": oldest,
        "items": len(rows),
        "score": 0.0 if covered else round(weight * (2 if "promise_broken" in statuses else 1) / 1000, 1),
        "state": _worst(statuses),
        "promise": min(promised, key=lambda item: item["on"], default=None),
        "unallocated_amount": cash,
        "paid_check": covered,
        "last_contact_at": rows[0]["last_interaction_at"],
    }


def _worst(statuses: list[str]) -> str:
    for status in (
        "promise_broken",
        "escalated",
        "not_contacted",
        "acknowledged",
        "promise",
        "dispute",
        "snoozed",
    ):
        if status in statuses:
            return status
    return statuses[0]


def _finance_contacts(viewer: Viewer, db: Served, keys: list[str]) -> dict[str, dict[str, Any]]:
    if not keys:
        return {}
    rows = db.rows(
        """select customer_key, arg_max(name, rank) as name, arg_max(coalesce(mobile, phone), rank) as mobile
           from (select *, (coalesce(is_finance, false)::integer * 2 + coalesce(is_primary, false)::integer) as rank
                 from core.dim_contact where coalesce(is_active, true))
           where list_contains(?, customer_key) group by customer_key""",
        [keys],
    )
    return {row["customer_key"]: {"name": row["name"], "mobile": viewer.hide("phone", row["mobile"])} for row in rows}
