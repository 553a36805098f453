-- How many records of entity receipt a quality rule applies to (<rule>_checked) and break it (<rule>_failed), by
-- customer and source. Made from model/quality/rules.toml by `c360 docs`: change the rules, not this file.
-- grain: customer
-- key: customer_key, source
-- not_null: customer_key, source
-- cluster: customer_key, source
with record as (
    select
        customer_key, source, source_id, number, received_on, method, purpose, currency, amount, payer_name, bill_number,
        owner_id, owner_key
    from core.fct_receipt
    where known_to is null and excluded_reason is null
)

select
    customer_key, source,
    count(*) as record_count,
    count(*) filter (where true) as receipt_customer_checked,
    count(*) filter (where (true) and (customer_key = 'C000000')) as receipt_customer_failed
from record
group by customer_key, source
