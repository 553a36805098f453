"""Links by the name alone that outlive a namesake: a customer is not taken apart because another of its name came.

Such a link was right by all that was known when it was made. When a second organisation of the name arrives, nothing
about the two records themselves has changed; they stay one customer, and a person is told that the name proves nothing
any more. Every guard and every decision holds against a kept link as against any link of the matcher's.
"""

from __future__ import annotations

import duckdb
import polars as pl
from sqlalchemy import insert, select

from model.identity import decisions
from model.identity.frames import fetch
from ops.store import Store, stamp
from ops.tables import kept_links

RULE = "kept together"
CONFLICT = "kept_link"
_ENDS = ["left_source", "left_id", "right_source", "right_id"]
_PAIR_KEY = ["left_record", "right_record"]


def read(store: Store) -> pl.DataFrame:
    """left_source, left_id, right_source, right_id of the links that were ever kept."""
    columns = [kept_links.c[name] for name in _ENDS]
    with store.read() as connection:
        rows = [tuple(row) for row in connection.execute(select(*columns))]
    return pl.DataFrame(rows, schema=dict.fromkeys(_ENDS, pl.String), orient="row")


def taken(con: duckdb.DuckDBPyConnection, among: str | None = None) -> pl.DataFrame:
    """left_record, right_record of the served build's links by name that customers rest on.

    `among`: a table of records; one end at least is there.
    """
    near = "" if among is None else f"and (left_record in (from {among}) or right_record in (from {among}))"
    return fetch(
        con,
        f"""
        select left_record, right_record from identity.match_pair
        where is_link and coalesce(refused, '') = '' and (is_promotable or is_demotable) {near}
        """,
    )


def hold(store: Store, pairs: pl.DataFrame, old: pl.DataFrame) -> pl.DataFrame:
    """Settled `pairs` with is_link, and RULE, also where only the name's uniqueness was lost: those that were in `old`
    (see taken) or were kept before. Rows and their order stay."""
    lost = pairs.filter(
        (pl.col("is_promotable") | pl.col("is_demotable")) & (pl.col("veto") == "") & ~pl.col("is_link")
    )
    if not len(lost):
        return pairs
    known = lost.join(read(store), on=_ENDS, how="semi")
    again = lost.join(old, on=_PAIR_KEY, how="semi")
    held = pl.concat([frame.select(_PAIR_KEY) for frame in (known, again)]).unique()
    found = pairs.join(held.with_columns(is_held=pl.lit(True)), on=_PAIR_KEY, how="left", maintain_order="left")
    is_held = pl.col("is_held").fill_null(False)
    rule = pl.when(is_held).then(pl.lit(RULE)).otherwise("rule")
    return found.with_columns(is_link=pl.col("is_link") | is_held, rule=rule).drop("is_held")


def remember(store: Store, pairs: pl.DataFrame) -> None:
    """Note the kept ones among `pairs`, so that a build from nothing keeps them as well."""
    kept = pairs.filter(pl.col("is_link") & (pl.col("rule") == RULE)).select(_ENDS)
    fresh = kept.join(read(store), on=_ENDS, how="anti").unique() if len(kept) else kept
    if len(fresh):
        with store.begin() as connection:
            connection.execute(insert(kept_links), [{**row, "since": stamp()} for row in fresh.sort(_ENDS).to_dicts()])


def conflicts(store: Store, matched: pl.DataFrame, refused: list[str]) -> pl.DataFrame:
    """row, kind, detail of both records of every kept link that holds and that nobody has decided to be the same."""
    open_ones = matched.filter(
        (pl.col("rule") == RULE) & pl.col("is_link") & (pl.Series(refused, dtype=pl.String) == "")
    )
    if len(open_ones):
        said = decisions.read(store).filter(pl.col("decision") == "same")
        open_ones = open_ones.join(said, on=_ENDS, how="anti")
    detail = pl.concat_str(
        "left_source", pl.lit(":"), "left_id", pl.lit(" = "), "right_source", pl.lit(":"), "right_id"
    )
    return pl.concat(
        [open_ones.select(row=pl.col(side), kind=pl.lit(CONFLICT), detail=detail) for side in ("left", "right")]
    )
