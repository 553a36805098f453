-- Milestones and tasks of projects, under the customer of their project.
-- slip_days compares the present plan with the original one; lateness against today is the reader's.
-- grain: customer
-- key: record_key
-- not_null: customer_key, record_key
-- cluster: customer_key, project_key, planned_on, record_key
with milestone as (
    select * from staging.milestone
    where seen_to is null and not is_deleted
),

project as (
    select project_key, customer_key from core.dim_project
),

employee as (
    select source, source_id, employee_key from identity.employee_crosswalk
)

select
    coalesce(project.customer_key, 'C000000') as customer_key,
    m.source || ':' || m.source_id as record_key,
    m.source,
    m.source_id,
    m.source || ':' || m.project_id as project_key,
    m.name,
    m.kind,
    m.status,
    m.owner_id,
    employee.employee_key as owner_key,
    m.original_planned_on,
    m.planned_on,
    m.done_on,
    date_diff('day', coalesce(m.original_planned_on, m.planned_on), coalesce(m.done_on, m.planned_on)) as slip_days,
    m.progress_percent
from milestone as m
left join project on project.project_key = m.source || ':' || m.project_id
left join employee on employee.source = m.source and employee.source_id = m.owner_id
