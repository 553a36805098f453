"""Which pairs are compared. Rules are counted before they run; values on too many records are refused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from model.identity.matching.prepare import Prepared
from model.identity.matching.settings import Blocking

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Candidates:
    """Pairs left < right; `rules`: rule, pairs, refused (values refused), cap (records under one value)."""

    left: Ints
    right: Ints
    rules: pl.DataFrame
    is_complete: bool


def candidates(prepared: Prepared, settings: Blocking) -> Candidates:
    """Candidate pairs: all of them for few records, else those that share a blocking key."""
    size = prepared.size
    usable = np.flatnonzero(~prepared.frame["is_bucket"].to_numpy()).astype(np.int64)
    if len(usable) * (len(usable) - 1) // 2 <= settings.all_pairs_up_to:
        above, beside = np.triu_indices(len(usable), k=1)
        rules = pl.DataFrame({"rule": ["all pairs"], "pairs": [len(above)], "refused": [0], "cap": [len(usable)]})
        return Candidates(usable[above], usable[beside], rules, is_complete=True)
    budget = max(settings.pairs_at_least, settings.pairs_per_record * size)
    return blocked(prepared, budget, settings.largest_block)


def blocked(prepared: Prepared, budget: int, largest: int) -> Candidates:
    """Pairs that share a blocking key; a rule brings at most `budget` of them, a value on `largest` records none."""
    size = prepared.size
    counted, kept = [], []
    for (rule,), group in keys(prepared).group_by("rule", maintain_order=True):
        blocks, refused, cap = _affordable(group, budget, largest)
        counted.append({"rule": rule, "pairs": _pairs_of(blocks), "refused": refused, "cap": cap})
        kept.append(group.join(blocks.select("key"), on="key").select("row", "key"))
    codes = [_join(group, size) for group in kept]
    code = pl.concat(codes).unique().sort().to_numpy() if codes else np.zeros(0, dtype=np.int64)
    schema = {"rule": pl.String, "pairs": pl.Int64, "refused": pl.Int64, "cap": pl.Int64}
    return Candidates(code // size, code % size, pl.DataFrame(counted, schema=schema), is_complete=False)


def _affordable(group: pl.DataFrame, budget: int, largest: int) -> tuple[pl.DataFrame, int, int]:
    """Blocks within the cap; the cap is lowered until the rule brings at most `budget` pairs."""
    blocks = group.group_by("key").agg(n=pl.len().cast(pl.Int64)).filter(pl.col("n") > 1)
    total, cap = len(blocks), largest
    blocks = blocks.filter(pl.col("n") <= cap)
    while _pairs_of(blocks) > budget and cap > 2:
        cap = cap * 2 // 3
        blocks = blocks.filter(pl.col("n") <= cap)
    return blocks, total - len(blocks), cap


def _pairs_of(blocks: pl.DataFrame) -> int:
    return int((blocks["n"] * (blocks["n"] - 1) // 2).sum() or 0)


def _join(group: pl.DataFrame, size: int) -> pl.Series:
    left = group.select(left="row", key="key")
    pairs = left.join(group, on="key").filter(pl.col("left") < pl.col("row"))
    return pairs.select(code=pl.col("left") * size + pl.col("row"))["code"]


RULES = (
    "tax number",
    "phone",
    "email",
    "domain",
    "name",
    "trade name",
    "house number and street",
    "house number and city",
    "name beginning and city",
    "name beginning",
    "postcode and name beginning",
    "alias",
    "word",
    "two words",
)


def keys(prepared: Prepared) -> pl.DataFrame:
    """rule, row, key: every way two records can become candidates, precise rules first; buckets have none."""
    frame = prepared.frame.with_columns(pl.col("row").cast(pl.Int64))
    simple = {
        "tax number": pl.col("tax"),
        "phone": pl.col("phone").str.slice(-8),
        "email": pl.col("email"),
        "domain": pl.col("domain"),
        "name": pl.col("core"),
        "trade name": pl.col("trade"),
        "house number and street": pl.col("number") + "|" + pl.col("street").str.slice(0, 5),
        "house number and city": pl.col("number") + "|" + pl.col("city"),
        "name beginning and city": pl.col("trade").str.slice(0, 4) + "|" + pl.col("city"),
        "name beginning": pl.col("trade").str.slice(0, 6),
        "postcode and name beginning": pl.col("postcode") + "|" + pl.col("trade").str.slice(0, 2),
    }
    parts = [
        frame.select(rule=pl.lit(rule), row="row", key=key).filter(pl.col("key").str.len_chars() > 1)
        for rule, key in simple.items()
    ]
    parts += [
        _listed(prepared, "alias", [found.aliases for found in prepared.facts]),
        _listed(prepared, "word", [found.words for found in prepared.facts]),
        _listed(prepared, "two words", [found.pairs for found in prepared.facts]),
    ]
    found = pl.concat(parts).unique(maintain_order=True)
    buckets = frame.filter("is_bucket").select("row")
    return found.join(buckets, on="row", how="anti", maintain_order="left") if len(buckets) else found


def _listed(prepared: Prepared, rule: str, lists: list[tuple[str, ...]]) -> pl.DataFrame:
    """Keys of names, given per distinct name."""
    keys = pl.Series("key", [key for found in lists for key in found], dtype=pl.String)
    place = np.repeat(np.arange(len(lists)), [len(found) for found in lists])
    rows = pl.DataFrame({"name": prepared.name_of, "row": np.arange(prepared.size)})
    found = pl.DataFrame({"name": place, "key": keys}).join(rows, on="name")
    return found.select(rule=pl.lit(rule), row="row", key="key")
