-- How open and overdue receivables moved, per customer, month and currency: the running total up to a month is the
-- position at its end, exactly as aging on that date gives it (present knowledge, due basis, positive open items,
-- without void, unapproved and provisional documents). Months ahead hold what will fall due if nothing is paid.
-- grain: customer
-- key: customer_key, month_on, currency
-- not_null: customer_key, month_on, currency
-- cluster: customer_key, month_on, currency
with item as (
    select
        customer_key, record_key, invoice_key, plan_row, currency, amount, due_on,
        coalesce(due_on, case when is_retention then release_on end) as anchor_on,
        cast(date_trunc('month', posted_on) as date) as posted_month
    from core.fct_plan_row
    where known_to is null and excluded_reason is null and kind <> 'provisional'
),

allocation as (
    select invoice_key, plan_row, is_header_level, amount, effective_on, reversed_on
    from core.fct_allocation
    where known_to is null and excluded_reason is null
),

movement as (
    select invoice_key, plan_row, is_header_level, amount, cast(date_trunc('month', effective_on) as date) as month_on
    from allocation
    union all
    select invoice_key, plan_row, is_header_level, -amount, cast(date_trunc('month', reversed_on) as date)
    from allocation
    where reversed_on is not null
),

event as (
    select invoice_key, posted_month as month_on from item
    union
    select invoice_key, cast(date_trunc('month', anchor_on + interval 1 day) as date) from item
    where anchor_on is not null
    union
    select invoice_key, month_on from movement
),

position as (
    select
        item.customer_key, item.record_key, item.invoice_key, item.plan_row, item.currency, item.amount,
        item.due_on, item.anchor_on, event.month_on,
        coalesce(
            sum(case when not m.is_header_level and m.plan_row = item.plan_row then m.amount end), 0
        ) as row_allocated,
        coalesce(sum(case when m.is_header_level then m.amount end), 0) as header_allocated
    from item
    join event on event.invoice_key = item.invoice_key and event.month_on >= item.posted_month
    left join movement as m on m.invoice_key = item.invoice_key and m.month_on <= event.month_on
    group by
        item.customer_key, item.record_key, item.invoice_key, item.plan_row, item.currency, item.amount,
        item.due_on, item.anchor_on, event.month_on
),

filled as (
    select
        position.*,
        greatest(amount - row_allocated, 0) as room,
        sum(greatest(amount - row_allocated, 0)) over (
            partition by invoice_key, month_on order by coalesce(due_on, date '9999-12-31'), plan_row
            rows between unbounded preceding and current row
        ) - greatest(amount - row_allocated, 0) as room_before,
        row_number() over (
            partition by invoice_key, month_on order by coalesce(due_on, date '9999-12-31') desc, plan_row desc
        ) as from_last
    from position
),

open_item as (
    select
        customer_key, record_key, currency, month_on, anchor_on,
        greatest(
            amount - row_allocated - case
                when from_last = 1 then greatest(header_allocated - room_before, 0)
                else least(greatest(header_allocated - room_before, 0), room)
            end,
            0
        ) as open_amount
    from filled
),

standing as (
    select
        customer_key, record_key, currency, month_on, open_amount,
        case when anchor_on < last_day(month_on) then open_amount else 0 end as overdue_amount
    from open_item
),

step as (
    select
        customer_key, currency, month_on,
        open_amount - coalesce(lag(open_amount) over (partition by record_key order by month_on), 0) as open_change,
        overdue_amount - coalesce(lag(overdue_amount) over (partition by record_key order by month_on), 0)
            as overdue_change
    from standing
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
