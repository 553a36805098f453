"""What the build holds about one customer, read in two queries: who it is, and its documents.

Lists come as lists of structs in no order and are ordered here: planning is most of what a lookup costs in DuckDB, and
every sorted aggregate, join and window adds to it (measured: half the time of the same lists ordered in SQL).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from model.policy import Viewer
from model.serve import entitled
from model.serve.connection import Served

Rows = list[dict[str, Any]]
# list name → (table, condition, columns; "name = column" renames)
_HEADER_LISTS = {
    "codes": ("core.dim_customer_code", "true", "source role kind code"),
    "records": ("core.dim_customer_record", "not is_deleted", "source name rule evidence source_id code"),
    "contacts": (
        "core.dim_contact", "coalesce(is_active, true)",
        "name title role phone mobile email wechat is_primary is_finance source source_id",
    ),
    # of credit exposure: here, because with more than seven lists one query takes three times as long to plan
    "order_movements": (
        "marts.mart_order_movement", "true",
        """kind document_key order_key contract_number currency amount is_closed line_delivered_amount
        line_invoiced_amount moved_on""",
    ),
    "receipts": (
        "core.fct_receipt",
        """known_to is null and excluded_reason is null and (
            coalesce(method, '') in ('bank_bill', 'commercial_bill') or purpose in ('prepayment', 'deposit'))""",
        """record_key source currency amount method purpose bill_state bill_state_on bill_matures_on has_recourse
        dishonoured_on moved_on=posted_on""",
    ),
    "receipt_uses": ("marts.mart_credit_movement", "class = 'unallocated'", "record_key amount moved_on"),
}  # fmt: skip
_LISTS = {
    "tickets": (
        "core.fct_ticket", "true",
        """number subject status priority created_at solved_at closed_at resolution_due_at response_sla resolution_sla
        is_open satisfaction serial_number serial_key assignee=assignee_name source source_id record_key""",
    ),
    "projects": (
        "core.dim_project", "true",
        """code name status health progress_percent start_on planned_end_on actual_end_on manager_key source source_id
        project_key""",
    ),
    "milestones": (
        "core.fct_milestone", "kind = 'milestone'",
        "project_key name planned_on slip_days done_on status source source_id",
    ),
    "opportunities": (
        "core.fct_opportunity", "true",
        """number name stage kind amount currency close_on is_closed is_won owner=owner_name created_at closed_at source
        source_id record_key""",
    ),
    "contracts": (
        "core.fct_contract", "true",
        """number name kind status amount currency start_on end_on signed_on is_recurring owner=owner_name source
        source_id record_key""",
    ),
    "orders": (
        "core.fct_order", "excluded_reason is null",
        """number order_on status=document_status gross_amount currency is_closed delivered_percent invoiced_percent
        source source_id record_key""",
    ),
    "sales": ("marts.mart_sales_month", "month_on > $year_ago and month_on <= $as_of", "currency amount=sales_amount"),
}  # fmt: skip


def _list(name: str, table: str, condition: str, columns: str) -> str:
    pairs = [column.partition("=") for column in columns.split()]
    packed = ", ".join(f"{alias} := {column or alias}" for alias, _, column in pairs)
    return f"(select list(struct_pack({packed})) from {table} where customer_key = $key and {condition}) as {name}"


_HEADER_SQL = (
    "select customer.*, "
    + ", ".join(_list(name, *parts) for name, parts in _HEADER_LISTS.items())
    + " from core.dim_customer as customer where customer.customer_key = $key"
)
# What shares no plan with the rest of the header: the customer's group, and its devices, a row per contract that covers
# one (which of them holds is a question of the day).
_BESIDE_SQL = (
    "select count(*) as n, count(*) filter (coalesce({rule}, false)) as seen, "
    + _list("assets", "marts.mart_asset_entitlement", "true", " ".join(entitled.COLUMNS))
    + " from core.dim_customer as customer where coalesce(customer.group_key, customer.customer_key) = $group"
)
_LISTS_SQL = "select " + ", ".join(_list(name, *parts) for name, parts in _LISTS.items())
_PAST_SQL = f"{_LISTS_SQL}, " + _list(
    "ticket_events",
    "core.fct_ticket_event",
    "field = 'status'",
    "ticket_key happened_at from_value to_value record_key",
)


def header(viewer: Viewer, db: Served, key: str) -> dict[str, Any]:
    """Columns of core.dim_customer with codes, records, contacts and devices; group_size: customers of its group.

    group_size is None where the viewer may not see all of them: a number would tell of the others.
    """
    row = db.rows(_HEADER_SQL, {"key": key})[0]
    codes = sorted(row["codes"] or [], key=lambda item: (item["source"], item["kind"], item["code"]))
    records = sorted(row["records"] or [], key=lambda item: (item["source"], item["source_id"]))
    contacts = sorted(
        row["contacts"] or [],
        key=lambda item: (_falling(item["is_finance"]), _falling(item["is_primary"]), item["name"], item["source_id"]),
    )
    rule, named = viewer.named_rows()
    beside = db.rows(_BESIDE_SQL.format(rule=rule), {"key": key, "group": row["group_key"], **named})[0]
    size = None
    if row["group_key"] is None or beside["seen"] == beside["n"]:
        size = beside["n"] or 1
    lists = {"codes": codes, "records": records, "contacts": contacts, "assets": beside["assets"] or []}
    return {**row, **lists, "group_size": size, "blind": _blind(db)}


def _blind(db: Served) -> list[str]:
    """Sources that record no settlements, read once per version."""
    key = ("sources without settlements",)
    if key not in db.cache:
        rows = db.rows("select source from meta.source_capability where not gives_allocations order by source")
        db.cache[key] = [row["source"] for row in rows]
    found: list[str] = db.cache[key]
    return found


def documents(db: Served, key: str, day: date, *, is_past: bool = False) -> dict[str, Rows]:
    """Panel → its rows in the order of the panel; `sales`: {currency, amount} of the 12 months up to `day`.

    `is_past` adds `ticket_events`, the status history of the tickets.
    """
    sql = _PAST_SQL if is_past else _LISTS_SQL
    found = db.rows(sql, {"key": key, "as_of": day, "year_ago": date(day.year - 1, day.month, 1)})[0]
    lists: dict[str, Rows] = {name: rows or [] for name, rows in found.items()}
    names = employee_names(db) if lists["projects"] else {}
    for row in lists["projects"]:
        row["manager"] = names.get(row.pop("manager_key"))
    for name, order in _ORDERS.items():
        lists[name].sort(key=order)
    lists["sales"] = _by_currency(lists["sales"])
    return lists


def employee_names(db: Served) -> dict[str, str]:
    """Employee key → name, read once per version."""
    key = ("employee names",)
    if key not in db.cache:
        rows = db.rows("select employee_key, name from core.dim_employee")
        db.cache[key] = {row["employee_key"]: row["name"] for row in rows}
    names: dict[str, str] = db.cache[key]
    return names


def _by_currency(rows: Rows) -> Rows:
    sums: dict[str, Decimal] = {}
    for row in rows:
        sums[row["currency"]] = sums.get(row["currency"], Decimal(0)) + (row["amount"] or Decimal(0))
    return [{"currency": currency, "amount": amount} for currency, amount in sorted(sums.items())]


def _falling(value: bool | None) -> int:
    """True before False before unknown."""
    return 2 if value is None else int(not value)


def _late(value: date | datetime | None) -> tuple[bool, float]:
    """Latest first, unknown last."""
    if value is None:
        return True, 0.0
    moment = value.timestamp() if isinstance(value, datetime) else float(value.toordinal())
    return False, -moment


def _early(value: date | None) -> tuple[bool, date]:
    """Earliest first, unknown last."""
    return value is None, value or date.max


_ORDERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "tickets": lambda row: (not row["is_open"], _late(row["created_at"]), row["record_key"]),
    "projects": lambda row: (row["status"] or "", row["code"] or "", row["project_key"]),
    "milestones": lambda row: (_early(row["planned_on"]), row["source_id"]),
    "opportunities": lambda row: (bool(row["is_closed"]), _early(row["close_on"]), row["record_key"]),
    "contracts": lambda row: (_late(row["end_on"]), row["record_key"]),
    "orders": lambda row: (_late(row["order_on"]), row["record_key"]),
}
