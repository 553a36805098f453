"""What a rule's condition cannot say in SQL, judged by the ledger's own definitions: holds, promises, credit used."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import polars as pl

from model.receivables.exposure import RATES, components_sql, limits_sql, measured
from model.receivables.holding import covered, hold_of
from model.receivables.items import open_credits_sql
from model.receivables.judging import judge_items
from model.receivables.payments import ROWS, SETTLEMENTS, payments_of
from model.receivables.promises import Judged, Promise

ZERO = Decimal(0)
MONEY = pl.Decimal(18, 2)
_HOLDS = {"record_key": pl.String, "hold": pl.String, "promised_on": pl.Date, "missing_amount": MONEY}
# Items with a promise or dispute, and what is overdue or without a due date where money waits to be allocated.
_HELD = """
    select item.*, coalesce(cash.amount, 0) as cash_amount
    from work_open_item as item
    left join work_unallocated as cash on cash.customer_key = item.customer_key and cash.currency = item.currency
    where list_contains($keys, item.record_key)
       or cash.amount > 0 and (item.days_past_due > 0 or item.days_past_due is null)"""
_EXPOSURE = {"customer_key": pl.String, "currency": pl.String, "exposure_amount": MONEY, "credit_limit_amount": MONEY,
             "is_shared": pl.Boolean}  # fmt: skip


def holds(con: duckdb.DuckDBPyConnection, as_of: date) -> None:
    """Make work_judged: items with a promise, a dispute or waiting money, their hold, and the promise not kept.

    `promised_on` and `missing_amount` belong to the latest promise that stands, where it is not kept. Reads
    work_open_item, work_unallocated, work_dispute and work_promise as they are on `as_of`.
    """
    day = {"as_of": as_of}
    standing = _rows(
        con,
        """select p.promise_id, p.item_key, p.amount, i.currency, p.made_on, p.promised_on
                             from work_promise as p join work_open_item as i on i.record_key = p.item_key
                             where p.made_on <= $as_of and (p.withdrawn_on is null or p.withdrawn_on > $as_of)""",
        day,
    )
    promises = _judged(con, [Promise(**row) for row in standing], as_of)
    disputed = dict(con.execute("select item_key, sum(amount) from work_dispute group by item_key").fetchall())
    last = {key: max(some, key=lambda one: one.promise.promise_id) for key, some in promises.items()}
    states: dict[str, dict[str, Any]] = defaultdict(dict)
    for key, one in last.items():
        states[key]["promise"] = _shown(one)
    for key, amount in disputed.items():
        states[key]["dispute"] = {"amount": amount}
    items = _rows(con, _HELD, {"keys": sorted(states)})
    waiting = _covered(items, states, as_of)
    found = []
    for item in items:
        key, latest = item["record_key"], last.get(item["record_key"])
        hold = hold_of(item, states.get(key, {}), as_of, is_covered=key in waiting)
        missing = None if latest is None else min(latest.promise.amount - latest.kept_amount, item["open_amount"])
        found.append((key, hold, latest and latest.promise.promised_on, missing))
    _make(con, "work_judged", found, _HOLDS)


def _covered(items: list[dict[str, Any]], states: Mapping[str, dict[str, Any]], as_of: date) -> set[str]:
    purses: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for item in items:
        purses[item["customer_key"], item["currency"]].append(item)
    return {key for some in purses.values() for key in covered(some, states, as_of, some[0]["cash_amount"])}


def _judged(con: duckdb.DuckDBPyConnection, promises: list[Promise], as_of: date) -> dict[str, list[Judged]]:
    if not promises:
        return {}
    keys = sorted({promise.item_key for promise in promises})
    rows = _rows(con, ROWS, {"keys": keys, "as_of": as_of})
    settled = _rows(con, SETTLEMENTS, {"invoices": sorted({row["invoice_key"] for row in rows}), "as_of": as_of})
    purses = {row["record_key"]: (row["customer_key"], row["currency"]) for row in rows}
    waiting: dict[tuple[str, str], list[tuple[date, Decimal]]] = defaultdict(list)
    for row in _rows(
        con,
        f"""select customer_key, currency, dated_on, left_amount from ({open_credits_sql()})
                              where class = 'unallocated' and left_amount > 0
                                and list_contains($customers, customer_key) order by dated_on, record_key""",
        {"as_of": as_of, "customers": sorted({customer for customer, _ in purses.values()})},
    ):
        waiting[row["customer_key"], row["currency"]].append((row["dated_on"] or as_of, row["left_amount"]))
    return judge_items(promises, payments_of(keys, rows, settled), purses, waiting, as_of)


def _shown(one: Judged) -> dict[str, Any]:
    return {"on": one.promise.promised_on, "amount": one.promise.amount, "kept_amount": one.kept_amount,
            "state": one.state}  # fmt: skip


def exposures(con: duckdb.DuckDBPyConnection, as_of: date, *, today: date, base: str, zone: str) -> None:
    """Make work_exposure: customers with a credit limit and what they use of it, in the limit's currency.

    The head of a group is measured by the whole group. `is_shared`: members have several owners, so that the amount
    would tell each of the others' customers; a rule must not say it then. Customers within the limit have a row too.
    """
    parts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in _rows(con, components_sql(lines=as_of >= today), {"as_of": as_of}):
        parts[row.pop("customer_key")].append(row)
    rates = dict(con.execute(RATES, {"base": base, "as_of": as_of}).fetchall()) | {base: Decimal(1)}
    owners, members = {}, defaultdict(list)
    for row in _rows(con, "select customer_key, owner_key, group_key from core.dim_customer", {}):
        owners[row["customer_key"]] = row["owner_key"]
        members[row["group_key"] or row["customer_key"]].append(row["customer_key"])
    until = datetime.combine(as_of + timedelta(days=1), datetime.min.time(), ZoneInfo(zone))
    found = []
    for row in _rows(con, limits_sql(keyed=False), {"until": until}):
        if row["amount"] is None or row["amount"] <= 0 or row["customer_key"] not in owners:
            continue
        key, currency = row["customer_key"], row["currency"] or base
        several = sorted({key, *members.get(key, ())})
        used = measured([part for one in several for part in parts.get(one, ())], row["amount"], currency, rates)
        is_shared = len({owners[one] for one in several}) > 1
        found.append((key, currency, used["exposure"], row["amount"], is_shared))
    _make(con, "work_exposure", found, _EXPOSURE)


def _rows(con: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    result = con.execute(sql, dict(parameters) or None)
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _make(con: duckdb.DuckDBPyConnection, name: str, rows: list[tuple[Any, ...]], schema: dict[str, Any]) -> None:
    con.register("judged", pl.DataFrame(rows, schema=schema, orient="row").to_arrow())
    con.execute(f"create or replace temp table {name} as select * from judged")
    con.unregister("judged")
