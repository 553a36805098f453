-- Credit notes, red letters, returns and rebates, every version (see fct_plan_row for known_from). Amounts positive.
-- grain: customer
-- key: record_key, known_from
-- not_null: customer_key, record_key, posted_on, currency, gross_amount, known_from
-- cluster: customer_key, posted_on, record_key, known_from
with earlier as (
    select source, source_id, min(seen_from) as first_from from staging.credit_note
    where seen_to is not null
    group by source, source_id
),

first_run as (
    select source, run_id from meta.first_run
    where entity = 'credit_note'
),

note as (
    select
        note.*,
        case
            when coalesce(earlier.first_from, note.seen_from) < note.seen_from then note.seen_from
            when note.entered_at is not null then least(note.entered_at, note.seen_from)
            when first_run.run_id = note.run_id then
                least(
                    note.seen_from,
                    cast(coalesce(note.posted_on, note.credit_on) as timestamp with time zone)
                )
            else note.seen_from
        end as known_from
    from staging.credit_note as note
    left join earlier on earlier.source = note.source and earlier.source_id = note.source_id
    left join first_run on first_run.source = note.source
    where not note.is_deleted
),

crosswalk as (
    select source, source_id, customer_key from identity.customer_crosswalk
)

select
    crosswalk.customer_key,
    note.source || ':' || note.source_id as record_key,
    note.source,
    note.source_id,
    note.number,
    note.customer_id,
    coalesce(note.kind, 'credit') as kind,
    note.original_invoice_id,
    note.order_id,
    note.credit_on,
    coalesce(note.posted_on, note.credit_on) as posted_on,
    note.document_status,
    note.is_void,
    case
        when coalesce(note.is_void, false) then 'void'
        when coalesce(note.document_status, 'approved') <> 'approved' then 'not_approved'
    end as excluded_reason,
    note.currency,
    note.gross_amount,
    note.reason,
    note.org_code,
    note.known_from,
    note.seen_to as known_to,
    note.known_from < note.seen_from as is_reconstructed
from note
join crosswalk on crosswalk.source = note.source and crosswalk.source_id = coalesce(note.customer_id, '')
where note.seen_to is null or note.known_from < note.seen_to
