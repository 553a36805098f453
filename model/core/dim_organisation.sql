-- The company's own organisations, as far as documents name them.
-- grain: global
-- key: source, org_code
-- not_null: org_code
-- cluster: source, org_code
with named as (
    select source, org_code from core.fct_invoice
    union
    select source, org_code from core.fct_receipt
    union
    select source, org_code from core.fct_order
)

select source, org_code
from named
where org_code is not null
