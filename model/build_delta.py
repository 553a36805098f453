"""The increment: which customers changed, and in which tables something changed at all.

Catalogue `delta` is in memory. It holds delta.main.changed (entity, source, source_id), delta.main.affected
(customer_key), the changed rows (delta.now), what identity resolved anew (delta.identity) and the slices that
model.build_slices cuts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import duckdb

from model import build_records, schema
from model.identity import customers, field_pins, groups, people, projects
from model.identity.match_model import Matcher
from model.warehouse import ALL_COLUMNS
from ops.store import Store

PERSON_COLUMNS = {
    "customer": "owner_id",
    "opportunity": "owner_id",
    "contract": "owner_id",
    "sales_order": "owner_id",
    "invoice": "owner_id",
    "receipt": "owner_id",
    "ticket": "assignee_id",
    "interaction": "employee_id",
    "project": "manager_id",
    "milestone": "owner_id",
}
Changes = dict[str, frozenset[str]]


@dataclass
class Increment:
    """What an increment is about.

    `entities`: entities of the records in delta.main.changed. `shown`: entity → its staging rows without hidden
    sources. `present`: entities that have rows. `tables`: identity table → where its new state stands, for those that
    were resolved anew. `changes`: table → the columns in which rows changed, {"*"} where rows came or went.
    `is_moved`: customer records were resolved anew. `pinned`: the newest decision on a field that it knows.
    """

    entities: set[str]
    shown: dict[str, str]
    present: set[str]
    tables: dict[str, str] = field(default_factory=dict)
    changes: Changes = field(default_factory=dict)
    is_moved: bool = False
    pinned: int = 0


def attach(con: duckdb.DuckDBPyConnection) -> None:
    """Attach the empty catalogue `delta`."""
    con.execute("attach ':memory:' as delta")
    for name in ("shown", "now", "staging", "identity", "core", "marts", "diff"):
        con.execute(f"create schema delta.{name}")


def shown(con: duckdb.DuckDBPyConnection, *, is_filtered: bool) -> dict[str, str]:
    """Entity → the relation with its rows of every source that is not hidden; FatalError for an unknown entity."""
    tables = {entity: f"warehouse.staging.{entity}" for entity in schema.entities()}
    if not is_filtered:
        return tables
    for entity, table in tables.items():
        con.execute(f"""
            create or replace view delta.shown.{entity} as select * from {table}
            where source in (select source from warehouse.meta.source where status <> 'shadow')
        """)
    return {entity: f"delta.shown.{entity}" for entity in tables}


def has_hidden(con: duckdb.DuckDBPyConnection, sources: str) -> bool:
    """True when a source is a shadow, or `sources` (a query) names one that is not configured."""
    rows = con.execute(f"""
        select count(*) from (
            select source from meta.source where status = 'shadow'
            union all (select source from ({sources}) except select source from meta.source)
        )
    """).fetchall()
    return bool(rows[0][0])


def staged_sources() -> str:
    """A query for the source of every staged row."""
    return " union ".join(f"select distinct source from staging.{entity}" for entity in schema.entities())


def take_changes(con: duckdb.DuckDBPyConnection) -> set[str]:
    """delta.main.changed = the keys staging has noted since the last build; returns their entities."""
    con.execute("""
        create or replace table delta.main.changed as
        select distinct entity, source, source_id from meta.changes
    """)
    return {row[0] for row in con.execute("select distinct entity from delta.main.changed").fetchall()}


def resolve(
    con: duckdb.DuckDBPyConnection, store: Store, inc: Increment, last_decision: int, matcher: Matcher | None
) -> None:
    """Resolve identities for the increment, fill delta.main.affected and note what changed in identity tables."""
    con.execute("create or replace table delta.main.affected (customer_key varchar)")
    build_records.find(con, inc.entities)
    inc.is_moved = moved = customers.resolve_changed(con, store, inc.entities, last_decision, matcher)
    others = ""
    if moved:
        others = """
            union select customer_key from (
                select * from identity.customer_crosswalk semi join delta.main.touched using (source, source_id)
                except select * from delta.identity.resolved
            )
            union select customer_key from (
                select * from delta.identity.resolved except
                select * from identity.customer_crosswalk semi join delta.main.touched using (source, source_id)
            )
        """
    con.execute(f"""
        create or replace view delta.identity.crosswalk_now as
        select source, source_id, customer_key, rule, evidence from delta.identity.resolved
        union all
        select source, source_id, customer_key, rule, evidence from warehouse.identity.customer_crosswalk
        {"anti join delta.main.touched as t using (source, source_id)" if moved else ""}
    """)
    if "customer" in inc.entities or moved:
        con.execute(f"""
            insert into delta.main.affected
            select customer_key from identity.customer_crosswalk semi join delta.main.seed using (source, source_id)
            union select customer_key from delta.identity.resolved semi join delta.main.seed using (source, source_id)
            {others}
        """)
        if moved:
            _add_children(con)
        groups.add_descendants(con, "delta.main.affected")
    _people(con, store, inc)
    _pins(con, store, inc)
    _by_record(con, inc)
    projects.resolve_some_projects(con, is_needed=bool({"project"} & inc.present))
    con.execute("""
        create or replace table delta.main.affected as
        select distinct customer_key from delta.main.affected where customer_key is not null
    """)
    con.execute("""
        create or replace table delta.identity.customer_crosswalk as
        select * from delta.identity.crosswalk_now
        where customer_key in (select customer_key from delta.main.affected)
    """)
    groups.resolve_groups(con, only_affected=True)
    inc.changes |= _identity_changes(con, moved=moved)


def _add_children(con: duckdb.DuckDBPyConnection) -> None:
    """Add the children of touched records: a parent that came to be known, or moved, gives them another group."""
    found = con.execute("""
        create or replace table delta.main.child as
        select c.source, c.source_id from staging.customer as c
        semi join delta.main.touched as t on t.source = c.source and t.source_id = c.parent_id
    """).fetchall()
    if found[0][0]:
        con.execute("""
            insert into delta.main.affected
            select x.customer_key from delta.main.child as c
            join delta.identity.crosswalk_now as x on x.source = c.source and x.source_id = c.source_id
        """)


def _by_record(con: duckdb.DuckDBPyConnection, inc: Increment) -> None:
    """Add the customers of every changed record; what employees and products changed has to be looked up as well."""
    if {"employee", "product"} & inc.entities:
        rows = con.execute("select distinct entity from delta.main.changed").fetchall()
        inc.entities |= {str(row[0]) for row in rows}
        build_records.find(con, inc.entities)
    build_records.add_customers(con, inc.entities, inc.present)


def _identity_changes(con: duckdb.DuckDBPyConnection, *, moved: bool) -> Changes:
    """Which columns of the identity tables changed for the affected customers."""
    changes: Changes = {}
    touched = "(select * from identity.customer_crosswalk semi join delta.main.touched using (source, source_id))"
    queries = {
        "identity.customer_group": _difference(
            "delta.identity.customer_group",
            """(select * from identity.customer_group
                where customer_key in (select customer_key from delta.main.affected))""",
        ),
        "identity.project_crosswalk": _difference(
            "delta.identity.projects",
            "(select * from identity.project_crosswalk semi join delta.main.project_todo using (source, source_id))",
        ),
    }
    if moved:
        queries["identity.customer_crosswalk"] = _difference("delta.identity.resolved", touched)
        queries["keys"] = _difference("delta.identity.resolved", touched, "source, source_id, customer_key")
    row = con.execute("select " + ", ".join(f"({query})" for query in queries.values())).fetchall()[0]
    differs = {name: bool(count) for name, count in zip(queries, row, strict=True)}
    if differs.pop("keys", False):
        changes["identity.customer_crosswalk"] = ALL_COLUMNS
        differs.pop("identity.customer_crosswalk")
    elif differs.pop("identity.customer_crosswalk", False):
        changes["identity.customer_crosswalk"] = frozenset({"rule", "evidence"})
    return changes | {name: ALL_COLUMNS for name, is_different in differs.items() if is_different}


def _difference(new: str, old: str, columns: str = "*") -> str:
    return f"""
        select count(*) from (
            (select {columns} from {new} except select {columns} from {old})
            union all (select {columns} from {old} except select {columns} from {new})
        )
    """


def _people(con: duckdb.DuckDBPyConnection, store: Store, inc: Increment) -> None:
    """Re-resolve employees and products where they changed; customers whose rows name them are affected."""
    for entity, work in (("employee", people.resolve_employees), ("product", people.resolve_products)):
        if entity not in inc.entities:
            continue
        work(con, store)
        for name in people.TABLES[entity]:
            inc.tables[f"identity.{name}"] = f"delta.identity.{name}"
            differs = con.execute(_difference(f"delta.identity.{name}", f"identity.{name}")).fetchall()
            if differs[0][0]:
                inc.changes[f"identity.{name}"] = ALL_COLUMNS
    if "identity.employee_crosswalk" in inc.changes:
        con.execute("""
            create or replace table delta.main.person as
            select distinct source, source_id from (
                (select * from identity.employee_crosswalk except select * from delta.identity.employee_crosswalk)
                union all
                (select * from delta.identity.employee_crosswalk except select * from identity.employee_crosswalk)
            )
        """)
        for entity, column in PERSON_COLUMNS.items():
            _add_changed(con, inc, entity, "delta.main.person", column)
    if "employee" in inc.entities:
        _owners_by_name(con, inc)
    if "product" in inc.entities:
        _products(con, inc)


def _products(con: duckdb.DuckDBPyConnection, inc: Increment) -> None:
    """Order lines and assets whose product is another one now, and assets of products with another warranty."""
    con.execute("""
        create or replace table delta.main.warranted as
        select distinct product_key from (
            (select product_key, warranty_months from identity.product_golden
             except select product_key, warranty_months from delta.identity.product_golden)
            union all
            (select product_key, warranty_months from delta.identity.product_golden
             except select product_key, warranty_months from identity.product_golden)
        )
    """)
    for entity, more in (("sales_order_line", "false"), ("asset", "true")):
        warranted = f"{more} and product_key in (from delta.main.warranted)"
        con.execute(f"""
            create or replace table delta.main.goods as
            select distinct source, source_id from (
                (select * from identity.product_crosswalk except select * from delta.identity.product_crosswalk)
                union all
                (select * from delta.identity.product_crosswalk except select * from identity.product_crosswalk)
                union all (select * from delta.identity.product_crosswalk where {warranted})
            )
        """)
        _add_changed(con, inc, entity, "delta.main.goods", "product_id")
        con.execute(f"""
            insert into delta.main.changed
            select '{entity}', source, source_id from staging.{entity}
            where upper(trim(product_code)) in (
                (select code from (
                    select * from identity.product_code except select * from delta.identity.product_code
                ))
                union (select code from (
                    select * from delta.identity.product_code except select * from identity.product_code
                ))
                union (select code from delta.identity.product_code where {warranted})
            )
        """)


def _owners_by_name(con: duckdb.DuckDBPyConnection, inc: Increment) -> None:
    """Customers whose owner is named by a mail or staff number that means somebody else now, or whose source came to
    have employees of its own, or lost them."""
    if not {"identity.employee_identifier", "identity.employee_crosswalk"} & inc.changes.keys():
        return
    con.execute("""
        insert into delta.main.changed
        select distinct 'customer', c.source, c.source_id from staging.customer as c
        where lower(trim(c.owner_id)) in (
            select value from (select * from identity.employee_identifier
                               except select * from delta.identity.employee_identifier)
            union all select value from (select * from delta.identity.employee_identifier
                                         except select * from identity.employee_identifier)
        ) or c.owner_id is not null and c.source in (
            (select source from identity.employee_crosswalk except select source from delta.identity.employee_crosswalk)
            union all
            (select source from delta.identity.employee_crosswalk except select source from identity.employee_crosswalk)
        )
    """)


def _pins(con: duckdb.DuckDBPyConnection, store: Store, inc: Increment) -> None:
    """Decisions on fields as they hold now; the customers of records that won or lost one are affected."""
    inc.pinned = field_pins.resolve_pins(con, store)
    inc.tables["identity.field_pin"] = "delta.identity.field_pin"
    if con.execute(_difference("delta.identity.field_pin", "identity.field_pin")).fetchall()[0][0]:
        inc.changes["identity.field_pin"] = ALL_COLUMNS
        con.execute("""
            insert into delta.main.affected
            select x.customer_key from delta.identity.crosswalk_now as x
            semi join (
                (select * from identity.field_pin except select * from delta.identity.field_pin)
                union all (select * from delta.identity.field_pin except select * from identity.field_pin)
            ) as p on p.source = x.source and p.source_id = x.source_id
        """)


def _add_changed(con: duckdb.DuckDBPyConnection, inc: Increment, entity: str, keys: str, column: str) -> None:
    if entity in inc.present:
        con.execute(f"""
            insert into delta.main.changed
            select distinct '{entity}', e.source, e.source_id from staging.{entity} as e
            semi join {keys} as k on k.source = e.source and k.source_id = e.{column}
        """)
