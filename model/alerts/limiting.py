"""The limitation clock for rules: on which day the period of each old open item ends, as the worklist says it."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from typing import Any

import duckdb
import polars as pl

from model.receivables.limitation import WARNED_DAYS, YEARS, limitation_on

# work tables of work.sql that are read here
READS = frozenset({"work_open_item"})
_SCHEMA = {"record_key": pl.String, "limitation_on": pl.Date, "days_left": pl.Int64}
# items that cannot be near the end of their period by any event are not looked at: due less than this many days ago
_OLD = timedelta(days=YEARS * 365 - WARNED_DAYS - 2)
_EVENTS = """
    with wanted as (
        select record_key, due_on from work_open_item where due_on is null or due_on <= $old
    )
    select record_key, due_on, cast(null as date) as happened_on, false as is_acknowledged from wanted
    union all
    select w.record_key, w.due_on, d.demanded_on, false from work_demand as d
    join wanted as w on w.record_key = d.item_key
    union all
    select w.record_key, w.due_on, p.made_on, true from work_promise as p
    join wanted as w on w.record_key = p.item_key
    where p.withdrawn_on is null or p.withdrawn_on > $as_of
    union all
    select w.record_key, w.due_on, c.confirmed_on, true from work_confirmation as c
    join wanted as w on w.record_key = c.item_key
    union all
    select w.record_key, w.due_on, m.moved_on, true from marts.mart_item_movement as m
    join wanted as w on w.record_key = m.record_key
    where m.kind = 'receipt' and m.amount > 0 and m.moved_on <= $as_of"""


def limitations(con: duckdb.DuckDBPyConnection, as_of: date) -> None:
    """Make work_limitation: open items whose period ends within WARNED_DAYS of `as_of`, or has ended.

    limitation_on: the last day of the period; days_left: until then, negative once it is over.
    """
    due: dict[str, date | None] = {}
    demands: dict[str, list[date]] = defaultdict(list)
    acknowledged: dict[str, list[date]] = defaultdict(list)
    for key, due_on, happened_on, is_acknowledged in con.execute(
        _EVENTS, {"as_of": as_of, "old": as_of - _OLD}
    ).fetchall():
        due[key] = due_on
        if happened_on is not None:
            (acknowledged if is_acknowledged else demands)[key].append(happened_on)
    found: list[tuple[Any, ...]] = []
    for key in sorted(due):
        ends = limitation_on(due[key], demands[key], acknowledged[key], as_of)
        if ends is not None and (ends - as_of).days <= WARNED_DAYS:
            found.append((key, ends, (ends - as_of).days))
    con.register("limited", pl.DataFrame(found, schema=_SCHEMA, orient="row").to_arrow())
    con.execute("create or replace temp table work_limitation as select * from limited")
    con.unregister("limited")
