-- Movements that follow from running totals rather than from recorded allocations: where a source gives no allocations
-- at all (meta.source_capability), its cash and credits settle the oldest receivables first: an estimate, labelled,
-- never mixed with recorded allocations. A row takes its part of the running total, from its posting date on.
-- grain: customer
-- key: record_key, moved_on
-- not_null: customer_key, record_key, moved_on, amount, kind
-- cluster: customer_key, record_key, moved_on
with blind as (
    select source from meta.source_capability where not gives_allocations
),

settled as (
    select invoice_key, sum(amount) as amount from core.fct_settlement group by invoice_key
),

change as (
    select r.source || ':fifo:' || r.currency as pool_key, r.customer_key, r.posted_on as moved_on, r.amount
    from core.fct_receipt as r
    join blind on blind.source = r.source
    where r.known_to is null and r.excluded_reason is null
    union all
    select r.source || ':fifo:' || r.currency, r.customer_key, r.dishonoured_on, -r.amount
    from core.fct_receipt as r
    join blind on blind.source = r.source
    where r.known_to is null and r.excluded_reason is null and r.dishonoured_on is not null
    union all
    select c.source || ':fifo:' || c.currency, c.customer_key, c.posted_on, c.gross_amount
    from core.fct_credit_note as c
    join blind on blind.source = c.source
    where c.known_to is null and c.excluded_reason is null
        and c.record_key not in (select document_key from core.fct_settlement where document_class = 'credits')
),

pool_row as (
    select
        i.source || ':fifo:' || i.currency as pool_key, i.customer_key, i.record_key,
        greatest(i.amount - coalesce(case when i.is_header_row then settled.amount end, 0), 0) as room,
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
            partition by pool_key, customer_key
            order by posted_on, coalesce(due_on, date '9999-12-31'), record_key rows unbounded preceding
        ) - room as before
    from pool_row
),

pool_day as (
    select pool_key, customer_key, moved_on, sum(amount) as amount
    from (select * from change union all select pool_key, customer_key, posted_on, 0 from pool_row) as day
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

moved as (
    select
        r.customer_key, r.record_key, d.moved_on,
        greatest(least(d.total - r.before, r.room), 0) - case
            when d.moved_on = r.posted_on then 0
            else greatest(least(d.total - d.amount - r.before, r.room), 0)
        end as amount
    from ranked as r
    join running as d
        on d.pool_key = r.pool_key and d.customer_key = r.customer_key
        and d.moved_on >= r.posted_on and greatest(d.total, d.total - d.amount) > r.before
)

select customer_key, record_key, moved_on, 'fifo' as kind, cast(amount as decimal(18, 2)) as amount from moved
where amount <> 0
