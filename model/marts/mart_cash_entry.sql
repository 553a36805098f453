-- What reconciliation counts between invoices and money: one row per document and measure. billed: receivable documents
-- above zero with what settled them (receipts, credits, offsets, write-offs); received: receipts that pay for sales
-- with what was done with them. Prepayments, deposits, unidentified money, void, unapproved and provisional documents
-- are left out. Where a source records no settlements the ledger's estimate stands, without a document of its own.
-- expected_on: the last due date of the invoice; see mart_chain_entry for the columns.
-- grain: customer
-- key: measure, anchor, entry_key
-- not_null: customer_key, measure, anchor, entry_key, record_key, dated_on
-- cluster: customer_key, measure, anchor, entry_key
with billed as (
    select
        customer_key, invoice_key, source, invoice_number as number, currency, posted_on,
        max(due_on) as due_on, max(owner_key) as owner_key, sum(amount) as amount
    from core.fct_receivable_item
    where kind not in ('provisional', 'red')
    group by customer_key, invoice_key, source, invoice_number, currency, posted_on
    having sum(amount) > 0
),

receipt as (
    select * from core.fct_receipt
    where known_to is null and excluded_reason is null and amount > 0 and customer_key <> 'C000000'
        and coalesce(purpose, 'sale') in ('sale', 'other')
),

estimate as (
    select item.invoice_key, m.moved_on, sum(m.amount) as amount
    from marts.mart_item_movement as m
    join core.fct_receivable_item as item on item.record_key = m.record_key
    where m.is_estimated
    group by item.invoice_key, m.moved_on
),

-- a receipt of a source without recorded settlements cannot be said to be unused
allocating as (
    select source from meta.source_capability
    where gives_allocations
),

entry as (
    select
        customer_key, 'billed' as measure, 'invoice:' || invoice_key as anchor, invoice_key as entry_key,
        invoice_key as record_key, 'invoice' as entity, source, number, posted_on as dated_on, due_on as expected_on,
        currency, amount, owner_key
    from billed
    union all
    select
        b.customer_key, 'settled', 'invoice:' || b.invoice_key, s.movement_key,
        case
            when s.kind in ('receipt', 'credit_note', 'red_invoice') and s.document_key is not null then s.document_key
            else regexp_replace(s.movement_key, '[-+*/]$', '', 'g')
        end,
        case
            when s.kind in ('receipt', 'credit_note') and s.document_key is not null then s.kind
            when s.kind = 'red_invoice' and s.document_key is not null then 'invoice'
            else 'allocation'
        end,
        b.source, null, s.moved_on, null, b.currency, s.amount, null
    from core.fct_settlement as s
    join billed as b on b.invoice_key = s.invoice_key and b.customer_key = s.customer_key
    union all
    select
        b.customer_key, 'settled', 'invoice:' || b.invoice_key, b.invoice_key || '~' || cast(e.moved_on as varchar),
        b.invoice_key, 'invoice', b.source, b.number, e.moved_on, null, b.currency, e.amount, null
    from estimate as e
    join billed as b on b.invoice_key = e.invoice_key
    union all
    select
        r.customer_key, 'received', 'receipt:' || r.record_key, r.record_key, r.record_key, 'receipt', r.source,
        r.number, r.posted_on, null, r.currency, r.amount, r.owner_key
    from receipt as r
    join allocating on allocating.source = r.source
    union all
    select
        r.customer_key, 'applied', 'receipt:' || r.record_key,
        r.record_key || '~' || cast(m.moved_on as varchar), r.record_key, 'receipt', r.source, r.number, m.moved_on,
        null, r.currency, m.amount, null
    from marts.mart_credit_movement as m
    join receipt as r on r.record_key = m.record_key and r.customer_key = m.customer_key
    join allocating on allocating.source = r.source
    where m.class = 'unallocated'
)

select
    customer_key, measure, anchor, entry_key, record_key, entity, source, number, dated_on,
    cast(expected_on as date) as expected_on, cast(expected_on as date) as completes_on, currency,
    cast(amount as decimal(18, 2)) as amount, owner_key
from entry
