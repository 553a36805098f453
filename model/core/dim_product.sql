-- A product, one row per product code across sources.
-- grain: global
-- key: product_key
-- not_null: product_key, name
-- cluster: product_key
select
    product_key,
    code,
    name,
    specification,
    category,
    product_line,
    unit,
    warranty_months,
    is_active,
    record_count
from identity.product_golden
