-- How many records of entity contact a quality rule applies to (<rule>_checked) and break it (<rule>_failed), by
-- customer and source. Made from model/quality/rules.toml by `c360 docs`: change the rules, not this file.
-- grain: customer
-- key: customer_key, source
-- not_null: customer_key, source
-- cluster: customer_key, source
with record as (
    select
        customer_key, source, source_id, name, title, role, phone, mobile, email, wechat, is_primary, is_finance, is_active,
        row_number() over (partition by customer_key, source, lower(trim(name)) order by source_id) > 1 as is_repeated
    from core.dim_contact
)

select
    customer_key, source,
    count(*) as record_count,
    count(*) filter (where coalesce(is_active, true)) as contact_reachable_checked,
    count(*) filter (where (coalesce(is_active, true)) and (mobile is null and phone is null and email is null and wechat is null)) as contact_reachable_failed,
    count(*) filter (where email is not null) as contact_email_form_checked,
    count(*) filter (where (email is not null) and (not regexp_matches(email, '^[^@ ]+@[^@ ]+[.][^@ ]+$'))) as contact_email_form_failed,
    count(*) filter (where mobile is not null) as contact_mobile_form_checked,
    count(*) filter (where (mobile is not null) and (not regexp_matches(mobile, '^[+][0-9]{7,15}(x[0-9]+)?$'))) as contact_mobile_form_failed,
    count(*) filter (where customer_key <> 'C000000') as contact_repeated_checked,
    count(*) filter (where (customer_key <> 'C000000') and (is_repeated)) as contact_repeated_failed
from record
group by customer_key, source
