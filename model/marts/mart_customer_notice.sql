-- What happened to a customer in one system while another still has it: one row per event and record of another system.
-- Events: a record was merged, deleted, deactivated or blocked. Leaving counts when no active record of the customer is
-- left in that system and it is news (dim_customer_event).
-- action, for the other record: repoint (its code names the merged record), merge_too (its system has several records),
-- check, deactivate, block. is_followed: that has happened since; ended_at: the event was taken back.
-- grain: customer
-- key: notice_key
-- not_null: customer_key, notice_key, action
-- cluster: customer_key, happened_at, notice_key
with happened as (
    select * from core.dim_customer_event
),

version as (
    select source, source_id, seen_to, crm_code, erp_code, service_code, project_code from staging.customer
),

off as (
    select source, source_id, min(happened_at) as off_at from happened
    where ended_at is null
    group by source, source_id
),

record as (
    select
        said.customer_key, said.source, said.source_id, said.role, said.code, said.owner_key, said.standing,
        off.off_at, said.standing = 0 and off.off_at is null as is_living
    from core.dim_customer_record as said
    left join off on off.source = said.source and off.source_id = said.source_id
    where not said.is_reference_only
),

present as (
    select
        customer_key, source,
        sum(case when is_living then 1 else 0 end) as living,
        max(case when not is_living then off_at end) as last_off_at
    from record
    group by customer_key, source
),

event as (
    select record.role, record.code, happened.*
    from happened
    join record on record.source = happened.source and record.source_id = happened.source_id
    join present on present.customer_key = record.customer_key and present.source = record.source
    where happened.is_news
        and (happened.kind = 'merged' or present.living = 0 or happened.ended_at is not null)
),

naming as (
    select
        source, source_id, seen_to, 'crm' as role, crm_code as code from version
    where crm_code is not null
    union all
    select source, source_id, seen_to, 'erp', erp_code from version
    where erp_code is not null
    union all
    select source, source_id, seen_to, 'tickets', service_code from version
    where service_code is not null
    union all
    select source, source_id, seen_to, 'projects', project_code from version
    where project_code is not null
),

pointing as (
    select
        event.source as event_source, event.source_id as event_id, naming.source, naming.source_id,
        max(case when naming.code <> event.merged_into_id then 1 else 0 end) as named_it,
        max(case when naming.seen_to is null and naming.code <> event.merged_into_id then 1 else 0 end) as names_it,
        max(case when naming.seen_to is null and naming.code = event.merged_into_id then 1 else 0 end) as names_other
    from naming
    join event on event.role = naming.role
        and (naming.code = event.source_id or naming.code = event.code or naming.code = event.merged_into_id)
    where event.kind = 'merged'
    group by event.source, event.source_id, naming.source, naming.source_id
),

asked as (
    select
        event.customer_key,
        event.source || ':' || event.source_id || ':' || event.kind || ':' || cast(event.occurrence as varchar)
            || '>' || other.source || ':' || other.source_id as notice_key,
        event.kind, event.source, event.source_id, event.merged_into_id, event.happened_at, event.ended_at,
        other.source as other_source, other.source_id as other_id, other.owner_key,
        case
            when event.kind = 'blocked' then 'block'
            when event.kind <> 'merged' then 'deactivate'
            when pointing.named_it = 1 then 'repoint'
            when present.living > 1 or present.last_off_at >= event.happened_at then 'merge_too'
            else 'check'
        end as action,
        case
            when not other.is_living then true
            when event.kind <> 'merged' then false
            when pointing.named_it = 1 then pointing.names_it = 0
            else present.living = 1 and coalesce(present.last_off_at >= event.happened_at, false)
        end as is_followed
    from event
    join record as other on other.customer_key = event.customer_key and other.source <> event.source
    join present on present.customer_key = other.customer_key and present.source = other.source
    left join pointing on pointing.event_source = event.source and pointing.event_id = event.source_id
        and pointing.source = other.source and pointing.source_id = other.source_id
    where (other.is_living or other.off_at >= event.happened_at)
        and coalesce(pointing.names_other = 0 or pointing.named_it = 1, true)
),

counted as (
    select
        asked.*,
        -- whoever leaves after another system asks nothing new of the rest
        row_number() over (
            partition by customer_key, other_source, other_id, action, ended_at is null
            order by happened_at, notice_key
        ) as place
    from asked
)

select
    customer_key, notice_key, kind, source, source_id, merged_into_id, happened_at, ended_at, other_source, other_id,
    owner_key, action, is_followed
from counted
where kind = 'merged' or ended_at is not null or place = 1
