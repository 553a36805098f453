-- How late the customer pays, from plan rows due by the as-of date and what had been settled by then.
-- A row counts as unpaid only a month after its due date: before that nothing is known of it but that it is not early.
-- An allocation reversed after the as-of date was still in force then.
-- grain: record_key, as_of
with renewal_case as (
    select * from temp.renewal_case
),

settled as (
    select invoice_key, plan_row, effective_on, amount, reversed_on
    from core.fct_allocation
    where known_to is null and excluded_reason is null
),

plan_row as (
    select
        c.record_key, c.as_of, item.record_key as item_key, item.due_on, item.amount,
        date_diff('day', coalesce(item.invoice_on, item.due_on), c.as_of) as age,
        coalesce(sum(settled.amount), 0) >= item.amount as is_paid, max(settled.effective_on) as paid_on
    from renewal_case as c
    join core.fct_plan_row as item on item.customer_key = c.customer_key and item.due_on <= c.as_of
    left join settled
        on settled.invoice_key = item.invoice_key and coalesce(settled.plan_row, item.plan_row) = item.plan_row
        and settled.effective_on <= c.as_of and (settled.reversed_on is null or settled.reversed_on > c.as_of)
    where item.known_to is null and item.excluded_reason is null and item.amount > 0
        and not item.is_retention and item.posted_on <= c.as_of
    group by c.record_key, c.as_of, item.record_key, item.due_on, item.amount, item.invoice_on
),

lateness as (
    select
        record_key, as_of, is_paid, age,
        date_diff('day', due_on, case when is_paid then paid_on else as_of end) as days,
        power(0.5, age / 180.0) as weight
    from plan_row
    where is_paid or date_diff('day', due_on, as_of) >= 30
)

select
    record_key, as_of,
    avg(case when age <= 365 and is_paid then greatest(least(days, 90), -30) end) as days_late,
    count(case when age <= 365 and is_paid then 1 end) as days_late_rows,
    median(days) as usual_days_late,
    count(*) as usual_days_late_rows,
    sum(weight * greatest(least(days, 60), -30)) / sum(weight) as recent_days_late,
    sum(weight) as recent_days_late_rows,
    avg(case when age <= 365 and is_paid then 0.0 when age <= 365 then 1.0 end) as unpaid_share,
    count(case when age <= 365 then 1 end) as unpaid_share_rows
from lateness
group by record_key, as_of
