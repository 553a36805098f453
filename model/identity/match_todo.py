"""Which records a change makes the matcher do again, and with which others they are compared.

The keys of all records are the largest table of the matcher and are read as seldom as can be: what stands under the
values of the changed records is found once.
"""

from __future__ import annotations

import duckdb
import polars as pl

from model.identity.frames import fetch
from model.identity.match_records import IDENTIFIER_RULES, NUMBER
from model.identity.matching.settings import shipped

IDENTIFIERS = ", ".join(str(NUMBER[rule]) for rule in IDENTIFIER_RULES.values())


def find(con: duckdb.DuckDBPyConnection) -> None:
    """delta.main.match_todo: changed records, and those of values that came to be, or ceased to be, too common.

    delta.main.mover names the changed ones. Writes match_stands too: every record that now stands under a value that a
    changed record has or had; and the views delta.identity.record_now and key_now.
    """
    con.execute("""
        create or replace table delta.main.match_known as
        select r.record from identity.match_record as r semi join delta.main.mover using (source, source_id)
    """)
    con.execute("""
        create or replace table delta.main.match_mover as
        select record from delta.main.match_known union select record from delta.identity.match_record
    """)
    has_known = bool(con.execute("select 1 from delta.main.match_known limit 1").fetchall())
    for name, key in (("key", "match_key"), ("record", "match_record")):
        con.execute(f"""
            create or replace view delta.identity.{name}_now as
            select * from delta.identity.{key}
            union all select * from warehouse.identity.{key} anti join delta.main.match_mover using (record)
        """)
    had = "union all select rule, key from identity.match_key semi join delta.main.match_known using (record)"
    con.execute(f"""
        create or replace table delta.main.match_value as
        select distinct rule, key from (
            select rule, key from delta.identity.match_key {had if has_known else ""}
        )
    """)
    con.execute("""
        create or replace table delta.main.match_stood as
        select record, rule, key from identity.match_key semi join delta.main.match_value using (rule, key)
    """)
    con.execute("""
        create or replace table delta.main.match_stands as
        select record, rule, key from delta.identity.match_key
        union all
        select record, rule, key from delta.main.match_stood anti join delta.main.match_mover using (record)
    """)
    then, now = _judged("match_stood", "identity.match_record"), _judged("match_stands", "delta.identity.record_now")
    con.execute(f"""
        create or replace table delta.main.match_todo as
        select record from delta.main.match_mover
        union
        select record from delta.main.match_stands semi join (
            select v.rule, v.key from delta.main.match_value as v
            left join ({then}) as t using (rule, key) left join ({now}) as n using (rule, key)
            where coalesce(t.is_crowded, false) <> coalesce(n.is_crowded, false)
                or coalesce(t.is_worn, false) <> coalesce(n.is_worn, false)
        ) using (rule, key)
    """)


def candidates(con: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """one, two of every pair that has a record of delta.main.match_todo; also as delta.main.match_candidate."""
    others = "(select record from delta.main.match_todo anti join delta.main.match_mover using (record))"
    has_others = con.execute(f"select 1 from {others} limit 1").fetchall()
    # what the changed records share is at hand; what others share, whose values came to be too common, is not
    keys = "delta.identity.key_now" if has_others else "delta.main.match_stands"
    con.execute(f"""
        create or replace table delta.main.match_near as
        select k.record, k.rule, k.key from {keys} as k semi join (
            select distinct rule, key from {keys} semi join delta.main.match_todo using (record)
        ) using (rule, key)
    """)
    con.execute("""
        create or replace table delta.main.match_candidate as
        with block as (
            select rule, key from delta.main.match_near anti join delta.main.match_refused using (rule, key)
            join delta.main.match_cap as c using (rule)
            group by rule, key, c.cap having count(*) between 2 and c.cap
        )
        select distinct least(a.record, b.record) as one, greatest(a.record, b.record) as two
        from delta.main.match_near as a
        semi join delta.main.match_todo as t on t.record = a.record
        join block using (rule, key)
        join delta.main.match_near as b using (rule, key)
        where a.record <> b.record
    """)
    return fetch(con, "select one, two from delta.main.match_candidate")


def _judged(keys: str, records: str) -> str:
    """A query for rule, key, is_crowded and is_worn of the values in delta.main.`keys`."""
    return f"""
        select k.rule, k.key, count(*) > any_value(c.cap) as is_crowded,
            count(distinct r.trade) > {shipped().guards.names_per_identifier} as is_worn
        from delta.main.{keys} as k join delta.main.match_cap as c using (rule)
        left join {records} as r on r.record = k.record and k.rule in ({IDENTIFIERS})
        group by k.rule, k.key
    """
