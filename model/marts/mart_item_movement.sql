-- What was settled of each payment-plan row, by day: the open amount on a day is the row's amount less the movements
-- up to it. Settlements of an invoice as a whole fill its rows by earliest due date, undated rows last, and what
-- exceeds them stays on the last row (is_header_filled). settled_on repeats the row's own: readers skip what was
-- settled before the day they ask for.
-- grain: customer
-- key: record_key, moved_on, kind
-- not_null: customer_key, record_key, moved_on, kind, amount
-- cluster: customer_key, record_key, moved_on, kind
with item as (
    select customer_key, record_key, invoice_key, plan_row, amount, due_on from core.fct_receivable_item
),

settlement as (
    select invoice_key, plan_row, moved_on, amount, kind, is_implied, is_date_derived from core.fct_settlement
),

size as (
    select invoice_key, count(*) as row_count from item
    group by invoice_key
),

whole as (
    -- settled as a whole, with more than one row: spread by day
    select distinct settlement.invoice_key
    from settlement
    join size on size.invoice_key = settlement.invoice_key
    where settlement.plan_row is null and size.row_count > 1
),

direct as (
    select
        item.customer_key, item.record_key, s.moved_on, s.kind, s.amount, s.is_implied, s.is_date_derived,
        false as is_header_filled, false as is_estimated
    from settlement as s
    join item on item.invoice_key = s.invoice_key and item.plan_row = coalesce(s.plan_row, item.plan_row)
    where s.invoice_key not in (select invoice_key from whole)
),

day as (
    select distinct settlement.invoice_key, settlement.moved_on
    from settlement
    join whole on whole.invoice_key = settlement.invoice_key
),

standing as (
    select
        item.customer_key, item.record_key, item.invoice_key, item.plan_row, item.amount, item.due_on, day.moved_on,
        coalesce(sum(case when s.plan_row = item.plan_row then s.amount end), 0) as row_amount,
        coalesce(sum(case when s.plan_row is null then s.amount end), 0) as header_amount,
        max(case when s.moved_on = day.moved_on then s.kind end) as kind,
        coalesce(max(case when s.moved_on = day.moved_on and s.is_implied then 1 end), 0) = 1 as is_implied,
        coalesce(max(case when s.moved_on = day.moved_on and s.is_date_derived then 1 end), 0) = 1 as is_date_derived
    from item
    join day on day.invoice_key = item.invoice_key
    join settlement as s on s.invoice_key = item.invoice_key and s.moved_on <= day.moved_on
    group by
        item.customer_key, item.record_key, item.invoice_key, item.plan_row, item.amount, item.due_on, day.moved_on
),

filled as (
    select
        standing.*,
        greatest(amount - row_amount, 0) as room,
        sum(greatest(amount - row_amount, 0)) over (
            partition by invoice_key, moved_on order by coalesce(due_on, date '9999-12-31'), plan_row
            rows between unbounded preceding and current row
        ) - greatest(amount - row_amount, 0) as room_before,
        row_number() over (
            partition by invoice_key, moved_on order by coalesce(due_on, date '9999-12-31') desc, plan_row desc
        ) as from_last
    from standing
),

allocated as (
    select
        filled.*,
        row_amount + case
            when from_last = 1 then header_amount - least(greatest(header_amount, 0), room_before)
            else least(greatest(header_amount - room_before, 0), room)
        end as total
    from filled
),

spread as (
    select
        customer_key, record_key, moved_on, kind,
        total - coalesce(lag(total) over (partition by record_key order by moved_on), 0) as amount,
        is_implied, is_date_derived, true as is_header_filled, false as is_estimated
    from allocated
),

movement as (
    select * from direct
    union all
    select * from spread
    where amount <> 0
    union all
    select customer_key, record_key, moved_on, kind, amount, false, false, false, true
    from core.fct_pool_movement
    union all
    select customer_key, record_key, moved_on, 'provisional', amount, false, false, false, false
    from core.fct_provisional_movement
),

dated as (
    select
        customer_key, record_key, moved_on, kind, cast(sum(amount) as decimal(18, 2)) as amount,
        max(case when is_implied then 1 else 0 end) = 1 as is_implied,
        max(case when is_date_derived then 1 else 0 end) = 1 as is_date_derived,
        max(case when is_header_filled then 1 else 0 end) = 1 as is_header_filled,
        max(case when is_estimated then 1 else 0 end) = 1 as is_estimated
    from movement
    group by customer_key, record_key, moved_on, kind
),

closed as (
    select dated.record_key, max(dated.moved_on) as settled_on
    from dated
    join item on item.record_key = dated.record_key
    group by dated.record_key, item.amount
    having sum(dated.amount) = item.amount
)

select
    dated.customer_key, dated.record_key, dated.moved_on, dated.kind, dated.amount,
    dated.is_implied, dated.is_date_derived, dated.is_header_filled, dated.is_estimated,
    closed.settled_on
from dated
left join closed on closed.record_key = dated.record_key
where dated.amount <> 0
