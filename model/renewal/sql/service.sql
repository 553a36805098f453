-- Tickets as they stood on the as-of date: what was answered, solved and rated by then, from their own stamps.
-- Shares weigh a ticket by half for every 180 days of age; *_rows is the weight they rest on.
-- grain: record_key, as_of
with renewal_case as (
    select * from temp.renewal_case
),

records as (
    select min(cast(created_at as date)) as begin_on from core.fct_ticket
),

ticket as (
    select
        c.record_key, c.as_of, t.response_due_at, t.resolution_due_at, t.satisfaction,
        case when cast(t.first_responded_at as date) <= c.as_of then t.first_responded_at end as answered_at,
        case when cast(t.solved_at as date) <= c.as_of then t.solved_at end as solved_at,
        case when cast(t.solved_at as date) <= c.as_of then t.resolution_sla end as verdict,
        case when cast(t.first_responded_at as date) <= c.as_of then t.response_sla end as answer_verdict,
        date_diff('day', cast(t.created_at as date), c.as_of) as age
    from renewal_case as c
    join core.fct_ticket as t on t.customer_key = c.customer_key and cast(t.created_at as date) <= c.as_of
),

judged as (
    select
        record_key, as_of, solved_at, age, power(0.5, age / 180.0) as weight,
        case
            when verdict = 'missed' or solved_at > resolution_due_at then 1.0
            when verdict = 'met' or solved_at <= resolution_due_at then 0.0
            when solved_at is null and cast(resolution_due_at as date) < as_of then 1.0
        end as missed,
        case
            when answer_verdict = 'missed' or answered_at > response_due_at then 1.0
            when answer_verdict = 'met' or answered_at <= response_due_at then 0.0
            when answered_at is null and cast(response_due_at as date) < as_of then 1.0
        end as slow,
        case
            when solved_at is null then null
            when satisfaction = 'bad' then 1.0
            when satisfaction = 'good' then 0.0
        end as unhappy
    from ticket
),

weighed as (
    select
        record_key, as_of,
        count(case when age < 365 then 1 end) as year_tickets,
        count(case when solved_at is null then 1 end) as open_tickets,
        sum(weight * missed) as missed_weight, sum(case when missed is not null then weight end) as missed_rows,
        sum(weight * slow) as slow_weight, sum(case when slow is not null then weight end) as slow_rows,
        sum(weight * unhappy) as unhappy_weight, sum(case when unhappy is not null then weight end) as unhappy_rows
    from judged
    group by record_key, as_of
)

select
    c.record_key, c.as_of,
    coalesce(weighed.year_tickets, 0) * 365.0 / least(365, date_diff('day', records.begin_on, c.as_of)) as year_tickets,
    coalesce(weighed.open_tickets, 0) as open_tickets,
    missed_weight / missed_rows as missed_share, coalesce(missed_rows, 0) as missed_share_rows,
    slow_weight / slow_rows as slow_share, coalesce(slow_rows, 0) as slow_share_rows,
    unhappy_weight / unhappy_rows as unhappy_share, coalesce(unhappy_rows, 0) as unhappy_share_rows
from renewal_case as c
cross join records
left join weighed on weighed.record_key = c.record_key and weighed.as_of = c.as_of
where date_diff('day', records.begin_on, c.as_of) >= 30
