-- Slip of the customer's milestones that were first planned for the year before the as-of date.
-- Against the first plan, which is fixed; the present plan was moved later and is not read.
-- grain: record_key, as_of
with renewal_case as (
    select * from temp.renewal_case
)

select
    c.record_key, c.as_of,
    avg(least(greatest(date_diff('day', m.original_planned_on,
        case when m.done_on <= c.as_of then m.done_on else c.as_of end), -30), 120)) as project_slip,
    count(*) as project_slip_rows
from renewal_case as c
join core.fct_milestone as m
    on m.customer_key = c.customer_key and m.original_planned_on <= c.as_of and m.original_planned_on > c.as_of - 365
where coalesce(m.status, 'open') <> 'cancelled' or m.done_on is not null
group by c.record_key, c.as_of
