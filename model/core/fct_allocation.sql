-- Settlements of invoices, every version (see fct_plan_row for known_from), under the customer of the invoice.
-- effective_on is the later of the settlement's and both documents' posting dates; it ends at reversed_on.
-- is_header_level: the source settled the invoice as a whole; readers fill plan rows by earliest due date.
-- An allocation of a void, unapproved or deleted document is kept with excluded_reason and settles nothing.
-- grain: customer
-- key: record_key, known_from
-- not_null: customer_key, record_key, amount, effective_on, known_from
-- cluster: customer_key, invoice_key, effective_on, record_key, known_from
with earlier as (
    select source, source_id, min(seen_from) as first_from from staging.allocation
    where seen_to is not null
    group by source, source_id
),

first_run as (
    select source, run_id from meta.first_run
    where entity = 'allocation'
),

allocation as (
    select
        a.*,
        case
            when coalesce(earlier.first_from, a.seen_from) < a.seen_from then a.seen_from
            when a.entered_at is not null then least(a.entered_at, a.seen_from)
            when first_run.run_id = a.run_id then
                least(a.seen_from, coalesce(cast(a.allocated_on as timestamp with time zone), a.seen_from))
            else a.seen_from
        end as known_from
    from staging.allocation as a
    left join earlier on earlier.source = a.source and earlier.source_id = a.source_id
    left join first_run on first_run.source = a.source
    where not a.is_deleted
),

invoice as (
    select
        source, source_id, customer_id, currency, number, coalesce(posted_on, invoice_on) as posted_on,
        is_deleted, is_void, document_status
    from staging.invoice
    where seen_to is null
),

receipt as (
    select
        source, source_id, customer_id, currency, number, coalesce(posted_on, received_on) as posted_on,
        is_deleted, is_void, document_status
    from staging.receipt
    where seen_to is null
),

note as (
    select
        source, source_id, customer_id, currency, number, coalesce(posted_on, credit_on) as posted_on,
        is_deleted, is_void, document_status
    from staging.credit_note
    where seen_to is null
    union all
    select source, source_id, customer_id, currency, number, posted_on, is_deleted, is_void, document_status
    from invoice
),

numbered_note as (
    select
        note.*,
        row_number() over (
            partition by source, source_id
            order by number, posted_on, customer_id, currency, is_deleted, is_void, document_status
        ) as choice
    from note
),

crosswalk as (
    select source, source_id, customer_key from identity.customer_crosswalk
)

select
    coalesce(of_invoice.customer_key, of_receipt.customer_key, of_note.customer_key, 'C000000') as customer_key,
    a.source || ':' || a.source_id as record_key,
    a.source, a.source_id, a.kind,
    a.source || ':' || a.invoice_id as invoice_key,
    a.source || ':' || a.receipt_id as receipt_key,
    a.source || ':' || a.credit_note_id as credit_key,
    a.plan_row_number as plan_row,
    a.plan_row_number is null as is_header_level,
    coalesce(receipt.number, note.number) as settled_by_number,
    coalesce(a.currency, invoice.currency) as currency,
    a.amount,
    coalesce(a.settling_amount, a.amount) as used_amount,
    a.settling_amount is not null as is_cross_currency,
    a.allocated_on,
    a.allocated_on is null as is_date_derived,
    coalesce(
        greatest(a.allocated_on, invoice.posted_on, receipt.posted_on, note.posted_on), cast(a.known_from as date)
    ) as effective_on,
    a.reversed_on,
    receipt.currency as receipt_currency,
    -- named, but never collected: what it settles cannot be checked
    a.receipt_id is not null and receipt.source_id is null as is_receipt_unknown,
    a.credit_note_id is not null and note.source_id is null as is_credit_unknown,
    invoice.source_id is null as is_invoice_unknown,
    case
        when coalesce(invoice.is_deleted, receipt.is_deleted, note.is_deleted, false)
            or coalesce(receipt.is_deleted, false) or coalesce(note.is_deleted, false) then 'document_deleted'
        when coalesce(receipt.is_void, false) or coalesce(note.is_void, false) then 'document_void'
        when coalesce(receipt.document_status, note.document_status, 'approved') <> 'approved'
            then 'document_not_approved'
    end as excluded_reason,
    a.known_from,
    a.seen_to as known_to,
    a.known_from < a.seen_from as is_reconstructed
from allocation as a
left join invoice on invoice.source = a.source and invoice.source_id = a.invoice_id
left join receipt on receipt.source = a.source and receipt.source_id = a.receipt_id
left join numbered_note as note
    on note.source = a.source and note.source_id = a.credit_note_id and note.choice = 1
left join crosswalk as of_invoice
    on of_invoice.source = invoice.source and of_invoice.source_id = coalesce(invoice.customer_id, '')
left join crosswalk as of_receipt
    on of_receipt.source = receipt.source and of_receipt.source_id = coalesce(receipt.customer_id, '')
left join crosswalk as of_note
    on of_note.source = note.source and of_note.source_id = coalesce(note.customer_id, '')
where a.seen_to is null or a.known_from < a.seen_to
