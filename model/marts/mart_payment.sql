-- Money that settled payment-plan rows, by day it took effect: how customers pay. received_on is the day of the (last)
-- receipt behind it; a reversal or a dishonoured bill is a negative row. is_bill: paid by an acceptance bill, whose
-- cash comes at matures_on. is_estimated: from a source that gives no allocations; then received_on is the same day.
-- grain: customer
-- key: record_key, moved_on
-- not_null: customer_key, record_key, moved_on, received_on, currency, amount
-- cluster: customer_key, record_key, moved_on
with receipt as (
    select record_key, received_on, method, bill_matures_on from core.fct_receipt
    where known_to is null
),

settled as (
    select
        s.invoice_key, s.plan_row, s.moved_on,
        max(receipt.received_on) as received_on,
        max(receipt.bill_matures_on) as matures_on,
        max(case when receipt.method in ('bank_bill', 'commercial_bill') then 1 else 0 end) as is_bill
    from core.fct_settlement as s
    join receipt on receipt.record_key = s.document_key
    where s.kind = 'receipt'
    group by s.invoice_key, s.plan_row, s.moved_on
),

movement as (
    select record_key, moved_on, sum(amount) as amount, max(case when is_estimated then 1 else 0 end) as is_estimated
    from marts.mart_item_movement
    where kind in ('receipt', 'fifo')
    group by record_key, moved_on
)

select
    item.customer_key, item.record_key, item.invoice_key, item.invoice_number, item.source, item.order_id,
    item.order_number, item.contract_number, item.currency, item.invoice_on, item.posted_on, item.due_on,
    item.terms_anchor, item.is_retention, item.settled_on,
    m.moved_on,
    coalesce(greatest(by_row.received_on, whole.received_on), m.moved_on) as received_on,
    coalesce(by_row.matures_on, whole.matures_on) as matures_on,
    coalesce(by_row.is_bill, whole.is_bill, 0) = 1 as is_bill,
    m.is_estimated = 1 as is_estimated,
    cast(m.amount as decimal(18, 2)) as amount
from movement as m
join marts.mart_open_item as item on item.record_key = m.record_key
left join settled as by_row
    on by_row.invoice_key = item.invoice_key and by_row.plan_row = item.plan_row and by_row.moved_on = m.moved_on
left join settled as whole
    on whole.invoice_key = item.invoice_key and whole.plan_row is null and whole.moved_on = m.moved_on
where item.kind <> 'provisional' and m.amount <> 0
