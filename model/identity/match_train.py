"""Training of the matcher: stages what has landed, estimates parameters on it and keeps them as the current version."""

from __future__ import annotations

import duckdb
import numpy as np
import numpy.typing as npt
import polars as pl

from model import conform, staging
from model.identity import decisions
from model.identity.frames import fetch
from model.identity.match_model import Matcher, current, keep
from model.identity.match_records import COLUMNS, matchable
from model.identity.matching.fit import fit
from model.identity.matching.prepare import prepare
from model.identity.matching.settings import shipped
from ops.instance import Instance
from ops.leases import lease

Ints = npt.NDArray[np.int64]
_BUILD_LEASE = "build"
_NEWEST = """
select {columns} from (
    select c.*, row_number() over (
        partition by c.source, c.source_id order by c.is_deleted, c.seen_from desc
    ) as recency
    from staging.customer as c
) where recency = 1
"""


def train(instance: Instance, *, early: conform.Early | None = None) -> Matcher | None:
    """Estimate parameters on every customer record and make them current; None where there is no record to compare.

    Raises LeaseHeld while a build runs. What was not yet staged is staged first; `early`: see conform.stage.
    """
    with lease(instance.store, _BUILD_LEASE), staging.open_warehouse(instance) as con:
        conform.stage(instance, con=con, early=early)
        return _train(instance, con)


def ensure(instance: Instance, *, early: conform.Early | None = None) -> Matcher | None:
    """The current version; the first one is trained now, before the first build. None without records."""
    return current(instance) or train(instance, early=early)


def _train(instance: Instance, con: duckdb.DuckDBPyConnection) -> Matcher | None:
    hidden = {source.name for source in instance.config.sources if source.status == "shadow"}
    known = {source.name for source in instance.config.sources} - hidden
    rows = fetch(con, _NEWEST.format(columns=", ".join(COLUMNS))).filter(pl.col("source").is_in(sorted(known)))
    records = matchable(rows)
    if not len(records):
        return None
    prepared = prepare(records)
    same = _labels(instance, records)
    return keep(instance, fit(prepared, shipped(), same), len(same[0]), records["source"].unique().sort().to_list())


def _labels(instance: Instance, records: pl.DataFrame) -> tuple[Ints, Ints]:
    """Rows of the pairs that stewards called one customer."""
    keys = records.select("source", "source_id").with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))
    same = decisions.read(instance.store).filter(pl.col("decision") == "same")
    for side in ("left", "right"):
        same = same.join(
            keys.rename({"row": side}), left_on=[f"{side}_source", f"{side}_id"], right_on=keys.columns[1:]
        )
    same = same.sort("left", "right")
    return same["left"].to_numpy(), same["right"].to_numpy()
