"""How often words, names and values occur among records: what makes an equal word or value telling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from model.identity.matching.prepare import Prepared

# identifiers whose chance of standing under another name is counted
VALUES = ("tax", "phone", "email", "domain", "address")
_FREQUENCY = pl.Schema({"kind": pl.String, "value": pl.String, "count": pl.Int64})


@dataclass(frozen=True)
class Statistics:
    """`size`: records counted. `words`: value (word) and count of its records, from two up. `names`: value (name
    without legal form) and count of its records, from two up. `values`: kind, value and count of other trade names
    beside the first, from one up.
    """

    size: int
    words: pl.DataFrame
    names: pl.DataFrame
    values: pl.DataFrame

    def frame(self) -> pl.DataFrame:
        """All of it as kind, value, count; kinds are word, name and VALUES."""
        parts = [
            self.words.select(pl.lit("word").alias("kind"), "value", "count"),
            self.names.select(pl.lit("name").alias("kind"), "value", "count"),
            self.values.select("kind", "value", "count"),
        ]
        return pl.concat(parts).sort("kind", "value")

    def word_counts(self, vocabulary: pl.Series) -> npt.NDArray[np.float64]:
        """Per word how many records have it, 1 where none is known."""
        found = vocabulary.to_frame("value").join(self.words, on="value", how="left", maintain_order="left")
        return found["count"].fill_null(1).cast(pl.Float64).to_numpy()

    def name_counts(self, cores: pl.Series) -> pl.Series:
        """Per name how many records have it, 1 where none is known."""
        found = cores.to_frame("value").join(self.names, on="value", how="left", maintain_order="left")
        return found["count"].fill_null(1)

    def others(self, kind: str, values: pl.Series) -> pl.Series:
        """Per value of `kind` how many further trade names stand under it."""
        known = self.values.filter(pl.col("kind") == kind).select("value", "count")
        found = values.to_frame("value").join(known, on="value", how="left", maintain_order="left")
        return found["count"].fill_null(0)


def restore(size: int, frame: pl.DataFrame) -> Statistics:
    """The statistics whose `frame()` this is."""
    return Statistics(
        size,
        frame.filter(pl.col("kind") == "word").select("value", "count"),
        frame.filter(pl.col("kind") == "name").select("value", "count"),
        frame.filter(pl.col("kind").is_in(list(VALUES))).select("kind", "value", "count"),
    )


def count(prepared: Prepared) -> Statistics:
    """Statistics of these records."""
    names = prepared.frame.select(value="core").drop_nulls().group_by("value").agg(count=pl.len().cast(pl.Int64))
    parts = [_other_names(prepared.with_address, kind) for kind in VALUES]
    return Statistics(prepared.size, frequent(prepared), names.filter(pl.col("count") > 1), pl.concat(parts))


def frequent(prepared: Prepared) -> pl.DataFrame:
    """Words that stand in the names of two records or more, with the number of these records: value, count."""
    return prepared.table.record_counts(np.bincount(prepared.name_of, minlength=prepared.table.size))


def _other_names(frame: pl.DataFrame, kind: str) -> pl.DataFrame:
    found = (
        frame.filter(pl.col(kind).is_not_null())
        .group_by(value=pl.col(kind))
        .agg(count=pl.col("trade").n_unique().cast(pl.Int64) - 1)
        .filter(pl.col("count") > 0)
    )
    return found.select(pl.lit(kind).alias("kind"), "value", "count").cast(_FREQUENCY)
