"""A shadow source against the live ones: what both have, where they differ, what it would do to the customers.

Everything is read from the staging of the served build, where a shadow source stands without being shown.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl

from model import schema
from model.identity import joining, match_model
from model.policy import Viewer
from model.serve.connection import Served
from model.serve.syncing import must_look_after
from ops.errors import FatalError

ZERO = Decimal(0)
EXAMPLES = 3
# entity → its money and the date that puts it into a month
MONEY = {
    "invoice": ("gross_amount", "invoice_on"),
    "receipt": ("amount", "received_on"),
    "credit_note": ("gross_amount", "credit_on"),
    "sales_order": ("gross_amount", "order_on"),
    "shipment": ("gross_amount", "shipped_on"),
    "contract": ("amount", "signed_on"),
    "opportunity": ("amount", "close_on"),
}
_KEYS = {"contact": "email", "employee": "email"}
_NOW = "seen_to is null and not is_deleted"


def shadow_sources(viewer: Viewer, db: Served) -> list[str]:
    """The sources of this instance that are in shadow; FatalError for who does not look after sources."""
    must_look_after(viewer)
    return [one.name for one in db.instance.config.sources if one.status == "shadow"]


def shadow_report(viewer: Viewer, db: Served, source: str) -> dict[str, Any]:
    """{source, version, rows, entities[…], money[…], customers{…}} of a shadow source against the live ones.

    entities: entity, against (the live source that has most of the same), key (what both are told by, null: counts
    only), both, only_here, only_there, fields[field, compared, equal, share, only_here, examples]. money (where a
    live source has the entity): entity, currency, month, here_amount, there_amount, difference. customers: records,
    match, add, merge, merges (examples).
    FatalError for who does not look after sources or does not see all rows, and for a source that is no shadow.
    """
    must_look_after(viewer)
    if viewer.scope != "all":
        raise FatalError("a shadow report is about all customers", valid="a role that sees all rows")
    shadows = shadow_sources(viewer, db)
    if source not in shadows:
        raise FatalError(f"{source} is no shadow source", valid=", ".join(shadows) or "no source is in shadow")
    key = ("shadow", source, tuple(sorted(viewer.masks)))
    if key not in db.cache:
        db.cache[key] = _report(viewer, db, source)
    found: dict[str, Any] = db.cache[key]
    return found


def _report(viewer: Viewer, db: Served, source: str) -> dict[str, Any]:
    clusters = _clusters(db, source)
    entities, money = [], []
    for entity in schema.entities():
        rows = db.rows(f"select count(*) as n from staging.{entity} where source = ? and {_NOW}", [source])[0]["n"]
        if not rows:
            continue
        pairs = _customer_pairs(clusters, source) if entity == "customer" else _pairs(db, entity, source)
        entities.append(_entity(viewer, db, entity, source, int(rows), pairs))
        if entity in MONEY and entities[-1]["against"]:
            money += _money(db, entity, source, entities[-1]["against"])
    return {
        "source": source,
        "version": db.version,
        "rows": sum(row["rows"] for row in entities),
        "entities": entities,
        "money": money,
        "customers": _customers(db, clusters, source),
    }


def _live(db: Served) -> list[str]:
    return [one.name for one in db.instance.config.sources if one.status == "active"]


def _clusters(db: Served, source: str) -> pl.DataFrame:
    cursor = db.cursor()
    found = joining.clusters_with(cursor, db.instance.store, match_model.current(db.instance), source)
    return found.filter(pl.col("source").is_in([source, *_live(db)]))


def _customer_pairs(clusters: pl.DataFrame, source: str) -> pl.DataFrame:
    """here, there_source, there: records of one customer, each of the shadow with one of each live source."""
    here = clusters.filter(pl.col("source") == source).sort("source_id").unique("cluster", keep="first")
    there = clusters.filter(pl.col("source") != source).sort("source_id").unique(["cluster", "source"], keep="first")
    pairs = here.select("cluster", here="source_id").join(
        there.select("cluster", there_source="source", there="source_id"), on="cluster"
    )
    return pairs.select("here", "there_source", "there")


def _pairs(db: Served, entity: str, source: str) -> pl.DataFrame:
    """The same by what people call the record: its number or code, the mail of a person."""
    key = key_of(entity)
    if key is None:
        return pl.DataFrame(schema={"here": pl.String, "there_source": pl.String, "there": pl.String})
    said = f"upper(trim({key}))"
    return db.frame(
        f"""with known as (
                select source, {said} as said, min(source_id) as source_id from staging.{entity}
                where {_NOW} and coalesce(trim({key}), '') <> '' group by 1, 2
            )
            select h.source_id as here, t.source as there_source, t.source_id as there
            from known as h join known as t on t.said = h.said and t.source <> h.source
            where h.source = $source and list_contains($live, t.source) order by 1, 2, 3""",
        {"source": source, "live": _live(db)},
    )


def key_of(entity: str) -> str | None:
    """The column by which records of two systems are told to be the same; None where there is none."""
    natural = schema.entity(entity).natural_key
    if entity in _KEYS:
        return _KEYS[entity]
    return natural[0] if natural and natural[0] in {"number", "code"} else None


def _entity(viewer: Viewer, db: Served, entity: str, source: str, rows: int, pairs: pl.DataFrame) -> dict[str, Any]:
    counted = pairs.group_by("there_source").len().sort(["len", "there_source"], descending=[True, False])
    against = str(counted["there_source"][0]) if len(counted) else _largest(db, entity)
    of_it = pairs.filter(pl.col("there_source") == against).select("here", "there") if against else pairs.clear()
    there = (
        db.rows(f"select count(*) as n from staging.{entity} where source = ? and {_NOW}", [against])[0]["n"]
        if against
        else 0
    )
    return {
        "entity": entity,
        "against": against,
        "key": "identity" if entity == "customer" else key_of(entity),
        "rows": rows,
        "both": len(of_it),
        "only_here": rows - len(of_it),
        "only_there": int(there) - len(of_it),
        "fields": _fields(viewer, db, entity, (source, str(against)), of_it) if len(of_it) else [],
    }


def _largest(db: Served, entity: str) -> str | None:
    rows = db.rows(
        f"""select source from staging.{entity} where {_NOW} and list_contains($live, source)
            group by source order by count(*) desc, source limit 1""",
        {"live": _live(db)},
    )
    return str(rows[0]["source"]) if rows else None


def _fields(
    viewer: Viewer, db: Served, entity: str, sides: tuple[str, str], pairs: pl.DataFrame
) -> list[dict[str, Any]]:
    """Agreement of each field that both sides fill somewhere; the field that agrees least comes first."""
    described = schema.entity(entity)
    own = {"code", *described.natural_key}  # what each system numbers for itself, and when it did
    columns = [
        one for one in described.columns
        if not one.name.endswith("_id") and one.type != "instant" and one.name not in own
    ]  # fmt: skip
    lists = {"heres": pairs["here"].to_list(), "theres": pairs["there"].to_list(), "a": sides[0], "b": sides[1]}
    names = [one.name for one in columns]
    both = f"""
        with pair as (select unnest($heres) as here, unnest($theres) as there),
        a as (select * from staging.{entity} where source = $a and {_NOW}),
        b as (select * from staging.{entity} where source = $b and {_NOW})
        """
    joined = "from pair join a on a.source_id = pair.here join b on b.source_id = pair.there"
    counts = ", ".join(
        f"count(*) filter (a.{n} is not null and b.{n} is not null) as c{i}, "
        f"count(*) filter ({_same(one)}) as e{i}, "
        f"count(*) filter (a.{n} is not null and b.{n} is null) as h{i}"
        for i, (n, one) in enumerate(zip(names, columns, strict=True))
    )
    row = db.rows(f"{both} select {counts} {joined}", lists)[0]
    found = []
    for i, column in enumerate(columns):
        compared, equal = int(row[f"c{i}"]), int(row[f"e{i}"])
        if not compared and not row[f"h{i}"]:
            continue
        examples: list[dict[str, Any]] = []
        if equal < compared:
            examples = db.rows(
                f"""{both} select pair.here as here_id, pair.there as there_id, a.{column.name}::varchar as here,
                           b.{column.name}::varchar as there
                    {joined} where a.{column.name} is not null and b.{column.name} is not null
                        and not coalesce({_same(column)}, false) order by 1, 2 limit {EXAMPLES}""",
                lists,
            )
        for one in examples:
            one["here"], one["there"] = (viewer.hide(column.sensitivity, one[side]) for side in ("here", "there"))
        found.append(
            {
                "field": column.name,
                "compared": compared,
                "equal": equal,
                "share": equal / compared if compared else None,
                "only_here": int(row[f"h{i}"]),
                "examples": examples,
            }
        )
    return sorted(found, key=lambda one: (one["share"] is None, one["share"] or 0.0, str(one["field"])))


def _same(column: schema.Column) -> str:
    name = column.name
    return f"trim(a.{name}) = trim(b.{name})" if column.type == "text" else f"a.{name} = b.{name}"


def _money(db: Served, entity: str, source: str, against: str) -> list[dict[str, Any]]:
    amount, day = MONEY[entity]
    rows = db.rows(
        f"""select currency, strftime({day}, '%Y-%m') as month,
                   coalesce(sum({amount}) filter (source = $a), 0)::decimal(18, 2) as here_amount,
                   coalesce(sum({amount}) filter (source = $b), 0)::decimal(18, 2) as there_amount
            from staging.{entity} where {_NOW} and source in ($a, $b)
            group by 1, 2 order by 2 desc nulls last, 1""",
        {"a": source, "b": against},
    )
    return [{"entity": entity, **row, "difference": row["here_amount"] - row["there_amount"]} for row in rows]


def _customers(db: Served, clusters: pl.DataFrame, source: str) -> dict[str, Any]:
    """Customers that the shadow's records would join, add or bring together."""
    mine = clusters.filter(pl.col("source") == source)
    live = pl.DataFrame(
        db.rows("select source, source_id, customer_key from identity.customer_crosswalk where source_id <> ''"),
        schema={"source": pl.String, "source_id": pl.String, "customer_key": pl.String},
    )
    others = clusters.filter(pl.col("source") != source).join(live, on=["source", "source_id"])
    keys = others.group_by("cluster").agg(pl.col("customer_key").unique().sort().alias("keys"))
    found = mine.join(keys, on="cluster", how="left").with_columns(n=pl.col("keys").list.len().fill_null(0))
    apart = found.unique("cluster").sort("source_id")
    merges = apart.filter(pl.col("n") > 1)
    return {
        "records": len(mine),
        "match": apart.filter(pl.col("n") == 1).height,
        "add": apart.filter(pl.col("n") == 0).height,
        "merge": merges.height,
        "merges": [
            {"record": f"{source}:{row['source_id']}", "customers": row["keys"], "rule": row["rule"]}
            for row in merges.head(10).iter_rows(named=True)
        ],
    }
