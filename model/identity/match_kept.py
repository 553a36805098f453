"""Links that outlive a newcomer: a customer is not taken apart because another record came.

Two kinds. A link by the name alone, when a second organisation of the name arrives; and a link whose place a record of
the same duplicate-free source would take because it fits better. Such a link was right by all that was known when it
was made, and nothing about its two records has changed; they stay one customer, and a person is told. Every guard and
every decision holds against a kept link as against any link of the matcher's.
"""

from __future__ import annotations

import duckdb
import polars as pl
from sqlalchemy import insert, select

from model.identity import decisions
from model.identity.cluster import Clusters
from model.identity.frames import fetch
from ops.store import Store, stamp
from ops.tables import kept_links

RULE = "kept together"
CONFLICT = "kept_link"
PLACE_CONFLICT = "kept_place"
_TAKEN_PLACE = "best link"
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


def before_others(store: Store, matched: pl.DataFrame) -> pl.DataFrame:
    """`matched` with is_kept: links that were kept once go before all others."""
    known = read(store).with_columns(is_noted=pl.lit(True))
    found = matched.join(known, on=_ENDS, how="left", maintain_order="left")
    named = pl.col("rule") == RULE
    was_kept = pl.col("is_noted").fill_null(False) | named
    return found.with_columns(is_kept=pl.col("is_link") & was_kept).drop("is_noted")


def keep_places(con: duckdb.DuckDBPyConnection, matched: pl.DataFrame, refused: list[str]) -> pl.DataFrame | None:
    """`matched` with is_kept also where a customer of the served build rests on a link that weighs the same today and
    was `refused` because a record of the same source took its place; None where there is no such link."""
    lost = matched.filter((pl.Series(refused, dtype=pl.String) == _TAKEN_PLACE) & ~pl.col("is_kept"))
    if not len(lost):
        return None
    old = fetch(
        con,
        """
        select left_record, right_record, bits from identity.match_pair
        where is_link and coalesce(refused, '') = '' and left_record in (select unnest($1))
        """,
        [lost["left_record"].unique().to_list()],
    )
    held = lost.join(old, on=[*_PAIR_KEY, "bits"], how="semi").select(_PAIR_KEY)
    if not len(held):
        return None
    found = matched.join(held.with_columns(is_held=pl.lit(True)), on=_PAIR_KEY, how="left", maintain_order="left")
    return found.with_columns(is_kept=pl.col("is_kept") | pl.col("is_held").fill_null(False)).drop("is_held")


def remember(store: Store, matched: pl.DataFrame) -> None:
    """Note the kept ones among `matched`, so that a build from nothing keeps them as well."""
    kept = matched.filter("is_kept").select(_ENDS)
    fresh = kept.join(read(store), on=_ENDS, how="anti").unique() if len(kept) else kept
    if len(fresh):
        with store.begin() as connection:
            connection.execute(insert(kept_links), [{**row, "since": stamp()} for row in fresh.sort(_ENDS).to_dicts()])


def conflicts(store: Store, matched: pl.DataFrame, found: Clusters) -> pl.DataFrame:
    """row, kind, detail of both records of every kept link that holds and that nobody has decided to be the same.

    PLACE_CONFLICT only while a record waits for the place: a link to the same customer is refused for it.
    """
    cluster = found.members.sort("row")["cluster"]
    refused = pl.Series(found.refused, dtype=pl.String)
    waiting = matched.filter(refused == _TAKEN_PLACE)
    wanted = pl.concat([cluster.gather(waiting[side]) for side in ("left", "right")]).unique()
    open_ones = matched.with_columns(
        kind=pl.when(pl.col("rule") == RULE).then(pl.lit(CONFLICT)).otherwise(pl.lit(PLACE_CONFLICT)),
        is_waited_for=cluster.gather(matched["left"]).is_in(wanted.implode()),
    ).filter(pl.col("is_kept") & (refused == "") & ((pl.col("kind") == CONFLICT) | pl.col("is_waited_for")))
    if len(open_ones):
        said = decisions.read(store).filter(pl.col("decision") == "same")
        open_ones = open_ones.join(said, on=_ENDS, how="anti")
    detail = pl.concat_str(
        "left_source", pl.lit(":"), "left_id", pl.lit(" = "), "right_source", pl.lit(":"), "right_id"
    )
    return pl.concat(
        [
            open_ones.select("kind", row=pl.col(side), detail=detail).select("row", "kind", "detail")
            for side in ("left", "right")
        ]
    )
