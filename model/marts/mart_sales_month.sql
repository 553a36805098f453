-- Tax-included sales, orders and money received per customer, month and currency, by posting date.
-- Void, unapproved and provisional documents are left out. credited_amount counts credit notes and red invoices.
-- grain: customer
-- key: customer_key, month_on, currency
-- not_null: customer_key, month_on, currency
-- cluster: customer_key, month_on, currency
with movement as (
    select
        customer_key, date_trunc('month', order_on) as month_on, currency,
        gross_amount as ordered, 0 as invoiced, 0 as credited, 0 as received, 1 as orders, 0 as invoices
    from core.fct_order
    where excluded_reason is null
    union all
    select
        customer_key, date_trunc('month', posted_on), currency,
        0, greatest(gross_amount, 0), greatest(-gross_amount, 0), 0, 0, 1
    from core.fct_invoice
    where excluded_reason is null and kind not in ('provisional', 'opening')
    union all
    select customer_key, date_trunc('month', posted_on), currency, 0, 0, gross_amount, 0, 0, 0
    from core.fct_credit_note
    where known_to is null and excluded_reason is null
    union all
    select customer_key, date_trunc('month', received_on), currency, 0, 0, 0, amount, 0, 0
    from core.fct_receipt
    where known_to is null and excluded_reason is null
)

select
    customer_key,
    cast(month_on as date) as month_on,
    currency,
    cast(sum(ordered) as decimal(18, 2)) as ordered_amount,
    cast(sum(invoiced) as decimal(18, 2)) as invoiced_amount,
    cast(sum(credited) as decimal(18, 2)) as credited_amount,
    cast(sum(invoiced) - sum(credited) as decimal(18, 2)) as sales_amount,
    cast(sum(received) as decimal(18, 2)) as received_amount,
    cast(sum(orders) as bigint) as order_count,
    cast(sum(invoices) as bigint) as invoice_count
from movement
group by customer_key, month_on, currency
