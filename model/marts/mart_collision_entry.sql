-- What reconciliation counts where systems or teams contradict each other: one row per document, measure and anchor.
-- quote_first and quote_second: two open opportunities of one customer by different owners for the same thing (same
-- name, or same kind and begun within 60 days of each other). price_before and price_after: the last two prices of one
-- product to one customer in one currency within 180 days, sold by different people; amounts at the later quantity.
-- project_value: projects that name a contract; milestone_done: their milestones, without amount.
-- warranty_claimed: tickets with a product and no serial number whose words claim warranty (with one:
-- mart_claim_entry); product_sold: what the ERP sold of it.
-- Customers with more than 200 open opportunities (walk-in buckets) are left out of quotes.
-- grain: customer
-- key: measure, anchor, entry_key
-- not_null: customer_key, measure, anchor, entry_key, record_key, dated_on
-- cluster: customer_key, measure, anchor, entry_key
with opportunity as (
    select
        customer_key, record_key, source, number, lower(replace(name, ' ', '')) as name, kind, amount, currency,
        owner_key, cast(created_at as date) as dated_on, cast(closed_at as date) as closed_on
    from core.fct_opportunity
    where not is_closed and amount is not null and owner_key is not null and created_at is not null
        and customer_key in (
            select customer_key from core.fct_opportunity
            where not is_closed
            group by customer_key having count(*) <= 200
        )
),

quote as (
    select
        a.customer_key, 'quote:' || a.record_key || '|' || b.record_key as anchor,
        a.record_key as first_key, b.record_key as second_key
    from opportunity as a
    join opportunity as b
        on b.customer_key = a.customer_key and b.owner_key <> a.owner_key
        and (a.dated_on < b.dated_on or (a.dated_on = b.dated_on and a.record_key < b.record_key))
        and (a.name = b.name or (a.kind = b.kind and date_diff('day', a.dated_on, b.dated_on) <= 60))
),

line as (
    select
        l.customer_key, l.record_key, l.source, o.number, coalesce(l.product_key, upper(trim(l.product_code))) as product,
        l.order_on, l.currency, l.unit_price, l.quantity, o.owner_key
    from core.fct_order_line as l
    join core.fct_order as o on o.record_key = l.order_key and o.customer_key = l.customer_key
    where l.excluded_reason is null and l.quantity > 0 and l.unit_price > 0 and o.owner_key is not null
),

priced as (
    select
        *,
        lag(record_key) over (
            partition by customer_key, product, currency order by order_on, record_key
        ) as before_key
    from line
    where product is not null
),

price as (
    select b.*, a.number as before_number, a.order_on as before_on, a.unit_price as before_price,
        a.owner_key as before_owner_key
    from priced as b
    join line as a on a.customer_key = b.customer_key and a.record_key = b.before_key
    where a.owner_key <> b.owner_key and date_diff('day', a.order_on, b.order_on) <= 180
),

project as (
    select
        customer_key, project_key, source, code, 'contract:' || upper(trim(contract_number)) as anchor, start_on,
        amount, currency, manager_key
    from core.dim_project
    where nullif(trim(contract_number), '') is not null and coalesce(status, 'active') <> 'cancelled'
        and start_on is not null
),

claim as (
    select
        customer_key, record_key, source, number, upper(trim(product_code)) as product,
        cast(created_at as date) as dated_on
    from core.fct_ticket
    where product_code is not null and serial_key is null and created_at is not null
        and regexp_matches(coalesce(subject, '') || ' ' || coalesce(description, ''), '保修|质保|三包|[Ww]arranty')
),

entry as (
    select
        q.customer_key, 'quote_first' as measure, q.anchor, o.record_key, 'opportunity' as entity, o.source, o.number,
        o.dated_on, o.currency, o.amount, o.owner_key
    from quote as q
    join opportunity as o on o.record_key = q.first_key
    union all
    select
        q.customer_key, 'quote_second', q.anchor, o.record_key, 'opportunity', o.source, o.number,
        o.dated_on, o.currency, o.amount, o.owner_key
    from quote as q
    join opportunity as o on o.record_key = q.second_key
    union all
    select
        customer_key, 'price_before', 'price:' || record_key, before_key, 'sales_order_line', source, before_number,
        order_on, currency, cast(before_price * quantity as decimal(18, 2)), before_owner_key
    from price
    union all
    select
        customer_key, 'price_after', 'price:' || record_key, record_key, 'sales_order_line', source, number,
        order_on, currency, cast(unit_price * quantity as decimal(18, 2)), owner_key
    from price
    union all
    select
        customer_key, 'project_value', anchor, project_key, 'project', source, code, start_on,
        currency, amount, manager_key
    from project
    union all
    select
        m.customer_key, 'milestone_done', p.anchor, m.record_key, 'milestone', m.source, p.code || ' ' || m.name,
        m.done_on, null, null, m.owner_key
    from core.fct_milestone as m
    join project as p on p.project_key = m.project_key and p.customer_key = m.customer_key
    where m.kind = 'milestone' and m.status = 'done' and m.done_on is not null
    union all
    select
        customer_key, 'warranty_claimed', 'ticket:' || record_key, record_key, 'ticket', source, number,
        dated_on, null, null, null
    from claim
    union all
    select
        c.customer_key, 'product_sold', 'ticket:' || c.record_key, l.record_key, 'sales_order_line', l.source,
        l.product_code, l.order_on, null, null, null
    from claim as c
    join core.fct_order_line as l on l.customer_key = c.customer_key and upper(trim(l.product_code)) = c.product
    where l.excluded_reason is null and l.order_on <= c.dated_on
)

select
    customer_key, measure, anchor, record_key as entry_key, record_key, entity, source, number, dated_on,
    cast(null as date) as expected_on, cast(null as date) as completes_on, currency,
    cast(amount as decimal(18, 2)) as amount, owner_key
from entry
