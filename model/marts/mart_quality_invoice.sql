-- How many records of entity invoice a quality rule applies to (<rule>_checked) and break it (<rule>_failed), by
-- customer and source. Made from model/quality/rules.toml by `c360 docs`: change the rules, not this file.
-- grain: customer
-- key: customer_key, source
-- not_null: customer_key, source
-- cluster: customer_key, source
with record as (
    select
        customer_key, source, source_id, number, kind, order_number, contract_number, invoice_on, due_on, payment_terms,
        currency, gross_amount, tax_invoice_number, owner_id, owner_key,
        row_number() over (partition by customer_key, source, kind, lower(trim(number)) order by source_id) > 1 as is_repeated
    from core.fct_invoice
    where excluded_reason is null
)

select
    customer_key, source,
    count(*) as record_count,
    count(*) filter (where kind = 'invoice') as invoice_due_checked,
    count(*) filter (where (kind = 'invoice') and (due_on is null and payment_terms is null)) as invoice_due_failed,
    count(*) filter (where true) as invoice_customer_checked,
    count(*) filter (where (true) and (customer_key = 'C000000')) as invoice_customer_failed,
    count(*) filter (where due_on is not null and invoice_on is not null) as invoice_due_order_checked,
    count(*) filter (where (due_on is not null and invoice_on is not null) and (due_on < invoice_on)) as invoice_due_order_failed,
    count(*) filter (where number is not null and customer_key <> 'C000000') as invoice_repeated_checked,
    count(*) filter (where (number is not null and customer_key <> 'C000000') and (is_repeated)) as invoice_repeated_failed
from record
group by customer_key, source
