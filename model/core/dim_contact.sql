-- A person at a customer, as one source knows that person. People are not merged across sources.
-- grain: customer
-- key: contact_key
-- not_null: customer_key, contact_key
-- cluster: customer_key, contact_key
with contact as (
    select * from staging.contact
    where seen_to is null and not is_deleted
),

crosswalk as (
    select source, source_id, customer_key from identity.customer_crosswalk
)

select
    crosswalk.customer_key,
    contact.source || ':' || contact.source_id as contact_key,
    contact.source,
    contact.source_id,
    contact.customer_id,
    contact.name,
    contact.title,
    contact.department,
    contact.role,
    contact.phone,
    contact.mobile,
    contact.email,
    contact.wechat,
    coalesce(contact.is_primary, false) as is_primary,
    coalesce(contact.is_finance, false) as is_finance,
    coalesce(contact.is_active, true) as is_active
from contact
join crosswalk on crosswalk.source = contact.source and crosswalk.source_id = coalesce(contact.customer_id, '')
