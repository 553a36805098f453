-- What happened to every sales order, as dated amounts with each document once: ordered (approved, with tax), shipped
-- (returns negative), invoiced (red invoices negative), credited (returns and red letters, negative). A document whose
-- order was not collected stands under the reference it gives; one without any reference has no order_key.
-- Of the order itself: is_closed, and delivered and invoiced amounts by its lines, which have no dates.
-- provisional: a provisional receivable, as invoiced later or not. Void, unapproved and opening documents are left out.
-- grain: customer
-- key: kind, document_key
-- not_null: customer_key, kind, document_key, moved_on, currency, amount
-- cluster: customer_key, order_key, moved_on, document_key
with sales_order as (
    select
        customer_key, record_key, source, source_id, number, contract_number, order_on, is_closed, currency,
        gross_amount
    from core.fct_order
    where excluded_reason is null
),

line as (
    select
        order_key,
        sum(cast(gross_amount * coalesce(delivered_quantity, 0) / nullif(quantity, 0) as decimal(18, 2))) as delivered,
        sum(cast(gross_amount * coalesce(invoiced_quantity, 0) / nullif(quantity, 0) as decimal(18, 2))) as invoiced
    from core.fct_order_line
    group by order_key
),

reference as (
    select source, order_ref, min(record_key) as order_key from (
        select source, source_id as order_ref, record_key from sales_order
        union
        select source, number, record_key from sales_order
    ) as named
    group by source, order_ref
),

blue as (
    select record_key, coalesce(order_id, order_number) as order_ref, contract_number from core.fct_invoice
),

document as (
    select
        customer_key, 'ordered' as kind, record_key as document_key, source, source_id as order_ref, number,
        contract_number, currency, order_on as moved_on, gross_amount as amount
    from sales_order

    union all

    select
        customer_key, 'shipped', record_key, source, coalesce(order_id, order_number), number, null, currency,
        shipped_on, case when is_return then -abs(gross_amount) else gross_amount end
    from core.fct_shipment
    where excluded_reason is null and shipped_on is not null and gross_amount is not null

    union all

    select
        customer_key, case when kind = 'provisional' then 'provisional' else 'invoiced' end, record_key, source,
        coalesce(order_id, order_number), number, contract_number, currency, posted_on, gross_amount
    from core.fct_invoice
    where excluded_reason is null and kind in ('invoice', 'red', 'provisional')

    union all

    select
        note.customer_key, 'credited', note.record_key, note.source, coalesce(note.order_id, blue.order_ref),
        note.number, blue.contract_number, note.currency, note.posted_on, -note.gross_amount
    from core.fct_credit_note as note
    left join blue on blue.record_key = note.source || ':' || note.original_invoice_id
    where note.known_to is null and note.excluded_reason is null and note.kind in ('return', 'red_letter')
)

select
    d.customer_key, d.kind, d.document_key, d.source, d.number, d.moved_on,
    coalesce(o.record_key, d.source || ':?' || d.order_ref) as order_key,
    coalesce(o.number, d.order_ref) as order_number,
    coalesce(o.contract_number, d.contract_number) as contract_number,
    coalesce(d.currency, o.currency) as currency,
    cast(d.amount as decimal(18, 2)) as amount,
    case when d.kind = 'ordered' then o.is_closed end as is_closed,
    case when d.kind = 'ordered' then cast(line.delivered as decimal(18, 2)) end as line_delivered_amount,
    case when d.kind = 'ordered' then cast(line.invoiced as decimal(18, 2)) end as line_invoiced_amount
from document as d
left join reference on reference.source = d.source and reference.order_ref = d.order_ref
left join sales_order as o on o.record_key = reference.order_key
left join line on line.order_key = o.record_key
where coalesce(d.currency, o.currency) is not null and d.amount is not null
