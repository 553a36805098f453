"""Who looked after each customer on a past day, as SQL: by what its records said of their owner then.

The winner between records is chosen by today's survivorship rules, as on the card of a past day. Before a record was
first collected its first known owner is assumed, and that is said (`is_assumed`).
"""

from __future__ import annotations

# a step of standing in core.dim_customer_rank
_DELETED = 200 * 10_000_000_000

# customer_key, owner_key, owner_name (both null: nobody), is_assumed of every customer, before the instant $members_end
OWNERS_THEN = f"""
    member_past as (
        select source, source_id, attribute, value from core.dim_customer_history
        where attribute in ('owner_id', 'is_deleted') and (
            valid_from < $members_end and (valid_to is null or valid_to >= $members_end)
            or is_first and valid_from >= $members_end
        )
    ),
    member_said as (
        select r.customer_key, r.source, r.source_id, o.source is not null as is_told,
               case when o.source is null then r.owner_id else o.value end as owner_id, r.owner_key,
               k.owner_rank + {_DELETED} * (
                   cast(coalesce(d.value = 'true', r.is_deleted) as integer) - cast(r.is_deleted as integer)
               ) as place
        from core.dim_customer_record as r
        join core.dim_customer_rank as k on k.source = r.source and k.source_id = r.source_id
        left join member_past as o
            on o.source = r.source and o.source_id = r.source_id and o.attribute = 'owner_id'
        left join member_past as d
            on d.source = r.source and d.source_id = r.source_id and d.attribute = 'is_deleted'
        where not r.is_reference_only
            and r.customer_key in (
                select customer_key from core.dim_customer_history where attribute in ('owner_id', 'is_deleted')
            )
    ),
    member_ranked as (
        select *, row_number() over (
            partition by customer_key order by owner_id is null, place is null, place, source_id
        ) as number
        from member_said
    ),
    member_changed as (
        select m.customer_key, case when m.owner_id is not null then m.source end as source,
               case when m.is_told then coalesce(e.employee_key, mail.employee_key, code.employee_key)
                    when m.owner_id is not null then m.owner_key end as owner_key
        from member_ranked as m
        left join identity.employee_crosswalk as e on e.source = m.source and e.source_id = m.owner_id
        left join identity.employee_identifier as mail
            on mail.kind = 'email' and mail.value = lower(trim(m.owner_id))
        left join identity.employee_identifier as code
            on code.kind = 'code' and code.value = lower(trim(m.owner_id))
            and m.source not in (select source from identity.employee_crosswalk)
        where m.number = 1
    ),
    member_collected as (
        select distinct x.customer_key, x.source
        from staging.customer as v
        join identity.customer_crosswalk as x on x.source = v.source and x.source_id = v.source_id
        where v.seen_from < $members_end
    ),
    member_owner as (
        select c.customer_key,
               case when m.customer_key is null then c.owner_key else m.owner_key end as owner_key,
               case when m.customer_key is null then c.owner_source else m.source end as source
        from core.dim_customer as c
        left join member_changed as m on m.customer_key = c.customer_key
    ),
    member as (
        select o.customer_key, o.owner_key, coalesce(e.name, '') as owner_name,
               case when o.source is null then not exists (
                        select 1 from member_collected as k where k.customer_key = o.customer_key)
                    else not exists (
                        select 1 from member_collected as k
                        where k.customer_key = o.customer_key and k.source = o.source) end as is_assumed
        from member_owner as o
        left join core.dim_employee as e on e.employee_key = o.owner_key
    )"""
