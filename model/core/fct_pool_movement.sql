-- Movements that follow from running totals rather than from recorded allocations. Two kinds of pool:
-- provisional: an order's provisional receivables, oldest first, are reduced by what is invoiced on that order;
-- fifo: where a source gives no allocations at all (meta.source_capability), its cash and credits settle the oldest
-- receivables first: an estimate, labelled, never mixed with recorded allocations.
-- A row takes its part of the pool's running total, from its posting date on.
-- grain: customer
-- key: record_key, moved_on
-- not_null: customer_key, record_key, moved_on, amount, kind
-- cluster: customer_key, record_key, moved_on
with blind as (
    select source from meta.source_capability where not gives_allocations
),

document as (
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

-- a source that takes provisional receivables back itself says so by a settlement: invoicing does not reduce that again
settled as (
    select invoice_key, sum(amount) as amount from core.fct_settlement group by invoice_key
),

change as (
    select pool_key, 'provisional' as kind, customer_key, posted_on as moved_on, amount from invoiced
    where pool_key is not null
    union all
    select p.pool_key, 'provisional', p.customer_key, s.moved_on, -s.amount
    from core.fct_settlement as s
    join provisional as p on p.invoice_key = s.invoice_key and p.amount > 0
    union all
    select r.source || ':fifo:' || r.currency, 'fifo', r.customer_key, r.posted_on, r.amount
    from core.fct_receipt as r
    join blind on blind.source = r.source
    where r.known_to is null and r.excluded_reason is null
    union all
    select r.source || ':fifo:' || r.currency, 'fifo', r.customer_key, r.dishonoured_on, -r.amount
    from core.fct_receipt as r
    join blind on blind.source = r.source
    where r.known_to is null and r.excluded_reason is null and r.dishonoured_on is not null
    union all
    select c.source || ':fifo:' || c.currency, 'fifo', c.customer_key, c.posted_on, c.gross_amount
    from core.fct_credit_note as c
    join blind on blind.source = c.source
    where c.known_to is null and c.excluded_reason is null
        and c.record_key not in (select document_key from core.fct_settlement where document_class = 'credits')
),

pool_row as (
    select
        p.pool_key, 'provisional' as kind, i.customer_key, i.record_key,
        greatest(i.amount - coalesce(settled.amount, 0), 0) as room, i.posted_on, i.due_on
    from core.fct_receivable_item as i
    join provisional as p on p.invoice_key = i.invoice_key
    left join settled on settled.invoice_key = i.invoice_key
    where i.amount > 0
    union all
    select
        i.source || ':fifo:' || i.currency, 'fifo', i.customer_key, i.record_key,
        greatest(i.amount - coalesce(case when i.is_header_row then settled.amount end, 0), 0),
        i.posted_on, i.due_on
    from core.fct_receivable_item as i
    join blind on blind.source = i.source
    left join settled on settled.invoice_key = i.invoice_key
    where i.amount > 0 and i.kind <> 'provisional'
),

ranked as (
    select
        *,
        sum(room) over (
            partition by pool_key, kind, customer_key
            order by posted_on, coalesce(due_on, date '9999-12-31'), record_key rows unbounded preceding
        ) - room as before
    from pool_row
),

pool_day as (
    select pool_key, kind, customer_key, moved_on, sum(amount) as amount
    from (select * from change union all select pool_key, kind, customer_key, posted_on, 0 from pool_row) as day
    group by pool_key, kind, customer_key, moved_on
),

running as (
    select
        *,
        sum(amount) over (
            partition by pool_key, kind, customer_key order by moved_on
            rows between unbounded preceding and current row
        ) as total
    from pool_day
),

moved as (
    select
        r.customer_key, r.record_key, d.moved_on, r.kind,
        greatest(least(d.total - r.before, r.room), 0) - case
            when d.moved_on = r.posted_on then 0
            else greatest(least(d.total - d.amount - r.before, r.room), 0)
        end as amount
    from ranked as r
    join running as d
        on d.pool_key = r.pool_key and d.kind = r.kind and d.customer_key = r.customer_key
        and d.moved_on >= r.posted_on and greatest(d.total, d.total - d.amount) > r.before
)

select customer_key, record_key, moved_on, kind, cast(amount as decimal(18, 2)) as amount from moved
where amount <> 0
