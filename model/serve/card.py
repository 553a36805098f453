"""The parts of a customer card, from rows of the build: identity, lists, key figures, the next best action."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from model.policy import Viewer
from model.serve import money
from model.serve.connection import Served
from model.serve.exposure import against
from ops.store import stamp
from ops.tables import scores

ZERO = Decimal(0)
TICKETS, ORDERS = 200, 100
_PLAIN = (
    "customer_key", "name", "short_name", "english_name", "former_name", "uscc", "tax_number", "kind", "status", "tier",
    "industry", "region", "province", "city", "address", "email", "website", "payment_terms", "is_on_hold",
    "customer_since_on", "is_deleted",
)  # fmt: skip
_PRIORITY = {"urgent": 0, "high": 1, "normal": 2, "low": 3}


def identity(viewer: Viewer, header: dict[str, Any]) -> dict[str, Any]:
    """Who the customer is; phone and bank account behind the viewer's masks."""
    codes: dict[str, list[str]] = {}
    for row in header["codes"] or []:
        if row["kind"] in {"id", "code"} and row["code"] not in codes.setdefault(row["source"], []):
            codes[row["source"]].append(row["code"])
    return {
        **{name: header[name] for name in _PLAIN},
        "codes": codes,
        "owner": header["owner_name"],
        "owner_key": header["owner_key"],
        "group": header["group_name"],
        "group_size": header["group_size"] if header["group_key"] else 0,
        "phone": viewer.hide("phone", header["phone"]),
        "bank_account": viewer.hide("bank", header["bank_account"]),
        "credit_limit_amount": viewer.hide("credit", header["credit_limit_amount"]),
    }


def contacts(viewer: Viewer, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """People at the customer; phone, mobile and WeChat behind the phone mask."""
    return [
        {**row, **{name: viewer.hide("phone", row[name]) for name in ("phone", "mobile", "wechat")}} for row in rows
    ]


def tickets(rows: list[dict[str, Any]], at: datetime) -> list[dict[str, Any]]:
    """Open tickets by urgency, then the newest closed ones, as of the instant `at`; at most 200.

    remaining_minutes is negative once the resolution is late.
    """
    answer = []
    for row in sorted(rows, key=lambda row: not row["is_open"])[:TICKETS]:
        due = row["resolution_due_at"]
        left = int((due - at).total_seconds() // 60) if due is not None and row["is_open"] else None
        verdict = row["resolution_sla"] or ("none" if due is None else "active")
        if verdict == "active" and left is not None and left < 0:
            verdict = "missed"
        answer.append({**row, "sla": verdict, "remaining_minutes": left})
    return sorted(
        answer,
        key=lambda row: (
            not row["is_open"],
            row["remaining_minutes"] if row["remaining_minutes"] is not None else 10**9,
            _PRIORITY.get(row["priority"] or "", 9),
        ),
    )


def projects(rows: list[dict[str, Any]], milestones: list[dict[str, Any]], day: date) -> list[dict[str, Any]]:
    """Projects with their next open milestone; active ones first. is_late: a milestone or the end is overdue."""
    answer = []
    for row in rows:
        ahead = [item for item in milestones if item["project_key"] == row["project_key"] and _is_open(item)]
        upcoming = min(ahead, key=lambda item: (item["planned_on"] is None, item["planned_on"] or day), default=None)
        late = [item for item in ahead if item["planned_on"] and item["planned_on"] < day]
        slipped = upcoming is not None and (upcoming["slip_days"] or 0) > 0
        ended = row["planned_end_on"] is not None and row["planned_end_on"] < day
        answer.append(
            {
                **row,
                "next_milestone": upcoming and {name: upcoming[name] for name in ("name", "planned_on", "slip_days")},
                "is_late": row["status"] == "active" and (bool(late) or slipped or ended),
            }
        )
    return sorted(answer, key=lambda row: (row["status"] != "active", not row["is_late"], row["code"] or ""))


def _is_open(milestone: dict[str, Any]) -> bool:
    return milestone["done_on"] is None and milestone["status"] not in {"done", "cancelled"}


def contracts(db: Served, rows: list[dict[str, Any]], day: date, at: datetime) -> list[dict[str, Any]]:
    """Contracts, those in force first, each with the newest renewal score up to the instant `at` (null without one)."""
    newest = scores_of(db, [row["record_key"] for row in rows], at)
    answer = [{**row, **_score(newest.get(row["record_key"])), "is_in_force": _in_force(row, day)} for row in rows]
    return sorted(answer, key=lambda row: (not row["is_in_force"], row["end_on"] or date.max))


def _in_force(row: dict[str, Any], day: date) -> bool:
    if row["status"] in {"draft", "cancelled", "terminated", "expired"}:
        return False
    return (row["start_on"] is None or row["start_on"] <= day) and (row["end_on"] is None or row["end_on"] >= day)


def scores_of(db: Served, keys: list[str] | None = None, until: datetime | None = None) -> dict[str, dict[str, Any]]:
    """Contract record key → its newest score (of those scored by `until`); all contracts without `keys`."""
    if keys == []:
        return {}
    statement = select(scores).where(scores.c.model == "renewal").order_by(scores.c.score_id)
    if until is not None:
        statement = statement.where(scores.c.scored_at <= stamp(until))
    if keys is not None:
        statement = statement.where(scores.c.record_key.in_(keys))
    with db.instance.store.read() as connection:
        return {row.record_key: dict(row._mapping) for row in connection.execute(statement)}  # noqa: SLF001


def _score(row: dict[str, Any] | None) -> dict[str, Any]:
    if row is None:
        return {"likelihood": None, "drivers_up": [], "drivers_down": [], "base_rate": None, "interval": None}
    return {
        "likelihood": row["likelihood"],
        "interval": None if row["low"] is None else [row["low"], row["high"]],
        "base_rate": row["base_rate"],
        "drivers_up": json.loads(row["drivers_up"] or "[]"),
        "drivers_down": json.loads(row["drivers_down"] or "[]"),
        "model_version": row["model_version"],
    }


def renewal(db: Served, rows: list[dict[str, Any]], day: date) -> dict[str, Any] | None:
    """The next recurring contract that ends: {on, days, contract_number, amount, likelihood, drivers…}, or None."""
    _ = db
    ending = [row for row in rows if row["is_in_force"] and row["is_recurring"] and row["end_on"] is not None]
    if not ending:
        return None
    row = min(ending, key=lambda item: item["end_on"])
    kept = ("amount", "currency", "likelihood", "interval", "base_rate", "drivers_up", "drivers_down")
    return {
        "on": row["end_on"],
        "days": (row["end_on"] - day).days,
        "contract_number": row["number"],
        "drivers": [*row["drivers_down"], *row["drivers_up"]],
        **{name: row[name] for name in kept},
    }


def kpis(
    viewer: Viewer, db: Served, header: dict[str, Any], owed: dict[str, Any], ticket_rows: list[dict[str, Any]],
    project_rows: list[dict[str, Any]], contract_rows: list[dict[str, Any]], next_renewal: dict[str, Any] | None,
    sales: list[dict[str, Any]], day: date, *, is_fed: dict[str, bool],
    has_rows: bool,
) -> dict[str, Any]:  # fmt: skip
    """The key figures of the card's strip; amounts in the company's currency, missing rates named.

    `is_fed`: whether anything brings money, tickets and projects; no overdue invoice means nothing where no books are.
    """
    base = db.instance.config.base_currency
    live = [row for row in contract_rows if row["is_in_force"]]
    value: dict[str, Decimal] = {}
    for row in live:
        money.add(value, row["currency"] or base, row["amount"])
    overdue = [item for item in owed["items"] if (item["days_past_due"] or 0) > 0 and item["kind"] != "provisional"]
    open_tickets = [row for row in ticket_rows if row["is_open"]]
    active = [row for row in project_rows if row["status"] == "active"]
    ahead = [row["next_milestone"]["planned_on"] for row in active if row["next_milestone"]]
    figures: dict[str, Any] = {
        "contract_value": {**money.total(db, value, day), "count": len(live)},
        "revenue_12m": money.total(db, {row["currency"]: row["amount"] for row in sales}, day),
        "renewal": next_renewal,
        "open": {"amount": owed["open"], "currency": base},
        "overdue": {
            "amount": owed["overdue"], "currency": base, "count": len(overdue),
            "disputed": money.total(db, owed["disputed"], day)["amount"],
        },
        "credit": credit(viewer, db, header, day),
        "tickets": {
            "open": len(open_tickets),
            "breached": sum(row["sla"] == "missed" for row in open_tickets),
            "urgent": sum(row["priority"] == "urgent" for row in open_tickets),
        },
        "projects": {
            "active": len(active),
            "late": sum(row["is_late"] for row in active),
            "next_milestone_on": min((on for on in ahead if on is not None), default=None),
        },
    }  # fmt: skip
    return {"health": health(header, overdue, figures, is_fed, has_rows=has_rows), **figures}


def credit(viewer: Viewer, db: Served, header: dict[str, Any], day: date) -> dict[str, Any]:
    """Limit and exposure by component (model.serve.exposure), in the limit's currency; behind the credit mask."""
    limit, currency = header["credit_limit_amount"], header["credit_currency"] or db.instance.config.base_currency
    if limit is None:
        return {"limit": None, "exposure": None, "percent": None, "currency": currency}
    found = against(db, header["exposure"], limit, currency, day)
    hidden = {
        name: viewer.hide("credit", value)
        for name, value in {"limit": limit, **found}.items()
        if name in {"limit", "exposure", "percent", "components"}
    }
    return {
        **hidden,
        "currency": currency,
        "is_over": None if "credit" in viewer.masks else found["is_over"],
        "missing_rates": found["missing_rates"],
    }


def health(
    header: dict[str, Any], overdue: list[dict[str, Any]], figures: dict[str, Any], is_fed: dict[str, bool],
    *, has_rows: bool,
) -> dict[str, Any]:  # fmt: skip
    """red, amber or green with its reasons as text ids with a number; a hold forces red.

    The level is null where nothing speaks for or against the customer; `coverage` is the share of what is judged
    (money, tickets, projects, hold, limit, renewal) that is known here.
    """
    oldest = max((item["days_past_due"] for item in overdue), default=0)
    likelihood = (figures["renewal"] or {}).get("likelihood")
    reasons: list[tuple[str, str, Any]] = []
    if header["is_on_hold"]:
        reasons.append(("red", "health.on_hold", None))
    if oldest > 90:
        reasons.append(("red", "health.overdue_long", oldest))
    elif oldest > 0:
        reasons.append(("amber", "health.overdue", oldest))
    if figures["tickets"]["breached"]:
        level = "red" if figures["tickets"]["breached"] > 3 else "amber"
        reasons.append((level, "health.tickets_breached", figures["tickets"]["breached"]))
    if figures["projects"]["late"]:
        reasons.append(("amber", "health.projects_late", figures["projects"]["late"]))
    if figures["credit"].get("is_over"):
        reasons.append(("amber", "health.over_limit", None))
    if likelihood is not None and likelihood < 0.5:
        reasons.append(("amber", "health.renewal_low", round(likelihood * 100)))
    known = [
        *(is_fed[part] for part in ("money", "tickets", "projects")),
        header["is_on_hold"] is not None, figures["credit"]["limit"] is not None, likelihood is not None,
    ]  # fmt: skip
    level = "red" if any(item[0] == "red" for item in reasons) else ("amber" if reasons else "green")
    return {
        "level": level if reasons or has_rows else None,
        "reasons": [{"msgid": item[1], "n": item[2]} for item in reasons],
        "coverage": round(sum(known) / 6, 2),
    }


def next_action(
    owed: dict[str, Any],
    ticket_rows: list[dict[str, Any]],
    contract_rows: list[dict[str, Any]],
    figures: dict[str, Any],
) -> dict[str, Any] | None:
    """The one thing to do next: {msgid, reason, …}, or None. A late urgent ticket comes before money."""
    late = [row for row in ticket_rows if row["is_open"] and row["sla"] == "missed"]
    broken = [item for item in owed["items"] if item["status"] == "promise_broken"]
    silent = [item for item in owed["items"] if item["status"] == "not_contacted"]
    if late and late[0]["priority"] in {"urgent", "high"}:
        return {"msgid": "action.solve_ticket", "subject": late[0]["number"], "n": None}
    if broken:
        return {"msgid": "action.broken_promise", "subject": broken[0]["invoice_number"], "n": None}
    if silent and owed["unallocated"] >= owed["overdue"] > 0:
        return {"msgid": "action.allocate_cash", "subject": None, "n": owed["unallocated"]}
    if silent:
        worst = max(silent, key=lambda item: item["days_past_due"] or 0)
        return {
            "msgid": "action.call_about_invoice",
            "subject": worst["invoice_number"],
            "n": worst["days_past_due"],
        }
    soon = [row for row in contract_rows if row["is_in_force"] and row["is_recurring"] and row["end_on"]]
    if soon and figures["renewal"] and timedelta(days=figures["renewal"]["days"]) <= timedelta(days=90):
        return {
            "msgid": "action.prepare_renewal",
            "subject": figures["renewal"]["contract_number"],
            "n": None,
        }
    return None
