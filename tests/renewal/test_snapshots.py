"""Features of the demo's contracts: nothing that came after the as-of date may change them."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import duckdb
import pytest
from sqlalchemy import delete, insert

from model import renewal, serve
from model.publish import current
from model.renewal.cards import score_history
from model.renewal.features import COLUMNS, query
from model.renewal.snapshots import due, history
from ops.instance import Instance
from ops.tables import scores
from tests import demo_instance

DAY = date(2026, 2, 1)
# what each fact is dropped or blanked by when the world ends on DAY
LATER = {
    "fct_order": "order_on",
    "fct_plan_row": "posted_on",
    "fct_allocation": "effective_on",
    "fct_ticket": "cast(created_at as date)",
    "fct_interaction": "cast(happened_at as date)",
    "fct_milestone": "original_planned_on",
    "fct_contract": "start_on",
}
BLANKED = {
    "fct_ticket": (
        "solved_at = case when cast(solved_at as date) <= $day then solved_at end",
        "first_responded_at = case when cast(first_responded_at as date) <= $day then first_responded_at end",
        "resolution_sla = case when cast(solved_at as date) <= $day then resolution_sla end",
        "response_sla = case when cast(first_responded_at as date) <= $day then response_sla end",
        "satisfaction = case when cast(solved_at as date) <= $day then satisfaction end",
        "status = 'open'",
    ),
    "fct_milestone": ("done_on = case when done_on <= $day then done_on end", "planned_on = null"),
    "fct_allocation": ("reversed_on = case when reversed_on <= $day then reversed_on end",),
}


@pytest.fixture(scope="module")
def instance(demo_company: Instance) -> Instance:
    return demo_company


def _copy(instance: Instance) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute(f"attach '{current(instance).path}' as pub (read_only)")
    con.execute("create schema core")
    for name in [*LATER, "dim_customer"]:
        con.execute(f"create table core.{name} as select * from pub.core.{name}")
    con.execute("detach pub")
    return con


def _features(con: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    con.execute(
        "create or replace temp table renewal_case as select record_key, customer_key, cast($day as date) as as_of, "
        "end_on, cast(90 as double) as days_left from core.fct_contract "
        "where start_on <= $day and end_on > $day",
        {"day": DAY},
    )
    return con.execute(query()).fetchall()


def test_nothing_later_than_the_as_of_date_reaches_a_feature(instance: Instance) -> None:
    con = _copy(instance)
    full = _features(con)
    removed = 0
    for name, when in LATER.items():
        removed += con.execute(f"delete from core.{name} where {when} > $day", {"day": DAY}).fetchall()[0][0]
        for change in BLANKED.get(name, ()):
            con.execute(f"update core.{name} set {change}", {"day": DAY} if "$day" in change else None)
    assert removed > 300
    assert len(full) > 20
    again = _features(con)
    assert [row[:4] for row in again] == [row[:4] for row in full]
    # sums of doubles differ in the last digit with the order in which the threads meet the rows
    for found, wanted in zip(again, full, strict=True):
        for column, one, other in zip(COLUMNS, found[4:], wanted[4:], strict=True):
            same = one == other or (None not in (one, other) and math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12))
            assert same, (found[:2], column, one, other)


def test_what_happens_before_the_as_of_date_does_reach_the_features(instance: Instance) -> None:
    con = _copy(instance)
    full = _features(con)
    key = full[0][1]
    con.execute(
        "insert into core.fct_interaction (customer_key, record_key, source, happened_at) "
        "values ($key, 'x', 'crm', $at)",
        {"key": key, "at": DAY},
    )
    at = 5 + COLUMNS.index("days_since_contact") - 1
    assert next(row for row in _features(con) if row[1] == key)[at] == 0


def test_snapshots_lie_within_their_contract_and_have_every_column(instance: Instance) -> None:
    with duckdb.connect(str(current(instance).path), read_only=True) as con:
        past, now = history(con, demo_instance.DAY), due(con, demo_instance.DAY)
    assert past.features.shape == (len(past.record_keys), len(COLUMNS))
    assert set(past.renewed.tolist()) <= {0, 1}
    assert set(now.renewed.tolist()) == {-1}
    assert all(day == demo_instance.DAY for day in now.as_of)
    assert (past.decided > past.days).all()


def test_backtest_and_drift_of_a_small_instance_are_modest(instance: Instance) -> None:
    found = renewal.backtest(instance)
    assert found["grade"] == "too little data"
    assert found["drift"]["verdict"] in {"too little data", "stable", "watch", "shifted"}
    assert renewal.drift(instance)["trained"] > 0


def test_the_owner_far_from_the_model_is_listed_and_the_history_is_kept(instance: Instance) -> None:
    db = serve.open_published(instance)
    leader = serve.sign_in(instance, "chen.li")
    row = next(row for row in serve.renewals(leader, db) if row["owner_forecast"] is not None)
    key, owner = row["record_key"], float(row["owner_forecast"]) / 100
    near, far = round(owner - 0.1, 4), round(owner - 0.4, 4)
    fixed = {"model": "renewal", "model_version": "test", "record_key": key, "scored_at": "2026-11-20T00:00:00Z"}
    days = (("2026-11-18", near), ("2026-11-19", near), ("2026-11-20", far))
    try:
        with instance.store.begin() as connection:
            connection.execute(
                insert(scores), [{**fixed, "as_of": day, "likelihood": value, "base_rate": 0.8} for day, value in days]
            )
        found = next(one for one in serve.renewals(leader, db) if one["record_key"] == key)
        assert found["disagreement"] == 40
        told = [(one["as_of"], one["likelihood"]) for one in score_history(instance.store, key)]
        assert told[-2:] == [("2026-11-18", near), ("2026-11-20", far)]
        assert serve.renewal_history(leader, db, key)[-1]["likelihood"] == far
        assert serve.renewal_history(leader, db, "crm:nothing") == []
    finally:
        with instance.store.begin() as connection:
            connection.execute(delete(scores).where(scores.c.model_version == "test"))
