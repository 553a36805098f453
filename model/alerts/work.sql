-- The tables a rule may read besides marts and core, made anew for one evaluation and one as-of date.
-- Work state (promises, disputes) is joined as it stood on that day. judged.py decides as the worklist does which items
-- are held as disputed, promised or covered ("paid? check": by unallocated cash, each part of it counted once), and
-- credit exposure. Retention before its release and provisional documents are not chased. open_items and open_credits are the as-of ledger of model.receivables, differences what model.reconcile finds.
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

create or replace temp table work_notice as
select notice_key, max_by(state, event_id) as state
from work_notice_all
where said_on <= $as_of
group by notice_key;

create or replace temp table work_source as
with judged as (
    select
        source, stream, max(max_age_minutes) as max_age_minutes, max(ended_at) as last_success_at,
        date_diff('minute', max(ended_at), $now) as age_minutes
    from work_run
    where ended_at <= $now
    group by source, stream
),
-- the stream that is latest by its own limit speaks for its source; the source as a whole before a single one
ranked as (
    select
        *,
        row_number() over (
            partition by source order by age_minutes / greatest(max_age_minutes, 1) desc, stream
        ) as place
    from judged
)
select source, stream, max_age_minutes, last_success_at, age_minutes
from ranked
where place = 1;

create or replace temp table work_failure as
with run as (select * from work_failed_run where ended_at <= $now),
-- a fault of the whole source (stream *) is over with the next good run of any of its streams
good as (
    select source, stream, max(ended_at) as ended_at from run where is_good group by source, stream
    union all
    select source, '*' as stream, max(ended_at) as ended_at from run where is_good group by source
),
failing as (
    select run.source, run.stream, count(*) as failures, min(run.ended_on) as since
    from run
    left join good on good.source = run.source and good.stream = run.stream
    where not run.is_good and (good.ended_at is null or run.ended_at > good.ended_at)
    group by run.source, run.stream
)
select
    source, max(failures) as failures, count(*) as streams, min(since) as failing_since
from failing
group by source;

create or replace temp table work_drift as
select source, stream, kind, planned_id, found_on
from work_drift_all
where found_on <= $as_of and (settled_on is null or settled_on > $as_of);

create or replace temp table work_total as
select source, name, entity, currency, gap_count, gap_amount, found_on from work_total_all where found_on <= $as_of;

create or replace temp table work_hold as
select
    item.record_key, judged.hold
from work_open_item as item
left join work_judged as judged on judged.record_key = item.record_key;

create or replace temp table work_overdue_item as
select
    item.record_key as subject, customer.anchor, item.customer_key, customer.owner_key, item.days_past_due,
    item.currency, item.open_amount, item.due_on, item.invoice_number, hold.hold
from work_open_item as item
join work_hold as hold on hold.record_key = item.record_key
join work_customer as customer on customer.customer_key = item.customer_key
where item.days_past_due > 0;

-- The latest promise that stands, where its day has passed and it was not kept in full.
create or replace temp table work_broken_promise as
select
    item.record_key as subject, customer.anchor, item.customer_key, customer.owner_key,
    date_diff('day', judged.promised_on, cast($as_of as date)) as days_broken,
    judged.promised_on, item.currency, judged.missing_amount,
    item.invoice_number, case when hold.hold in ('covered', 'disputed') then hold.hold end as hold
from work_judged as judged
join work_open_item as item on item.record_key = judged.record_key
join work_hold as hold on hold.record_key = item.record_key
join work_customer as customer on customer.customer_key = item.customer_key
where judged.promised_on < $as_of and judged.missing_amount > 0;

-- Differences between systems that are no matter of time and that nobody accepted with the figures they stand at.
-- amount: what the sides differ by, else what the one side says, else (another currency, no rate) the left side.
create or replace temp table work_difference as
select
    d.rule || '|' || d.anchor || '|' || coalesce(d.currency, '') as subject, d.rule, d.customer_key, d.class, d.label,
    d.currency, cast(abs(coalesce(d.difference, d.left_amount, d.right_amount)) as decimal(18, 2)) as amount,
    d.due_on, date_diff('day', d.due_on, cast($as_of as date)) as days
from differences as d
where d.class not in ('timing', 'before_history')
    and not exists (
        select 1 from work_accepted as w
        where w.rule = d.rule and w.anchor = d.anchor and w.currency is not distinct from d.currency
            and w.left_amount is not distinct from d.left_amount
            and w.right_amount is not distinct from d.right_amount
            and w.left_count = d.left_count and w.right_count = d.right_count
            and w.accepted_on <= $as_of and (w.withdrawn_on is null or w.withdrawn_on > $as_of)
    )
