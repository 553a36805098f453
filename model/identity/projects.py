"""Which customer a project belongs to. Project systems have no customer records, only codes, numbers and names.

Rules in order: the customer id of the same source; a customer code of any source; a contract or order number; the
customer's exact name. A rule counts only where it names exactly one customer. No rule: C000000, rule `none`.
"""

from __future__ import annotations

import duckdb

_RULES = """
with project as (
    select p.source, p.source_id, p.customer_id, trim(p.customer_code) as customer_code,
        trim(p.contract_number) as contract_number, trim(p.customer_name) as customer_name
    from staging.project as p {only}
    join meta.source as s on s.source = p.source and s.status <> 'shadow'
    where p.seen_to is null and not p.is_deleted
),

customer as (
    select c.source, c.source_id, c.code, c.name from staging.customer as c
    join meta.source as s on s.source = c.source and s.status <> 'shadow'
    where c.seen_to is null and not c.is_deleted
),

numbered as (
    select source, number, customer_id from staging.contract
    where seen_to is null and not is_deleted
    union all
    select source, contract_number, customer_id from staging.sales_order
    where seen_to is null and not is_deleted and contract_number is not null
    union all
    select source, number, customer_id from staging.sales_order
    where seen_to is null and not is_deleted
),

named as (
    select p.source, p.source_id, p.source as of_source, p.customer_id as of_id, 1 as step,
        'customer_id' as rule, p.customer_id as evidence
    from project as p
    where p.customer_id is not null
    union all
    select p.source, p.source_id, c.source, c.source_id, 2, 'customer_code', p.customer_code
    from customer as c
    join project as p on p.customer_code = c.code
    union all
    select p.source, p.source_id, c.source, c.source_id, 2, 'customer_code', p.customer_code
    from customer as c
    join project as p on p.customer_code = c.source_id
    union all
    select p.source, p.source_id, n.source, n.customer_id, 3, 'contract_number', p.contract_number
    from numbered as n
    join project as p on p.contract_number = n.number
    union all
    select p.source, p.source_id, c.source, c.source_id, 4, 'customer_name', p.customer_name
    from customer as c
    join project as p on p.customer_name = trim(c.name)
),

found as (
    select n.source, n.source_id, n.step, n.rule, n.evidence, min(x.customer_key) as customer_key
    from named as n
    join delta.identity.crosswalk_now as x on x.source = n.of_source and x.source_id = n.of_id
    where x.customer_key <> 'C000000'
    group by n.source, n.source_id, n.step, n.rule, n.evidence
    having count(distinct x.customer_key) = 1
),

best as (
    select *, row_number() over (partition by source, source_id order by step) as choice from found
)

select
    p.source, p.source_id,
    coalesce(b.customer_key, 'C000000') as customer_key,
    coalesce(b.rule, 'none') as rule,
    b.evidence
from project as p
left join best as b on b.source = p.source and b.source_id = p.source_id and b.choice = 1
"""


def resolve_projects(con: duckdb.DuckDBPyConnection) -> None:
    """Write delta.identity.projects: the crosswalk of every project."""
    con.execute("create or replace table delta.identity.projects as " + _RULES.format(only=""))


def resolve_some_projects(con: duckdb.DuckDBPyConnection, *, is_needed: bool = True) -> None:
    """Write delta.identity.projects for what delta.main.changed, touched and affected can move.

    Adds the former and the new customers of projects that moved to delta.main.affected. delta.main.project_todo
    names the projects that were looked at: none where `is_needed` is False, since no source has projects.
    """
    if not is_needed:
        con.execute("create or replace table delta.main.project_todo (source varchar, source_id varchar)")
        con.execute(
            "create or replace table delta.identity.projects as select * from identity.project_crosswalk limit 0"
        )
        return
    con.execute("""
        create or replace table delta.main.project_words as
        select c.code as word from staging.customer as c
        semi join delta.main.touched as t using (source, source_id)
        union select c.source_id from staging.customer as c
        semi join delta.main.touched as t using (source, source_id)
        union select trim(c.name) from staging.customer as c
        semi join delta.main.touched as t using (source, source_id)
        union select c.number from staging.contract as c
        join delta.main.changed as d
            on d.entity = 'contract' and d.source = c.source and d.source_id = c.source_id
        union select unnest([c.number, c.contract_number]) from staging.sales_order as c
        join delta.main.changed as d
            on d.entity = 'sales_order' and d.source = c.source and d.source_id = c.source_id
    """)
    con.execute("""
        create or replace table delta.main.project_todo as
        select source, source_id from delta.main.changed where entity = 'project'
        union
        select source, source_id from identity.project_crosswalk
        where customer_key in (select customer_key from delta.main.affected where customer_key <> 'C000000')
        union
        select source, source_id from staging.project
        where trim(customer_code) in (select word from delta.main.project_words where word is not null)
            or trim(contract_number) in (select word from delta.main.project_words where word is not null)
            or trim(customer_name) in (select word from delta.main.project_words where word is not null)
    """)
    only = "semi join delta.main.project_todo as t using (source, source_id)"
    con.execute("create or replace table delta.identity.projects as " + _RULES.format(only=only))
    con.execute("""
        insert into delta.main.affected
        select customer_key from identity.project_crosswalk
        semi join delta.main.project_todo using (source, source_id)
        anti join delta.identity.projects as n using (source, source_id, customer_key)
        union
        select customer_key from delta.identity.projects
        anti join identity.project_crosswalk as o using (source, source_id, customer_key)
    """)
