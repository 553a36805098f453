"""Leavers' customers: whose account manager has left or is unknown, what is at stake, and who could take over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from model.delivery.people import Directory, Person
from model.policy import Viewer
from model.receivables import open_items_sql
from model.receivables.items import received_parameters
from model.serve import money, work
from model.serve.connection import Served
from ops.errors import FatalError

WHY = ("left", "unknown", "none")
CONTRACT_DAYS = 180
_CUSTOMERS = """
    select customer.customer_key, customer.name, customer.region, customer.tier, customer.owner_id,
           customer.owner_key, customer.owner_name, customer.owner_source, employee.team as owner_team,
           case when customer.owner_id is null then 'none' when customer.owner_key is null then 'unknown'
                else 'left' end as why
    from core.dim_customer as customer
    left join core.dim_employee as employee on employee.employee_key = customer.owner_key
    where {rule} and not coalesce(customer.is_deleted, false) and customer.kind <> 'bucket'
      and (customer.owner_key is null or not coalesce(employee.is_active, true))
"""
_OWED = """
    select customer_key, currency, sum(open_amount) as amount,
           sum(case when due_on < $as_of then open_amount else 0 end) as overdue
    from ({items}) where open_amount > 0 and kind <> 'provisional' group by customer_key, currency
"""
_CONTRACTS = """
    select customer_key, count(*) as number, min(end_on) as next_on
    from core.fct_contract
    where coalesce(status, 'in_force') = 'in_force' and end_on between $as_of and $until
    group by customer_key
"""


def leavers(
    viewer: Viewer, db: Served, *, why: str | None = None, owner_key: str | None = None, limit: int = 500
) -> dict[str, Any]:
    """{total, by_why, by_owner, currency, totals, rows}: customers without an account manager who still works here.

    Rows, most money first: customer_key, name, region, tier, why (left; unknown: the owner is no known employee; none),
    owner {key, id, name, source}, open_amount and overdue_amount in the company's `currency` with missing_rates,
    contracts_due (in force and ending within 180 days), next_contract_on, successor {key, name, basis} or null; basis:
    deputy, manager, or team (the active colleague of the leaver's team with fewest customers). by_owner: owner name →
    customers. totals: open_amount, overdue_amount and contracts_due of all, not only of the first `limit`. FatalError
    for an unknown `why`.
    """
    if why is not None and why not in WHY:
        raise FatalError(f"there is no reason {why!r}", valid=", ".join(WHY))
    rule, named = viewer.named_rows()
    rows = db.rows(_CUSTOMERS.format(rule=rule), named)
    owed, contracts = _owed(db), _contracts(db)
    people = Directory.load(db.instance, db.published.path, db.today())
    loads = _loads(db)
    found = [_row(db, row, owed, contracts, people, loads) for row in rows]
    chosen = [row for row in found if why in (None, row["why"]) and owner_key in (None, row["owner"]["key"])]
    chosen.sort(key=lambda row: (-row["open_amount"], -row["contracts_due"], row["customer_key"]))
    return {
        "total": len(chosen),
        "by_why": {name: sum(row["why"] == name for row in chosen) for name in WHY},
        "by_owner": dict(Counter(row["owner"]["name"] or row["owner"]["id"] or "" for row in chosen).most_common()),
        "currency": db.instance.config.base_currency,
        "totals": {
            "open_amount": sum((row["open_amount"] for row in chosen), Decimal(0)),
            "overdue_amount": sum((row["overdue_amount"] for row in chosen), Decimal(0)),
            "contracts_due": sum(row["contracts_due"] for row in chosen),
        },
        "rows": chosen[:limit],
    }


def _row(
    db: Served,
    row: Mapping[str, Any],
    owed: Mapping[str, tuple[dict[str, Decimal], dict[str, Decimal]]],
    contracts: Mapping[str, Mapping[str, Any]],
    people: Directory,
    loads: Mapping[str, int],
) -> dict[str, Any]:
    open_by, overdue_by = owed.get(row["customer_key"], ({}, {}))
    total, overdue = money.total(db, open_by, db.today()), money.total(db, overdue_by, db.today())
    due = contracts.get(row["customer_key"])
    return {
        **{name: row[name] for name in ("customer_key", "name", "region", "tier", "why")},
        "owner": {"key": row["owner_key"], "id": row["owner_id"], "name": row["owner_name"],
                  "source": row["owner_source"]},
        "open_amount": total["amount"], "overdue_amount": overdue["amount"], "missing_rates": total["missing_rates"],
        "contracts_due": due["number"] if due else 0, "next_contract_on": due["next_on"] if due else None,
        "successor": _successor(row, people, loads),
    }  # fmt: skip


def _successor(row: Mapping[str, Any], people: Directory, loads: Mapping[str, int]) -> dict[str, Any] | None:
    leaver = people.persons.get(row["owner_key"] or "")
    if leaver is None:
        return None
    deputy = people.persons.get(leaver.deputy_key or "")
    if deputy is not None and deputy.is_active:
        return _named(deputy, "deputy")
    team = [
        one for one in people.persons.values()
        if one.is_active and leaver.team and one.team == leaver.team and loads.get(one.employee_key)
    ]  # fmt: skip
    manager = people.persons.get(leaver.manager_key or "")
    if manager is not None and manager.is_active:
        return _named(manager, "manager")
    if team:
        return _named(min(team, key=lambda one: (loads[one.employee_key], one.employee_key)), "team")
    return None


def _named(person: Person, basis: str) -> dict[str, Any]:
    return {"key": person.employee_key, "name": person.name, "basis": basis}


def _owed(db: Served) -> dict[str, tuple[dict[str, Decimal], dict[str, Decimal]]]:
    received = work.recorded_receipts(db)
    rows = db.rows(
        _OWED.format(items=open_items_sql(received=bool(received))),
        {"as_of": db.today(), **received_parameters(received)},
    )
    found: dict[str, tuple[dict[str, Decimal], dict[str, Decimal]]] = {}
    for row in rows:
        whole, late = found.setdefault(row["customer_key"], ({}, {}))
        money.add(whole, row["currency"], row["amount"])
        money.add(late, row["currency"], row["overdue"])
    return found


def _contracts(db: Served) -> dict[str, dict[str, Any]]:
    day = db.today()
    rows = db.rows(_CONTRACTS, {"as_of": day, "until": day + timedelta(days=CONTRACT_DAYS)})
    return {row["customer_key"]: row for row in rows}


def _loads(db: Served) -> dict[str, int]:
    """Employee → customers they look after."""
    rows = db.rows(
        "select owner_key, count(*) as number from core.dim_customer where owner_key is not null group by owner_key"
    )
    return {row["owner_key"]: row["number"] for row in rows}
