-- Receivable documents as they stand now. Amounts are signed: a red invoice is negative.
-- Void and unapproved documents stay, with excluded_reason; provisional ones are apart by kind.
-- grain: customer
-- key: record_key
-- not_null: customer_key, record_key, invoice_on, posted_on, currency, gross_amount
-- cluster: customer_key, posted_on, record_key
with invoice as (
    select * from staging.invoice
    where seen_to is null and not is_deleted
),

crosswalk as (
    select source, source_id, customer_key from identity.customer_crosswalk
),

employee as (
    select source, source_id, employee_key from identity.employee_crosswalk
)

select
    crosswalk.customer_key,
    invoice.source || ':' || invoice.source_id as record_key,
    invoice.source,
    invoice.source_id,
    invoice.number,
    invoice.customer_id,
    coalesce(invoice.kind, case when invoice.gross_amount < 0 then 'red' else 'invoice' end) as kind,
    invoice.order_id,
    invoice.order_number,
    invoice.contract_number,
    invoice.original_invoice_id,
    invoice.document_status,
    invoice.is_void,
    case
        when coalesce(invoice.is_void, false) then 'void'
        when coalesce(invoice.document_status, 'approved') <> 'approved' then 'not_approved'
    end as excluded_reason,
    invoice.invoice_on,
    coalesce(invoice.posted_on, invoice.invoice_on) as posted_on,
    invoice.due_on,
    invoice.payment_terms,
    invoice.currency,
    invoice.exchange_rate,
    invoice.net_amount,
    invoice.tax_amount,
    invoice.gross_amount,
    invoice.tax_invoice_number,
    invoice.owner_id,
    employee.employee_key as owner_key,
    invoice.org_code
from invoice
join crosswalk on crosswalk.source = invoice.source and crosswalk.source_id = coalesce(invoice.customer_id, '')
left join employee on employee.source = invoice.source and employee.source_id = invoice.owner_id
