-- The tables a rule may read besides marts and core, made anew for one evaluation and one as-of date.
-- Work state (promises, disputes, snoozes) is joined fresh; unallocated cash covers the oldest items first, and
-- nobody is chased for an item it covers. Retention before its release and provisional documents are not chased.
create or replace temp table work_customer as
with anchor as (
    select customer_key, min(source || ':' || source_id) as anchor
    from core.dim_customer_record
    group by customer_key
)

select
    dim.customer_key, coalesce(anchor.anchor, dim.customer_key) as anchor, dim.name, dim.owner_key,
    dim.credit_limit_amount, dim.credit_currency
from core.dim_customer as dim
left join anchor on anchor.customer_key = dim.customer_key;

create or replace temp table work_open_item as
select
    item.record_key, item.source || ':' || item.source_id as document_key, item.customer_key, item.invoice_number,
    item.due_on, item.currency, item.open_amount
from marts.mart_open_item as item
where item.open_amount > 0 and item.posted_on <= $as_of and coalesce(item.kind, 'invoice') <> 'provisional'
    and not (item.is_retention and (item.release_on is null or item.release_on > $as_of));

create or replace temp table work_unallocated as
with used as (
    select receipt_key, sum(amount) as amount
    from core.fct_allocation
    where known_to is null and excluded_reason is null and receipt_key is not null
        and effective_on <= $as_of and (reversed_on is null or reversed_on > $as_of)
    group by receipt_key
)

select receipt.customer_key, receipt.currency, sum(receipt.amount - coalesce(used.amount, 0)) as amount
from core.fct_receipt as receipt
left join used on used.receipt_key = receipt.record_key
where receipt.known_to is null and receipt.excluded_reason is null and receipt.posted_on <= $as_of
    and coalesce(receipt.purpose, 'sale') in ('sale', 'prepayment')
    and coalesce(receipt.bill_state, 'settled') <> 'dishonoured'
group by receipt.customer_key, receipt.currency;

create or replace temp table work_hold as
with disputed as (
    select item_key, sum(amount) as amount from work_dispute
    group by item_key
),

promised as (
    select item_key, sum(amount) as amount from work_promise
    where promised_on >= $as_of
    group by item_key
),

running as (
    select
        item.*,
        sum(open_amount) over (
            partition by customer_key, currency order by coalesce(due_on, date '9999-12-31'), record_key
            rows between unbounded preceding and current row
        ) as through
    from work_open_item as item
)

select
    running.record_key,
    case
        when running.through <= coalesce(cash.amount, 0) then 'paid_check'
        when disputed.amount >= running.open_amount then 'disputed'
        when promised.amount >= running.open_amount then 'promised'
    end as hold
from running
left join work_unallocated as cash
    on cash.customer_key = running.customer_key and cash.currency = running.currency
left join disputed on disputed.item_key = running.record_key
left join promised on promised.item_key = running.record_key;

create or replace temp table work_overdue_item as
select
    item.record_key as subject, customer.anchor, item.customer_key, customer.owner_key,
    date_diff('day', item.due_on, cast($as_of as date)) as days_past_due,
    item.currency, item.open_amount, item.due_on, item.invoice_number, hold.hold
from work_open_item as item
join work_hold as hold on hold.record_key = item.record_key
join work_customer as customer on customer.customer_key = item.customer_key
where item.due_on < $as_of;

-- A promise is judged by the date of the receipt, not of its allocation; a later promise replaces an earlier one.
create or replace temp table work_broken_promise as
with latest as (
    select item_key, max(promise_id) as promise_id from work_promise
    group by item_key
),

kept as (
    select promise.promise_id, sum(a.amount) as amount
    from work_promise as promise
    join core.fct_allocation as a
        on a.invoice_key || '#' || cast(coalesce(a.plan_row, 1) as varchar) = promise.item_key
    join core.fct_receipt as receipt on receipt.record_key = a.receipt_key and receipt.known_to is null
    where a.known_to is null and a.excluded_reason is null and a.reversed_on is null
        and receipt.received_on >= promise.made_on and receipt.received_on <= promise.promised_on
    group by promise.promise_id
)

select
    item.record_key as subject, customer.anchor, item.customer_key, customer.owner_key,
    date_diff('day', promise.promised_on, cast($as_of as date)) as days_broken,
    promise.promised_on, item.currency,
    least(promise.amount - coalesce(kept.amount, 0), item.open_amount) as missing_amount,
    item.invoice_number, case when hold.hold in ('paid_check', 'disputed') then hold.hold end as hold
from work_promise as promise
join latest on latest.promise_id = promise.promise_id
join work_open_item as item on item.record_key = promise.item_key
join work_hold as hold on hold.record_key = item.record_key
join work_customer as customer on customer.customer_key = item.customer_key
left join kept on kept.promise_id = promise.promise_id
where promise.promised_on < $as_of and coalesce(kept.amount, 0) < promise.amount
