"""Customer records as the matcher reads them, and their blocking keys as numbers.

Numbers come from polars' hash: another version of polars makes other ones, which is why a build notes the version.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from model.identity.identifiers import BUCKET_NAME
from model.identity.matching.blocking import RULES
from model.identity.matching.parameters import Parameters
from model.identity.matching.prepare import FIELDS, Prepared

Bools = npt.NDArray[np.bool_]
# what is read of staging.customer
COLUMNS = ("source", "source_id", "name", "kind", "uscc", "tax_number", "phone", "email", "website", "address", "city")
NUMBER = {rule: number for number, rule in enumerate(RULES)}
# identifiers that count for nothing under too many names, with the rule whose key they are
IDENTIFIER_RULES = {"tax": "tax number", "phone": "phone", "email": "email", "domain": "domain"}
_KEYS = ("source", "source_id")


def matchable(records: pl.DataFrame) -> pl.DataFrame:
    """Those of `records` that the matcher compares, in an order that only their content decides.

    `records` has COLUMNS. Result: source, source_id, kind, FIELDS and `record`, a number per (source, source_id).
    Persons, buckets and records whose name has no letter are left out.
    """
    name, kind = pl.col("name").str.strip_chars(), pl.col("kind").fill_null("")
    has_name = name.str.contains(r"[\p{L}\p{N}]")
    chosen = records.filter(has_name & ~kind.is_in(["person", "bucket"]) & ~name.str.contains(BUCKET_NAME))
    code = pl.when(pl.col("uscc").str.strip_chars() != "").then(pl.col("uscc")).otherwise(pl.col("tax_number"))
    frame = chosen.select(
        *_KEYS,
        "kind",
        "name",
        "phone",
        "email",
        "address",
        "city",
        tax_id=code,
        domain="website",
        postcode=pl.lit(None, dtype=pl.String),
        record=number_of(),
    )
    return frame.sort(*FIELDS, "kind", *_KEYS, nulls_last=True)


def number_of() -> pl.Expr:
    """The number of a record from its source and source_id."""
    return pl.concat_str(*_KEYS, separator="\x1f").hash(seed=7)


def numbered(records: pl.DataFrame, prepared: Prepared) -> pl.DataFrame:
    """record, source, source_id and trade, a number per trade name, of `records` and what `prepare` made of them."""
    trade = prepared.frame["trade"].fill_null("").hash(seed=7)
    return records.select("record", *_KEYS).with_columns(trade=trade)


def numbered_keys(records: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """record, rule, key of the blocking keys `found` of rows of `records`."""
    return found.select(record=records["record"].gather(found["row"]), rule="rule", key="key")


def overused(prepared: Prepared, found: pl.DataFrame, parameters: Parameters, most: int) -> dict[str, Bools]:
    """See link.overused: per identifier whether a record's value counts for nothing, told from the blocking keys of
    all records. A trade name that is refused is as crowded as one on too many records."""
    trade = prepared.frame.select("row", trade=pl.col("trade").fill_null("").hash(seed=7))
    result = {}
    for name, rule in (*IDENTIFIER_RULES.items(), ("trade", "trade name")):
        own = found.lazy().filter(pl.col("rule") == NUMBER[rule]).select(pl.col("row").cast(pl.UInt32), "key")
        if name == "trade":
            refused = pl.Series(parameters.refused_keys.get(rule, ()), dtype=pl.UInt64)
            worn = own.filter((pl.len().over("key") > parameters.caps[rule]) | pl.col("key").is_in(refused.implode()))
        else:
            several = own.filter(pl.len().over("key") > most).join(trade.lazy(), on="row")
            worn = several.filter(pl.col("trade").n_unique().over("key") > most)
        result[name] = np.zeros(prepared.size, dtype=bool)
        result[name][worn.select("row").collect()["row"].to_numpy()] = True
    return result
