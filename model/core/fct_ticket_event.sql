-- Status history of tickets, under the customer of their ticket.
-- grain: customer
-- key: record_key
-- not_null: customer_key, record_key, happened_at
-- cluster: customer_key, ticket_key, happened_at, record_key
with event as (
    select * from staging.ticket_event
    where seen_to is null and not is_deleted
),

ticket as (
    select record_key, customer_key from core.fct_ticket
)

select
    coalesce(ticket.customer_key, 'C000000') as customer_key,
    event.source || ':' || event.source_id as record_key,
    event.source,
    event.source_id,
    event.source || ':' || event.ticket_id as ticket_key,
    event.happened_at,
    event.field,
    event.from_value,
    event.to_value,
    event.author_id
from event
left join ticket on ticket.record_key = event.source || ':' || event.ticket_id
