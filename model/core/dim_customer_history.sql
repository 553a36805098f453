-- What a source said about a customer and when, for records that changed at least once since collection began.
-- A record that never changed has no row: its present value has held since the first collection.
-- grain: customer
-- key: source, source_id, attribute, valid_from
-- not_null: customer_key, attribute, valid_from
-- cluster: customer_key, attribute, valid_from
with crosswalk as (
    select source, source_id, customer_key from identity.customer_crosswalk
),

changed as (
    select distinct source, source_id from staging.customer
    where seen_to is not null
),

version as (
    select customer.* from staging.customer
    join changed on changed.source = customer.source and changed.source_id = customer.source_id
),

value as (
    select source, source_id, seen_from, seen_to, is_deleted, 'name' as attribute, name as value from version
    union all
    select source, source_id, seen_from, seen_to, is_deleted, 'status', status from version
    union all
    select source, source_id, seen_from, seen_to, is_deleted, 'tier', tier from version
    union all
    select source, source_id, seen_from, seen_to, is_deleted, 'owner_id', owner_id from version
    union all
    select source, source_id, seen_from, seen_to, is_deleted, 'payment_terms', payment_terms from version
    union all
    select
        source, source_id, seen_from, seen_to, is_deleted, 'credit_limit_amount',
        cast(credit_limit_amount as varchar)
    from version
    union all
    select
        source, source_id, seen_from, seen_to, is_deleted, 'is_on_hold', cast(is_on_hold as varchar)
    from version
),

compared as (
    select
        source, source_id, attribute, seen_from, seen_to,
        case when is_deleted then null else value end as value,
        lag(case when is_deleted then null else value end) over (
            partition by source, source_id, attribute order by seen_from
        ) as before,
        row_number() over (partition by source, source_id, attribute order by seen_from) as version
    from value
),

step as (
    select * from compared
    where version = 1 or value is distinct from before
)

select
    crosswalk.customer_key,
    step.source,
    step.source_id,
    step.attribute,
    step.value,
    step.seen_from as valid_from,
    lead(step.seen_from) over (
        partition by step.source, step.source_id, step.attribute order by step.seen_from
    ) as valid_to
from step
join crosswalk on crosswalk.source = step.source and crosswalk.source_id = step.source_id
