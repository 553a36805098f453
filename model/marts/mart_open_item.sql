-- Every payment-plan row of the present ledger, with what is settled of it as known now, whatever the day.
-- Void and unapproved documents are left out; provisional ones are in, by kind. What is open on a day is amount less
-- the movements (mart_item_movement) up to it; a row with settled_on on or before that day is closed.
-- grain: customer
-- key: record_key
-- not_null: customer_key, record_key, currency, amount, open_amount, recognised_on
-- cluster: customer_key, posted_on, record_key
with moved as (
    select
        record_key, sum(amount) as amount, max(settled_on) as settled_on,
        max(case when is_header_filled then 1 else 0 end) = 1 as is_header_filled,
        max(case when is_estimated then 1 else 0 end) = 1 as is_estimated
    from marts.mart_item_movement
    group by record_key
)

select
    item.customer_key, item.record_key, item.invoice_key, item.source, item.source_id, item.plan_row,
    item.invoice_number, item.kind, item.invoice_on, item.posted_on, item.recognised_on,
    item.due_on, item.source_due_on, item.derived_due_on, item.is_due_derived, item.original_due_on,
    item.release_on, item.is_retention, item.is_awaiting_release, item.is_term_open, item.is_header_row,
    item.terms_anchor, item.term_days, item.currency, item.exchange_rate, item.amount,
    cast(coalesce(moved.amount, 0) as decimal(18, 2)) as allocated_amount,
    cast(item.amount - coalesce(moved.amount, 0) as decimal(18, 2)) as open_amount,
    coalesce(moved.is_header_filled, false) as is_header_filled,
    coalesce(moved.is_estimated, false) as is_estimated,
    moved.settled_on,
    item.contract_number, item.order_id, item.order_number, item.original_invoice_id, item.payment_terms,
    item.owner_id, item.owner_key, item.org_code
from core.fct_receivable_item as item
left join moved on moved.record_key = item.record_key
