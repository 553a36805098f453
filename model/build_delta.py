"""The increment: which customers changed, and the slice of every table that their models read.

Catalogue `delta` is in memory. It holds delta.main.changed (entity, source, source_id), delta.main.affected
(customer_key), delta.shown.<entity> (staging without hidden sources) and, per table that a customer model reads,
the slice delta.<schema>.<table>. Every row in a slice resolves to its right customer, so that models run on slices
unchanged; the merge keeps the rows of affected customers.
"""

from __future__ import annotations

import duckdb

from model import schema
from model.identity import customers, groups, people, projects
from ops.store import Store

OWN = ("contact", "opportunity", "contract", "sales_order", "shipment", "invoice", "receipt", "credit_note",
       "ticket", "interaction")  # fmt: skip
# child → (column, parent) pairs; a child stands under the customer of its parent
CHILDREN: dict[str, tuple[tuple[str, str], ...]] = {
    "sales_order_line": (("order_id", "sales_order"),),
    "invoice_plan": (("invoice_id", "invoice"),),
    "ticket_event": (("ticket_id", "ticket"),),
    "milestone": (("project_id", "project"),),
    "allocation": (
        ("invoice_id", "invoice"),
        ("receipt_id", "receipt"),
        ("credit_note_id", "credit_note"),
        ("credit_note_id", "invoice"),
    ),
}
# records without a customer of their own that take it from another record
FALLBACKS: dict[str, tuple[tuple[str, str], ...]] = {
    "ticket": (("contact_id", "contact"),),
    "interaction": (("opportunity_id", "opportunity"), ("ticket_id", "ticket"), ("contact_id", "contact")),
}
# where a record stood in the last build
TABLES = {
    "contact": "core.dim_contact",
    "opportunity": "core.fct_opportunity",
    "contract": "core.fct_contract",
    "sales_order": "core.fct_order",
    "sales_order_line": "core.fct_order_line",
    "shipment": "core.fct_shipment",
    "invoice": "core.fct_plan_row",
    "receipt": "core.fct_receipt",
    "credit_note": "core.fct_credit_note",
    "allocation": "core.fct_allocation",
    "ticket": "core.fct_ticket",
    "ticket_event": "core.fct_ticket_event",
    "interaction": "core.fct_interaction",
    "project": "core.dim_project",
    "milestone": "core.fct_milestone",
}
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
SLICED = ("customer", *OWN, "project", *CHILDREN)


def attach(con: duckdb.DuckDBPyConnection) -> None:
    """Attach the empty catalogue `delta` and its views of what is shown."""
    con.execute("attach ':memory:' as delta")
    for name in ("shown", "staging", "identity", "core", "marts"):
        con.execute(f"create schema delta.{name}")
    hidden = con.execute("select count(*) from meta.source where status = 'shadow'").fetchall()[0][0]
    for entity in schema.entities():
        listed = con.execute(
            f"select count(*) from (select distinct source from warehouse.staging.{entity}) "
            "where source not in (select source from meta.source)"
        ).fetchall()[0][0]
        only = ""
        if hidden or listed:
            only = "where source in (select source from warehouse.meta.source where status <> 'shadow')"
        con.execute(f"create view delta.shown.{entity} as select * from warehouse.staging.{entity} {only}")


def take_changes(con: duckdb.DuckDBPyConnection) -> set[str]:
    """delta.main.changed = the keys staging has noted since the last build; returns their entities."""
    con.execute("""
        create or replace table delta.main.changed as
        select distinct entity, source, source_id from meta.changes
    """)
    return {row[0] for row in con.execute("select distinct entity from delta.main.changed").fetchall()}


def resolve(con: duckdb.DuckDBPyConnection, store: Store, entities: set[str], last_decision: int) -> None:
    """Resolve identities for the increment and fill delta.main.affected."""
    con.execute("create or replace table delta.main.affected (customer_key varchar)")
    customers.resolve_changed(con, store, last_decision)
    con.execute("""
        create or replace view delta.identity.crosswalk_now as
        select source, source_id, customer_key, rule, evidence from delta.identity.resolved
        union all
        select source, source_id, customer_key, rule, evidence from warehouse.identity.customer_crosswalk
        anti join delta.main.touched as t using (source, source_id)
    """)
    con.execute("""
        insert into delta.main.affected
        select customer_key from identity.customer_crosswalk semi join delta.main.seed using (source, source_id)
        union select customer_key from delta.identity.resolved semi join delta.main.seed using (source, source_id)
        union select customer_key from (
            select * from identity.customer_crosswalk semi join delta.main.touched using (source, source_id)
            except select * from delta.identity.resolved
        )
        union select customer_key from (
            select * from delta.identity.resolved except select * from identity.customer_crosswalk
        )
    """)
    groups.add_descendants(con, "delta.main.affected")
    _people(con, store, entities)
    _by_record(con, entities)
    projects.resolve_some_projects(con)
    con.execute("""
        create or replace table delta.main.affected as
        select distinct customer_key from delta.main.affected where customer_key is not null
    """)
    groups.resolve_groups(con, only_affected=True)


def _people(con: duckdb.DuckDBPyConnection, store: Store, entities: set[str]) -> None:
    """Re-resolve employees and products where they changed; customers whose rows name them are affected."""
    for entity, work in (("employee", people.resolve_employees), ("product", people.resolve_products)):
        if entity in entities:
            work(con, store)
            continue
        for table in (f"{entity}_crosswalk", f"{entity}_golden"):
            con.execute(f"create or replace table delta.identity.{table} as select * from identity.{table}")
    if "employee" in entities:
        con.execute("""
            create or replace table delta.main.person as
            select distinct source, source_id from (
                (select * from identity.employee_crosswalk except select * from delta.identity.employee_crosswalk)
                union all
                (select * from delta.identity.employee_crosswalk except select * from identity.employee_crosswalk)
            )
        """)
        for entity, column in PERSON_COLUMNS.items():
            _add_changed(con, entity, "delta.main.person", column)
    if "product" in entities:
        con.execute("""
            create or replace table delta.main.goods as
            select distinct source, source_id from (
                (select * from identity.product_crosswalk except select * from delta.identity.product_crosswalk)
                union all
                (select * from delta.identity.product_crosswalk except select * from identity.product_crosswalk)
            )
        """)
        _add_changed(con, "sales_order_line", "delta.main.goods", "product_id")
        con.execute("""
            insert into delta.main.changed
            select 'sales_order_line', source, source_id from staging.sales_order_line
            where upper(trim(product_code)) in (
                (select code from (
                    select product_key, code from identity.product_golden
                    except select product_key, code from delta.identity.product_golden
                ))
                union (select code from (
                    select product_key, code from delta.identity.product_golden
                    except select product_key, code from identity.product_golden
                ))
            )
        """)


def _add_changed(con: duckdb.DuckDBPyConnection, entity: str, keys: str, column: str) -> None:
    con.execute(f"""
        insert into delta.main.changed
        select distinct '{entity}', e.source, e.source_id from staging.{entity} as e
        semi join {keys} as k on k.source = e.source and k.source_id = e.{column}
    """)


def _by_record(con: duckdb.DuckDBPyConnection, entities: set[str]) -> None:
    """Add the former and present customers of every changed record."""
    entities |= {row[0] for row in con.execute("select distinct entity from delta.main.changed").fetchall()}
    if "customer" in entities:
        _affect(con, _customers_of("customer", "customer", "source_id"))
    for entity in (*OWN, *CHILDREN, "project"):
        if entity not in entities:
            continue
        if entity in TABLES:
            _affect(
                con,
                f"""
                select t.customer_key from {TABLES[entity]} as t
                join delta.main.changed as c
                    on c.entity = '{entity}' and c.source = t.source and c.source_id = t.source_id
            """,
            )
        if entity in OWN:
            _affect(con, _customers_of(entity, entity, "coalesce(e.customer_id, '')", is_expression=True))
        for column, parent in (*CHILDREN.get(entity, ()), *FALLBACKS.get(entity, ())):
            _affect(con, _through(entity, column, parent))
    for entity, parents in (*CHILDREN.items(), *FALLBACKS.items()):
        for column, parent in parents:
            if parent in entities:
                # rows of a parent that is gone stand under C000000 from now on, rows of one that is back leave it
                _affect(con, _orphaning(parent))
            if parent in entities and entity in TABLES:
                _affect(
                    con,
                    f"""
                    select t.customer_key from {TABLES[entity]} as t
                    join staging.{entity} as a on a.source = t.source and a.source_id = t.source_id
                    join delta.main.changed as c
                        on c.entity = '{parent}' and c.source = a.source and c.source_id = a.{column}
                """,
                )


def _affect(con: duckdb.DuckDBPyConnection, query: str) -> None:
    con.execute(f"insert into delta.main.affected {query}")


def _orphaning(parent: str) -> str:
    return f"""
        select '{customers.UNKNOWN}' from staging.{parent} as e
        join delta.main.changed as c on c.entity = '{parent}' and c.source = e.source and c.source_id = e.source_id
        where e.is_deleted limit 1
    """


def _customers_of(changed: str, entity: str, column: str, *, is_expression: bool = False) -> str:
    value = column if is_expression else f"e.{column}"
    return f"""
        select x.customer_key from staging.{entity} as e
        join delta.main.changed as c on c.entity = '{changed}' and c.source = e.source and c.source_id = e.source_id
        join delta.identity.crosswalk_now as x on x.source = e.source and x.source_id = {value}
    """


def _through(entity: str, column: str, parent: str) -> str:
    """Present customers of changed rows of `entity` by way of `column` → `parent`, or C000000 where it is missing."""
    owner = "p.customer_id" if parent != "project" else "p.source_id"
    crosswalk = "delta.identity.crosswalk_now" if parent != "project" else "identity.project_crosswalk"
    return f"""
        select coalesce(x.customer_key, '{customers.UNKNOWN}') from staging.{entity} as e
        join delta.main.changed as c on c.entity = '{entity}' and c.source = e.source and c.source_id = e.source_id
        left join staging.{parent} as p on p.source = e.source and p.source_id = e.{column}
            and p.seen_to is null and not p.is_deleted
        left join {crosswalk} as x on x.source = p.source and x.source_id = coalesce({owner}, '')
    """


def slices(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Cut the slices of the affected customers; returns table → slice for everything a customer model may read."""
    con.execute("""
        create or replace table delta.identity.customer_crosswalk as
        select * from delta.identity.crosswalk_now
        where customer_key in (select customer_key from delta.main.affected)
    """)
    unknown = con.execute(
        f"select count(*) from delta.main.affected where customer_key = '{customers.UNKNOWN}'"
    ).fetchall()[0][0]
    _cut(con, "customer", "x.source_id = e.source_id")
    for entity in OWN:
        _cut(con, entity, "x.source_id = coalesce(e.customer_id, '')")
    _project_slice(con)
    for entity, parents in FALLBACKS.items():
        for column, parent in parents:
            _add(con, entity, column, parent, "and e.customer_id is null")
    for entity, parents in CHILDREN.items():
        con.execute(f"create or replace table delta.staging.{entity} as select * from delta.shown.{entity} limit 0")
        for column, parent in parents:
            _add(con, entity, column, parent, "")
        if unknown:
            _add_orphans(con, entity, parents)
    for entity, parents in (*CHILDREN.items(), *FALLBACKS.items()):
        for column, parent in parents:
            _add_parents(con, entity, column, parent)
    _close_crosswalk(con)
    result = {f"staging.{entity}": f"delta.staging.{entity}" for entity in SLICED}
    for name in ("customer_crosswalk", "customer_group", "project_crosswalk"):
        result[f"identity.{name}"] = f"delta.identity.{name}"
    for name in ("employee_crosswalk", "employee_golden", "product_crosswalk", "product_golden"):
        result[f"identity.{name}"] = f"delta.identity.{name}"
    return result


def _cut(con: duckdb.DuckDBPyConnection, entity: str, condition: str) -> None:
    con.execute(f"""
        create or replace table delta.staging.{entity} as
        select e.* from delta.shown.{entity} as e
        semi join delta.identity.customer_crosswalk as x on x.source = e.source and {condition}
    """)
    _add_versions(con, entity)


def _add_versions(con: duckdb.DuckDBPyConnection, entity: str) -> None:
    """A record's versions belong together, whichever customer an older one stood under."""
    con.execute(f"""
        insert into delta.staging.{entity}
        select e.* from delta.shown.{entity} as e
        semi join delta.staging.{entity} as s on s.source = e.source and s.source_id = e.source_id
        anti join delta.staging.{entity} as h
            on h.source = e.source and h.source_id = e.source_id and h.seen_from = e.seen_from
    """)


def _project_slice(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("""
        create or replace table delta.identity.project_crosswalk as
        select * from (
            select * from delta.identity.projects
            union all
            select * from identity.project_crosswalk anti join delta.main.project_todo using (source, source_id)
        ) where customer_key in (select customer_key from delta.main.affected)
    """)
    con.execute("""
        create or replace table delta.staging.project as
        select e.* from delta.shown.project as e
        semi join delta.identity.project_crosswalk as x on x.source = e.source and x.source_id = e.source_id
    """)


def _add(con: duckdb.DuckDBPyConnection, entity: str, column: str, parent: str, extra: str) -> None:
    con.execute(f"""
        insert into delta.staging.{entity}
        select e.* from delta.shown.{entity} as e
        semi join delta.staging.{parent} as p on p.source = e.source and p.source_id = e.{column}
        anti join delta.staging.{entity} as h
            on h.source = e.source and h.source_id = e.source_id and h.seen_from = e.seen_from
        where true {extra}
    """)
    _add_versions(con, entity)


def _add_orphans(con: duckdb.DuckDBPyConnection, entity: str, parents: tuple[tuple[str, str], ...]) -> None:
    missing = " ".join(
        f"anti join delta.shown.{parent} as p{i} on p{i}.source = e.source and p{i}.source_id = e.{column} "
        f"and p{i}.seen_to is null and not p{i}.is_deleted"
        for i, (column, parent) in enumerate(parents)
    )
    con.execute(f"""
        insert into delta.staging.{entity}
        select e.* from delta.shown.{entity} as e {missing}
        anti join delta.staging.{entity} as h
            on h.source = e.source and h.source_id = e.source_id and h.seen_from = e.seen_from
    """)


def _add_parents(con: duckdb.DuckDBPyConnection, entity: str, column: str, parent: str) -> None:
    con.execute(f"""
        insert into delta.staging.{parent}
        select e.* from delta.shown.{parent} as e
        semi join delta.staging.{entity} as c on c.source = e.source and c.{column} = e.source_id
        anti join delta.staging.{parent} as h
            on h.source = e.source and h.source_id = e.source_id and h.seen_from = e.seen_from
    """)


def _close_crosswalk(con: duckdb.DuckDBPyConnection) -> None:
    """Rows that came in by reference keep their own customers, whose keys the models need as well."""
    named = " union ".join(
        f"select source, coalesce(customer_id, '') as source_id from delta.staging.{entity}" for entity in OWN
    )
    con.execute(f"""
        insert into delta.identity.customer_crosswalk
        select x.* from delta.identity.crosswalk_now as x
        semi join ({named}) as n using (source, source_id)
        anti join delta.identity.customer_crosswalk as h using (source, source_id)
    """)
    con.execute("""
        insert into delta.identity.project_crosswalk
        select * from (
            select * from delta.identity.projects
            union all
            select * from identity.project_crosswalk anti join delta.main.project_todo using (source, source_id)
        ) as x
        semi join delta.staging.project as p using (source, source_id)
        anti join delta.identity.project_crosswalk as h using (source, source_id)
    """)
