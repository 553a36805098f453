-- The tables a rule may read besides marts and core, made anew for one evaluation and one as-of date.
-- Work state (promises, disputes) is joined as it stood on that day. An item is held as covered ("paid? check") when
-- its customer's unallocated cash in its currency is at least what it owes. Retention before its release and
-- provisional documents are not chased. open_items and open_credits are the as-of ledger of model.receivables.
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
    item.due_on, item.currency, item.open_amount, item.days_past_due
from open_items as item
where item.open_amount > 0 and coalesce(item.kind, 'invoice') <> 'provisional'
    and not (item.is_retention and (item.release_on is null or item.release_on > $as_of));

create or replace temp table work_unallocated as
select credit.customer_key, credit.currency, cast(sum(credit.left_amount) as decimal(18, 2)) as amount
from open_credits as credit
where credit.class = 'unallocated'
group by credit.customer_key, credit.currency
having sum(credit.left_amount) > 0;

create or replace temp table work_dispute as
select item_key, amount, opened_on
from work_dispute_all
where opened_on <= $as_of and (closed_on is null or closed_on > $as_of);

create or replace temp table work_score as
select record_key, scored_on, likelihood from work_score_all
where scored_on <= $as_of;

create or replace temp table work_source as
select
    source, max(max_age_minutes) as max_age_minutes, max(ended_at) as last_success_at,
    date_diff('minute', max(ended_at), $now) as age_minutes
from work_run
where ended_at <= $now
group by source;

create or replace temp table work_hold as
with disputed as (
    select item_key, sum(amount) as amount from work_dispute
    group by item_key
),

promised as (
    select item_key, sum(amount) as amount from work_promise
    where promised_on >= $as_of and made_on <= $as_of and (withdrawn_on is null or withdrawn_on > $as_of)
    group by item_key
)

select
    item.record_key,
    case
        when cash.amount >= item.open_amount then 'covered'
        when disputed.amount >= item.open_amount then 'disputed'
        when promised.amount >= item.open_amount then 'promised'
    end as hold
from work_open_item as item
left join work_unallocated as cash on cash.customer_key = item.customer_key and cash.currency = item.currency
left join disputed on disputed.item_key = item.record_key
left join promised on promised.item_key = item.record_key;

create or replace temp table work_overdue_item as
select
    item.record_key as subject, customer.anchor, item.customer_key, customer.owner_key, item.days_past_due,
    item.currency, item.open_amount, item.due_on, item.invoice_number, hold.hold
from work_open_item as item
join work_hold as hold on hold.record_key = item.record_key
join work_customer as customer on customer.customer_key = item.customer_key
where item.days_past_due > 0;

-- A promise is judged by the date of the receipt, not of its allocation; a later promise replaces an earlier one.
create or replace temp table work_broken_promise as
with standing as (
    select * from work_promise
    where made_on <= $as_of and (withdrawn_on is null or withdrawn_on > $as_of)
),

latest as (
    select item_key, max(promise_id) as promise_id from standing
    group by item_key
),

kept as (
    select promise.promise_id, sum(paid.amount) as amount
    from standing as promise
    join marts.mart_payment as paid on paid.record_key = promise.item_key
    where paid.moved_on <= $as_of
        and paid.received_on >= promise.made_on and paid.received_on <= promise.promised_on
    group by promise.promise_id
)

select
    item.record_key as subject, customer.anchor, item.customer_key, customer.owner_key,
    date_diff('day', promise.promised_on, cast($as_of as date)) as days_broken,
    promise.promised_on, item.currency,
    least(promise.amount - coalesce(kept.amount, 0), item.open_amount) as missing_amount,
    item.invoice_number, case when hold.hold in ('covered', 'disputed') then hold.hold end as hold
from standing as promise
join latest on latest.promise_id = promise.promise_id
join work_open_item as item on item.record_key = promise.item_key
join work_hold as hold on hold.record_key = item.record_key
join work_customer as customer on customer.customer_key = item.customer_key
left join kept on kept.promise_id = promise.promise_id
where promise.promised_on < $as_of and coalesce(kept.amount, 0) < promise.amount
