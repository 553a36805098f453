-- What was used of each receipt and credit note, by day, in its own currency; see mart_open_credit.
-- Where a source gives no allocations the estimated use stands against the pool, not against a document.
-- grain: customer
-- key: class, record_key, moved_on
-- not_null: customer_key, record_key, moved_on, amount, currency
-- cluster: customer_key, record_key, moved_on
with document as (
    select customer_key, record_key, currency, org_code, amount, 'unallocated' as class from core.fct_receipt
    where known_to is null and excluded_reason is null
    union all
    select customer_key, record_key, currency, org_code, gross_amount, 'credits' from core.fct_credit_note
    where known_to is null and excluded_reason is null
),

used as (
    select document_key, document_class as class, moved_on, used_amount as amount
    from core.fct_settlement
    where document_class is not null
    union all
    -- settled an invoice that was never collected: the money is used, the invoice is a fault to look at
    select
        coalesce(receipt_key, credit_key), case when receipt_key is null then 'credits' else 'unallocated' end,
        effective_on, used_amount
    from core.fct_allocation
    where known_to is null and excluded_reason is null and is_invoice_unknown
    union all
    select
        coalesce(receipt_key, credit_key), case when receipt_key is null then 'credits' else 'unallocated' end,
        reversed_on, -used_amount
    from core.fct_allocation
    where known_to is null and excluded_reason is null and is_invoice_unknown and reversed_on > effective_on
),

dated as (
    select
        document.customer_key, document.record_key, document.currency, document.org_code, document.class,
        document.amount as document_amount, used.moved_on, cast(sum(used.amount) as decimal(18, 2)) as amount
    from document
    join used on used.document_key = document.record_key and used.class = document.class
    group by
        document.customer_key, document.record_key, document.currency, document.org_code, document.class,
        document.amount, used.moved_on
),

closed as (
    select class, record_key, max(moved_on) as used_up_on from dated
    group by class, record_key, document_amount
    having sum(amount) = document_amount
)

select
    dated.customer_key, dated.record_key, dated.moved_on, dated.amount, dated.currency, dated.org_code, dated.class,
    closed.used_up_on
from dated
left join closed on closed.record_key = dated.record_key and closed.class = dated.class
where dated.amount <> 0

union all

select
    m.customer_key, m.record_key || '~fifo', m.moved_on, sum(m.amount), i.currency, i.org_code, 'unallocated', null
from core.fct_pool_movement as m
join core.fct_receivable_item as i on i.record_key = m.record_key
where m.kind = 'fifo'
group by m.customer_key, m.record_key, m.moved_on, i.currency, i.org_code
