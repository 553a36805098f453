"""The matcher inside the build: identity.match_record, match_key and match_pair, whole or for what changed.

match_record: every record that is compared. match_key: its blocking keys. match_pair: pairs that can matter to a
cluster or a person. With given parameters a pair's weight follows from its two records, except that a value on too
many records brings no candidates and one under too many names proves nothing: where that changes, its records are done
again.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import duckdb
import numpy as np
import numpy.typing as npt
import polars as pl

from model.identity import match_kept, match_near
from model.identity.frames import fetch
from model.identity.frames import store as write
from model.identity.match_model import Matcher
from model.identity.match_near import number
from model.identity.match_pairs import Weigher, settled, weigh
from model.identity.match_records import matchable, numbered, numbered_keys, overused
from model.identity.matching.blocking import keys, within
from model.identity.matching.prepare import Prepared, prepare
from model.identity.matching.settings import shipped
from ops.store import Store

Fetch = Callable[[str], pl.DataFrame]
_TABLES = ("match_record", "match_key", "match_pair")
_PAIR_KEY = ["left_record", "right_record"]
_STATE = [*_PAIR_KEY, "bits", "rule", "veto", "is_link"]
_ENDS = ["left_source", "left_id", "right_source", "right_id"]
_LINK = ", ".join([*_PAIR_KEY, *_ENDS])


def empty(con: duckdb.DuckDBPyConnection) -> None:
    """The delta tables without rows, for a build that has no parameters or nothing to match."""
    for name in _TABLES:
        con.execute(f"create or replace table delta.identity.{name} as select * from identity.{name} limit 0")
    for name in ("todo", "mover"):
        con.execute(f"create or replace table delta.main.match_{name} (record ubigint)")
    con.execute("create or replace table delta.main.match_moved (source varchar, source_id varchar)")
    con.execute(f"""
        create or replace view delta.main.match_link as
        select {_LINK} from warehouse.identity.match_pair where is_link
    """)


def match_all(con: duckdb.DuckDBPyConnection, matcher: Matcher, records: pl.DataFrame) -> pl.DataFrame:
    """Every pair of `records` that can matter, settled (see match_pairs). Writes delta's match_record and match_key."""
    frame = matchable(records)
    return match_prepared(con, matcher, frame, prepare(frame))


def match_prepared(
    con: duckdb.DuckDBPyConnection, matcher: Matcher, frame: pl.DataFrame, prepared: Prepared
) -> pl.DataFrame:
    """See match_all; `frame`: what `matchable` left, `prepared`: what was made of it."""
    found, parameters, settings = keys(prepared), matcher.parameters, shipped()

    def keep() -> None:
        write(con, numbered(frame, prepared), "delta.identity.match_record")
        write(con, numbered_keys(frame, found), "delta.identity.match_key")

    def make() -> Weigher:
        shared = overused(prepared, found, parameters, settings.guards.names_per_identifier)
        return Weigher(frame, prepared, shared, parameters, settings)

    with ThreadPoolExecutor(2) as beside:
        weigher, kept = beside.submit(make), beside.submit(keep)
        left, right = within(found, parameters.caps, parameters.refused_keys, prepared.size)
        pairs = settled(weigh(weigher.result(), left, right), settings)
        kept.result()
    return pairs


def match_changed(
    con: duckdb.DuckDBPyConnection, store: Store, matcher: Matcher, seed: pl.DataFrame, again: Fetch
) -> pl.DataFrame:
    """Settled pairs that are new, weighed anew, or stand in a group of like names that changed.

    `seed`: the changed records as they are now; delta.main.mover names them, and those that are gone. `again` fetches
    the records that a table with their source and source_id names. Writes delta's match_record and match_key for the
    changed records, delta.main.match_todo (records whose pairs are replaced), delta.main.match_link (links as they are
    now) and delta.main.match_moved (records whose links changed).
    """
    most = shipped().guards.names_per_identifier
    match_near.write_limits(con, matcher.parameters)
    frame = matchable(seed)
    prepared = prepare(frame)
    write(con, numbered(frame, prepared), "delta.identity.match_record")
    write(con, numbered_keys(frame, keys(prepared)), "delta.identity.match_key")
    match_near.find_todo(con, most)
    found = match_near.candidates(con)
    con.execute("""
        create or replace table delta.main.match_involved as
        select source, source_id from identity.match_record
        semi join (
            select one as record from delta.main.match_candidate union select two from delta.main.match_candidate
        ) using (record)
        where record not in (select record from delta.main.match_mover)
        union all
        select source, source_id from delta.identity.match_record
    """)
    frame = matchable(again("delta.main.match_involved"))
    left, right = _rows(frame, found)
    prepared = prepare(frame)
    shared = match_near.shared(con, frame, most)
    pairs = weigh(Weigher(frame, prepared, shared, matcher.parameters, shipped()), left, right)
    return _settle_changed(con, store, pairs)


def _rows(frame: pl.DataFrame, found: pl.DataFrame) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of `frame` for the records one and two of each pair, the lower row first, sorted."""
    records = frame["record"].to_numpy()
    order = np.argsort(records)
    ends = [order[np.searchsorted(records[order], found[side].to_numpy())] for side in ("one", "two")]
    left, right = np.minimum(*ends), np.maximum(*ends)
    place = np.lexsort((right, left))
    return left[place].astype(np.int64), right[place].astype(np.int64)


def _settle_changed(con: duckdb.DuckDBPyConnection, store: Store, pairs: pl.DataFrame) -> pl.DataFrame:
    """`pairs` and the stored ones in whose groups of like names they stand, settled; see match_changed."""
    write(con, pairs, "delta.main.pair_new")
    columns = ", ".join(pairs.columns)
    con.execute("""
        create or replace table delta.main.match_group as
        select record from (
            select left_record as record, right_record as other from delta.main.pair_new
            union all select right_record, left_record from delta.main.pair_new
            union all select left_record, right_record from identity.match_pair
                where right_record in (select record from delta.main.match_todo)
            union all select right_record, left_record from identity.match_pair
                where left_record in (select record from delta.main.match_todo)
        ) group by record
    """)
    _spread(con)
    whole = fetch(
        con,
        f"""
        select * from delta.main.pair_new
        where left_record in (from delta.main.match_group) or right_record in (from delta.main.match_group)
        union all
        select {columns} from identity.match_pair where rowid in (
            select rowid from identity.match_pair
            where (left_record in (from delta.main.match_group) or right_record in (from delta.main.match_group))
                and left_record not in (from delta.main.match_todo)
                and right_record not in (from delta.main.match_todo)
        )
        """,
    )
    old = match_kept.taken(con, "delta.main.match_group")
    result = match_kept.hold(store, settled(whole.sort(_PAIR_KEY), shipped()), old)
    _find_moved(con, result)
    return result


def _spread(con: duckdb.DuckDBPyConnection) -> None:
    """Close delta.main.match_group under like names and links that hang on them."""
    con.execute("""
        create or replace table delta.main.match_tie as
        select left_record, right_record from delta.main.pair_new where is_alike or is_demotable
        union all
        select left_record, right_record from identity.match_pair
        where (is_alike or is_demotable)
            and left_record not in (from delta.main.match_todo) and right_record not in (from delta.main.match_todo)
    """)
    con.execute("create or replace table delta.main.match_edge as select * from delta.main.match_group")
    while con.execute("select count(*) from delta.main.match_edge").fetchall()[0][0]:
        con.execute("""
            create or replace table delta.main.match_edge as
            select distinct record from (
                select right_record as record from delta.main.match_tie
                where left_record in (from delta.main.match_edge)
                union all
                select left_record from delta.main.match_tie where right_record in (from delta.main.match_edge)
            ) anti join delta.main.match_group using (record)
        """)
        con.execute("insert into delta.main.match_group select * from delta.main.match_edge")


def _find_moved(con: duckdb.DuckDBPyConnection, pairs: pl.DataFrame) -> None:
    """delta.main.match_moved and match_link from the settled pairs of match_group."""
    con.execute("""
        create or replace table delta.main.match_settled as
        select record from delta.main.match_group union select record from delta.main.match_todo
    """)
    old = fetch(
        con,
        f"""
        select {", ".join([*_STATE, *_ENDS])} from identity.match_pair
        where left_record in (from delta.main.match_settled) or right_record in (from delta.main.match_settled)
        """,
    )
    now = pairs.select(*_STATE, *_ENDS)
    other = pl.concat([now.join(old, on=_STATE, how="anti"), old.join(now, on=_STATE, how="anti")])
    other = other.filter(pl.col("is_link") | (pl.col("veto") != ""))
    # links of records that are done again are replaced, and so belong to a cluster that is formed anew
    todo = fetch(con, "select record from delta.main.match_todo")["record"].implode()
    again = now.filter(pl.col("is_link") & (pl.col("left_record").is_in(todo) | pl.col("right_record").is_in(todo)))
    sides = [("left_source", "left_id"), ("right_source", "right_id")]
    moved = [frame.select(source=source, source_id=key) for frame in (other, again) for source, key in sides]
    write(con, pl.concat(moved).unique(), "delta.main.match_moved")
    write(con, pairs.filter("is_link").select(*_PAIR_KEY, *_ENDS), "delta.main.link_new")
    con.execute(f"""
        create or replace view delta.main.match_link as
        select * from delta.main.link_new
        union all
        select {_LINK} from warehouse.identity.match_pair
        where is_link
            and left_record not in (from delta.main.match_settled)
            and right_record not in (from delta.main.match_settled)
    """)


def of_touched(con: duckdb.DuckDBPyConnection, pairs: pl.DataFrame) -> pl.DataFrame:
    """The settled `pairs` that are written, and the stored pairs between records of delta.main.touched.

    Links between other records stand in clusters that stay as they are.
    """
    columns = ", ".join(pairs.columns)
    write(con, pairs, "delta.main.pair_settled")
    number(con, "delta.main.touched", "delta.main.match_touched")
    return fetch(
        con,
        f"""
        select {columns} from delta.main.pair_settled
        where not is_link
            or (left_record in (from delta.main.match_touched) and right_record in (from delta.main.match_touched))
        union all
        select {columns} from identity.match_pair as p where rowid in (
            select rowid from identity.match_pair
            where left_record in (from delta.main.match_touched) and right_record in (from delta.main.match_touched)
                and (is_link or veto <> '')
                and left_record not in (from delta.main.match_todo)
                and right_record not in (from delta.main.match_todo)
        )
            and not exists (
                select 1 from delta.main.pair_settled as s
                where s.left_record = p.left_record and s.right_record = p.right_record
            )
        order by left_record, right_record
        """,
    )


def finish(con: duckdb.DuckDBPyConnection, pairs: pl.DataFrame, refused: pl.Series) -> None:
    """Write delta.identity.match_pair: `pairs`, why a link was not taken ('' otherwise), and the band."""
    names = {0: "reject", 1: "review", 2: "auto"}
    band = (
        pl.when(refused != "").then(pl.lit("review")).when("is_link").then(pl.lit("auto"))
        .when(pl.col("base") == 2).then(pl.lit("review"))
        .otherwise(pl.col("base").replace_strict(names, return_dtype=pl.String))
    )  # fmt: skip
    write(con, pairs.with_columns(band=band, refused=refused), "delta.main.pair_final")
    con.execute("create or replace table delta.identity.match_pair as select * from identity.match_pair limit 0")
    con.execute("insert into delta.identity.match_pair by name select * from delta.main.pair_final")


def merge(con: duckdb.DuckDBPyConnection) -> None:
    """Commit an increment's match tables; runs inside the caller's transaction."""
    for name in ("match_record", "match_key"):
        con.execute(f"delete from identity.{name} where record in (select record from delta.main.match_mover)")
        con.execute(f"insert into identity.{name} by name select * from delta.identity.{name}")
    con.execute("""
        delete from identity.match_pair where left_record in (select record from delta.main.match_todo)
            or right_record in (select record from delta.main.match_todo)
    """)
    con.execute("""
        delete from identity.match_pair as p using delta.identity.match_pair as d
        where d.left_record = p.left_record and d.right_record = p.right_record
    """)
    con.execute("insert into identity.match_pair by name select * from delta.identity.match_pair")


def replace(con: duckdb.DuckDBPyConnection) -> None:
    """Commit a full build's match tables; runs inside the caller's transaction."""
    for name in _TABLES:
        con.execute(f"delete from identity.{name}")
        con.execute(f"insert into identity.{name} by name select * from delta.identity.{name}")
