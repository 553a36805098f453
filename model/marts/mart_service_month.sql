-- Tickets by month of creation and priority. SLA counts are the source's own verdicts.
-- grain: global
-- key: month_on, priority
-- not_null: month_on, priority
-- cluster: month_on, priority
with ticket as (
    select * from core.fct_ticket
    where created_at is not null
)

select
    cast(date_trunc('month', cast(created_at as date)) as date) as month_on,
    coalesce(priority, 'normal') as priority,
    count(*) as created_count,
    cast(sum(case when is_open then 0 else 1 end) as bigint) as solved_count,
    cast(sum(case when is_open then 1 else 0 end) as bigint) as open_count,
    cast(sum(case when response_sla = 'met' then 1 else 0 end) as bigint) as response_met_count,
    cast(sum(case when response_sla = 'missed' then 1 else 0 end) as bigint) as response_missed_count,
    cast(sum(case when resolution_sla = 'met' then 1 else 0 end) as bigint) as resolution_met_count,
    cast(sum(case when resolution_sla = 'missed' then 1 else 0 end) as bigint) as resolution_missed_count,
    cast(sum(case when satisfaction = 'good' then 1 else 0 end) as bigint) as good_count,
    cast(sum(case when satisfaction = 'bad' then 1 else 0 end) as bigint) as bad_count,
    cast(
        sum(case when first_responded_at is not null then date_diff('minute', created_at, first_responded_at) end)
        as bigint
    ) as response_minutes,
    cast(sum(case when first_responded_at is not null then 1 else 0 end) as bigint) as responded_count,
    cast(
        sum(case when solved_at is not null then date_diff('minute', created_at, solved_at) end) as bigint
    ) as resolution_minutes,
    cast(sum(case when solved_at is not null then 1 else 0 end) as bigint) as resolved_count
from ticket
group by cast(date_trunc('month', cast(created_at as date)) as date), coalesce(priority, 'normal')
