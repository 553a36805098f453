"""Which pairs are compared. Rules are counted before they run; values on too many records are refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from model.identity.matching.prepare import Prepared
from model.identity.matching.settings import Blocking
from model.identity.names.aliases import aliases
from model.identity.names.score import tokens

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
    keys = _keys(prepared).filter(pl.col("row").is_in(usable.tolist())) if len(usable) < size else _keys(prepared)
    budget = max(settings.pairs_at_least, settings.pairs_per_record * size)
    counted, kept = [], []
    for (rule,), group in keys.group_by("rule", maintain_order=True):
        blocks, refused, cap = _affordable(group, budget, settings.largest_block)
        counted.append({"rule": rule, "pairs": _pairs_of(blocks), "refused": refused, "cap": cap})
        kept.append(group.join(blocks.select("key"), on="key").select("row", "key"))
    codes = [_join(group, size) for group in kept]
    code = pl.concat(codes).unique().sort().to_numpy() if codes else np.zeros(0, dtype=np.int64)
    return Candidates(code // size, code % size, pl.DataFrame(counted), is_complete=False)


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


def _keys(prepared: Prepared) -> pl.DataFrame:
    """rule, row, key: every way two records can become candidates, precise rules first."""
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
    parts.append(_listed("alias", ((row, alias) for row, name in enumerate(prepared.names) for alias in aliases(name))))
    parts.append(_listed("word", _words(prepared)))
    parts.append(_listed("two words", _word_pairs(prepared)))
    return pl.concat(parts).unique(maintain_order=True)


def _listed(rule: str, pairs: Iterator[tuple[int, str]]) -> pl.DataFrame:
    rows, keys = [], []
    for row, key in pairs:
        rows.append(row)
        keys.append(key)
    data = {"row": pl.Series(rows, dtype=pl.Int64), "key": pl.Series(keys, dtype=pl.String)}
    return pl.DataFrame(data).select(rule=pl.lit(rule), row="row", key="key")


def _strong(prepared: Prepared) -> Iterator[tuple[int, list[str]]]:
    for row, name in enumerate(prepared.names):
        yield row, [word for word, weight in tokens(name) if weight >= 0.3 and word[:1] not in "@=+"]


def _words(prepared: Prepared) -> Iterator[tuple[int, str]]:
    for row, found in _strong(prepared):
        for word in found:
            if len(word) > 2:
                yield row, word[:7]


def _word_pairs(prepared: Prepared) -> Iterator[tuple[int, str]]:
    for row, found in _strong(prepared):
        ordered = sorted(word[:5] for word in found)[:5]
        for place, word in enumerate(ordered):
            for other in ordered[place + 1 :]:
                yield row, f"{word}|{other}"
