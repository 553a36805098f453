-- What a source did with a customer record: merged, deleted, deactivated or blocked it, and since when until when.
-- is_news: seen to happen; what the first collection found so is news when the record changed at most 30 days before.
-- grain: customer
-- key: source, source_id, kind, occurrence
-- not_null: customer_key, kind, happened_at
-- cluster: customer_key, source, source_id, kind, occurrence
with crosswalk as (
    select source, source_id, customer_key from identity.customer_crosswalk
),

concerned as (
    select distinct source, source_id from staging.customer
    where is_deleted or merged_into_id is not null or status in ('inactive', 'blocked') or is_forbidden or is_on_hold
),

version as (
    select
        customer.*,
        row_number() over (partition by customer.source, customer.source_id order by customer.seen_from) as number
    from staging.customer
    join concerned on concerned.source = customer.source and concerned.source_id = customer.source_id
),

flag as (
    select source, source_id, seen_from, source_updated_at, number, merged_into_id, 'merged' as kind,
        merged_into_id is not null as is_on
    from version
    union all
    select source, source_id, seen_from, source_updated_at, number, merged_into_id, 'deleted',
        is_deleted and merged_into_id is null
    from version
    union all
    select source, source_id, seen_from, source_updated_at, number, merged_into_id, 'deactivated',
        not is_deleted and merged_into_id is null
        and (coalesce(status, '') = 'inactive' or coalesce(is_forbidden, false))
    from version
    union all
    select source, source_id, seen_from, source_updated_at, number, merged_into_id, 'blocked',
        not is_deleted and merged_into_id is null and (coalesce(status, '') = 'blocked' or coalesce(is_on_hold, false))
    from version
),

compared as (
    select
        flag.*,
        lag(is_on) over (partition by source, source_id, kind order by seen_from) as was_on
    from flag
),

step as (
    select
        compared.*,
        lead(seen_from) over (partition by source, source_id, kind order by seen_from) as ended_at
    from compared
    where number = 1 or is_on is distinct from was_on
),

numbered as (
    select
        step.*,
        row_number() over (partition by source, source_id, kind order by seen_from) as occurrence,
        case when source_updated_at < seen_from then source_updated_at else seen_from end as happened_at
    from step
    where is_on
)

select
    crosswalk.customer_key, numbered.source, numbered.source_id, numbered.kind, numbered.occurrence,
    numbered.merged_into_id, numbered.happened_at, numbered.ended_at,
    numbered.number > 1 or date_diff('day', cast(numbered.happened_at as date), cast(numbered.seen_from as date)) <= 30
        as is_news
from numbered
join crosswalk on crosswalk.source = numbered.source and crosswalk.source_id = numbered.source_id
