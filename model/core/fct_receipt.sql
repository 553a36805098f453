-- Receipts, every version: [known_from, known_to) is when the ledger said so (see fct_plan_row for first versions).
-- Amounts are signed: a refund is negative. A receipt nobody could identify stands under C000000.
-- grain: customer
-- key: record_key, known_from
-- not_null: customer_key, record_key, posted_on, currency, amount, known_from
-- cluster: customer_key, posted_on, record_key, known_from
with earlier as (
    select source, source_id, min(seen_from) as first_from from staging.receipt
    where seen_to is not null
    group by source, source_id
),

first_run as (
    select source, run_id from meta.first_run
    where entity = 'receipt'
),

receipt as (
    select
        receipt.*,
        case
            when coalesce(earlier.first_from, receipt.seen_from) < receipt.seen_from then receipt.seen_from
            when receipt.entered_at is not null then least(receipt.entered_at, receipt.seen_from)
            when first_run.run_id = receipt.run_id then
                least(
                    receipt.seen_from,
                    cast(coalesce(receipt.posted_on, receipt.received_on) as timestamp with time zone)
                )
            else receipt.seen_from
        end as known_from
    from staging.receipt as receipt
    left join earlier on earlier.source = receipt.source and earlier.source_id = receipt.source_id
    left join first_run on first_run.source = receipt.source
    where not receipt.is_deleted
),

crosswalk as (
    select source, source_id, customer_key from identity.customer_crosswalk
),

employee as (
    select source, source_id, employee_key from identity.employee_crosswalk
)

select
    crosswalk.customer_key,
    receipt.source || ':' || receipt.source_id as record_key,
    receipt.source,
    receipt.source_id,
    receipt.number,
    receipt.customer_id,
    receipt.received_on,
    coalesce(receipt.posted_on, receipt.received_on) as posted_on,
    receipt.document_status,
    receipt.is_void,
    case
        when coalesce(receipt.is_void, false) then 'void'
        when coalesce(receipt.document_status, 'approved') <> 'approved' then 'not_approved'
    end as excluded_reason,
    receipt.method,
    receipt.purpose,
    receipt.currency,
    receipt.exchange_rate,
    receipt.amount,
    receipt.payer_name,
    receipt.bill_number,
    receipt.bill_state,
    receipt.bill_matures_on,
    receipt.bill_state_on,
    coalesce(receipt.has_recourse, true) as has_recourse,
    case
        when receipt.bill_state = 'dishonoured'
            then coalesce(receipt.bill_state_on, receipt.bill_matures_on, receipt.posted_on, receipt.received_on)
    end as dishonoured_on,
    receipt.source || ':' || receipt.refund_of_id as refund_of_key,
    receipt.owner_id,
    employee.employee_key as owner_key,
    receipt.org_code,
    receipt.known_from,
    receipt.seen_to as known_to,
    receipt.known_from < receipt.seen_from as is_reconstructed
from receipt
join crosswalk on crosswalk.source = receipt.source and crosswalk.source_id = coalesce(receipt.customer_id, '')
left join employee on employee.source = receipt.source and employee.source_id = receipt.owner_id
where receipt.seen_to is null or receipt.known_from < receipt.seen_to
