-- What reconciliation counts along the chain contract, order, shipment, invoice, project: one row per document and
-- measure, under the anchor both sides name (contract number, order, customer account). Amounts with tax, signed as
-- the measure adds them. dated_on: when the document counts; expected_on and completes_on: the day by which the first
-- counterpart, and all of it, should exist, before the rule's own days. Void, unapproved, provisional and opening
-- documents, drafts and cancelled contracts are left out. An order closed short counts with what was delivered.
-- A red invoice stands under the order and contract of the one it corrects; where goods of that order came back it
-- counts as the credit of a return, not as less invoiced. A credit note of kind return stands under the account.
-- grain: customer
-- key: measure, anchor, entry_key
-- not_null: customer_key, measure, anchor, entry_key, record_key, dated_on
-- cluster: customer_key, measure, anchor, entry_key
with contract as (
    select
        customer_key, record_key, source, number, kind, amount, currency, owner_key, end_on,
        coalesce(signed_on, start_on) as dated_on, coalesce(start_on, signed_on) as start_on
    from core.fct_contract
    where coalesce(status, 'in_force') not in ('draft', 'cancelled') and number is not null and amount is not null
        and coalesce(signed_on, start_on) is not null
),

sales_order as (
    select * from core.fct_order
    where excluded_reason is null and gross_amount is not null
),

delivered as (
    select order_key, sum(cast(gross_amount * coalesce(delivered_quantity, 0) / nullif(quantity, 0) as decimal(18, 2)))
            as amount
    from core.fct_order_line
    group by order_key
),

reference as (
    select customer_key, source, order_ref, min(order_number) as order_number, max(contract_number) as contract_number
    from (
        select customer_key, source, source_id as order_ref, coalesce(number, source_id) as order_number, contract_number
        from sales_order
        union
        select customer_key, source, number, number, contract_number from sales_order
        where number is not null
    ) as named
    group by customer_key, source, order_ref
),

shipment as (
    select
        s.customer_key, s.record_key, s.source, s.number, s.customer_id, s.is_return, s.shipped_on, s.currency,
        abs(s.gross_amount) as amount,
        s.source || ':' || coalesce(r.order_number, s.order_number, s.order_id) as order_place
    from core.fct_shipment as s
    left join reference as r
        on r.customer_key = s.customer_key and r.source = s.source
        and r.order_ref = coalesce(s.order_id, s.order_number)
    where s.excluded_reason is null and s.shipped_on is not null and s.gross_amount is not null
),

came_back as (
    select distinct customer_key, order_place from shipment
    where is_return and order_place is not null
),

invoice as (
    select
        i.customer_key, i.record_key, i.source, i.number, i.customer_id, i.posted_on, i.currency, i.owner_key, i.kind,
        i.gross_amount as amount,
        coalesce(nullif(i.contract_number, ''), nullif(blue.contract_number, ''), nullif(r.contract_number, ''))
            as contract_number,
        i.source || ':'
            || coalesce(r.order_number, i.order_number, i.order_id, blue.order_number, blue.order_id) as order_place
    from core.fct_invoice as i
    left join core.fct_invoice as blue
        on i.kind = 'red' and blue.record_key = i.source || ':' || i.original_invoice_id
        and blue.customer_key = i.customer_key
    left join reference as r
        on r.customer_key = i.customer_key and r.source = i.source
        and r.order_ref = coalesce(i.order_id, i.order_number, blue.order_id, blue.order_number)
    where i.excluded_reason is null and i.kind in ('invoice', 'red')
),

billed as (
    select i.*, i.kind = 'red' and b.order_place is not null as is_return
    from invoice as i
    left join came_back as b on b.customer_key = i.customer_key and b.order_place = i.order_place
),

entry as (
    select
        customer_key, 'contract_' || coalesce(kind, 'sales') as measure, 'contract:' || upper(trim(number)) as anchor,
        record_key as entry_key, record_key, 'contract' as entity, source, number, dated_on,
        greatest(dated_on, start_on) as expected_on, end_on as completes_on, currency, amount, owner_key
    from contract
    union all
    select
        customer_key, 'contract_ordered', 'contract:' || upper(trim(contract_number)), record_key, record_key,
        'sales_order', source, number, order_on, null, null, currency, gross_amount, owner_key
    from sales_order
    where nullif(trim(contract_number), '') is not null
    union all
    select
        customer_key, 'contract_invoiced', 'contract:' || upper(trim(contract_number)), record_key, record_key,
        'invoice', source, number, posted_on, null, null, currency, amount, owner_key
    from invoice
    where nullif(trim(contract_number), '') is not null
    union all
    select
        o.customer_key, 'ordered', 'order:' || o.source || ':' || coalesce(o.number, o.source_id), o.record_key, o.record_key, 'sales_order', o.source,
        o.number, o.order_on, greatest(o.order_on, o.delivery_on), null, o.currency,
        case when o.is_closed and d.amount > 0 then least(o.gross_amount, d.amount) else o.gross_amount end,
        o.owner_key
    from sales_order as o
    left join delivered as d on d.order_key = o.record_key
    union all
    select
        customer_key, 'shipped', 'order:' || order_place, record_key, record_key, 'shipment', source, number, shipped_on,
        null, null, currency, amount, null
    from shipment
    where not is_return and order_place is not null
    union all
    select
        customer_key, case when is_return then 'credited_return' else 'invoiced' end,
        case when is_return then 'account:' || source || ':' || coalesce(customer_id, '') else 'order:' || order_place end,
        record_key, record_key, 'invoice', source, number, posted_on, null, null, currency,
        case when is_return then -amount else amount end, owner_key
    from billed
    where order_place is not null
    union all
    select
        customer_key, 'returned', 'account:' || source || ':' || coalesce(customer_id, ''), record_key, record_key,
        'shipment', source, number, shipped_on, null, null, currency, amount, null
    from shipment
    where is_return
    union all
    select
        customer_key, 'credited_return', 'account:' || source || ':' || coalesce(customer_id, ''), record_key,
        record_key, 'credit_note', source, number, posted_on, null, null, currency, gross_amount, null
    from core.fct_credit_note
    where known_to is null and excluded_reason is null and kind = 'return'
)

select
    customer_key, measure, anchor, entry_key, record_key, entity, source, number, dated_on,
    cast(expected_on as date) as expected_on, cast(completes_on as date) as completes_on, currency,
    cast(amount as decimal(18, 2)) as amount, owner_key
from entry
