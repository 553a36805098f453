-- Payment-plan rows of receivables, every version: [known_from, known_to) is when the ledger said so.
-- An invoice without plan rows is one row from its header, numbered 1. A missing due date stays missing.
-- The present ledger is known_to is null and excluded_reason is null; provisional documents are apart by kind.
-- First versions take effect when they were entered in the source; where the source does not say, a record of the
-- very first collection counts as known since its posting date (is_reconstructed), a later one since it was seen.
-- grain: customer
-- key: record_key, known_from
-- not_null: customer_key, record_key, posted_on, currency, amount, known_from
-- cluster: customer_key, posted_on, record_key, known_from
with header as (
    select
        invoice.*,
        coalesce(earlier.first_from, invoice.seen_from) = invoice.seen_from as is_first,
        case
            when coalesce(earlier.first_from, invoice.seen_from) < invoice.seen_from then invoice.seen_from
            when invoice.entered_at is not null then least(invoice.entered_at, invoice.seen_from)
            when first_run.run_id = invoice.run_id then
                least(
                    invoice.seen_from,
                    cast(coalesce(invoice.posted_on, invoice.invoice_on) as timestamp with time zone)
                )
            else invoice.seen_from
        end as known_from
    from staging.invoice as invoice
    left join (
        select source, source_id, min(seen_from) as first_from from staging.invoice
        where seen_to is not null
        group by source, source_id
    ) as earlier on earlier.source = invoice.source and earlier.source_id = invoice.source_id
    left join meta.first_run as first_run
        on first_run.entity = 'invoice' and first_run.source = invoice.source
    where not invoice.is_deleted
),

plan as (
    select
        plan.*,
        coalesce(earlier.first_from, plan.seen_from) = plan.seen_from as is_first
    from staging.invoice_plan as plan
    left join (
        select source, source_id, min(seen_from) as first_from from staging.invoice_plan
        where seen_to is not null
        group by source, source_id
    ) as earlier on earlier.source = plan.source and earlier.source_id = plan.source_id
    where not plan.is_deleted
),

planned as (
    select
        h.source, h.source_id, h.hash,
        p.row_number as plan_row, p.due_on, p.amount, p.is_retention, p.release_on, p.condition,
        false as is_header_row,
        h.seen_from as header_seen_from,
        case
            when h.is_first and p.is_first and p.seen_from <= h.seen_from + interval 1 day then h.known_from
            else greatest(h.seen_from, p.seen_from)
        end as known_from,
        least(h.seen_to, p.seen_to) as known_to
    from header as h
    join plan as p on p.source = h.source and p.invoice_id = h.source_id
),

plan_span as (
    select
        source, source_id, header_seen_from,
        min(known_from) as first_from,
        max(coalesce(known_to, timestamptz '9999-12-31 00:00:00+00')) as last_to
    from planned
    where known_to is null or known_from < known_to
    group by source, source_id, header_seen_from
),

unplanned as (
    select
        h.source, h.source_id, h.hash,
        cast(1 as bigint) as plan_row, h.due_on, h.gross_amount as amount, false as is_retention,
        cast(null as date) as release_on, cast(null as varchar) as condition,
        true as is_header_row,
        h.seen_from as header_seen_from,
        h.known_from,
        least(h.seen_to, s.first_from) as known_to
    from header as h
    left join plan_span as s
        on s.source = h.source and s.source_id = h.source_id and s.header_seen_from = h.seen_from

    union all

    select
        h.source, h.source_id, h.hash, 1, h.due_on, h.gross_amount, false, null, null, true,
        h.seen_from, s.last_to, h.seen_to
    from header as h
    join plan_span as s on s.source = h.source and s.source_id = h.source_id and s.header_seen_from = h.seen_from
    where s.last_to < coalesce(h.seen_to, timestamptz '9999-12-31 00:00:00+00')
),

item as (
    select * from planned
    union all
    select * from unplanned
)

select
    crosswalk.customer_key,
    h.source || ':' || h.source_id || '#' || cast(item.plan_row as varchar) as record_key,
    h.source, h.source_id,
    h.source || ':' || h.source_id as invoice_key,
    item.plan_row,
    h.number as invoice_number,
    coalesce(h.kind, case when h.gross_amount < 0 then 'red' else 'invoice' end) as kind,
    h.order_id, h.order_number, h.contract_number, h.original_invoice_id,
    case
        when coalesce(h.is_void, false) then 'void'
        when coalesce(h.document_status, 'approved') <> 'approved' then 'not_approved'
    end as excluded_reason,
    h.invoice_on,
    coalesce(h.posted_on, h.invoice_on) as posted_on,
    item.due_on, item.release_on,
    h.payment_terms, h.cutoff_day, h.received_on, item.condition,
    coalesce(item.is_retention, false) as is_retention,
    item.is_header_row,
    h.currency, h.exchange_rate, item.amount,
    h.gross_amount as invoice_amount,
    h.owner_id, employee.employee_key as owner_key, h.org_code,
    item.known_from, item.known_to,
    item.known_from < item.header_seen_from as is_reconstructed
from item
join header as h
    on h.source = item.source and h.source_id = item.source_id and h.seen_from = item.header_seen_from
join identity.customer_crosswalk as crosswalk
    on crosswalk.source = h.source and crosswalk.source_id = coalesce(h.customer_id, '')
left join identity.employee_crosswalk as employee
    on employee.source = h.source and employee.source_id = h.owner_id
where item.known_to is null or item.known_from < item.known_to
