-- How many records of entity project a quality rule applies to (<rule>_checked) and break it (<rule>_failed), by
-- customer and source. Made from model/quality/rules.toml by `c360 docs`: change the rules, not this file.
-- grain: customer
-- key: customer_key, source
-- not_null: customer_key, source
-- cluster: customer_key, source
with record as (
    select
        customer_key, source, source_id, code, name, manager_id, manager_key, status, contract_number, amount, currency,
        start_on, planned_end_on, actual_end_on
    from core.dim_project
)

select
    customer_key, source,
    count(*) as record_count,
    count(*) filter (where true) as project_customer_checked,
    count(*) filter (where (true) and (customer_key = 'C000000')) as project_customer_failed,
    count(*) filter (where actual_end_on is null) as project_plan_checked,
    count(*) filter (where (actual_end_on is null) and (planned_end_on is null)) as project_plan_failed
from record
group by customer_key, source
