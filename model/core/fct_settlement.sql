-- What reduces receivables, as dated movements of present knowledge: recorded allocations from their effective date,
-- taken back on reversal or when the bill that paid is dishonoured; red letters and red invoices that name their blue
-- invoice offset it from their posting date where no allocation of them is recorded (is_implied), and so does a
-- provisional receivable that was taken back under the number of the first one, or without any number where there is
-- no doubt which one it was (fct_provisional_reversal). Positive reduces what is open; a red invoice is itself used up by what it settles. plan_row empty: fills the earliest due rows.
-- Set aside (mart_ledger_fault lists them): allocations in another currency than the invoice's or than the receipt's
-- without an amount in it, and those of receipts and credits that are void, unapproved or deleted.
-- grain: customer
-- key: movement_key
-- not_null: customer_key, movement_key, invoice_key, moved_on, amount
-- cluster: customer_key, invoice_key, moved_on, movement_key
with document as (
    select
        customer_key, invoice_key, source, kind, currency, posted_on, original_invoice_id, sum(amount) as amount
    from core.fct_receivable_item
    group by customer_key, invoice_key, source, kind, currency, posted_on, original_invoice_id
),

receipt as (
    select record_key, excluded_reason, dishonoured_on from core.fct_receipt
    where known_to is null
),

credit as (
    select
        customer_key, record_key, source, kind, original_invoice_id, currency, gross_amount, posted_on,
        excluded_reason
    from core.fct_credit_note
    where known_to is null
),

recorded as (
    select
        a.record_key, a.kind, a.invoice_key, a.credit_key, coalesce(a.receipt_key, a.credit_key) as document_key,
        -- a plan row that the invoice does not have is settled as a whole
        case
            when a.receipt_key is not null then 'unallocated'
            when a.credit_key is null or red.invoice_key is not null then null
            else 'credits'
        end as document_class,
        item.plan_row, a.amount, a.used_amount, a.effective_on, a.is_date_derived, a.currency,
        least(a.reversed_on, receipt.dishonoured_on) as ends_on,
        a.is_cross_currency or coalesce(a.receipt_currency, credit.currency, red.currency, a.currency) = a.currency
            as is_one_currency
    from core.fct_allocation as a
    left join receipt on receipt.record_key = a.receipt_key
    left join credit on credit.record_key = a.credit_key
    left join document as red
        on red.invoice_key = a.credit_key and red.amount < 0 and (a.kind = 'red_invoice' or credit.record_key is null)
    left join core.fct_receivable_item as item on item.invoice_key = a.invoice_key and item.plan_row = a.plan_row
    where a.known_to is null
        and (a.receipt_key is null or a.is_receipt_unknown or receipt.record_key is not null)
        and receipt.excluded_reason is null
        and (a.credit_key is null or a.is_credit_unknown or coalesce(red.invoice_key, credit.record_key) is not null)
        and credit.excluded_reason is null
),

valid as (
    select recorded.*, document.customer_key, red.customer_key as red_customer_key
    from recorded
    join document on document.invoice_key = recorded.invoice_key
    left join document as red
        on red.invoice_key = recorded.credit_key and recorded.document_class is null
    where recorded.currency = document.currency and is_one_currency and (ends_on is null or ends_on > effective_on)
),

implied as (
    select
        blue.customer_key, red.invoice_key || '>' || blue.invoice_key as record_key,
        red.invoice_key as document_key, cast(null as varchar) as document_class,
        red.customer_key as red_customer_key,
        blue.invoice_key, -red.amount as amount, greatest(red.posted_on, blue.posted_on) as effective_on,
        'red_invoice' as kind
    from document as red
    join document as blue
        on blue.invoice_key = red.source || ':' || red.original_invoice_id and blue.customer_key = red.customer_key
        and blue.currency = red.currency and (blue.kind = 'provisional') = (red.kind = 'provisional')
    where red.amount < 0 and blue.amount > 0
        and red.invoice_key not in (
            select document_key from valid
            where document_class is null and document_key is not null
        )

    union all

    select
        red.customer_key, red.invoice_key || '>' || blue.invoice_key, red.invoice_key, null, red.customer_key,
        blue.invoice_key, -red.amount, red.posted_on, 'red_invoice'
    from core.fct_provisional_reversal as pair
    join document as red on red.invoice_key = pair.reversal_key
    join document as blue on blue.invoice_key = pair.invoice_key

    union all

    select
        blue.customer_key, credit.record_key || '>>' || blue.invoice_key, credit.record_key, 'credits', null,
        blue.invoice_key,
        credit.gross_amount, greatest(credit.posted_on, blue.posted_on), 'credit_note'
    from credit
    join document as blue
        on blue.invoice_key = credit.source || ':' || credit.original_invoice_id
        and blue.customer_key = credit.customer_key and blue.currency = credit.currency
        and blue.kind <> 'provisional'
    where credit.kind = 'red_letter' and credit.excluded_reason is null and blue.amount > 0
        and credit.record_key not in (select document_key from valid where document_class = 'credits')
),

settlement as (
    select
        customer_key, red_customer_key, record_key, invoice_key, plan_row, document_key, document_class, kind, amount,
        used_amount, effective_on, ends_on, false as is_implied, is_date_derived
    from valid
    union all
    select
        customer_key, red_customer_key, record_key, invoice_key, null, document_key, document_class, kind, amount,
        amount, effective_on, null, true, false
    from implied
),

movement as (
    select
        customer_key, record_key || '+' as movement_key, invoice_key, plan_row, effective_on as moved_on, amount,
        used_amount, kind, document_key, document_class, is_implied, is_date_derived
    from settlement
    union all
    select
        customer_key, record_key || '-', invoice_key, plan_row, ends_on, -amount, -used_amount, kind, document_key,
        document_class, is_implied, is_date_derived
    from settlement
    where ends_on is not null
    union all
    select
        red_customer_key, record_key || '*', document_key, null, effective_on, -amount, 0, kind, invoice_key, null,
        is_implied, is_date_derived
    from settlement
    where red_customer_key is not null
    union all
    select
        red_customer_key, record_key || '/', document_key, null, ends_on, amount, 0, kind, invoice_key, null,
        is_implied, is_date_derived
    from settlement
    where red_customer_key is not null and ends_on is not null
)

select
    customer_key, movement_key, invoice_key, plan_row, moved_on,
    cast(amount as decimal(18, 2)) as amount, cast(used_amount as decimal(18, 2)) as used_amount,
    kind, document_key, document_class, is_implied, is_date_derived
from movement
