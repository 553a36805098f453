-- One source record of a customer. Everything a source says is kept here; dim_customer shows the winner of each
-- field, by the ranks of dim_customer_rank. standing: 0 living, 1 deleted or merged, 2 known by reference only.
-- recency: 1 is the record of its customer that changed last.
-- grain: customer
-- key: source, source_id
-- not_null: customer_key, name
-- cluster: customer_key, source, source_id
with crosswalk as (
    select source, source_id, customer_key, rule, evidence
    from identity.customer_crosswalk
),

version as (
    select
        customer.*,
        row_number() over (partition by source, source_id order by is_deleted, seen_from desc) as recency,
        max(case when seen_to is null and is_deleted then 1 else 0 end) over (partition by source, source_id)
            as is_gone
    from staging.customer as customer
),

record as (
    -- of a deleted record, the last thing that was known
    select * from version
    where recency = 1
),

source as (
    select source, role from meta.source
),

employee as (
    select source, source_id, employee_key from identity.employee_crosswalk
),

staffed as (
    select distinct source from identity.employee_crosswalk
),

-- a source without employees of its own names an owner by mail or staff number
named as (
    select kind, value, employee_key from identity.employee_identifier
),

employee_name as (
    select employee_key, name from identity.employee_golden
),

joined as (
    select
        crosswalk.customer_key,
        crosswalk.source,
        crosswalk.source_id,
        source.role,
        crosswalk.rule,
        crosswalk.evidence,
        record.code,
        coalesce(record.name, crosswalk.source_id) as name,
        record.short_name,
        record.english_name,
        record.former_name,
        record.kind,
        record.uscc,
        record.tax_number,
        record.registration_number,
        record.status,
        record.tier,
        record.industry,
        record.region,
        record.province,
        record.city,
        record.address,
        record.phone,
        record.email,
        record.website,
        record.parent_id,
        record.owner_id,
        coalesce(employee.employee_key, mail.employee_key, number.employee_key) as owner_key,
        employee_name.name as owner_name,
        record.credit_limit_amount,
        record.credit_currency,
        record.payment_terms,
        record.bank_account,
        record.currency,
        record.is_on_hold,
        record.is_forbidden,
        record.customer_since_on,
        record.created_at,
        record.source_updated_at,
        record.source_id is null as is_reference_only,
        coalesce(record.is_gone = 1, false) or record.merged_into_id is not null as is_deleted
    from crosswalk
    join source on source.source = crosswalk.source
    left join record on record.source = crosswalk.source and record.source_id = crosswalk.source_id
    left join employee on employee.source = record.source and employee.source_id = record.owner_id
    left join staffed on staffed.source = record.source
    left join named as mail on mail.kind = 'email' and mail.value = lower(trim(record.owner_id))
    left join named as number
        on number.kind = 'code' and number.value = lower(trim(record.owner_id)) and staffed.source is null
    left join employee_name
        on employee_name.employee_key = coalesce(employee.employee_key, mail.employee_key, number.employee_key)
    where crosswalk.source_id <> ''
),

aged as (
    select
        joined.*,
        case when is_reference_only then 2 when is_deleted then 1 else 0 end as standing,
        coalesce(source_updated_at, created_at, timestamptz '1900-01-01 00:00:00+00') as changed_at
    from joined
)

select
    customer_key, source, source_id, role, rule, evidence,
    code, name, short_name, english_name, former_name, kind, uscc, tax_number, registration_number,
    status, tier, industry, region, province, city, address, phone, email, website,
    parent_id, owner_id, owner_key, owner_name,
    credit_limit_amount, credit_currency, payment_terms, bank_account, currency,
    is_on_hold, is_forbidden, customer_since_on, created_at, source_updated_at, is_deleted, is_reference_only,
    standing,
    row_number() over (partition by customer_key order by changed_at desc, source, source_id) as recency
from aged
