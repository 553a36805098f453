"""The customer hierarchy: parent and group head of every customer that a source gives a parent."""

from __future__ import annotations

import duckdb

MAX_DEPTH = 10


def resolve_groups(con: duckdb.DuckDBPyConnection, *, only_affected: bool) -> None:
    """Write delta.identity.customer_group (customer_key, parent_key, group_key, group_name).

    Reads delta.identity.crosswalk_now; with `only_affected` only the customers of delta.main.affected, whose records
    are in delta.identity.customer_crosswalk. A circle of parents ends after ten steps; then the last one reached is
    the group head.
    """
    mine = "delta.identity.customer_crosswalk" if only_affected else "delta.identity.crosswalk_now"
    con.execute(f"""
        create or replace table delta.main.parent as
        select customer_key, parent_key from (
            select
                x.customer_key,
                p.customer_key as parent_key,
                row_number() over (
                    partition by x.customer_key order by s.rank_name, c.source, c.source_id
                ) as choice
            from staging.customer as c
            join meta.source as s on s.source = c.source
            join {mine} as x on x.source = c.source and x.source_id = c.source_id
            join delta.identity.crosswalk_now as p on p.source = c.source and p.source_id = c.parent_id
            where c.parent_id is not null and c.seen_to is null and not c.is_deleted
                and p.customer_key <> x.customer_key
        ) where choice = 1
    """)
    if not con.execute("select count(*) from delta.main.parent").fetchall()[0][0]:
        con.execute(
            "create or replace table delta.identity.customer_group as select * from identity.customer_group limit 0"
        )
        return
    known = "select customer_key, parent_key from delta.main.parent"
    if only_affected:
        known += """
            union all
            select customer_key, parent_key from identity.customer_group
            where customer_key not in (select customer_key from delta.main.affected)
        """
    con.execute("""
        create or replace table delta.main.head as
        select customer_key, parent_key, parent_key as group_key from delta.main.parent
    """)
    for _ in range(MAX_DEPTH):
        con.execute(f"""
            create or replace table delta.main.head_next as
            select h.customer_key, h.parent_key, coalesce(k.parent_key, h.group_key) as group_key
            from delta.main.head as h
            left join ({known}) as k on k.customer_key = h.group_key and k.parent_key <> h.customer_key
        """)
        moved = con.execute("""
            select count(*) from delta.main.head as h
            join delta.main.head_next as n using (customer_key) where n.group_key <> h.group_key
        """).fetchall()
        con.execute("create or replace table delta.main.head as select * from delta.main.head_next")
        if not moved[0][0]:
            break
    _name_groups(con)


def _name_groups(con: duckdb.DuckDBPyConnection) -> None:
    """Write delta.identity.customer_group from delta.main.head, with the name of each group's head."""
    con.execute("""
        create or replace table delta.identity.customer_group as
        with named as (
            select
                x.customer_key, c.name,
                row_number() over (
                    partition by x.customer_key order by s.rank_name, c.source, c.source_id
                ) as choice
            from staging.customer as c
            join meta.source as s on s.source = c.source
            join delta.identity.crosswalk_now as x on x.source = c.source and x.source_id = c.source_id
            where c.seen_to is null and not c.is_deleted
                and x.customer_key in (select group_key from delta.main.head)
        )
        select h.customer_key, h.parent_key, h.group_key, n.name as group_name
        from delta.main.head as h
        left join named as n on n.customer_key = h.group_key and n.choice = 1
    """)


def add_descendants(con: duckdb.DuckDBPyConnection, keys: str) -> None:
    """Add to delta.main.affected every customer below the customers of table `keys`, as of the last build."""
    con.execute(f"create or replace table delta.main.below as select distinct customer_key from {keys}")
    for _ in range(MAX_DEPTH):
        con.execute("""
            create or replace table delta.main.below as
            select customer_key from identity.customer_group
            where parent_key in (select customer_key from delta.main.below)
                and customer_key not in (select customer_key from delta.main.affected)
        """)
        if not con.execute("select count(*) from delta.main.below").fetchall()[0][0]:
            return
        con.execute("insert into delta.main.affected select distinct customer_key from delta.main.below")
