-- A delivery project, with the customer that the project crosswalk found for it.
-- grain: customer
-- key: project_key
-- not_null: customer_key, project_key
-- cluster: customer_key, project_key
with project as (
    select * from staging.project
    where seen_to is null and not is_deleted
),

crosswalk as (
    select source, source_id, customer_key, rule from identity.project_crosswalk
),

employee as (
    select source, source_id, employee_key from identity.employee_crosswalk
)

select
    crosswalk.customer_key,
    project.source || ':' || project.source_id as project_key,
    project.source || ':' || project.source_id as record_key,
    project.source,
    project.source_id,
    crosswalk.rule as customer_rule,
    project.code,
    project.name,
    employee.employee_key as manager_key,
    project.manager_id,
    project.status,
    project.contract_number,
    project.amount,
    project.currency,
    project.start_on,
    project.planned_end_on,
    project.actual_end_on,
    project.progress_percent,
    project.health,
    project.source_updated_at
from project
join crosswalk on crosswalk.source = project.source and crosswalk.source_id = project.source_id
left join employee on employee.source = project.source and employee.source_id = project.manager_id
