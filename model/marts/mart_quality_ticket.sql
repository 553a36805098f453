-- How many records of entity ticket a quality rule applies to (<rule>_checked) and break it (<rule>_failed), by
-- customer and source. Made from model/quality/rules.toml by `c360 docs`: change the rules, not this file.
-- grain: customer
-- key: customer_key, source
-- not_null: customer_key, source
-- cluster: customer_key, source
with record as (
    select
        customer_key, source, source_id, number, subject, status, is_open, priority, kind, channel, assignee_id,
        assignee_key, contact_key, product_code, created_at, solved_at, closed_at
    from core.fct_ticket
)

select
    customer_key, source,
    count(*) as record_count,
    count(*) filter (where true) as ticket_customer_checked,
    count(*) filter (where (true) and (customer_key = 'C000000')) as ticket_customer_failed,
    count(*) filter (where is_open) as ticket_assignee_checked,
    count(*) filter (where (is_open) and (assignee_key is null)) as ticket_assignee_failed,
    count(*) filter (where solved_at is not null and created_at is not null) as ticket_times_checked,
    count(*) filter (where (solved_at is not null and created_at is not null) and (solved_at < created_at)) as ticket_times_failed
from record
group by customer_key, source
