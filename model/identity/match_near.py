"""What an increment must compare: records to do again and the pairs they can form, told from the stored keys.

Stored keys are read as few times as possible, since nothing but their number grows with the whole. delta.main holds:

match_mover      record: those that changed, as they were and as they are
match_side       record, rule, key, is_then, is_now of every value that is looked at, before and after
match_todo       record: those whose pairs are replaced
match_candidate  one, two: every pair that has a record of match_todo
"""

from __future__ import annotations

import duckdb
import numpy as np
import numpy.typing as npt
import polars as pl

from model.identity.frames import fetch
from model.identity.frames import store as write
from model.identity.match_records import IDENTIFIER_RULES, NUMBER, number_of
from model.identity.matching.parameters import Parameters

_IDENTIFIERS = ", ".join(str(NUMBER[rule]) for rule in IDENTIFIER_RULES.values())
_TRADE = NUMBER["trade name"]


def write_limits(con: duckdb.DuckDBPyConnection, parameters: Parameters) -> None:
    """delta.main.match_cap and match_refused: which values bring no candidates."""
    caps, refused = parameters.caps, parameters.refused_keys
    frame = pl.DataFrame({"rule": [NUMBER[rule] for rule in caps], "cap": list(caps.values())})
    write(con, frame.cast({"rule": pl.UInt8, "cap": pl.Int64}), "delta.main.match_cap")
    none = pl.DataFrame(schema={"rule": pl.UInt8, "key": pl.UInt64})
    values = [
        pl.DataFrame({"key": found}).select(pl.lit(NUMBER[rule], dtype=pl.UInt8).alias("rule"), "key")
        for rule, found in refused.items()
    ]
    write(con, pl.concat([none, *values]), "delta.main.match_refused")


def find_todo(con: duckdb.DuckDBPyConnection, most: int) -> None:
    """match_mover, match_side and match_todo: changed records, and those of values that came to be, or ceased to be,
    too common. `most`: names under which an identifier still counts. Reads delta.main.mover and delta.identity."""
    number(con, "delta.main.mover", "delta.main.match_mover")
    old = fetch(con, "select count(*) from identity.match_record semi join delta.main.match_mover using (record)")
    was = "union all select rule, key from identity.match_key semi join delta.main.match_mover using (record)"
    con.execute(f"""
        create or replace table delta.main.match_value as
        select distinct rule, key from (
            select rule, key from delta.identity.match_key {was if old.item() else ""}
        )
    """)
    con.execute("""
        create or replace table delta.main.match_side (
            record ubigint, rule utinyint, key ubigint, is_then boolean, is_now boolean
        )
    """)
    _add_stored(con, "delta.main.match_value")
    con.execute("insert into delta.main.match_side select record, rule, key, false, true from delta.identity.match_key")
    con.execute(f"""
        create or replace table delta.main.match_crossed as
        select rule, key from delta.main.match_side join delta.main.match_cap as c using (rule)
        group by rule, key, c.cap having (count(*) filter (is_then) > c.cap) <> (count(*) filter (is_now) > c.cap)
        union
        {_worn(con, most)}
    """)
    con.execute("""
        create or replace table delta.main.match_todo as
        select record from delta.main.match_mover
        union
        select record from delta.main.match_side semi join delta.main.match_crossed using (rule, key) where is_now
    """)


def number(con: duckdb.DuckDBPyConnection, records: str, target: str) -> None:
    """Table `target` (record): the numbers of `records` (source, source_id), each once, matched by name or not."""
    found = fetch(con, f"select source, source_id from {records}").select(record=number_of())
    write(con, found.unique(), target)


def _add_stored(con: duckdb.DuckDBPyConnection, values: str) -> None:
    """The stored keys with one of `values` (rule, key) into match_side."""
    con.execute(f"""
        insert into delta.main.match_side
        select record, rule, key, true, record not in (from delta.main.match_mover)
        from (select * from identity.match_key where key in (select key from {values}))
        semi join {values} using (rule, key)
    """)


def _worn(con: duckdb.DuckDBPyConnection, most: int) -> str:
    """A query for identifiers that came to stand under too many names, or ceased to; members are numbered first."""
    con.execute(f"""
        create or replace table delta.main.match_member as
        select record, rule, key, is_then, is_now from delta.main.match_side semi join (
            select rule, key from delta.main.match_side where rule in ({_IDENTIFIERS})
            group by rule, key having count(*) > {most}
        ) using (rule, key)
    """)
    return f"""
        select rule, key from delta.main.match_member join ({_trades("delta.main.match_member")})
            using (record, is_then)
        group by rule, key
        having (count(distinct trade) filter (is_then) > {most}) <> (count(distinct trade) filter (is_now) > {most})
    """


def _trades(records: str) -> str:
    """A query for record, is_then, trade: as they are stored, and as the changed ones are now."""
    return f"""
        select record, true as is_then, trade from identity.match_record semi join {records} using (record)
        union all select record, false, trade from delta.identity.match_record
    """


def candidates(con: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """match_candidate, as a frame too."""
    con.execute("""
        create or replace table delta.main.match_again as
        select distinct rule, key from identity.match_key
        semi join (from delta.main.match_todo anti join delta.main.match_mover using (record)) using (record)
        anti join delta.main.match_value using (rule, key)
    """)
    if con.execute("select count(*) from delta.main.match_again").fetchall()[0][0]:
        _add_stored(con, "delta.main.match_again")
    con.execute("""
        create or replace table delta.main.match_candidate as
        with block as (
            select record, rule, key from delta.main.match_side semi join (
                select rule, key from delta.main.match_side anti join delta.main.match_refused using (rule, key)
                join delta.main.match_cap as c using (rule)
                where is_now group by rule, key, c.cap having count(*) between 2 and c.cap
            ) using (rule, key) where is_now
        )
        select distinct least(a.record, b.record) as one, greatest(a.record, b.record) as two
        from (from block semi join delta.main.match_todo using (record)) as a
        join block as b using (rule, key)
        where a.record <> b.record
    """)
    return fetch(con, "select one, two from delta.main.match_candidate")


def shared(con: duckdb.DuckDBPyConnection, frame: pl.DataFrame, most: int) -> dict[str, npt.NDArray[np.bool_]]:
    """See link.overused: per identifier whether the value of a record of `frame` counts for nothing. `most`: see
    find_todo."""
    write(con, frame.select("record"), "delta.main.match_asked")
    rules = f"rule in ({_IDENTIFIERS}, {_TRADE})"
    con.execute(f"""
        create or replace table delta.main.match_own as
        select record, rule, key from identity.match_key semi join delta.main.match_asked using (record)
        where {rules} and record not in (from delta.main.match_mover)
        union all
        select record, rule, key from delta.identity.match_key semi join delta.main.match_asked using (record)
        where {rules}
    """)
    con.execute(f"""
        create or replace table delta.main.match_member as
        with stands as (
            select record, rule, key, true as is_then from (
                select * from identity.match_key where {rules} and key in (select key from delta.main.match_own)
            ) semi join delta.main.match_own using (rule, key)
            where record not in (from delta.main.match_mover)
            union all
            select record, rule, key, false from delta.identity.match_key
            semi join delta.main.match_own using (rule, key)
        )
        select record, rule, key, is_then, count(*) over (partition by rule, key) as size from stands
        qualify size > {most} or rule = {_TRADE}
    """)
    found = fetch(
        con,
        f"""
        with worn as (
            select rule, key from delta.main.match_member join ({_trades("delta.main.match_member")})
                using (record, is_then)
            where rule <> {_TRADE} group by rule, key having count(distinct trade) > {most}
            union all
            select distinct rule, key from delta.main.match_member join delta.main.match_cap as c using (rule)
            where rule = {_TRADE} and size > c.cap
            union all
            select rule, key from delta.main.match_refused where rule = {_TRADE}
        )
        select distinct rule, record from delta.main.match_own semi join worn using (rule, key)
        """,
    )
    return {
        name: frame["record"].is_in(found.filter(pl.col("rule") == NUMBER[rule])["record"].implode()).to_numpy()
        for name, rule in (*IDENTIFIER_RULES.items(), ("trade", "trade name"))
    }
