-- Every code, number and name under which a customer can be asked for, per source record.
-- grain: customer
-- key: customer_key, source, source_id, kind, code
-- not_null: customer_key, code, kind
-- cluster: customer_key, source, source_id, kind
with record as (
    select customer_key, source, source_id, role, code, uscc, tax_number, registration_number
    from core.dim_customer_record
    where not is_deleted
),

code as (
    select customer_key, source, source_id, role, 'id' as kind, source_id as code from record
    union all
    select customer_key, source, source_id, role, 'code', code from record
    union all
    select customer_key, source, source_id, role, 'uscc', uscc from record
    union all
    select customer_key, source, source_id, role, 'tax_number', tax_number from record
    union all
    select customer_key, source, source_id, role, 'registration_number', registration_number from record
)

select customer_key, source, source_id, role, kind, code
from code
where code is not null and code <> ''
