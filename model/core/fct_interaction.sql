-- Calls, mails, visits, meetings, chats and notes. The customer is the record's own, else that of its opportunity,
-- its ticket or its contact, in this order.
-- grain: customer
-- key: record_key
-- not_null: customer_key, record_key, happened_at
-- cluster: customer_key, happened_at, record_key
with interaction as (
    select * from staging.interaction
    where seen_to is null and not is_deleted
),

contact as (
    select contact_key, customer_key from core.dim_contact
),

ticket as (
    select record_key, customer_key from core.fct_ticket
    where customer_key <> 'C000000'
),

opportunity as (
    select record_key, customer_key from core.fct_opportunity
),

crosswalk as (
    select source, source_id, customer_key from identity.customer_crosswalk
),

employee as (
    select source, source_id, employee_key, name from identity.employee_crosswalk
)

select
    coalesce(
        crosswalk.customer_key, opportunity.customer_key, ticket.customer_key, contact.customer_key, 'C000000'
    ) as customer_key,
    i.source || ':' || i.source_id as record_key,
    i.source,
    i.source_id,
    i.customer_id,
    i.contact_id,
    i.source || ':' || i.contact_id as contact_key,
    i.employee_id,
    employee.employee_key,
    employee.name as employee_name,
    i.kind,
    i.direction,
    i.subject,
    i.body,
    i.happened_at,
    i.ticket_id,
    i.opportunity_id
from interaction as i
left join crosswalk on crosswalk.source = i.source and crosswalk.source_id = i.customer_id
left join opportunity on i.customer_id is null and opportunity.record_key = i.source || ':' || i.opportunity_id
left join ticket on i.customer_id is null and ticket.record_key = i.source || ':' || i.ticket_id
left join contact on i.customer_id is null and contact.contact_key = i.source || ':' || i.contact_id
left join employee on employee.source = i.source and employee.source_id = i.employee_id
