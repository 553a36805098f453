-- Orders in the year before the as-of date, against the customer's own pace before that.
-- Counts are per year of the time on record, so that the first year of the records does not look quiet.
-- grain: record_key, as_of
with renewal_case as (
    select * from temp.renewal_case
),

sales_order as (
    select customer_key, order_on from core.fct_order where excluded_reason is null
),

records as (
    select min(order_on) as begin_on from sales_order
),

pace as (
    select
        c.record_key, c.as_of,
        least(365, date_diff('day', max(records.begin_on), c.as_of)) as year_days,
        date_diff('day', max(records.begin_on), c.as_of) - 365 as before_days,
        count(case when o.order_on > c.as_of - 365 then 1 end) as year_orders,
        count(case when o.order_on <= c.as_of - 365 then 1 end) as before_orders,
        date_diff('day', max(o.order_on), c.as_of) as days_since_order
    from renewal_case as c
    cross join records
    left join sales_order as o on o.customer_key = c.customer_key and o.order_on <= c.as_of
    group by c.record_key, c.as_of
)

select
    record_key, as_of,
    year_orders * 365.0 / year_days as year_orders,
    days_since_order,
    case when before_days >= 180 and before_orders > 0
        then (year_orders + 1.0) / (before_orders * 365.0 / before_days + 1.0) - 1 end as order_trend,
    case when before_days >= 180 then before_orders end as order_trend_rows
from pace
where year_days >= 30
