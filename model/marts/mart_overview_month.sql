-- mart_sales_month over all customers, for the leadership charts.
-- grain: global
-- key: month_on, currency, region
-- not_null: month_on, currency
-- cluster: month_on, currency, region
with month as (
    select * from marts.mart_sales_month
),

customer as (
    select customer_key, coalesce(region, '') as region from core.dim_customer
)

select
    month.month_on,
    month.currency,
    coalesce(customer.region, '') as region,
    cast(sum(month.ordered_amount) as decimal(18, 2)) as ordered_amount,
    cast(sum(month.invoiced_amount) as decimal(18, 2)) as invoiced_amount,
    cast(sum(month.credited_amount) as decimal(18, 2)) as credited_amount,
    cast(sum(month.sales_amount) as decimal(18, 2)) as sales_amount,
    cast(sum(month.received_amount) as decimal(18, 2)) as received_amount,
    cast(sum(month.order_count) as bigint) as order_count,
    cast(sum(month.invoice_count) as bigint) as invoice_count,
    count(*) as customer_count
from month
left join customer on customer.customer_key = month.customer_key
group by month.month_on, month.currency, coalesce(customer.region, '')
