-- What the shipped reconciliation rules compare: both sides of every anchor, as all collected documents say today or
-- on any other day they are read. class is by nature (missing, currency, amount; empty where the sides agree): what is
-- a matter of time, within tolerance or a duplicate depends on the day and the rule's figures (model.reconcile).
-- settled_on: the sides agree to the cent from this day on; empty while they do not. Readers skip what was settled.
-- pair repeats the sides of model/reconcile/rules; a test keeps them equal. currency is empty where nothing has one.
-- grain: customer
-- key: rule, customer_key, anchor, currency
-- not_null: rule, customer_key, anchor, currency, opened_on
-- cluster: customer_key, rule, anchor, currency
with pair(rule, side, measure) as (
    values
        ('contract_invoice', 'left', 'contract_sales'),
        ('contract_invoice', 'left', 'contract_service'),
        ('contract_invoice', 'left', 'contract_subscription'),
        ('contract_invoice', 'right', 'contract_invoiced'),
        ('contract_order', 'left', 'contract_sales'),
        ('contract_order', 'right', 'contract_ordered'),
        ('frame_invoice', 'left', 'contract_frame'),
        ('frame_invoice', 'right', 'contract_invoiced'),
        ('milestone_revenue', 'left', 'milestone_done'),
        ('milestone_revenue', 'right', 'contract_invoiced'),
        ('order_shipment', 'left', 'ordered'),
        ('order_shipment', 'right', 'shipped'),
        ('price_collision', 'left', 'price_before'),
        ('price_collision', 'right', 'price_after'),
        ('project_contract', 'left', 'contract_sales'),
        ('project_contract', 'left', 'contract_service'),
        ('project_contract', 'left', 'contract_subscription'),
        ('project_contract', 'left', 'contract_frame'),
        ('project_contract', 'right', 'project_value'),
        ('quote_collision', 'left', 'quote_first'),
        ('quote_collision', 'right', 'quote_second'),
        ('return_credit', 'left', 'returned'),
        ('return_credit', 'right', 'credited_return'),
        ('shipment_invoice', 'left', 'shipped'),
        ('shipment_invoice', 'right', 'invoiced'),
        ('warranty_serial', 'left', 'serial_claimed'),
        ('warranty_serial', 'right', 'serial_entitled'),
        ('warranty_unknown', 'left', 'warranty_claimed'),
        ('warranty_unknown', 'right', 'product_sold')
),

entry as (
    select measure, customer_key, anchor, entry_key, dated_on, currency, amount from marts.mart_chain_entry
    union all
    select measure, customer_key, anchor, entry_key, dated_on, currency, amount from marts.mart_collision_entry
    union all
    select measure, customer_key, anchor, entry_key, dated_on, currency, amount from marts.mart_claim_entry
),

daily as (
    select
        pair.rule, entry.customer_key, entry.anchor, coalesce(entry.currency, '') as currency, entry.dated_on,
        sum(case when pair.side = 'left' then 1 else 0 end) as left_count,
        sum(case when pair.side = 'right' then 1 else 0 end) as right_count,
        sum(case when pair.side = 'left' then coalesce(entry.amount, 0) else 0 end) as left_amount,
        sum(case when pair.side = 'right' then coalesce(entry.amount, 0) else 0 end) as right_amount
    from pair
    join entry on entry.measure = pair.measure
    group by pair.rule, entry.customer_key, entry.anchor, coalesce(entry.currency, ''), entry.dated_on
),

running as (
    select
        daily.*,
        sum(left_count) over balance as left_so_far, sum(right_count) over balance as right_so_far,
        sum(left_amount - right_amount) over balance as balance_amount
    from daily
    window balance as (partition by rule, customer_key, anchor, currency order by dated_on)
),

unsettled as (
    select
        running.*,
        max(case when left_so_far = 0 or right_so_far = 0 or balance_amount <> 0 then dated_on end)
            over (partition by rule, customer_key, anchor, currency) as open_until_on
    from running
),

result as (
    select
        rule, customer_key, anchor, currency, min(dated_on) as opened_on, max(dated_on) as last_on,
        min(case when open_until_on is null or dated_on > open_until_on then dated_on end) as settled_on,
        sum(left_count) as left_count, sum(left_amount) as left_amount,
        sum(right_count) as right_count, sum(right_amount) as right_amount
    from unsettled
    group by rule, customer_key, anchor, currency
),

side as (
    select rule, customer_key, anchor, sum(left_count) as left_count, sum(right_count) as right_count
    from result
    group by rule, customer_key, anchor
)

select
    r.rule, r.customer_key, r.anchor, r.currency, cast(date_trunc('month', r.opened_on) as date) as period_on,
    cast(r.left_count as bigint) as left_count, cast(r.left_amount as decimal(18, 2)) as left_amount,
    cast(r.right_count as bigint) as right_count, cast(r.right_amount as decimal(18, 2)) as right_amount,
    cast(r.left_amount - r.right_amount as decimal(18, 2)) as difference_amount,
    case
        when side.left_count = 0 or side.right_count = 0 then 'missing'
        when r.left_count = 0 or r.right_count = 0 then 'currency'
        when r.left_amount <> r.right_amount then 'amount'
    end as class,
    r.opened_on, r.last_on, r.settled_on
from result as r
join side on side.rule = r.rule and side.customer_key = r.customer_key and side.anchor = r.anchor
