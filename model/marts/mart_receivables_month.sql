-- How open and overdue receivables moved, per customer, month and currency: the running total up to a month is the
-- position at its end, exactly as aging on that date gives it (present knowledge, due basis, positive open items,
-- without void, unapproved and provisional documents). Months ahead hold what will fall due if nothing is paid.
-- grain: customer
-- key: customer_key, month_on, currency
-- not_null: customer_key, month_on, currency
-- cluster: customer_key, month_on, currency
with item as (
    select
        customer_key, record_key, currency, amount, due_on,
        cast(date_trunc('month', posted_on) as date) as posted_month
    from marts.mart_open_item
    where kind <> 'provisional'
),

event as (
    select record_key, posted_month as month_on, amount as change_amount from item
    union all
    select item.record_key, cast(date_trunc('month', m.moved_on) as date), -m.amount
    from marts.mart_item_movement as m
    join item on item.record_key = m.record_key
    union all
    -- the month in which it becomes overdue
    select record_key, greatest(cast(date_trunc('month', due_on + interval 1 day) as date), posted_month), 0
    from item
    where due_on is not null
),

change as (
    select record_key, month_on, sum(change_amount) as change_amount from event
    group by record_key, month_on
),

standing as (
    select
        item.customer_key, change.record_key, item.currency, change.month_on, item.due_on,
        greatest(
            sum(change.change_amount) over (
                partition by change.record_key order by change.month_on
                rows between unbounded preceding and current row
            ), 0
        ) as open_amount
    from change
    join item on item.record_key = change.record_key
),

position as (
    select
        customer_key, record_key, currency, month_on, open_amount,
        case when due_on < last_day(month_on) then open_amount else 0 end as overdue_amount
    from standing
),

step as (
    select
        customer_key, currency, month_on,
        open_amount - coalesce(lag(open_amount) over (partition by record_key order by month_on), 0) as open_change,
        overdue_amount - coalesce(lag(overdue_amount) over (partition by record_key order by month_on), 0)
            as overdue_change
    from position
)

select
    customer_key,
    month_on,
    currency,
    cast(sum(open_change) as decimal(18, 2)) as open_change_amount,
    cast(sum(overdue_change) as decimal(18, 2)) as overdue_change_amount
from step
where open_change <> 0 or overdue_change <> 0
group by customer_key, month_on, currency
