"""Employees and products across sources; both are small, so always whole.

Employees: by mail, by staff number, phone and name together, by config/employees.csv. Equal names in one department
are only proposed. Products: by code and by config/products.csv.
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import polars as pl

from model.identity import cluster, golden
from model.identity.frames import fetch
from model.identity.frames import store as write
from model.identity.identifiers import normalise_name
from ops.store import Store

# the identity tables that each of them fills
TABLES = {
    "employee": ("employee_crosswalk", "employee_golden", "employee_identifier", "employee_proposal"),
    "product": ("product_crosswalk", "product_golden", "product_code"),
}
_KEYS = ["source", "source_id"]
_LINK = {"left": pl.Int64, "right": pl.Int64, "rule": pl.String, "evidence": pl.String}
# whoever keeps the staff list says whether somebody still works here
_STAFF_ROLES = ("crm", "erp")
_CURRENT = """
select e.*, s.role, s.{rank} as rank
from staging.{entity} as e
join meta.source as s on s.source = e.source
where e.seen_to is null and not e.is_deleted and s.status <> 'shadow'
order by s.{rank}, e.source, e.source_id
"""


def resolve_employees(con: duckdb.DuckDBPyConnection, store: Store) -> None:
    """Write the employee tables of TABLES into delta.identity; CRM is asked first for every field."""
    records = fetch(con, _CURRENT.format(entity="employee", rank="rank_owner")).with_row_index("row")
    records = records.with_columns(
        mail=pl.col("email").str.strip_chars().str.to_lowercase(),
        staff=pl.col("code").str.strip_chars().str.to_uppercase(),
        digits=pl.col("phone").str.replace_all(r"[^0-9]", "").str.tail(11),
        spelled=normalise_name("name"),
    )
    aliases = fetch(con, "select source, code, target from meta.employee_alias order by source, code")
    keyed = _cluster(store, "employee", records, _employee_values(records), _mapped(records, aliases))
    managers = keyed.select("source", manager_id="source_id", manager_key="golden_key")
    rows = keyed.join(managers, on=["source", "manager_id"], how="left").sort("rank", *_KEYS)
    fields = ["code", "name", "email", "phone", "department", "team", "region", "manager_key"]
    people = rows.group_by("golden_key", maintain_order=True).agg(
        *[pl.col(field).drop_nulls().first() for field in fields],
        record_count=pl.len().cast(pl.Int64),
    )
    people = people.join(_active(keyed), on="golden_key").rename({"golden_key": "employee_key"}).sort("employee_key")
    write(con, people.select("employee_key", *fields, "is_active", "record_count"), "delta.identity.employee_golden")
    names = people.select(golden_key="employee_key", golden_name="name")
    crosswalk = keyed.join(names, on="golden_key").select(
        *_KEYS, employee_key="golden_key", name="golden_name", rule="rule"
    )
    write(con, crosswalk.sort(_KEYS), "delta.identity.employee_crosswalk")
    write(con, _identifiers(keyed), "delta.identity.employee_identifier")
    write(con, _proposals(people), "delta.identity.employee_proposal")


def _employee_values(records: pl.DataFrame) -> pl.DataFrame:
    """row, kind, value: what makes two records one person. A mailbox of several people counts with the name only."""
    shared = (
        records.filter(pl.col("mail").str.contains("@"))
        .group_by("source", "mail")
        .agg(names=pl.col("spelled").n_unique())
        .filter(pl.col("names") > 1)["mail"]
        .unique()
        .to_list()
    )
    named = pl.col("spelled").fill_null("")
    mail = records.filter(pl.col("mail").str.contains("@")).select(
        "row",
        kind=pl.lit("email"),
        value=pl.when(pl.col("mail").is_in(shared)).then(pl.col("mail") + "|" + named).otherwise(pl.col("mail")),
    )
    # two systems may number different people alike, and a switchboard has many: both link only people of one name
    staff = records.filter(pl.col("staff") != "").select(
        "row", kind=pl.lit("code"), value=pl.col("staff") + "|" + named
    )
    phone = records.filter(pl.col("digits").str.len_chars() >= 7).select(
        "row", kind=pl.lit("phone"), value=pl.col("digits") + "|" + named
    )
    return pl.concat([mail, staff, phone])


def _mapped(records: pl.DataFrame, aliases: pl.DataFrame) -> pl.DataFrame:
    """Links that config/employees.csv says; a line that names nobody says nothing."""
    said: list[tuple[int, int, str, str]] = []
    rows = records.select("row", *_KEYS, "mail", "staff").rows(named=True)
    for source, code, target in aliases.iter_rows():
        left = next((r for r in rows if r["source"] == source and code in (r["source_id"], r["staff"])), None)
        right = next((r for r in rows if _is(r, target)), None)
        if left is not None and right is not None and left["row"] != right["row"]:
            said.append((left["row"], right["row"], "decision", "config/employees.csv"))
    return pl.DataFrame(said, schema=_LINK, orient="row")


def _is(row: Mapping[str, str], target: str) -> bool:
    key = f"{row['source']}:{row['source_id']}"
    return target == key or target.lower() == row["mail"] or target.upper() == row["staff"]


def _active(keyed: pl.DataFrame) -> pl.DataFrame:
    """golden_key, is_active: active in every staff list that knows the person, or, known to none, anywhere."""
    by_source = keyed.group_by("golden_key", "source").agg(
        is_active=pl.col("is_active").fill_null(True).any(), is_staff=pl.col("role").is_in(_STAFF_ROLES).any()
    )
    staff = by_source.filter("is_staff").group_by("golden_key").agg(listed=pl.col("is_active").all())
    return (
        by_source.group_by("golden_key")
        .agg(anywhere=pl.col("is_active").any())
        .join(staff, on="golden_key", how="left")
        .select("golden_key", is_active=pl.coalesce("listed", "anywhere"))
    )


def _identifiers(keyed: pl.DataFrame) -> pl.DataFrame:
    """employee_key, kind, value: mails and staff numbers that name exactly one employee, lower case."""
    values = [
        keyed.filter(pl.col(name).str.len_chars() > 0).select(
            employee_key="golden_key", kind=pl.lit(kind), value=pl.col(name).str.to_lowercase()
        )
        for name, kind in (("mail", "email"), ("staff", "code"))
    ]
    found = pl.concat(values).unique()
    return found.filter(pl.len().over("kind", "value") == 1).sort("kind", "value")


def _proposals(people: pl.DataFrame) -> pl.DataFrame:
    """left_key, right_key, name, department: people of one name in one department whom nothing else links."""
    named = people.select("employee_key", "name", "department", spelled=normalise_name("name")).drop_nulls(
        ["spelled", "department"]
    )
    pairs = named.join(named, on=["spelled", "department"], suffix="_right")
    return (
        pairs.filter(pl.col("employee_key") < pl.col("employee_key_right"))
        .select(left_key="employee_key", right_key="employee_key_right", name="name", department="department")
        .sort("left_key", "right_key")
    )


def resolve_products(con: duckdb.DuckDBPyConnection, store: Store) -> None:
    """Write the product tables of TABLES into delta.identity; the ERP is asked first for every field."""
    records = fetch(con, _CURRENT.format(entity="product", rank="rank_credit")).with_row_index("row")
    codes = records.with_columns(clean_code=_clean("code"))
    aliases = fetch(con, "select source, code, target from meta.product_alias").select(
        "source", clean_code=_clean("code"), value=_clean("target")
    )
    own = codes.filter(pl.col("clean_code") != "").select("row", kind=pl.lit("code"), value="clean_code")
    said = codes.join(aliases, on=["source", "clean_code"]).select("row", kind=pl.lit("code"), value="value")
    keyed = _cluster(store, "product", codes, pl.concat([own, said]).unique(maintain_order=True), None)
    # a code that is mapped to another product's is not the code people should see
    shown = keyed.join(aliases.select("source", "clean_code", is_mapped=pl.lit(True)), on=["source", "clean_code"],
                       how="left")  # fmt: skip
    fields = ["clean_code", "name", "specification", "category", "product_line", "unit"]
    products = (
        shown.sort(pl.col("is_mapped").fill_null(False), "rank", *_KEYS)
        .group_by("golden_key", maintain_order=True)
        .agg(
            *[pl.col(field).drop_nulls().first() for field in fields],
            is_active=pl.col("is_active").fill_null(True).any(),
            record_count=pl.len().cast(pl.Int64),
            warranty_months=pl.col("warranty_months").drop_nulls().first(),
        )
        .rename({"golden_key": "product_key", "clean_code": "code"})
        .sort("product_key")
    )
    write(con, products, "delta.identity.product_golden")
    crosswalk = keyed.select(*_KEYS, "rule", product_key="golden_key")
    write(con, crosswalk.select(*_KEYS, "product_key", "rule").sort(_KEYS), "delta.identity.product_crosswalk")
    every = keyed.select("source", code="clean_code", product_key="golden_key").filter(pl.col("code") != "")
    write(con, _product_codes(every, aliases), "delta.identity.product_code")


def _product_codes(every: pl.DataFrame, aliases: pl.DataFrame) -> pl.DataFrame:
    """source, code, product_key: source null for codes that mean one product everywhere."""
    general = every.select("code", "product_key").unique().filter(pl.len().over("code") == 1)
    targets = general.select(value="code", product_key="product_key")
    mapped = aliases.join(targets, on="value").select("source", code="clean_code", product_key="product_key")
    everywhere = general.select(pl.lit(None, dtype=pl.String).alias("source"), "code", "product_key")
    return (
        pl.concat([everywhere, mapped])
        .sort("code", "source", "product_key", nulls_last=True)
        .unique(["source", "code"], keep="first", maintain_order=True)
    )


def _clean(column: str) -> pl.Expr:
    return pl.col(column).str.strip_chars().str.normalize("NFKC").str.to_uppercase()


def _cluster(
    store: Store, kind: str, records: pl.DataFrame, values: pl.DataFrame, links: pl.DataFrame | None
) -> pl.DataFrame:
    records = records.with_columns(pl.col("row").cast(pl.Int64), clean_name=normalise_name("name").fill_null(""))
    if records.is_empty():  # joins of nothing take their time as well
        return records.with_columns(rule=pl.lit(None, pl.String), golden_key=pl.lit(None, pl.String))
    none = pl.DataFrame(schema=_LINK)
    found = cluster.resolve(
        records,
        values.with_columns(pl.col("row").cast(pl.Int64)),
        none if links is None else links,
        none.select("left", "right"),
    )
    members = records.select(*_KEYS, "row").join(found.members, on="row")
    registered = golden.read_registry(store, kind)
    keyed = golden.assign(store, kind, members.select(*_KEYS, "cluster"), registered)
    return records.join(members.select("row", "rule"), on="row").join(keyed, on=_KEYS)
