"""Values that were too common to bring candidates when the parameters were estimated.

They are kept as texts, because their hashes differ between versions of polars.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain

import numpy as np
import numpy.typing as npt
import polars as pl

from model.identity.matching.blocking import RULES, TEXTS, keys
from model.identity.matching.prepare import Prepared
from model.identity.names.facts import NameFacts, facts

SCHEMA = pl.Schema({"rule": pl.String, "value": pl.String, "count": pl.Int64})
_OF_NAMES: dict[str, Callable[[NameFacts], tuple[str, ...]]] = {
    "alias": lambda name: name.aliases,
    "word": lambda name: name.words,
    "two words": lambda name: name.pairs,
}


def too_common(prepared: Prepared, caps: Mapping[str, int]) -> pl.DataFrame:
    """rule, value, count (its records): the values that stand on more records than the cap of their rule, sorted."""
    limits = pl.DataFrame({"rule": [RULES.index(rule) for rule in caps], "cap": list(caps.values())})
    limits = limits.cast({"rule": pl.UInt8, "cap": pl.Int64})
    counted = keys(prepared).join(limits, on="rule").group_by("rule", "key", "cap")
    found = counted.agg(count=pl.len().cast(pl.Int64), row=pl.col("row").min()).filter(pl.col("count") > pl.col("cap"))
    parts = [SCHEMA.to_frame()]
    for rule in caps:
        own = found.filter(pl.col("rule") == RULES.index(rule))
        texts = _texts(prepared, rule, own["row"]).unique()
        named = pl.DataFrame({"value": texts, "key": texts.hash(seed=7)}).join(own, on="key")
        parts.append(named.select(pl.lit(rule).alias("rule"), "value", "count"))
    return pl.concat(parts).sort("rule", "value")


def _texts(prepared: Prepared, rule: str, rows: pl.Series) -> pl.Series:
    """The values of `rule` that these rows have."""
    if rule in TEXTS:
        return prepared.frame[rows.to_list()].select(TEXTS[rule]).to_series().drop_nulls()
    names = {prepared.names[row].raw: prepared.names[row] for row in rows.to_list()}
    return pl.Series([*chain.from_iterable(_OF_NAMES[rule](facts(name)) for name in names.values())], dtype=pl.String)


def hashed(refused: pl.DataFrame) -> dict[str, npt.NDArray[np.uint64]]:
    """Per rule the keys (see blocking.keys) of the values in `refused`, which has SCHEMA."""
    parts = refused.partition_by("rule", as_dict=True)
    return {str(rule): part["value"].hash(seed=7).to_numpy() for (rule,), part in parts.items()}
