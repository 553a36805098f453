-- Open and overdue receivables of all customers at each month's end: the running totals of mart_receivables_month.
-- The last months lie ahead where items fall due there; the reader stops at the month it asks for.
-- grain: global
-- key: month_on, currency
-- not_null: month_on, currency
-- cluster: month_on, currency
with change as (
    select
        month_on, currency, sum(open_change_amount) as open_change, sum(overdue_change_amount) as overdue_change
    from marts.mart_receivables_month
    group by month_on, currency
),

span as (
    select currency, min(month_on) as first_on, max(month_on) as last_on from change
    group by currency
),

month as (
    select dim.month_on, span.currency
    from core.dim_date as dim
    join span on dim.month_on between span.first_on and span.last_on
    where dim.day_number = 1
)

select
    month.month_on,
    month.currency,
    cast(
        sum(coalesce(change.open_change, 0)) over (partition by month.currency order by month.month_on)
        as decimal(18, 2)
    ) as open_amount,
    cast(
        sum(coalesce(change.overdue_change, 0)) over (partition by month.currency order by month.month_on)
        as decimal(18, 2)
    ) as overdue_amount
from month
left join change on change.month_on = month.month_on and change.currency = month.currency
