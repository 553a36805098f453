"""Employees (by mail, then staff number) and products (by code) across sources; both are small, so always whole."""

from __future__ import annotations

import duckdb
import polars as pl

from model.identity import cluster, golden
from model.identity.frames import fetch
from model.identity.frames import store as write
from model.identity.identifiers import normalise_name
from ops.store import Store

_KEYS = ["source", "source_id"]
_CURRENT = """
select e.*, s.role, s.rank_owner as rank, s.rank_name
from staging.{entity} as e
join meta.source as s on s.source = e.source
where e.seen_to is null and not e.is_deleted and s.status <> 'shadow'
order by s.rank_owner, e.source, e.source_id
"""


def resolve_employees(con: duckdb.DuckDBPyConnection, store: Store) -> None:
    """Write delta.identity.employee_crosswalk and employee_golden; CRM is asked first for every field."""
    records = fetch(con, _CURRENT.format(entity="employee")).with_row_index("row")
    mail = records.filter(pl.col("email").str.contains("@")).select(
        "row", kind=pl.lit("email"), value=pl.col("email").str.strip_chars().str.to_lowercase()
    )
    staff = records.filter(pl.col("code").str.strip_chars() != "").select(
        # two systems may number different people alike: a staff number links only people of one name
        "row",
        kind=pl.lit("code"),
        value=pl.col("code").str.strip_chars().str.to_uppercase() + "|" + normalise_name("name"),
    )
    keyed = _cluster(store, "employee", records, pl.concat([mail, staff]))
    crosswalk = keyed.select(*_KEYS, "name", "rule", employee_key="golden_key")
    managers = keyed.select("source", manager_id="source_id", manager_key="golden_key")
    rows = keyed.join(managers, on=["source", "manager_id"], how="left").sort("rank", *_KEYS)
    fields = ["code", "name", "email", "phone", "department", "team", "region", "manager_key"]
    people = rows.group_by("golden_key", maintain_order=True).agg(
        *[pl.col(field).drop_nulls().first() for field in fields],
        is_active=pl.col("is_active").fill_null(True).any(),
        record_count=pl.len().cast(pl.Int64),
    )
    people = people.rename({"golden_key": "employee_key"}).sort("employee_key")
    write(con, people, "delta.identity.employee_golden")
    names = people.select("employee_key", golden_name="name")
    crosswalk = crosswalk.join(names, on="employee_key").select(*_KEYS, "employee_key", name="golden_name", rule="rule")
    write(con, crosswalk.sort(_KEYS), "delta.identity.employee_crosswalk")


def resolve_products(con: duckdb.DuckDBPyConnection, store: Store) -> None:
    """Write delta.identity.product_crosswalk and product_golden; ERP names come after the code's first source."""
    records = fetch(con, _CURRENT.format(entity="product")).with_row_index("row")
    codes = records.with_columns(clean_code=pl.col("code").str.strip_chars().str.normalize("NFKC").str.to_uppercase())
    values = codes.filter(pl.col("clean_code") != "").select("row", kind=pl.lit("code"), value="clean_code")
    keyed = _cluster(store, "product", codes, values)
    crosswalk = keyed.select(*_KEYS, "rule", product_key="golden_key")
    fields = ["clean_code", "name", "specification", "category", "product_line", "unit"]
    products = (
        keyed.sort("rank", *_KEYS)
        .group_by("golden_key", maintain_order=True)
        .agg(
            *[pl.col(field).drop_nulls().first() for field in fields],
            is_active=pl.col("is_active").fill_null(True).any(),
            record_count=pl.len().cast(pl.Int64),
        )
        .rename({"golden_key": "product_key", "clean_code": "code"})
        .sort("product_key")
    )
    write(con, products, "delta.identity.product_golden")
    write(con, crosswalk.select(*_KEYS, "product_key", "rule").sort(_KEYS), "delta.identity.product_crosswalk")


def _cluster(store: Store, kind: str, records: pl.DataFrame, values: pl.DataFrame) -> pl.DataFrame:
    records = records.with_columns(pl.col("row").cast(pl.Int64), clean_name=normalise_name("name").fill_null(""))
    none = pl.DataFrame(schema={"left": pl.Int64, "right": pl.Int64, "rule": pl.String, "evidence": pl.String})
    found = cluster.resolve(
        records, values.with_columns(pl.col("row").cast(pl.Int64)), none, none.select("left", "right")
    )
    members = records.select(*_KEYS, "row").join(found.members, on="row")
    registered = golden.read_registry(store, kind)
    keyed = golden.assign(store, kind, members.select(*_KEYS, "cluster"), registered)
    return records.join(members.select("row", "rule"), on="row").join(keyed, on=_KEYS)
