-- How many records of entity contract a quality rule applies to (<rule>_checked) and break it (<rule>_failed), by
-- customer and source. Made from model/quality/rules.toml by `c360 docs`: change the rules, not this file.
-- grain: customer
-- key: customer_key, source
-- not_null: customer_key, source
-- cluster: customer_key, source
with record as (
    select
        customer_key, source, source_id, number, name, kind, owner_id, owner_key, status, amount, currency, start_on, end_on,
        signed_on, is_recurring, source_updated_at,
        row_number() over (partition by customer_key, source, lower(trim(number)) order by source_id) > 1 as is_repeated
    from core.fct_contract
)

select
    customer_key, source,
    count(*) as record_count,
    count(*) filter (where coalesce(status, '') <> 'draft') as contract_dates_checked,
    count(*) filter (where (coalesce(status, '') <> 'draft') and (start_on is null or end_on is null)) as contract_dates_failed,
    count(*) filter (where coalesce(status, '') <> 'draft' and coalesce(kind, '') <> 'frame') as contract_amount_checked,
    count(*) filter (where (coalesce(status, '') <> 'draft' and coalesce(kind, '') <> 'frame') and (amount is null)) as contract_amount_failed,
    count(*) filter (where start_on is not null and end_on is not null) as contract_period_checked,
    count(*) filter (where (start_on is not null and end_on is not null) and (end_on < start_on)) as contract_period_failed,
    count(*) filter (where number is not null) as contract_repeated_checked,
    count(*) filter (where (number is not null) and (is_repeated)) as contract_repeated_failed
from record
group by customer_key, source
