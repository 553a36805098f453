-- Features of a contract as they could be seen on the as-of date of temp table renewal_case
-- (record_key, customer_key, as_of, end_on, days_left). Nothing entered, posted or solved after as_of is read:
-- current states of tickets and orders are rebuilt from their own stamps, never from today's status column.
with renewal_case as (
    select * from temp.renewal_case
),

contract as (
    select * from core.fct_contract
),

beginning as (
    select customer_key, min(on_date) as first_on
    from (
        select customer_key, customer_since_on as on_date from core.dim_customer
        union all
        select customer_key, start_on from contract
    ) as known
    group by customer_key
),

term as (
    select
        c.record_key, c.as_of, this.amount, this.auto_renew,
        date_diff('day', this.start_on, this.end_on) as term_days,
        greatest(date_diff('day', beginning.first_on, c.as_of), 0) / 365.25 as tenure_years,
        count(distinct earlier.record_key) as earlier_contracts,
        max_by(earlier.amount, earlier.start_on) as earlier_amount
    from renewal_case as c
    join contract as this on this.record_key = c.record_key
    left join beginning on beginning.customer_key = c.customer_key
    left join contract as earlier
        on earlier.customer_key = c.customer_key and earlier.start_on < this.start_on
        and earlier.kind is not distinct from this.kind and earlier.currency is not distinct from this.currency
    group by c.record_key, c.as_of, this.amount, this.auto_renew, this.start_on, this.end_on, beginning.first_on
),

settled as (
    select invoice_key, plan_row, effective_on, amount, cast(known_from as date) as known_on
    from core.fct_allocation
    where known_to is null and excluded_reason is null and reversed_on is null
),

row_paid as (
    select
        c.record_key, c.as_of, item.record_key as item_key, item.due_on, item.amount,
        coalesce(sum(settled.amount), 0) as paid, max(settled.effective_on) as paid_on
    from renewal_case as c
    join core.fct_plan_row as item
        on item.customer_key = c.customer_key and item.due_on <= c.as_of and item.due_on > c.as_of - 365
    left join settled
        on settled.invoice_key = item.invoice_key and coalesce(settled.plan_row, item.plan_row) = item.plan_row
        and settled.effective_on <= c.as_of
    where item.known_to is null and item.excluded_reason is null and item.amount > 0
        and not item.is_retention and item.posted_on <= c.as_of
    group by c.record_key, c.as_of, item.record_key, item.due_on, item.amount
),

payment as (
    select
        record_key, as_of,
        avg(case when paid >= amount then greatest(date_diff('day', due_on, paid_on), -30)
            else date_diff('day', due_on, as_of) end) as days_late,
        avg(case when paid >= amount then 0.0 else 1.0 end) as unpaid_share
    from row_paid
    group by record_key, as_of
),

trade as (
    select
        c.record_key, c.as_of,
        coalesce(sum(case when o.order_on > c.as_of - 365 then o.gross_amount end), 0) as year_amount,
        coalesce(sum(case when o.order_on <= c.as_of - 365 and o.order_on > c.as_of - 730
            then o.gross_amount end), 0) as before_amount,
        count(case when o.order_on > c.as_of - 365 then 1 end) as year_orders,
        date_diff('day', max(o.order_on), c.as_of) as days_since_order
    from renewal_case as c
    join core.fct_order as o
        on o.customer_key = c.customer_key and o.order_on <= c.as_of and o.excluded_reason is null
    group by c.record_key, c.as_of
),

ticket as (
    select
        c.record_key, c.as_of,
        t.created_at, t.resolution_due_at, t.satisfaction,
        case when cast(t.solved_at as date) <= c.as_of then t.solved_at end as solved_at,
        case when cast(t.solved_at as date) <= c.as_of then t.resolution_sla end as verdict,
        cast(t.created_at as date) > c.as_of - 365 as is_recent
    from renewal_case as c
    join core.fct_ticket as t on t.customer_key = c.customer_key and cast(t.created_at as date) <= c.as_of
),

service as (
    select
        record_key, as_of,
        count(case when is_recent then 1 end) as year_tickets,
        count(case when solved_at is null then 1 end) as open_tickets,
        avg(case
            when not is_recent then null
            when verdict = 'missed' or solved_at > resolution_due_at then 1.0
            when verdict = 'met' or solved_at <= resolution_due_at then 0.0
            when solved_at is null and cast(resolution_due_at as date) < as_of then 1.0
        end) as missed_share,
        avg(case when not is_recent or solved_at is null then null
            when satisfaction = 'bad' then 1.0 when satisfaction = 'good' then 0.0 end) as unhappy_share
    from ticket
    group by record_key, as_of
),

touch as (
    select
        c.record_key, c.as_of,
        date_diff('day', max(cast(i.happened_at as date)), c.as_of) as days_since_contact,
        count(case when cast(i.happened_at as date) > c.as_of - 90 then 1 end) as quarter_contacts
    from renewal_case as c
    join core.fct_interaction as i
        on i.customer_key = c.customer_key and cast(i.happened_at as date) <= c.as_of
    group by c.record_key, c.as_of
)

select
    c.record_key, c.customer_key, c.as_of, c.end_on, c.days_left,
    cast(least(term.tenure_years, 20) as double) as tenure_years,
    cast(term.earlier_contracts as double) as earlier_contracts,
    case when term.auto_renew then 1.0 else 0.0 end as auto_renew,
    case when term.earlier_amount > 0 then cast(term.amount as double) / cast(term.earlier_amount as double) - 1
        end as price_change,
    cast(payment.days_late as double) as days_late,
    cast(payment.unpaid_share as double) as unpaid_share,
    case when trade.before_amount > 0
        then least(cast(trade.year_amount as double) / cast(trade.before_amount as double) - 1, 3) end as order_trend,
    cast(coalesce(trade.year_orders, 0) as double) as year_orders,
    cast(least(trade.days_since_order, 730) as double) as days_since_order,
    cast(coalesce(service.year_tickets, 0) as double) as year_tickets,
    cast(coalesce(service.open_tickets, 0) as double) as open_tickets,
    cast(service.missed_share as double) as missed_share,
    cast(service.unhappy_share as double) as unhappy_share,
    cast(least(touch.days_since_contact, 730) as double) as days_since_contact,
    cast(coalesce(touch.quarter_contacts, 0) as double) as quarter_contacts
from renewal_case as c
join term on term.record_key = c.record_key and term.as_of = c.as_of
left join payment on payment.record_key = c.record_key and payment.as_of = c.as_of
left join trade on trade.record_key = c.record_key and trade.as_of = c.as_of
left join service on service.record_key = c.record_key and service.as_of = c.as_of
left join touch on touch.record_key = c.record_key and touch.as_of = c.as_of
order by c.record_key, c.as_of
