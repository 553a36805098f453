"""Customer records as the matcher reads them, and their blocking keys as numbers.

Numbers come from polars' hash: another version of polars makes other ones, which is why a build notes the version.
"""

from __future__ import annotations

import polars as pl

from model.identity.identifiers import BUCKET_NAME
from model.identity.matching.blocking import RULES, keys
from model.identity.matching.prepare import FIELDS, Prepared

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


def hashed_keys(records: pl.DataFrame, prepared: Prepared) -> pl.DataFrame:
    """record, rule, key of every blocking key, as numbers."""
    found = keys(prepared)
    return found.select(
        record=records["record"].gather(found["row"]),
        rule=pl.col("rule").replace_strict(NUMBER, return_dtype=pl.UInt8),
        key=pl.col("key").hash(seed=7),
    )
