-- Service tickets as they stand now. A ticket without organisation stands under C000000.
-- grain: customer
-- key: record_key
-- not_null: customer_key, record_key
-- cluster: customer_key, created_at, record_key
with ticket as (
    select * from staging.ticket
    where seen_to is null and not is_deleted
),

contact as (
    select source, source_id, customer_id from staging.contact
    where seen_to is null and not is_deleted
),

crosswalk as (
    select source, source_id, customer_key from identity.customer_crosswalk
),

employee as (
    select source, source_id, employee_key, name from identity.employee_crosswalk
)

select
    coalesce(crosswalk.customer_key, of_contact.customer_key, 'C000000') as customer_key,
    ticket.source || ':' || ticket.source_id as record_key,
    ticket.source,
    ticket.source_id,
    ticket.number,
    ticket.customer_id,
    ticket.contact_id,
    ticket.source || ':' || ticket.contact_id as contact_key,
    ticket.assignee_id,
    employee.employee_key as assignee_key,
    employee.name as assignee_name,
    ticket.subject,
    ticket.description,
    ticket.status,
    coalesce(ticket.status, 'open') not in ('solved', 'closed') as is_open,
    ticket.priority,
    ticket.kind,
    ticket.channel,
    ticket.product_code,
    ticket.serial_number,
    ticket.serial_key,
    ticket.created_at,
    ticket.first_responded_at,
    ticket.solved_at,
    ticket.closed_at,
    ticket.response_due_at,
    ticket.resolution_due_at,
    ticket.response_sla,
    ticket.resolution_sla,
    ticket.satisfaction,
    ticket.callback_at,
    ticket.source_updated_at
from ticket
left join crosswalk on crosswalk.source = ticket.source and crosswalk.source_id = ticket.customer_id
left join contact
    on contact.source = ticket.source and contact.source_id = ticket.contact_id and ticket.customer_id is null
left join crosswalk as of_contact
    on of_contact.source = contact.source and of_contact.source_id = contact.customer_id
left join employee on employee.source = ticket.source and employee.source_id = ticket.assignee_id
