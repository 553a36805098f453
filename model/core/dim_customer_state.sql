-- The business state of a customer, as far as facts show it: confirmed by finance once an approved order, invoice or
-- receipt of an ERP names it, since the first such document. A customer without a row is still being sold to.
-- grain: customer
-- key: customer_key
-- not_null: customer_key, state
-- cluster: customer_key
with erp as (
    select source from meta.source
    where role = 'erp'
),

document as (
    select customer_key, source, order_on as approved_on from core.fct_order
    where excluded_reason is null
    union all
    select customer_key, source, posted_on from core.fct_invoice
    where excluded_reason is null
    union all
    select customer_key, source, posted_on from core.fct_receipt
    where excluded_reason is null and known_to is null
)

select document.customer_key, 'confirmed' as state, min(document.approved_on) as confirmed_on
from document
join erp on erp.source = document.source
where document.customer_key <> 'C000000'
group by document.customer_key
