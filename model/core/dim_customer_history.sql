-- What a source said about a customer and when, for values that changed at least once since collection began.
-- A value that never changed has no row: what the record says now has held since before the first collection, as had
-- the value of a row that is_first. A change is dated by the record's own stamp where that lies between the two
-- collections, else by the collection that saw it. A deleted record says nothing; is_deleted says since when.
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

seen as (
    select
        customer.*,
        lag(customer.seen_from) over (
            partition by customer.source, customer.source_id order by customer.seen_from
        ) as seen_before
    from staging.customer
    join changed on changed.source = customer.source and changed.source_id = customer.source_id
),

version as (
    select
        seen.*,
        case
            when source_updated_at > seen_before and source_updated_at < seen_from then source_updated_at
            else seen_from
        end as changed_at
    from seen
),

value as (
    select source, source_id, seen_from, changed_at, is_deleted as is_gone, 'name' as attribute, name as value
    from version
    union all
    select source, source_id, seen_from, changed_at, is_deleted, 'former_name', former_name from version
    union all
    select source, source_id, seen_from, changed_at, is_deleted, 'kind', kind from version
    union all
    select source, source_id, seen_from, changed_at, is_deleted, 'short_name', short_name from version
    union all
    select source, source_id, seen_from, changed_at, is_deleted, 'english_name', english_name from version
    union all
    select source, source_id, seen_from, changed_at, is_deleted, 'status', status from version
    union all
    select source, source_id, seen_from, changed_at, is_deleted, 'uscc', uscc from version
    union all
    select source, source_id, seen_from, changed_at, is_deleted, 'registration_number', registration_number
    from version
    union all
    select source, source_id, seen_from, changed_at, is_deleted, 'tax_number', tax_number from version
    union all
    select source, source_id, seen_from, changed_at, is_deleted, 'bank_account', bank_account from version
    union all
    select source, source_id, seen_from, changed_at, is_deleted, 'address', address from version
    union all
    select source, source_id, seen_from, changed_at, is_deleted, 'payment_terms', payment_terms from version
    union all
    select source, source_id, seen_from, changed_at, is_deleted, 'owner_id', owner_id from version
    union all
    select source, source_id, seen_from, changed_at, is_deleted, 'tier', tier from version
    union all
    select source, source_id, seen_from, changed_at, is_deleted, 'industry', industry from version
    union all
    select source, source_id, seen_from, changed_at, is_deleted, 'region', region from version
    union all
    select source, source_id, seen_from, changed_at, is_deleted, 'province', province from version
    union all
    select source, source_id, seen_from, changed_at, is_deleted, 'city', city from version
    union all
    select source, source_id, seen_from, changed_at, is_deleted, 'phone', phone from version
    union all
    select source, source_id, seen_from, changed_at, is_deleted, 'email', email from version
    union all
    select source, source_id, seen_from, changed_at, is_deleted, 'website', website from version
    union all
    select source, source_id, seen_from, changed_at, is_deleted, 'credit_currency', credit_currency from version
    union all
    select
        source, source_id, seen_from, changed_at, is_deleted, 'credit_limit_amount',
        cast(credit_limit_amount as varchar)
    from version
    union all
    select source, source_id, seen_from, changed_at, is_deleted, 'is_on_hold', cast(is_on_hold as varchar)
    from version
    union all
    select source, source_id, seen_from, changed_at, false, 'is_deleted', cast(is_deleted as varchar) from version
),

compared as (
    select
        source, source_id, attribute, seen_from, changed_at,
        case when is_gone then null else value end as value,
        lag(case when is_gone then null else value end) over (
            partition by source, source_id, attribute order by seen_from
        ) as before,
        row_number() over (partition by source, source_id, attribute order by seen_from) as version
    from value
),

step as (
    select
        compared.*,
        count(*) over (partition by source, source_id, attribute) as steps
    from compared
    where version = 1 or value is distinct from before
)

select
    crosswalk.customer_key,
    step.source,
    step.source_id,
    step.attribute,
    step.value,
    step.changed_at as valid_from,
    lead(step.changed_at) over (
        partition by step.source, step.source_id, step.attribute order by step.seen_from
    ) as valid_to,
    step.version = 1 as is_first
from step
join crosswalk on crosswalk.source = step.source and crosswalk.source_id = step.source_id
where step.steps > 1
