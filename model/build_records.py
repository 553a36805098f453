"""How records hang together, which staged rows changed, and whose they were and are.

delta.now.<entity>: the rows of the records in delta.main.changed, every version; `find` makes them once, because
looking for a thousand keys reads the key column of the whole company.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import duckdb

from model.identity import customers

OWN = ("contact", "opportunity", "contract", "sales_order", "shipment", "invoice", "receipt", "credit_note",
       "ticket", "interaction", "asset")  # fmt: skip
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
    "asset": "core.dim_asset",
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


def find(con: duckdb.DuckDBPyConnection, entities: AbstractSet[str]) -> None:
    """delta.now.<entity> = the keys, the mark of deletion and the references of the changed records' staged rows."""
    for entity in sorted({"customer", *OWN, "project", *CHILDREN} & entities):
        references = [column for column, _ in (*CHILDREN.get(entity, ()), *FALLBACKS.get(entity, ()))]
        own = ["customer_id"] if entity in customers.CUSTOMER_ENTITIES else []
        columns = ", ".join(dict.fromkeys(["source", "source_id", "is_deleted", *own, *references]))
        con.execute(f"create or replace table delta.main.found as {_rows_of(entity, f'staging.{entity}')}")
        con.execute(f"""
            create or replace table delta.now.{entity} as
            select {columns} from staging.{entity} where rowid in (from delta.main.found)
        """)


def _rows_of(entity: str, table: str) -> str:
    """A query for the row ids that the changed records of `entity` have in `table`."""
    return f"""
        select t.rowid as row_id from {table} as t
        semi join (select source, source_id from delta.main.changed where entity = '{entity}') as c
            on c.source = t.source and c.source_id = t.source_id
    """


def add_customers(con: duckdb.DuckDBPyConnection, entities: AbstractSet[str], present: AbstractSet[str]) -> None:
    """Add the former and present customers of every changed record to delta.main.affected.

    `entities`: those of the changed records, which `find` has looked up; `present`: entities that have rows.
    """
    found = []
    if "customer" in entities:
        found.append(_customers_of("customer", "e.source_id"))
    for entity in (*OWN, *CHILDREN, "project"):
        if entity not in entities:
            continue
        if entity in TABLES:
            found.append(f"""
                select customer_key from {TABLES[entity]} where rowid in ({_rows_of(entity, TABLES[entity])})
            """)
        if entity in OWN:
            found.append(_customers_of(entity, "coalesce(e.customer_id, '')"))
        found += [_through(entity, column, parent) for column, parent in CHILDREN.get(entity, ())]
        # a record that names none is covered by its own customer, or as one of nobody
        found += [
            f"{_through(entity, column, parent)} where e.{column} is not null"
            for column, parent in FALLBACKS.get(entity, ())
        ]
    for entity, parents in (*CHILDREN.items(), *FALLBACKS.items()):
        changed = [(column, parent) for column, parent in parents if parent in entities]
        # rows of a parent that is gone stand under C000000 from now on, rows of one that is back leave it
        found += [_orphaning(parent) for _, parent in changed]
        if changed and entity in present and entity in TABLES:
            _add_through_parents(con, entity, changed)
    for query in dict.fromkeys(found):
        con.execute(f"insert into delta.main.affected {query}")


def _add_through_parents(con: duckdb.DuckDBPyConnection, entity: str, parents: list[tuple[str, str]]) -> None:
    """Add the former customers of the rows of `entity` that name a changed record in one of the `parents`."""
    con.execute("create or replace table delta.main.child (source varchar, source_id varchar)")
    for column, parent in parents:
        con.execute(f"""
            insert into delta.main.child select source, source_id from staging.{entity} where rowid in (
                select e.rowid from staging.{entity} as e
                semi join (select source, source_id from delta.main.changed where entity = '{parent}') as c
                    on c.source = e.source and c.source_id = e.{column}
            )
        """)
    table = TABLES[entity]
    if con.execute("select count(*) from delta.main.child").fetchall()[0][0]:
        con.execute(f"""
            insert into delta.main.affected select customer_key from {table} where rowid in (
                select t.rowid from {table} as t semi join delta.main.child as c using (source, source_id)
            )
        """)


def _orphaning(parent: str) -> str:
    return f"""
        select '{customers.UNKNOWN}' from delta.now.{parent} where is_deleted limit 1
    """


def _customers_of(entity: str, value: str) -> str:
    return f"""
        select x.customer_key from delta.now.{entity} as e
        join delta.identity.crosswalk_now as x on x.source = e.source and x.source_id = {value}
    """


def _through(entity: str, column: str, parent: str) -> str:
    """Present customers of changed rows of `entity` by way of `column` → `parent`, or C000000 where it is missing."""
    owner = "p.customer_id" if parent != "project" else "p.source_id"
    crosswalk = "delta.identity.crosswalk_now" if parent != "project" else "identity.project_crosswalk"
    return f"""
        select coalesce(x.customer_key, '{customers.UNKNOWN}') from delta.now.{entity} as e
        left join staging.{parent} as p on p.source = e.source and p.source_id = e.{column}
            and p.seen_to is null and not p.is_deleted
        left join {crosswalk} as x on x.source = p.source and x.source_id = coalesce({owner}, '')
    """
