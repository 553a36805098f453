-- An employee, one row per person across sources; fields from the first source that has them, CRM before ERP.
-- grain: global
-- key: employee_key
-- not_null: employee_key, name
-- cluster: employee_key
select
    employee_key,
    code,
    name,
    email,
    phone,
    department,
    team,
    region,
    manager_key,
    is_active,
    record_count
from identity.employee_golden
