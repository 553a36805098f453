-- How many records of entity opportunity a quality rule applies to (<rule>_checked) and break it (<rule>_failed), by
-- customer and source. Made from model/quality/rules.toml by `c360 docs`: change the rules, not this file.
-- grain: customer
-- key: customer_key, source
-- not_null: customer_key, source
-- cluster: customer_key, source
with record as (
    select
        customer_key, source, source_id, number, name, owner_id, owner_key, stage, amount, currency, probability_percent,
        close_on, is_closed, is_won, lost_reason, created_at, source_updated_at
    from core.fct_opportunity
)

select
    customer_key, source,
    count(*) as record_count,
    count(*) filter (where not is_closed) as opportunity_amount_checked,
    count(*) filter (where (not is_closed) and (amount is null)) as opportunity_amount_failed
from record
group by customer_key, source
