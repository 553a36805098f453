-- Contracts and subscriptions as they stand now.
-- grain: customer
-- key: record_key
-- not_null: customer_key, record_key
-- cluster: customer_key, start_on, record_key
with contract as (
    select * from staging.contract
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
    contract.source || ':' || contract.source_id as record_key,
    contract.source,
    contract.source_id,
    contract.number,
    contract.name,
    contract.customer_id,
    contract.kind,
    contract.owner_id,
    employee.employee_key as owner_key,
    employee.name as owner_name,
    contract.status,
    contract.amount,
    contract.currency,
    contract.start_on,
    contract.end_on,
    contract.signed_on,
    coalesce(contract.is_recurring, false) as is_recurring,
    contract.source || ':' || contract.renewal_of_id as renewal_of_key,
    contract.renewal_of_id,
    contract.opportunity_id,
    coalesce(contract.auto_renew, false) as auto_renew,
    contract.owner_forecast_percent,
    contract.service_level,
    contract.entered_at,
    contract.source_updated_at
from contract
join crosswalk on crosswalk.source = contract.source and crosswalk.source_id = coalesce(contract.customer_id, '')
left join employee on employee.source = contract.source and employee.source_id = contract.owner_id
