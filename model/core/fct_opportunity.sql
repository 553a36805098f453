-- Opportunities as they stand now.
-- grain: customer
-- key: record_key
-- not_null: customer_key, record_key
-- cluster: customer_key, close_on, record_key
with opportunity as (
    select * from staging.opportunity
    where seen_to is null and not is_deleted
),

crosswalk as (
    select source, source_id, customer_key from identity.customer_crosswalk
),

employee as (
    select source, source_id, employee_key, name from identity.employee_crosswalk
)

select
    crosswalk.customer_key,
    o.source || ':' || o.source_id as record_key,
    o.source,
    o.source_id,
    o.number,
    o.name,
    o.customer_id,
    o.owner_id,
    employee.employee_key as owner_key,
    employee.name as owner_name,
    o.stage,
    o.kind,
    o.amount,
    o.currency,
    o.probability_percent,
    o.close_on,
    coalesce(o.is_closed, false) as is_closed,
    coalesce(o.is_won, false) as is_won,
    o.lost_reason,
    o.created_at,
    o.closed_at,
    o.source_updated_at
from opportunity as o
join crosswalk on crosswalk.source = o.source and crosswalk.source_id = coalesce(o.customer_id, '')
left join employee on employee.source = o.source and employee.source_id = o.owner_id
