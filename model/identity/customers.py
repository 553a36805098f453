"""The customer crosswalk, whole or for what changed. Writes into catalogue `delta`; the build commits it.

delta.identity.resolved     source, source_id, customer_key, rule, evidence of every record that was resolved
delta.identity.identifiers  their identifiers; delta.identity.conflicts  links that were refused and why
delta.identity.inputs       source, source_id, input: a hash of what clustering read of each record
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import duckdb
import polars as pl

from model.identity import cluster, decisions, golden, match_build, match_kept
from model.identity.frames import fetch
from model.identity.frames import store as write
from model.identity.identifiers import company_identifiers, normalise_name
from model.identity.match_model import Matcher
from model.identity.match_near import number
from model.identity.match_pairs import matched_rows, refusals
from ops.store import Store

UNKNOWN = "C000000"
CUSTOMER_ENTITIES = (
    "contact",
    "opportunity",
    "contract",
    "sales_order",
    "shipment",
    "invoice",
    "receipt",
    "credit_note",
    "ticket",
    "interaction",
    "project",
    "asset",
)
_KEYS = ["source", "source_id"]
# what clustering reads of a record: while none of it changes, its customer stays the same
_INPUTS = ("code", "name", "kind", "uscc", "tax_number", "registration_number", "master_id", "crm_code", "erp_code",
           "service_code", "project_code", "merged_into_id", "phone", "email", "website", "address",
           "city")  # fmt: skip
# the last living version of a record; a deleted record keeps its place among its customer's records
_RECORDS = """
with living as (
    select customer.*, row_number() over (
        partition by customer.source, customer.source_id order by customer.is_deleted, customer.seen_from desc
    ) as recency
    from staging.customer as customer {only}
)

select
    living.source, living.source_id, meta.source.role, living.code, living.name, living.kind, living.uscc,
    living.tax_number, living.registration_number, living.master_id, living.crm_code, living.erp_code,
    living.service_code, living.project_code, living.merged_into_id,
    living.phone, living.email, living.website, living.address, living.city,
    hash(concat_ws(chr(31), {inputs})) as input
from living
join meta.source on meta.source.source = living.source
where living.recency = 1 and {visible}
order by living.source, living.source_id
"""


def records_query(only: str, also: str | None = None) -> str:
    """A query for the customer records that are compared, narrowed by `only` (a join); `also`: a shadow among them."""
    inputs = ", ".join(f"coalesce(living.{name}, chr(0))" for name in _INPUTS)
    return _RECORDS.format(only=only, inputs=inputs, visible=_visible("meta.source", also))


def of(records: str) -> str:
    """What narrows records_query to the records of `records` (source, source_id).

    Their places are found first, by which the many columns are read of few rows only.
    """
    return f"""where customer.rowid in (
        select c.rowid from staging.customer as c semi join {records} using (source, source_id)
    )"""


def _visible(table: str, also: str | None) -> str:
    rule = f"{table}.status <> 'shadow'"
    return rule if also is None else f"({rule} or {table}.source = '{also}')"


def resolve_all(con: duckdb.DuckDBPyConnection, store: Store, matcher: Matcher | None = None) -> None:
    """Resolve every customer record and every customer id that documents name.

    Without a `matcher` records are linked by identifiers alone.
    """
    match_build.empty(con)
    records = fetch(con, records_query(""))
    named = " union ".join(
        f"select source, customer_id as source_id from staging.{entity} where customer_id is not null"
        for entity in CUSTOMER_ENTITIES
    )
    pairs = None
    if matcher:
        pairs = match_kept.hold(store, match_build.match_all(con, matcher, records), match_kept.taken(con))
    records = with_named(con, records, named)
    _resolve(con, store, records, golden.read_registry(store, "customer"), matcher, pairs)


def resolve_changed(
    con: duckdb.DuckDBPyConnection,
    store: Store,
    entities: AbstractSet[str],
    last_decision: int,
    matcher: Matcher | None = None,
) -> bool:
    """Resolve what the rows of delta.main.changed (entity, source, source_id) can touch; the rest stays as it is.

    The touched set is closed under old clusters, shared identifiers, cross codes, merges, decisions and the matcher's
    links, so that its result equals that of resolve_all. `entities`: the entities in delta.main.changed; their rows are
    in delta.now.<entity>. False when nothing that clustering reads has changed: then delta.main.touched is empty.
    """
    con.execute("create or replace table delta.main.seed (source varchar, source_id varchar)")
    con.execute("create or replace table delta.main.mover (source varchar, source_id varchar)")
    con.execute("create or replace table delta.main.named (source varchar, source_id varchar)")
    if "customer" in entities:
        _seed_records(con)
    for entity in CUSTOMER_ENTITIES:
        if entity in entities:
            con.execute(f"""
                insert into delta.main.named
                select distinct e.source, e.customer_id from delta.now.{entity} as e
                where e.customer_id is not null and not exists (
                    select 1 from identity.customer_crosswalk as x
                    where x.source = e.source and x.source_id = e.customer_id
                )
            """)
    con.execute("insert into delta.main.mover select source, source_id from delta.main.named")
    _seed_decisions(con, store, last_decision)
    if not con.execute("select count(*) from delta.main.mover").fetchall()[0][0]:
        for table, like in (*_WRITTEN.items(), ("delta.main.touched", "delta.main.seed")):
            con.execute(f"create or replace table {table} as select * from {like} limit 0")
        return False
    seed = _moved(con, is_read="customer" in entities)
    con.execute("insert into delta.main.seed select source, source_id from delta.main.mover")
    write(con, company_identifiers(seed), "delta.identity.seed_identifiers")
    match_build.empty(con)
    pairs = None
    if matcher:
        again = lambda records: fetch(con, records_query(of(records)))  # noqa: E731
        pairs = match_build.match_changed(con, store, matcher, seed, again)
    _close(con)
    if pairs is not None:
        pairs = match_build.of_touched(con, pairs)
    named = """
        select source, source_id from delta.main.touched
        semi join (
            select source, source_id from identity.customer_crosswalk
            union all select source, source_id from delta.main.named
        ) using (source, source_id)
    """
    records = with_named(con, fetch(con, records_query(of("delta.main.touched"))), named)
    registered = golden.read_records(store, "customer", records)
    _resolve(con, store, records, registered, matcher, pairs)
    return True


# what _resolve writes, and the table that keeps it
_WRITTEN = {
    "delta.identity.resolved": "identity.customer_crosswalk",
    "delta.identity.identifiers": "identity.customer_identifier",
    "delta.identity.conflicts": "identity.customer_conflict",
    "delta.identity.inputs": "identity.customer_input",
}


def _seed_records(con: duckdb.DuckDBPyConnection) -> None:
    """Changed customer records into delta.main.seed; those that changed in what clustering reads into mover too."""
    con.execute("""
        insert into delta.main.seed
        select source, source_id from delta.main.changed where entity = 'customer'
    """)
    con.execute(f"create or replace table delta.main.seed_record as {records_query(of('delta.main.seed'))}")
    con.execute("""
        insert into delta.main.mover
        select s.source, s.source_id from delta.main.seed as s
        left join delta.main.seed_record as r on r.source = s.source and r.source_id = s.source_id
        left join (
            select * from identity.customer_input semi join delta.main.seed using (source, source_id)
        ) as k on k.source = s.source and k.source_id = s.source_id
        where r.input is distinct from k.input
    """)


def _moved(con: duckdb.DuckDBPyConnection, *, is_read: bool) -> pl.DataFrame:
    """The records of delta.main.mover; `is_read`: delta.main.seed_record holds those of delta.main.seed."""
    apart = "select count(*) from delta.main.mover anti join delta.main.seed using (source, source_id)"
    if not is_read or con.execute(apart).fetchall()[0][0]:
        return fetch(con, records_query(of("delta.main.mover")))
    return fetch(con, "from delta.main.seed_record semi join delta.main.mover using (source, source_id)").sort(_KEYS)


def with_named(
    con: duckdb.DuckDBPyConnection, records: pl.DataFrame, named: str, also: str | None = None
) -> pl.DataFrame:
    """Add customer ids that have no record of their own; see records_query for `also`."""
    ids = fetch(
        con,
        f"""
        select n.source, n.source_id, s.role from ({named}) as n
        join meta.source as s on s.source = n.source
        where {_visible("s", also)} and n.source_id <> ''
        """,
    )
    extra = ids.join(records.select(_KEYS), on=_KEYS, how="anti")
    return pl.concat([records, extra], how="diagonal").sort(_KEYS)


def _seed_decisions(con: duckdb.DuckDBPyConnection, store: Store, last_decision: int) -> None:
    """delta.main.decided = the pairs that a steward decided on, both ways; new ones set their records moving."""
    rows = decisions.read(store)
    sides = ["left_source", "left_id", "right_source", "right_id"]
    there = rows.select("decision_id", source=sides[0], source_id=sides[1], other_source=sides[2], other_id=sides[3])
    back = rows.select("decision_id", source=sides[2], source_id=sides[3], other_source=sides[0], other_id=sides[1])
    write(con, pl.concat([there, back]), "delta.main.decided")
    if len(rows.filter(pl.col("decision_id") > last_decision)):
        con.execute(f"""
            insert into delta.main.mover
            select source, source_id from delta.main.decided where decision_id > {int(last_decision)}
        """)


_REACH = (
    # members of the same customer as of the last build
    """select x.source, x.source_id from identity.customer_crosswalk as x
       where x.customer_key in (
           select x2.customer_key from identity.customer_crosswalk as x2
           semi join delta.main.frontier as f using (source, source_id)
           where x2.customer_key <> 'C000000'
       )""",
    # records that share an identifier
    """select i.source, i.source_id from identity.customer_identifier as i
       semi join (
           select kind, value from identity.customer_identifier
           semi join delta.main.frontier using (source, source_id)
           union all
           select kind, value from delta.identity.seed_identifiers
           semi join delta.main.frontier using (source, source_id)
       ) as k using (kind, value)""",
    # records whose code or id a frontier record names; an id that only documents name has no row in staging
    """select c.source, c.source_id from (
           select source, source_id, code from staging.customer
           union all select source, source_id, source_id from identity.customer_crosswalk
       ) as c
       join meta.source as s on s.source = c.source
       join (
           select kind, value from identity.customer_identifier
           semi join delta.main.frontier using (source, source_id)
           where kind like 'ref:%'
           union
           select kind, value from delta.identity.seed_identifiers
           semi join delta.main.frontier using (source, source_id)
           where kind like 'ref:%'
       ) as k on k.kind = 'ref:' || s.role and (k.value = c.source_id or k.value = c.code)""",
    # records that name a frontier record's code or id
    """select i.source, i.source_id from identity.customer_identifier as i
       join (
           select 'ref:' || s.role as kind, c.code as value from staging.customer as c
           semi join delta.main.frontier as f using (source, source_id)
           join meta.source as s on s.source = c.source
           union all
           select 'ref:' || s.role, f.source_id from delta.main.frontier as f
           join meta.source as s on s.source = f.source
       ) as k on k.kind = i.kind and k.value = i.value""",
    # merges in the source, both ways
    """select c.source, c.merged_into_id from staging.customer as c
       semi join delta.main.frontier as f using (source, source_id)
       where c.merged_into_id is not null""",
    """select c.source, c.source_id from staging.customer as c
       join delta.main.frontier as f on f.source = c.source and f.source_id = c.merged_into_id""",
    # records that a steward decided on together with a frontier record
    """select d.other_source, d.other_id from delta.main.decided as d
       semi join delta.main.frontier as f using (source, source_id)""",
    # records that the matcher links to a frontier record
    """select m.right_source, m.right_id from delta.main.match_link as m
       where m.left_record in (from delta.main.match_frontier)""",
    """select m.left_source, m.left_id from delta.main.match_link as m
       where m.right_record in (from delta.main.match_frontier)""",
)


def _close(con: duckdb.DuckDBPyConnection) -> None:
    """delta.main.touched = everything reachable from delta.main.mover and match_moved."""
    con.execute("""
        create or replace table delta.main.touched as
        select * from delta.main.mover union select * from delta.main.match_moved
    """)
    con.execute("create or replace table delta.main.frontier as select * from delta.main.touched")
    reach = " union ".join(_REACH)
    while True:
        number(con, "delta.main.frontier", "delta.main.match_frontier")
        con.execute(f"""
            create or replace table delta.main.reached as
            select source, source_id from ({reach})
            anti join delta.main.touched as t using (source, source_id)
        """)
        row = con.execute("select count(*) from delta.main.reached").fetchall()
        if not row[0][0]:
            return
        con.execute("insert into delta.main.touched select * from delta.main.reached")
        con.execute("create or replace table delta.main.frontier as select * from delta.main.reached")


def _resolve(
    con: duckdb.DuckDBPyConnection,
    store: Store,
    records: pl.DataFrame,
    registered: pl.DataFrame,
    matcher: Matcher | None,
    pairs: pl.DataFrame | None,
) -> None:
    records = numbered(records)
    identifiers = company_identifiers(records)
    matched = None if pairs is None else matched_rows(pairs, records)
    found, matched = clustered(con, store, records, identifiers, matched, matcher)
    doubted = found.conflicts
    if pairs is not None and matched is not None:
        match_build.finish(con, pairs, refusals(pairs, matched, found.refused))
        match_kept.remember(store, matched)
        doubted = pl.concat([doubted, match_kept.conflicts(store, matched, found)])
    members = records.select(*_KEYS, "row").join(found.members, on="row").drop("row")
    keyed = golden.assign(store, "customer", members.select(*_KEYS, "cluster"), registered)
    resolved = members.join(keyed, on=_KEYS).select(*_KEYS, "rule", "evidence", customer_key="golden_key")
    conflicts = (
        doubted.unique()
        .join(records.select(*_KEYS, "row"), on="row")
        .join(resolved.select(*_KEYS, "customer_key"), on=_KEYS)
        .select("customer_key", "kind", *_KEYS, "detail")
    )
    write(con, resolved.select(*_KEYS, "customer_key", "rule", "evidence"), "delta.identity.resolved")
    write(con, identifiers, "delta.identity.identifiers")
    write(con, conflicts, "delta.identity.conflicts")
    write(con, records.filter(pl.col("input").is_not_null()).select(*_KEYS, "input"), "delta.identity.inputs")


def numbered(records: pl.DataFrame) -> pl.DataFrame:
    """`records` with their number `row` and `clean_name`, as clustering wants them."""
    return records.with_row_index("row").with_columns(
        pl.col("row").cast(pl.Int64), clean_name=normalise_name("name").fill_null("")
    )


def clustered(
    con: duckdb.DuckDBPyConnection,
    store: Store,
    records: pl.DataFrame,
    identifiers: pl.DataFrame,
    matched: pl.DataFrame | None,
    matcher: Matcher | None,
) -> tuple[cluster.Clusters, pl.DataFrame | None]:
    """Which of the numbered `records` are one customer: identifiers, merges in the source, decisions, `matched`.

    And `matched` with is_kept: links of the served build (`con`) that a newcomer would have put out of their place.
    """
    numbers = identifiers.join(records.select(*_KEYS, "row"), on=_KEYS).select("row", "kind", "value")
    extra, vetoes = _decided(store, records)
    merged = (
        records.filter(pl.col("merged_into_id").is_not_null())
        .select(left="row", source="source", source_id="merged_into_id")
        .join(records.select(*_KEYS, right="row"), on=_KEYS)
        .select(
            "left",
            "right",
            rule=pl.lit("merged_in_source"),
            evidence=pl.lit("merged into ") + pl.col("source_id"),
        )
    )
    free = matcher.parameters.duplicate_free if matcher else frozenset[str]()
    again = None if matched is None else match_kept.before_others(store, matched)
    while True:
        matched = again
        found = cluster.resolve(records, numbers, pl.concat([extra, merged]), vetoes, matched, free)
        again = None if matched is None else match_kept.keep_places(con, matched, found.refused)
        if again is None:
            return found, matched


def _decided(store: Store, records: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Links (left, right, rule, evidence) and vetoes (left, right) from each pair's latest decision."""
    rows = records.select(*_KEYS, "row")
    decided = (
        decisions.read(store)
        .join(rows.rename({"row": "left"}), left_on=["left_source", "left_id"], right_on=_KEYS)
        .join(rows.rename({"row": "right"}), left_on=["right_source", "right_id"], right_on=_KEYS)
        .with_columns(a=pl.min_horizontal("left", "right"), b=pl.max_horizontal("left", "right"))
        .sort("decision_id")
        .unique(["a", "b"], keep="last", maintain_order=True)
    )
    same = decided.filter(pl.col("decision") == "same").select(
        "left",
        "right",
        rule=pl.lit("decision"),
        evidence=pl.lit("decision ") + pl.col("decision_id").cast(pl.String),
    )
    return same, decided.filter(pl.col("decision") == "different").select("left", "right")
