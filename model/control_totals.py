"""A source's own report totals against shown + rejected + excluded by class, after every run.

A gap seen once may be what changed between reading the records and asking for the total; seen again it is a gap, and
the integration owner is told. Sources that are held are left out until they go on.
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from typing import Any

import duckdb
from sqlalchemy import Row, select, update

from model import publish, schema
from model.conform import held
from model.conform.rejected import AMOUNTS, receivables
from ops import clock
from ops.instance import Instance
from ops.store import stamp, unstamp
from ops.tables import control_totals, quarantine

ZERO = Decimal(0)
_SWEPT = timedelta(hours=25)
Sum = tuple[int, Decimal]
_C = control_totals.c


def judge(instance: Instance) -> int:
    """Compare every total that was asked for since the last time with the served build; how many were judged."""
    with instance.store.read() as connection:
        waiting = connection.execute(select(control_totals).where(_C.state == "open").order_by(_C.total_id)).all()
    if not waiting:
        return 0
    published = publish.current(instance)
    holds = held.holds(instance.store)
    last = {(row.source, row.name, row.currency): row.total_id for row in waiting}
    con = duckdb.connect(str(published.path), read_only=True)
    try:
        for row in waiting:
            is_newest = last[row.source, row.name, row.currency] == row.total_id
            found: dict[str, Any] = {"state": "skipped"}
            if is_newest and row.source not in holds and row.entity in schema.entities():
                found = {**_judged(instance, con, row), "version": published.version}
            with instance.store.begin() as connection:
                connection.execute(update(control_totals).where(_C.total_id == row.total_id).values(**found))
    finally:
        con.close()
    return len(waiting)


def _judged(instance: Instance, con: duckdb.DuckDBPyConnection, row: Row[Any]) -> dict[str, Any]:
    sums = _sums(con, row)
    rejected, unreadable = _rejected(instance, row)
    shown = sums.pop("shown", (0, ZERO))
    counted = [sums.get(name, (0, ZERO)) for name in row.includes.split()]
    explained = [shown, rejected, *counted]
    gap_count = None if row.stated_count is None else row.stated_count - sum(one[0] for one in explained)
    gap_amount = None
    if row.stated_amount is not None:
        gap_amount = Decimal(row.stated_amount) - sum((one[1] for one in explained), ZERO)
    agrees = (gap_count is None or 0 <= gap_count <= unreadable) and (not gap_amount or unreadable > 0)
    state, found_at = ("agrees", None) if agrees else _since(instance, row, gap_count)
    return {
        "state": state,
        "found_at": found_at,
        "shown_count": shown[0],
        "shown_amount": str(shown[1]) if row.field else None,
        "rejected_count": rejected[0],
        "rejected_amount": str(rejected[1]) if row.field else None,
        "unreadable": unreadable,
        "excluded": json.dumps({name: [count, str(amount)] for name, (count, amount) in sorted(sums.items())}),
        "gap_count": gap_count,
        "gap_amount": None if gap_amount is None else str(gap_amount),
    }


def _sums(con: duckdb.DuckDBPyConnection, row: Row[Any]) -> dict[str, Sum]:
    """Class → (records, amount) of the source's present records, of the row's currency where it has one."""
    columns = schema.entity(row.entity).by_name
    amount = row.field if row.field in columns else None
    classes = ["when is_deleted then 'deleted'"]
    if "is_void" in columns:
        classes.append("when coalesce(is_void, false) then 'void'")
    if "document_status" in columns:
        classes.append("when coalesce(document_status, 'approved') <> 'approved' then 'not_approved'")
    only = "and currency = $currency" if row.currency and "currency" in columns else ""
    given = {"source": row.source} | ({"currency": row.currency} if only else {})
    found = con.execute(
        f"""select case {" ".join(classes)} else 'shown' end as class, count(*) as n,
                   {f"coalesce(sum({amount}), 0)" if amount else "0"}::decimal(18, 2) as amount
            from staging.{row.entity} where source = $source and seen_to is null {only} group by 1""",
        given,
    ).fetchall()
    return {str(name): (int(n), amount) for name, n, amount in found}


def _rejected(instance: Instance, row: Row[Any]) -> tuple[Sum, int]:
    """(records, amount) of the rejected documents of the row's currency, and how many cannot be placed."""
    q = quarantine.c
    wanted = select(q.record_id).where(q.source == row.source, q.entity == row.entity, q.status == "open").distinct()
    with instance.store.read() as connection:
        ids = set(connection.execute(wanted).scalars())
    if not ids:
        return (0, ZERO), 0
    if row.currency is None:
        return (len(ids), ZERO), 0
    sign = AMOUNTS.get(row.entity, ("", 1))[1]
    placed: dict[str | None, list[Decimal | None]] = defaultdict(list)
    known = set()
    for one in receivables(instance):
        if (one.source, one.entity) == (row.source, row.entity):
            placed[one.currency].append(None if one.amount is None else one.amount * sign)
            known.add(one.record_id)
    here = placed[row.currency]
    unreadable = len(ids - known) + len(placed[None]) + sum(one is None for one in here)
    return (sum(one is not None for one in here), sum((one for one in here if one is not None), ZERO)), unreadable


def _since(instance: Instance, row: Row[Any], gap_count: int | None) -> tuple[str, str]:
    """(settling, now) for a gap that was not there the last time, else (gap, since when).

    More here than there settles longer: what was deleted may be seen by a daily comparison of ids only.
    """
    same = (_C.source == row.source, _C.name == row.name, _C.currency.is_not_distinct_from(row.currency))
    before = select(_C.state, _C.found_at).where(*same, _C.total_id < row.total_id, _C.state.in_(
        ["agrees", "settling", "gap"])).order_by(_C.total_id.desc()).limit(1)  # fmt: skip
    with instance.store.read() as connection:
        last = connection.execute(before).first()
    if last is None or last.state == "agrees":
        return "settling", stamp()
    is_young = clock.now() - unstamp(last.found_at) < _SWEPT
    return "settling" if (gap_count or 0) < 0 and is_young else "gap", str(last.found_at)


def newest(instance: Instance, source: str | None = None) -> list[dict[str, Any]]:
    """The last word on each total, by source, name and currency: the columns of the table, amounts as Decimal.

    A currency that a later answer of the same total no longer names is left out.
    """
    chosen = select(control_totals).where(_C.state.not_in(["open", "skipped"])).order_by(_C.total_id)
    if source is not None:
        chosen = chosen.where(_C.source == source)
    with instance.store.read() as connection:
        rows = connection.execute(chosen).mappings().all()
    last: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in rows:
        last[row["source"], row["name"], row["currency"] or ""] = dict(row)
    asked: dict[tuple[str, str], str] = {}
    for (name, total, _), found in last.items():
        asked[name, total] = max(asked.get((name, total), ""), found["asked_at"][:16])
    return [_plain(row) for (name, total, _), row in sorted(last.items()) if row["asked_at"][:16] == asked[name, total]]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    amounts = ("stated_amount", "shown_amount", "rejected_amount", "gap_amount")
    excluded = {name: (one[0], Decimal(one[1])) for name, one in json.loads(row["excluded"] or "{}").items()}
    return {**row, "excluded": excluded} | {name: None if row[name] is None else Decimal(row[name]) for name in amounts}
