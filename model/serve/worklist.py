"""The receivables worklist: one line per customer and currency with something overdue, most pressing first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from model.policy import Viewer
from model.serve import card, links, money, work
from model.serve.aging import aging
from model.serve.connection import Served
from model.serve.exposure import over_limit
from model.serve.work_items import has_text, lines, owners_of
from ops.errors import FatalError

ZERO = Decimal(0)
SORTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "score": lambda line: -line["score"], "amount": lambda line: -line["overdue_amount"],
    "days": lambda line: -line["oldest_days"], "name": lambda line: line["name"],
    "limitation": lambda line: line["limitation_on"] or date.max,
}  # fmt: skip
# the most pressing status of a line's items stands for the line
_PRESSING = (
    "promise_broken", "escalated", "not_contacted", "acknowledged", "promise_kept", "promise", "dispute", "snoozed",
    "paid_check",
)  # fmt: skip
_BROKEN, _OVER_LIMIT, _RISK = 2.0, 1.25, 1.2
_UNLIKELY, _SOON = 0.5, timedelta(days=180)


def worklist(
    viewer: Viewer, db: Served, as_of: date | None = None, owner: str | None = None, *, state: str | None = None,
    bucket: str | None = None, currency: str | None = None, min_amount: Decimal | None = None,
    text: str | None = None, sort: str = "score", limit: int | None = None, offset: int = 0,
) -> list[dict[str, Any]]:  # fmt: skip
    """Customers with overdue items that this viewer may see, by score; grain: customer and currency.

    score = what can be asked for (in thousands of the company's currency) × (1 + oldest days, at most 365, ÷ 90),
    × 2 with a broken promise, × 1.25 over the credit limit (where the viewer may see it), × 1.2 when the customer is
    on hold or its renewal is unlikely; `score_parts` has the factors. paid_check: money that waits to be allocated
    covers what could be asked, so nobody is chased (score 0). Filters: `owner` (key, or "unowned"; items assigned to
    somebody count as theirs), `state` and `bucket` (of any of its items), `min_amount` overdue, `text` in name,
    numbers or notes. FatalError for an unknown sort.
    """
    if sort not in SORTS:
        raise FatalError(f"the worklist cannot be sorted by {sort!r}", valid=", ".join(SORTS))
    day = as_of or db.today()
    grouped: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    items = lines(viewer, db, day)
    for item in items:
        if (owner is None or owner in owners_of(item)) and (currency is None or item["currency"] == currency):
            grouped[item["customer_key"], item["currency"]].append(item)
    owed = {(row["customer_key"], row["currency"]): row for row in aging(viewer, db, day)["rows"]}
    rates, risks = money.rates(db, day), _risks(viewer, db, {item["customer_key"] for item in items}, day)
    found = [_line(key, rows, owed[key], rates, risks.get(key[0], {})) for key, rows in grouped.items()]
    found = [
        line for line in found
        if (state is None or state == line["state"] or state in line["states"])
        and (bucket is None or bucket in line["buckets"])
        and (min_amount is None or line["overdue_amount"] >= min_amount)
        and (text is None or any(has_text(item, text) for item in grouped[line["customer_key"], line["currency"]]))
    ]  # fmt: skip
    found.sort(key=lambda line: (SORTS[sort](line), line["customer_key"], line["currency"]))
    page = found[offset : None if limit is None else offset + limit]
    finance = _finance_contacts(viewer, db, [line["customer_key"] for line in page])
    for line in page:
        line["finance_contact"] = finance.get(line["customer_key"])
    links.of_customers(db, page)
    return page


def worklist_page(viewer: Viewer, db: Served, **options: Any) -> dict[str, Any]:
    """{total, totals, rows}: one page of `worklist` (its options), with how many lines and how much there are in all.

    totals: per currency lines, overdue and chaseable amount, over all pages.
    """
    limit, offset = options.pop("limit", None), options.pop("offset", 0)
    rows = worklist(viewer, db, **options)
    totals: dict[str, dict[str, Any]] = {}
    for row in rows:
        total = totals.setdefault(row["currency"], {"currency": row["currency"], "lines": 0, "overdue_amount": ZERO,
                                                    "chaseable_amount": ZERO})  # fmt: skip
        total["lines"] += 1
        total["overdue_amount"] += row["overdue_amount"]
        total["chaseable_amount"] += row["chaseable_amount"]
    page = rows[offset : None if limit is None else offset + limit]
    return {"total": len(rows), "totals": [totals[name] for name in sorted(totals)], "rows": page}


def _line(
    key: tuple[str, str], rows: list[dict[str, Any]], owed: dict[str, Any], rates: dict[str, Decimal],
    risk: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    statuses = [row["status"] for row in rows]
    cash = owed["unallocated"]
    asked = sum((row["chaseable_amount"] for row in rows), ZERO)
    promised = sum((row["promised_amount"] for row in rows), ZERO)
    disputed = sum((row["disputed_amount"] for row in rows), ZERO)
    overdue = sum((row["open_amount"] for row in rows), ZERO)
    covered = bool(cash >= (asked or promised) > 0) or set(statuses) == {"paid_check"}
    oldest = max(row["days_past_due"] for row in rows)
    parts = _parts(max(asked - max(cash, ZERO), ZERO), oldest, rates.get(key[1], Decimal(1)), statuses, risk)
    score = 1.0
    for factor in parts.values():
        score *= factor
    near = [row["limitation_on"] for row in rows if row["limitation_on"] is not None]
    limit = min(near, default=None)
    nearest = min((row for row in rows if row["limitation_on"] == limit), key=lambda row: row["record_key"])
    return {
        "customer_key": key[0],
        "name": rows[0]["name"],
        "owner": rows[0]["owner_name"],
        "owner_key": rows[0]["owner_key"],
        "currency": key[1],
        "open_amount": owed["open"],
        "overdue_amount": overdue,
        "chaseable_amount": asked,
        "disputed_amount": disputed,
        "disputed_percent": (disputed / overdue * 100).quantize(Decimal("0.1")),
        "promised_amount": promised,
        "oldest_days": oldest,
        "items": len(rows),
        "item_keys": sorted(row["record_key"] for row in rows),
        "buckets": sorted({row["bucket"] for row in rows}),
        "score": 0.0 if covered else round(score, 1),
        "score_parts": parts,
        "state": "paid_check" if covered else _worst(statuses),
        "states": sorted(set(statuses)),
        "promise": _promise(rows),
        "stage": _last([row["stage"] for row in rows]),
        "call": _last([row["call"] for row in rows]),
        "next_step_on": min((row["call"]["next_on"] for row in rows if row["call"] and row["call"]["next_on"]),
                            default=None),
        "unallocated_amount": cash,
        "paid_check": covered,
        "is_over_limit": risk.get("is_over_limit"),
        "limitation_on": limit,
        "limitation_days": nearest["limitation_days"],
        "is_limitation_near": nearest["is_limitation_near"],
        "last_contact_at": rows[0]["last_interaction_at"],
    }  # fmt: skip


def _parts(amount: Decimal, oldest: int, rate: Decimal, statuses: list[str], risk: dict[str, Any]) -> dict[str, float]:
    return {
        "amount": float(amount * rate) / 1000,
        "age": round(1 + min(oldest, 365) / 90, 4),
        "broken": _BROKEN if "promise_broken" in statuses else 1.0,
        "over_limit": _OVER_LIMIT if risk.get("is_over_limit") else 1.0,
        "risk": _RISK if risk.get("is_on_hold") or risk.get("is_unlikely") else 1.0,
    }


def _worst(statuses: list[str]) -> str:
    return next((status for status in _PRESSING if status in statuses), statuses[0])


def _promise(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The promise that comes first."""
    found = [row["promise"] for row in rows if row["promise"]]
    first = min(found, key=lambda item: item["on"], default=None)
    return first and {"on": first["on"], "amount": first["amount"]}


def _last(entries: list[dict[str, Any] | None]) -> dict[str, Any] | None:
    return max((entry for entry in entries if entry), key=lambda entry: entry["on"], default=None)


def _risks(viewer: Viewer, db: Served, keys: set[str], day: date) -> dict[str, dict[str, Any]]:
    """Customer key → {is_on_hold, is_over_limit (None where hidden or unknown), is_unlikely (to renew)}."""
    key = ("risks", viewer.cache_key, day, tuple(sorted(keys)), tuple(sorted(work.recorded_receipts(db).items())))
    if key not in db.cache:
        over = {} if "credit" in viewer.masks else over_limit(db, sorted(keys), day)
        rows = db.rows(
            "select customer_key, is_on_hold from core.dim_customer where list_contains($keys, customer_key)",
            {"keys": sorted(keys)},
        )
        db.cache[key] = {
            row["customer_key"]: {
                "is_on_hold": bool(row["is_on_hold"]),
                "is_over_limit": over.get(row["customer_key"]),
            }
            for row in rows
        }
    risks: dict[str, dict[str, Any]] = db.cache[key]
    unlikely = _unlikely(db, day)
    return {name: {**risk, "is_unlikely": name in unlikely} for name, risk in risks.items()}


def _unlikely(db: Served, day: date) -> set[str]:
    """Customers with a contract that ends soon and whose renewal is scored below one half."""
    rows = db.rows(
        """select customer_key, record_key from core.fct_contract
           where is_recurring and end_on between $day and $soon""",
        {"day": day, "soon": day + _SOON},
    )
    likely = {key: row["likelihood"] for key, row in card.scores_of(db, [row["record_key"] for row in rows]).items()}
    return {row["customer_key"] for row in rows if _is_unlikely(likely.get(row["record_key"]))}


def _is_unlikely(likelihood: float | None) -> bool:
    return likelihood is not None and likelihood < _UNLIKELY


def _finance_contacts(viewer: Viewer, db: Served, keys: list[str]) -> dict[str, dict[str, Any]]:
    """Customer key → {name, mobile} of one person: finance first, then the main contact, then who has a number."""
    if not keys:
        return {}
    rows = db.rows(
        """select customer_key,
                  first(struct_pack(name := name, mobile := coalesce(mobile, phone)) order by
                        coalesce(is_finance, false) desc, coalesce(is_primary, false) desc,
                        coalesce(mobile, phone) is null, contact_key) as contact
           from core.dim_contact
           where coalesce(is_active, true) and list_contains(?, customer_key) group by customer_key""",
        [keys],
    )
    return {
        row["customer_key"]: {**row["contact"], "mobile": viewer.hide("phone", row["contact"]["mobile"])}
        for row in rows
    }
