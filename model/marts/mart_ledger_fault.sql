-- What does not fit in the present ledger. Nothing is dropped: a fault is set aside (it changes no figure) or labelled
-- (it counts as said here), and totals still agree with the source's documents.
-- over_allocated: more is settled than the row's amount (the rest shows as credit) · receipt_over_allocated: more is
-- used than the receipt's or credit's amount · allocation_currency: set aside · allocation_without_invoice: the money
-- counts as used · allocation_without_document: by money or a credit that never arrived; the invoice counts as settled ·
-- allocation_row_unknown: settles the invoice as a whole · plan_differs: rows do not add up to the
-- invoice; the rows count · due_before_invoice, due_differs (source ≠ terms): the source's date counts ·
-- due_implausible: counts as no due date · circular_credit: documents correct each other; both count as they stand ·
-- bill_without_date: dishonoured, day unknown; counts from maturity · provisional_unmatched: takes back a provisional
-- receivable, nobody can say which; it counts against all of them together.
-- grain: customer
-- key: fault, record_key
-- not_null: customer_key, fault, record_key
-- cluster: customer_key, fault, record_key
with item as (
    select * from core.fct_receivable_item
),

document as (
    select
        customer_key, invoice_key, source, currency, original_invoice_id, max(invoice_amount) as invoice_amount,
        sum(amount) as plan_amount, max(case when is_header_row then 1 else 0 end) as has_header_row
    from item
    group by customer_key, invoice_key, source, currency, original_invoice_id
),

allocation as (
    select * from core.fct_allocation
    where known_to is null and excluded_reason is null
),

fault as (
    select customer_key, 'over_allocated' as fault, record_key, 'amount' as field, cast(amount as varchar) as value,
        -open_amount as amount, currency
    from marts.mart_open_item
    where amount > 0 and open_amount < 0

    union all

    select customer_key, 'receipt_over_allocated', class || ':' || record_key, 'amount', cast(amount as varchar),
        -unallocated_amount, currency
    from marts.mart_open_credit
    where amount > 0 and unallocated_amount < 0

    union all

    select a.customer_key, 'allocation_currency', a.record_key, 'currency',
        case when a.currency <> d.currency then a.currency else a.receipt_currency end || ' / ' || d.currency,
        a.amount, a.currency
    from allocation as a
    join document as d on d.invoice_key = a.invoice_key
    where a.currency <> d.currency or (a.receipt_currency <> d.currency and not a.is_cross_currency)

    union all

    select customer_key, 'allocation_without_invoice', record_key, 'invoice_id', invoice_key, amount, currency
    from allocation
    where is_invoice_unknown

    union all

    select
        customer_key, 'allocation_without_document', record_key,
        case when is_receipt_unknown then 'receipt_id' else 'credit_note_id' end,
        coalesce(receipt_key, credit_key), amount, currency
    from allocation
    where (is_receipt_unknown or is_credit_unknown) and not is_invoice_unknown

    union all

    select a.customer_key, 'allocation_row_unknown', a.record_key, 'plan_row_number', cast(a.plan_row as varchar),
        a.amount, a.currency
    from allocation as a
    join document as d on d.invoice_key = a.invoice_key
    left join item as i on i.invoice_key = a.invoice_key and i.plan_row = a.plan_row
    where a.plan_row is not null and i.record_key is null

    union all

    select customer_key, 'plan_differs', invoice_key, 'amount', cast(plan_amount as varchar),
        plan_amount - invoice_amount, currency
    from document
    where has_header_row = 0 and plan_amount <> invoice_amount

    union all

    select customer_key, 'due_before_invoice', record_key, 'due_on', cast(source_due_on as varchar), amount, currency
    from item
    where source_due_on < invoice_on

    union all

    select customer_key, 'due_implausible', record_key, 'due_on', cast(source_due_on as varchar), amount, currency
    from item
    where source_due_on >= date '2100-01-01'

    union all

    select customer_key, 'due_differs', record_key, 'due_on',
        cast(source_due_on as varchar) || ' / ' || cast(derived_due_on as varchar), amount, currency
    from item
    where is_header_row and source_due_on < date '2100-01-01' and source_due_on <> derived_due_on

    union all

    select a.customer_key, 'circular_credit', a.invoice_key, 'original_invoice_id', a.original_invoice_id,
        a.plan_amount, a.currency
    from document as a
    left join document as b
        on b.invoice_key = a.source || ':' || a.original_invoice_id and b.customer_key = a.customer_key
    where a.invoice_key = a.source || ':' || a.original_invoice_id
        or a.invoice_key = b.source || ':' || b.original_invoice_id

    union all

    select customer_key, 'bill_without_date', record_key, 'bill_state_on', null, amount, currency
    from core.fct_receipt
    where known_to is null and excluded_reason is null and bill_state = 'dishonoured' and bill_state_on is null

    union all

    select customer_key, 'provisional_unmatched', record_key, 'original_invoice_id', null, amount, currency
    from item
    where kind = 'provisional' and amount < 0 and invoice_key not in (select invoice_key from core.fct_settlement)
)

select customer_key, fault, record_key, field, value, cast(amount as decimal(18, 2)) as amount, currency
from fault
