-- How an order's provisional receivables (暂估), oldest first, are reduced by what is invoiced on that order.
-- What was taken back (fct_settlement) is gone already: invoicing reduces only what is left on each day, by what was
-- invoiced beyond what was taken back until then.
-- grain: customer
-- key: record_key, moved_on
-- not_null: customer_key, record_key, moved_on, amount
-- cluster: customer_key, record_key, moved_on
with document as (
    select
        customer_key, invoice_key, source, currency, kind, posted_on, original_invoice_id,
        coalesce(order_number, order_id) as order_ref, sum(amount) as amount
    from core.fct_receivable_item
    group by
        customer_key, invoice_key, source, currency, kind, posted_on, original_invoice_id, order_number, order_id
),

provisional as (
    select
        customer_key, invoice_key, source, currency, order_ref, amount,
        coalesce(source || ':order:' || order_ref, invoice_key) || ':' || currency as pool_key
    from document
    where kind = 'provisional'
),

ordered_pool as (
    select customer_key, source, currency, order_ref, min(pool_key) as pool_key from provisional
    where order_ref is not null group by customer_key, source, currency, order_ref
),

invoiced as (
    select
        document.customer_key, document.posted_on, document.amount,
        coalesce(by_order.pool_key, direct.pool_key, second.pool_key, third.pool_key) as pool_key
    from document
    left join ordered_pool as by_order
        on by_order.customer_key = document.customer_key and by_order.source = document.source
        and by_order.currency = document.currency and by_order.order_ref = document.order_ref
    left join provisional as direct
        on direct.invoice_key = document.source || ':' || document.original_invoice_id
        and direct.customer_key = document.customer_key and direct.currency = document.currency
    left join document as one
        on document.source || ':' || document.original_invoice_id = one.invoice_key
        and document.customer_key = one.customer_key
    left join provisional as second
        on second.invoice_key = one.source || ':' || one.original_invoice_id
        and second.customer_key = document.customer_key and second.currency = document.currency
    left join document as two
        on two.invoice_key = one.source || ':' || one.original_invoice_id and two.customer_key = document.customer_key
    left join provisional as third
        on third.invoice_key = two.source || ':' || two.original_invoice_id
        and third.customer_key = document.customer_key and third.currency = document.currency
    where document.kind <> 'provisional'
),

taken_back as (
    select p.pool_key, p.customer_key, p.invoice_key, s.moved_on, s.amount
    from core.fct_settlement as s
    join provisional as p on p.invoice_key = s.invoice_key and p.amount > 0
),

pool_row as (
    select p.pool_key, i.customer_key, i.invoice_key, i.record_key, i.amount, i.posted_on, i.due_on
    from core.fct_receivable_item as i
    join provisional as p on p.invoice_key = i.invoice_key
    where i.amount > 0
),

change as (
    select pool_key, customer_key, posted_on as moved_on, amount from invoiced
    where pool_key is not null
    union all
    select pool_key, customer_key, moved_on, -amount from taken_back
    union all
    select pool_key, customer_key, posted_on, 0 from pool_row
),

pool_day as (
    select pool_key, customer_key, moved_on, sum(amount) as amount from change
    group by pool_key, customer_key, moved_on
),

running as (
    select
        *,
        sum(amount) over (
            partition by pool_key, customer_key order by moved_on rows between unbounded preceding and current row
        ) as total
    from pool_day
),

standing as (
    select
        r.customer_key, r.pool_key, r.record_key, r.posted_on, r.due_on, d.moved_on, d.total,
        greatest(r.amount - coalesce(sum(t.amount), 0), 0) as room
    from pool_row as r
    join running as d
        on d.pool_key = r.pool_key and d.customer_key = r.customer_key and d.moved_on >= r.posted_on
    left join taken_back as t on t.invoice_key = r.invoice_key and t.moved_on <= d.moved_on
    group by r.customer_key, r.pool_key, r.record_key, r.posted_on, r.due_on, r.amount, d.moved_on, d.total
),

ranked as (
    select
        *,
        sum(room) over (
            partition by pool_key, customer_key, moved_on
            order by posted_on, coalesce(due_on, date '9999-12-31'), record_key rows unbounded preceding
        ) - room as before
    from standing
),

moved as (
    select
        customer_key, record_key, moved_on,
        greatest(least(total - before, room), 0) - coalesce(
            lag(greatest(least(total - before, room), 0)) over (partition by record_key order by moved_on), 0
        ) as amount
    from ranked
)

select customer_key, record_key, moved_on, cast(amount as decimal(18, 2)) as amount from moved
where amount <> 0
